"""A job's data: the way to S3 from each subnet, and that the role may read its input and write its output that way.

The way gives the condition keys: aws:SourceVpce and its like only through an endpoint.
"""

from collections.abc import Iterator

from ringfence.core.call import Arrival, Request
from ringfence.explain.checks.absent_object import tell_absent
from ringfence.explain.checks.s3_route import give_reason
from ringfence.explain.denial import because, mend
from ringfence.explain.finding import Finding, Seen, note, ok, wrong
from ringfence.explain.hosting import Ground, Plan, role_record, role_session
from ringfence.explain.standing import standings
from ringfence.explain.way_to_s3 import FROM_PLATFORM, WayToS3, find_way
from ringfence.resources.job import Job, TrainingJob
from ringfence.resources.s3 import Bucket, S3Object
from ringfence.services.sagemaker import job_failure
from ringfence.services.sagemaker.job_plan import JobPlan, bucket_and_key, output_uri


def check_data(ground: Ground, job: Job, plan: JobPlan, place: Plan) -> Iterator[Finding]:
    outputs = _outputs(job, plan)
    uris = [source.uri for source in plan.sources] or outputs
    ways = [find_way(one, _host(uri, ground.region), ground.region) for one in standings(ground, place) for uri in uris]
    for way in {(way.standing.subnet.id, way.host): way for way in ways}.values():
        yield _judge_way(ground, plan, way)
    arrivals = {way.arrival.vpce_id: way.arrival for way in ways if way.arrival is not None}
    paths = list(arrivals.values()) if plan.subnet_ids else [FROM_PLATFORM]
    for source in plan.sources:
        if not source.optional:
            yield _exists(ground, plan, source.uri)
        reads = _reads(ground, source.uri, manifest=source.kind != "S3Prefix")
        yield from _may(ground, plan, paths, source.uri, reads, "read")
    for uri in outputs:
        bucket, key = bucket_and_key(uri)
        wanted: list[tuple[str, Request]] = [("PutObject", {"Bucket": bucket, "Key": key or "output"})]
        yield from _may(ground, plan, paths, uri, wanted, "write")


def _outputs(job: Job, plan: JobPlan) -> list[str]:
    if isinstance(job, TrainingJob):
        return [output_uri(job, "model.tar.gz"), *(f"{sink.uri.rstrip('/')}/…" for sink in plan.sinks)]
    return [f"{sink.uri.rstrip('/')}/…" for sink in plan.sinks]


def _host(uri: str, region: str) -> str:
    bucket, regional = bucket_and_key(uri)[0], f"s3.{region}.amazonaws.com"
    return regional if "." in bucket else f"{bucket}.{regional}"


def _judge_way(ground: Ground, plan: JobPlan, way: WayToS3) -> Finding:
    subnet, hops = way.standing.subnet.id, (*way.trace.forward, *way.trace.reply)
    ids = tuple(dict.fromkeys((subnet, *(hop.owner for hop in hops))))
    if way.trace.delivered:
        by = f"through {way.endpoint_id}" if way.endpoint_id else "over the internet"
        return ok("s3-route", subnet, f"{subnet} reaches {way.host} ({way.trace.packet.destination}) {by}", *ids)
    sentence, remedy = give_reason(ground, way, "the job")
    uri = next((one.uri for one in plan.sources if _host(one.uri, ground.region) == way.host), None)
    text = job_failure.download_unreachable(plan.noun, uri) if uri else job_failure.upload_unreachable(plan.noun)
    return wrong("s3-route", subnet, sentence, remedy, Seen("M5" if uri else "M4", text), *ids)


def _exists(ground: Ground, plan: JobPlan, uri: str) -> Finding:
    bucket, key = bucket_and_key(uri)
    if ground.records.get(Bucket, bucket) is None:
        return wrong("input", uri, f"there is no bucket `{bucket}`", "correct the URI", _refused(plan, uri), bucket)
    if next(ground.records.scan(S3Object, f"{bucket}\0{key}"), None) is None:
        seen = Seen("", job_failure.nothing_found(plan.noun, uri, plan.role_arn, ground.region))
        sentence, remedy = tell_absent(ground.records, uri, bucket, key, is_prefix=True)
        return wrong("input", uri, sentence, remedy, seen, bucket)
    return ok("input", uri, f"{uri} is there", bucket)


def _reads(ground: Ground, uri: str, *, manifest: bool) -> list[tuple[str, Request]]:
    """As the download asks: a prefix is listed and each object under it read."""
    bucket, key = bucket_and_key(uri)
    found = next(ground.records.scan(S3Object, f"{bucket}\0{key}"), None)
    listed: list[tuple[str, Request]] = [] if manifest else [("ListObjectsV2", {"Bucket": bucket, "Prefix": key})]
    return [*listed, ("GetObject", {"Bucket": bucket, "Key": found.name if found else key or "any"})]


def _may(
    ground: Ground, plan: JobPlan, paths: list[Arrival], uri: str, asked: list[tuple[str, Request]], verb: str
) -> Iterator[Finding]:
    role = role_record(ground.records, plan.role_arn)
    if role is None or not paths:
        why = "there is no such role" if role is None else "no subnet has a way to S3"
        yield note("s3-rights", uri, f"not judged: {why}")
        return
    for path in paths:
        how = f"through {path.vpce_id}" if path.vpce_id else "without a VPC endpoint"
        answers = (ground.permits(role_session(role), "s3", operation, request, path) for operation, request in asked)
        denied = next((one for one in answers if one is not None), None)
        if denied is None:
            yield ok("s3-rights", uri, f"role `{role.name}` may {verb} {uri} {how}", role.arn)
        else:
            sentence = f"the role may not {verb} {uri} {how}: {because(denied)}"
            seen = _refused(plan, uri) if verb == "read" else Seen("", _UPLOAD[plan.noun])
            yield wrong("s3-rights", uri, sentence, mend(denied), seen, role.arn, *filter(None, (path.vpce_id,)))


def _refused(plan: JobPlan, uri: str) -> Seen:
    """How the reason begins; S3's own words follow."""
    return Seen("", job_failure.download_refused(plan.noun, uri, "", 0, "").partition(" (")[0].rstrip(": "))


_UPLOAD = {
    "ProcessingJob": "ClientError: Failed to upload data to ",
    "TrainingJob": "ClientError: Artifact upload failed:",
}
