"""The model data: that it is there, and that the role may read it by the path that the download takes; of a multi-model
container each of its models.

The path gives the condition keys: aws:SourceVpce and its like only through an endpoint. A bucket's public access block
has no say in what a role of the same account may do.
"""

from collections.abc import Iterator
from itertools import islice

from ringfence.core.call import Arrival, Request
from ringfence.explain import aws_message
from ringfence.explain.checks.absent_object import tell_absent
from ringfence.explain.denial import because, mend, refusing
from ringfence.explain.finding import Finding, Seen, note, ok, wrong
from ringfence.explain.hosting import Ground, Plan, role_record, role_session
from ringfence.explain.logged_call import Question
from ringfence.explain.way_to_s3 import FROM_PLATFORM, data_of, ways_to_s3
from ringfence.resources.hosted_container import single
from ringfence.resources.s3 import Bucket, S3Object
from ringfence.resources.sagemaker import Variant
from ringfence.services.sagemaker.container import ModelData

_MOST_MODELS = 100  # of a multi-model container are looked at


def check_model_data(ground: Ground, plan: Plan) -> Iterator[Finding]:
    done = set()
    for variant in (one for several in plan.variants for one in single(several)):
        data = data_of(variant)
        if data is None:
            yield ok("model-data", variant.model_name, f"model `{variant.model_name}` has no data in S3")
            continue
        place = (data.url, variant.role_arn, variant.subnet_ids)
        if place not in done:
            done.add(place)
            if data.form == "models":
                yield from _check_models(ground, plan, variant, data)
                continue
            yield _exists(ground, variant, data)
            yield from _rights(ground, plan, variant, data, aws_message.data_refused(data.url))


def _check_models(ground: Ground, plan: Plan, variant: Variant, data: ModelData) -> Iterator[Finding]:
    """What would keep a TargetModel from being fetched: a finding for each that cannot be, one for all that can."""
    objects = islice(ground.records.scan(S3Object, f"{data.bucket}\0{data.key}"), _MOST_MODELS)
    keys = [found.name for found in objects if not found.name.endswith("/")]
    if ground.records.get(Bucket, data.bucket) is None:
        yield _exists(ground, variant, data)
        return
    if not keys:
        yield note("model-data", data.url, f"there are no models under {data.url} yet", "upload one", data.bucket)
        return
    able = 0
    for key in keys:
        model = ModelData(f"s3://{data.bucket}/{key}", data.bucket, key, "tar")
        seen = aws_message.model_refused(data.bucket, key)
        faults = [one for one in _rights(ground, plan, variant, model, seen) if one.mark != "ok"]
        able += not faults
        yield from faults
    if able:
        sentence = f"{able} of {len(keys)} models under {data.url} are there and may be read"
        yield ok("model-data", data.url, sentence, data.bucket)


def _exists(ground: Ground, variant: Variant, data: ModelData) -> Finding:
    bucket = ground.records.get(Bucket, data.bucket)
    absent = aws_message.data_refused(data.url)
    if bucket is None:
        return wrong(
            "model-data", data.url, f"there is no bucket `{data.bucket}`", "correct the URL", absent, data.bucket
        )
    if bucket.region != ground.region:
        sentence = f"bucket `{data.bucket}` is in {bucket.region}; model data must be in {ground.region}"
        seen = aws_message.data_inaccessible(data.url, variant.role_arn, ground.region)
        return wrong(
            "model-data", data.url, sentence, f"copy the data to a bucket in {ground.region}", seen, data.bucket
        )
    if _first_key(ground, data) is None:
        is_prefix = data.form == "prefix"
        sentence, remedy = tell_absent(ground.records, data.url, data.bucket, data.key, is_prefix=is_prefix)
        return wrong("model-data", data.url, sentence, remedy, absent, data.bucket)
    return ok("model-data", data.url, f"{data.url} is there, in {bucket.region}", data.bucket)


def _first_key(ground: Ground, data: ModelData) -> str | None:
    if data.form != "prefix":
        found = ground.records.get(S3Object, f"{data.bucket}\0{data.key}")
    else:
        found = next(ground.records.scan(S3Object, f"{data.bucket}\0{data.key}"), None)
    return found.name if found else None


def _rights(ground: Ground, plan: Plan, variant: Variant, data: ModelData, seen: Seen) -> Iterator[Finding]:
    role = role_record(ground.records, variant.role_arn)
    if role is None:
        yield note("s3-rights", data.url, f"not judged: there is no role {variant.role_arn}", "", variant.role_arn)
        return
    paths = _paths(ground, plan, variant)
    if not paths:
        yield note("s3-rights", data.url, "not judged: no subnet has a way to S3", "", role.arn, data.bucket)
        return
    refused = {path.vpce_id: _refusals(ground, variant, data, path) for path in paths}
    own = [(vpce, one) for vpce, found in refused.items() for one in found if set(refusing(one)) - {"endpoint"}]
    if own:
        yield _lacking(variant, data, *own[0], seen)
    else:
        how = ", ".join(f"through {vpce}" if vpce else "without a VPC endpoint" for vpce in refused)
        yield ok("s3-rights", data.url, f"role `{role.name}` may read {data.url} {how}", role.arn, data.bucket)
    for vpce in filter(None, refused):
        yield _through(data, vpce, [one for one in refused[vpce] if "endpoint" in refusing(one)], seen)


def _paths(ground: Ground, plan: Plan, variant: Variant) -> list[Arrival]:
    if not variant.subnet_ids:
        return [FROM_PLATFORM]
    mine = [way.arrival for way in ways_to_s3(ground, plan) if way.standing.subnet.id in variant.subnet_ids]
    return list({arrival.vpce_id: arrival for arrival in mine if arrival is not None}.values())


def _refusals(ground: Ground, variant: Variant, data: ModelData, path: Arrival) -> list[Question]:
    """As the download asks: a prefix is listed and each object under it read."""
    role = role_record(ground.records, variant.role_arn)
    assert role is not None
    key = _first_key(ground, data) or data.key
    asked: list[tuple[str, Request]] = [("GetObject", {"Bucket": data.bucket, "Key": key})] if key else []
    if data.form == "prefix":
        asked.insert(0, ("ListObjectsV2", {"Bucket": data.bucket, "Prefix": data.key}))
    answers = [ground.permits(role_session(role), "s3", operation, request, path) for operation, request in asked]
    return [question for question in answers if question is not None]


def _lacking(variant: Variant, data: ModelData, vpce: str | None, question: Question, seen: Seen) -> Finding:
    how = f"through {vpce}" if vpce else "without a VPC endpoint (aws:SourceVpce and aws:SourceVpc are absent)"
    sentence = f"the role may not read the data {how}: {because(question)}"
    ids = (variant.role_arn, data.bucket, *([vpce] if vpce else []))
    return wrong("s3-rights", data.url, sentence, mend(question), seen, *ids)


def _through(data: ModelData, vpce: str, refused: list[Question], seen: Seen) -> Finding:
    if not refused:
        return ok("s3-endpoint-policy", vpce, f"the policy of {vpce} lets the role read {data.url}", vpce, data.bucket)
    sentence = f"the policy of {vpce} keeps the role from the data: {because(refused[0], 'endpoint')}"
    return wrong("s3-endpoint-policy", vpce, sentence, mend(refused[0]), seen, vpce, data.bucket)
