"""Lifecycle configurations: put, get, delete. `expiration` tells what follows, `reconcile.bucket_lifecycle` does it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.tags import to_list
from ringfence.resources.s3_lifecycle import (
    BucketLifecycle,
    Due,
    LifecycleRule,
    NoncurrentDue,
    NoncurrentTransition,
    Transition,
)
from ringfence.services.s3.find import find_bucket
from ringfence.services.s3.object_attributes import read_storage_class
from ringfence.services.s3.parameter import SHARED, malformed_xml, with_shared
from ringfence.services.s3.tagging import MOST_BUCKET_TAGS, read_tags

_MINIMUM_SIZES = ("all_storage_classes_128K", "varies_by_storage_class")
_LARGEST = 5 * 1024**4
_ACTIONS = (
    "Expiration",
    "Transitions",
    "NoncurrentVersionExpiration",
    "NoncurrentVersionTransitions",
    "AbortIncompleteMultipartUpload",
)
# Shorter stays in these are refused: https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
_AT_LEAST = {"STANDARD_IA": 30, "ONEZONE_IA": 30}


@operation(
    "PutBucketLifecycleConfiguration",
    takes=with_shared("ChecksumAlgorithm LifecycleConfiguration TransitionDefaultMinimumObjectSize"),
    action="PutLifecycleConfiguration",
    on=("{Bucket}",),
)
def put_bucket_lifecycle_configuration(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    asked = request.get("LifecycleConfiguration", {}).get("Rules", [])
    minimum_size = request.get("TransitionDefaultMinimumObjectSize", _MINIMUM_SIZES[0])
    if not 1 <= len(asked) <= 1000:
        raise malformed_xml()
    if minimum_size not in _MINIMUM_SIZES:
        raise ServiceError("InvalidRequest", "Invalid TransitionDefaultMinimumObjectSize found", 400)
    rules = tuple(_read_rule(rule, call.entropy(18).hex()) for rule in asked)
    if len({rule.id for rule in rules}) < len(rules):
        raise _invalid("Rule ID must be unique. Found same ID for more than one rule")
    call.records.put(BucketLifecycle(bucket=bucket.name, rules=rules, minimum_size=minimum_size))
    return {"TransitionDefaultMinimumObjectSize": minimum_size}


@operation("GetBucketLifecycleConfiguration", takes=SHARED, action="GetLifecycleConfiguration", on=("{Bucket}",))
def get_bucket_lifecycle_configuration(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    found = call.records.get(BucketLifecycle, bucket.name)
    if found is None:
        message = "The lifecycle configuration does not exist"
        raise ServiceError("NoSuchLifecycleConfiguration", message, 404, {"BucketName": bucket.name})
    shown = [_show_rule(rule) for rule in found.rules]
    return {"Rules": shown, "TransitionDefaultMinimumObjectSize": found.minimum_size}


@operation("DeleteBucketLifecycle", takes=SHARED, action="PutLifecycleConfiguration", on=("{Bucket}",))
def delete_bucket_lifecycle(call: Call, request: Request) -> Result:
    found = call.records.get(BucketLifecycle, find_bucket(call, request).name)
    if found is not None:
        call.records.delete(found)
    return {}


def _read_rule(rule: Mapping[str, Any], new_id: str) -> LifecycleRule:
    if rule.get("Status") not in ("Enabled", "Disabled") or ("Filter" in rule) == ("Prefix" in rule):
        raise malformed_xml()
    id = rule.get("ID") or new_id
    if len(id) > 255:
        raise _invalid("ID length should not exceed allowed limit of 255")
    if not any(rule.get(name) for name in _ACTIONS):
        raise ServiceError("InvalidRequest", "At least one action needs to be specified in a rule", 400)
    expiration, lone_markers = _read_expiration(rule.get("Expiration"))
    abort = rule.get("AbortIncompleteMultipartUpload")
    made = LifecycleRule(
        id=id,
        enabled=rule["Status"] == "Enabled",
        **_read_criteria(rule),
        expiration=expiration,
        lone_markers=lone_markers,
        transitions=tuple(_read_transition(one) for one in rule.get("Transitions", ())),
        noncurrent_expiration=_read_noncurrent(rule.get("NoncurrentVersionExpiration"), "NoncurrentVersionExpiration"),
        noncurrent_transitions=tuple(
            _read_noncurrent_transition(one) for one in rule.get("NoncurrentVersionTransitions", ())
        ),
        abort_days=None
        if abort is None
        else _positive(abort.get("DaysAfterInitiation"), "DaysAfterInitiation", "AbortIncompleteMultipartUpload"),
    )
    _check_criteria(made)
    return made


def _read_criteria(rule: Mapping[str, Any]) -> dict[str, Any]:
    if "Prefix" in rule:
        return {"form": "Prefix", "prefix": rule["Prefix"]}
    given = rule["Filter"]
    if len(given) > 1:
        raise malformed_xml()
    form, found = ("And", given["And"]) if "And" in given else ("Filter", given)
    tags = found.get("Tags", [found["Tag"]] if "Tag" in found else [])
    if form == "And" and len(found) - ("Tags" in found) + len(tags) < 2:
        raise malformed_xml()
    return {
        "form": form,
        "prefix": found.get("Prefix"),
        "tags": read_tags(tags, most=MOST_BUCKET_TAGS),
        "larger_than": found.get("ObjectSizeGreaterThan"),
        "smaller_than": found.get("ObjectSizeLessThan"),
    }


def _check_criteria(rule: LifecycleRule) -> None:
    """What has neither tags nor a size, as delete markers and uploads, cannot be chosen by them."""
    larger, smaller = rule.larger_than, rule.smaller_than
    for name, size in (("ObjectSizeGreaterThan", larger), ("ObjectSizeLessThan", smaller)):
        if size is not None and not 0 <= size <= _LARGEST:
            raise ServiceError("InvalidRequest", f"'{name}' should be a value between 0 and {_LARGEST} bytes", 400)
    if larger is not None and smaller is not None and smaller <= larger:
        message = "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'"
        raise ServiceError("InvalidRequest", message, 400)
    given = {"ExpiredObjectDeleteMarker": rule.lone_markers, "AbortIncompleteMultipartUpload": rule.abort_days}
    for name, value in given.items():
        if value is not None and rule.tags:
            raise ServiceError("InvalidRequest", f"{name} cannot be specified with Tags.", 400)
        if value is not None and rule.has_size:
            raise ServiceError("InvalidRequest", f"{name} cannot be specified with Object Size.", 400)


def _read_expiration(given: Mapping[str, Any] | None) -> tuple[Due | None, bool | None]:
    if given is None:
        return None, None
    if len(given) != 1:
        raise malformed_xml()
    if "ExpiredObjectDeleteMarker" in given:
        return None, given["ExpiredObjectDeleteMarker"]
    return _read_due(given, "Expiration", 1), None


def _read_due(given: Mapping[str, Any], action: str, least: int) -> Due:
    date: datetime | None = given.get("Date")
    if (date is None) == ("Days" not in given):
        raise malformed_xml()
    if date is None:
        return Due(days=_positive(given["Days"], "Days", action, least))
    date = date.astimezone(UTC)
    if date.timetz() != time(tzinfo=UTC):
        raise _invalid("'Date' must be at midnight GMT")
    return Due(date=date)


def _read_transition(given: Mapping[str, Any]) -> Transition:
    storage_class = _read_class(given)
    due = _read_due(given, "Transition", 0)
    _check_stay(due.days, "Days", "Transition", storage_class)
    return Transition(storage_class=storage_class, due=due)


def _read_noncurrent_transition(given: Mapping[str, Any]) -> NoncurrentTransition:
    storage_class = _read_class(given)
    due = _read_noncurrent(given, "NoncurrentVersionTransition", 0)
    assert due is not None
    _check_stay(due.days, "NoncurrentDays", "NoncurrentVersionTransition", storage_class)
    return NoncurrentTransition(storage_class=storage_class, due=due)


def _read_class(given: Mapping[str, Any]) -> str:
    if "StorageClass" not in given or given["StorageClass"] == "STANDARD":
        raise malformed_xml()
    return read_storage_class(dict(given))


def _check_stay(days: int | None, name: str, action: str, storage_class: str) -> None:
    least = _AT_LEAST.get(storage_class, 0)
    if days is not None and days < least:
        text = (
            f"'{name}' in {action} action must be greater than or equal to {least} for storageClass '{storage_class}'"
        )
        raise _invalid(text)


def _read_noncurrent(given: Mapping[str, Any] | None, action: str, least: int = 1) -> NoncurrentDue | None:
    if given is None:
        return None
    newer = given.get("NewerNoncurrentVersions")
    if newer is not None and not 1 <= newer <= 100:
        raise _invalid(f"'NewerNoncurrentVersions' for {action} action must be between 1 and 100")
    return NoncurrentDue(days=_positive(given.get("NoncurrentDays"), "NoncurrentDays", action, least), newer=newer)


def _positive(value: int | None, name: str, action: str, least: int = 1) -> int:
    if value is None:
        raise malformed_xml()
    if value < least:
        kind = "positive" if least else "nonnegative"
        raise _invalid(f"'{name}' for {action} action must be a {kind} integer")
    return value


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidArgument", message, 400)


def _show_rule(rule: LifecycleRule) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "ID": rule.id,
        "Status": "Enabled" if rule.enabled else "Disabled",
        **_show_criteria(rule),
    }
    if rule.expiration is not None:
        shown["Expiration"] = _show_due(rule.expiration)
    if rule.lone_markers is not None:
        shown["Expiration"] = {"ExpiredObjectDeleteMarker": rule.lone_markers}
    if rule.transitions:
        shown["Transitions"] = [{**_show_due(one.due), "StorageClass": one.storage_class} for one in rule.transitions]
    if rule.noncurrent_expiration is not None:
        shown["NoncurrentVersionExpiration"] = _show_noncurrent(rule.noncurrent_expiration)
    if later := rule.noncurrent_transitions:
        transitions = [{**_show_noncurrent(one.due), "StorageClass": one.storage_class} for one in later]
        shown["NoncurrentVersionTransitions"] = transitions
    if rule.abort_days is not None:
        shown["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": rule.abort_days}
    return shown


def _show_criteria(rule: LifecycleRule) -> dict[str, Any]:
    if rule.form == "Prefix":
        return {"Prefix": rule.prefix}
    tags: Sequence[Mapping[str, str]] = to_list(rule.tags)
    found = {
        "Prefix": rule.prefix,
        "Tags" if rule.form == "And" else "Tag": (tags if rule.form == "And" else tags[0]) if tags else None,
        "ObjectSizeGreaterThan": rule.larger_than,
        "ObjectSizeLessThan": rule.smaller_than,
    }
    criteria = {name: value for name, value in found.items() if value is not None}
    return {"Filter": {"And": criteria} if rule.form == "And" else criteria}


def _show_due(due: Due) -> dict[str, Any]:
    return {"Days": due.days} if due.date is None else {"Date": due.date}


def _show_noncurrent(due: NoncurrentDue) -> dict[str, Any]:
    shown = {"NoncurrentDays": due.days}
    return shown if due.newer is None else {**shown, "NewerNoncurrentVersions": due.newer}
