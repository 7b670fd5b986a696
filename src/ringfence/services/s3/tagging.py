"""Tags of buckets and objects. They live in core.tags under the ARN, where authorization finds them."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags, tags_of, to_list
from ringfence.services.s3 import policy_keys
from ringfence.services.s3.find import find_bucket
from ringfence.services.s3.parameter import BODY_CHECKS, SHARED, bucket_arn, with_shared
from ringfence.services.s3.version import find_object, show_version, tag_holder

MOST_BUCKET_TAGS = 50
_MOST_OBJECT_TAGS = 10


def read_tags(tags: Sequence[Mapping[str, str]], *, most: int) -> dict[str, str]:
    """A tag set of a request as a mapping; InvalidTag or BadRequest where S3 says so."""
    found: dict[str, str] = {}
    for tag in tags:
        key, value = tag["Key"], tag.get("Value", "")
        if key in found:
            raise ServiceError("InvalidTag", "Cannot provide multiple Tags with the same key", 400, {"TagKey": key})
        if not 1 <= len(key) <= 128:
            raise ServiceError("InvalidTag", "The TagKey you have provided is invalid", 400, {"TagKey": key})
        if len(value) > 256:
            raise ServiceError("InvalidTag", "The TagValue you have provided is invalid", 400, {"TagValue": value})
        if key.startswith("aws:"):
            raise ServiceError("InvalidTag", "System tags cannot be added/updated by requester", 400, {"TagKey": key})
        found[key] = value
    check_number(found, most=most)
    return found


def check_number(tags: Mapping[str, str], *, most: int) -> None:
    """BadRequest for more tags than a bucket or an object may have."""
    if len(tags) > most:
        what = "Object tags" if most == _MOST_OBJECT_TAGS else "Bucket tag count"
        raise ServiceError("BadRequest", f"{what} cannot be greater than {most}", 400)


def read_tagging_header(header: str | None) -> dict[str, str]:
    """x-amz-tagging: an object's tags as a URL query."""
    if not header:
        return {}
    try:
        pairs = parse_qsl(header, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without "
        fields = {"ArgumentName": "x-amz-tagging", "ArgumentValue": header}
        raise ServiceError("InvalidArgument", f"{message}tag name duplicates.", 400, fields) from None
    return read_tags([{"Key": key, "Value": value} for key, value in pairs], most=_MOST_OBJECT_TAGS)


def replace_tags(call: Call, arn: str, tags: Mapping[str, str]) -> None:
    """Give the resource these tags and no others."""
    drop_tags(call.records, arn)
    set_tags(call.records, arn, tags)


@operation("PutBucketTagging", takes=with_shared(*BODY_CHECKS, "Tagging"), on=("{Bucket}",))
def put_bucket_tagging(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    replace_tags(call, bucket_arn(bucket.name), read_tags(request["Tagging"]["TagSet"], most=MOST_BUCKET_TAGS))
    return {}


@operation("GetBucketTagging", takes=SHARED, on=("{Bucket}",))
def get_bucket_tagging(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    tags = tags_of(call.records, bucket_arn(bucket.name))
    if not tags:
        raise ServiceError("NoSuchTagSet", "The TagSet does not exist", 404, {"BucketName": bucket.name})
    return {"TagSet": to_list(tags)}


@operation("DeleteBucketTagging", takes=SHARED, action="PutBucketTagging", on=("{Bucket}",))
def delete_bucket_tagging(call: Call, request: Request) -> Result:
    drop_tags(call.records, bucket_arn(find_bucket(call, request).name))
    return {}


@operation(
    "PutObjectTagging",
    takes=with_shared(*BODY_CHECKS, "Tagging VersionId"),
    on=("{Bucket}/{Key}",),
    keys={**policy_keys.OBJECT_TAGS, **policy_keys.VERSION},
    instead={"VersionId": "s3:PutObjectVersionTagging"},
)
def put_object_tagging(call: Call, request: Request) -> Result:
    holder, shown = _object_of(call, request)
    replace_tags(call, holder, read_tags(request["Tagging"]["TagSet"], most=_MOST_OBJECT_TAGS))
    return shown


@operation(
    "GetObjectTagging",
    takes=with_shared("VersionId"),
    on=("{Bucket}/{Key}",),
    keys=policy_keys.VERSION,
    instead={"VersionId": "s3:GetObjectVersionTagging"},
)
def get_object_tagging(call: Call, request: Request) -> Result:
    holder, shown = _object_of(call, request)
    return {"TagSet": to_list(tags_of(call.records, holder)), **shown}


@operation(
    "DeleteObjectTagging",
    takes=with_shared("VersionId"),
    on=("{Bucket}/{Key}",),
    keys=policy_keys.VERSION,
    instead={"VersionId": "s3:DeleteObjectVersionTagging"},
)
def delete_object_tagging(call: Call, request: Request) -> Result:
    holder, shown = _object_of(call, request)
    drop_tags(call.records, holder)
    return shown


def _object_of(call: Call, request: Request) -> tuple[str, dict[str, Any]]:
    """Under what the tags of the object that the request names are, and how the answer names its version."""
    bucket = find_bucket(call, request)
    found = find_object(call.records, bucket, request["Key"], request.get("VersionId"))
    return tag_holder(found), show_version(bucket, found)
