"""Buckets themselves: create, head, delete, list, location. What hangs on a bucket has files of its own."""

import re
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.listing import page
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags
from ringfence.resources.s3 import ENFORCED, Bucket, ObjectVersion, S3Object
from ringfence.resources.s3_lifecycle import BucketLifecycle
from ringfence.services.s3 import policy_keys
from ringfence.services.s3.acl import check_bucket_acl, check_ownership
from ringfence.services.s3.find import find_bucket, owner
from ringfence.services.s3.multipart_upload import discard_uploads
from ringfence.services.s3.parameter import SHARED, accept_only, bucket_arn, invalid_argument, with_shared
from ringfence.services.s3.public_access import BLOCK_ALL
from ringfence.services.s3.tagging import MOST_BUCKET_TAGS, read_tags

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an")


@operation(
    "CreateBucket",
    takes=with_shared("ACL CreateBucketConfiguration ObjectOwnership ObjectLockEnabledForBucket"),
    on=("{Bucket}",),
    keys=policy_keys.NEW_BUCKET,
    also=(
        ("s3:TagResource", lambda call, request: _tagged_arn(request)),
        policy_keys.NEW_BUCKET_ACL,
        policy_keys.NEW_BUCKET_OWNERSHIP,
        policy_keys.NEW_BUCKET_LOCK,
    ),
)
def create_bucket(call: Call, request: Request) -> Result:
    name: str = request["Bucket"]
    _check_name(name)
    _check_creation(request)
    configuration = request.get("CreateBucketConfiguration", {})
    accept_only(configuration, "LocationConstraint", "Tags")
    _check_location(configuration.get("LocationConstraint"), call.region)
    existing = call.records.get(Bucket, name)
    if existing is not None and existing.account != call.account:
        message = (
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
            "Please select a different name and try again."
        )
        raise ServiceError("BucketAlreadyExists", message, 409, {"BucketName": name})
    if existing is None:
        call.records.put(_new_bucket(call, name, request.get("ObjectOwnership", ENFORCED)))
        set_tags(call.records, bucket_arn(name), read_tags(configuration.get("Tags", []), most=MOST_BUCKET_TAGS))
    elif existing.region != "us-east-1" or call.region != "us-east-1":  # there S3 answers 200 for what you own already
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise ServiceError("BucketAlreadyOwnedByYou", message, 409, {"BucketName": name})
    location = f"/{name}" if call.region == "us-east-1" else f"http://{name}.s3.amazonaws.com/"
    return {"Location": location, "BucketArn": bucket_arn(name)}


def _new_bucket(call: Call, name: str, ownership: str) -> Bucket:
    return Bucket(
        name=name,
        account=call.account,
        region=call.region,
        created=call.now.replace(microsecond=0),
        public_access_block=dict(BLOCK_ALL),
        object_ownership=ownership,
    )


def _tagged_arn(request: Request) -> list[str]:
    return [bucket_arn(request["Bucket"])] if request.get("CreateBucketConfiguration", {}).get("Tags") else []


def _check_name(name: str) -> None:
    if (
        not _NAME.fullmatch(name)
        or ".." in name
        or name.startswith(_RESERVED_STARTS)
        or name.endswith(_RESERVED_ENDS)
        or _is_address(name)
    ):
        raise ServiceError("InvalidBucketName", "The specified bucket is not valid.", 400, {"BucketName": name})


def _is_address(name: str) -> bool:
    try:
        IPv4Address(name)
    except AddressValueError:
        return False
    return True


def _check_creation(request: Request) -> None:
    check_bucket_acl(request.get("ACL"), check_ownership(request.get("ObjectOwnership", ENFORCED)))
    if request.get("ObjectLockEnabledForBucket"):
        raise not_implemented("object lock")


def _check_location(constraint: str | None, region: str) -> None:
    """us-east-1 takes no constraint, every other region its own."""
    asked = {"EU": "eu-west-1", None: "us-east-1"}.get(constraint, constraint)
    if constraint == "us-east-1":
        fields = {"LocationConstraint": constraint}
        raise ServiceError("InvalidLocationConstraint", "The specified location-constraint is not valid", 400, fields)
    if asked != region:
        message = "location constraint is incompatible for the region specific endpoint this request was sent to."
        raise ServiceError("IllegalLocationConstraintException", f"The {constraint or 'unspecified'} {message}", 400)


@operation("HeadBucket", takes=SHARED, action="ListBucket", on=("{Bucket}",))
def head_bucket(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    return {"BucketArn": bucket_arn(bucket.name), "BucketRegion": bucket.region, "AccessPointAlias": False}


@operation("GetBucketLocation", takes=SHARED, on=("{Bucket}",))
def get_bucket_location(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    return {} if bucket.region == "us-east-1" else {"LocationConstraint": bucket.region}


@operation("DeleteBucket", takes=SHARED, on=("{Bucket}",))
def delete_bucket(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    if any(next(call.records.scan(kind, f"{bucket.name}\0"), None) for kind in (S3Object, ObjectVersion)):
        message = "The bucket you tried to delete is not empty"
        if bucket.versioning is not None:
            message = f"{message}. You must delete all versions in the bucket."
        raise ServiceError("BucketNotEmpty", message, 409, {"BucketName": bucket.name})
    discard_uploads(call.records, bucket.name)
    if lifecycle := call.records.get(BucketLifecycle, bucket.name):
        call.records.delete(lifecycle)
    drop_tags(call.records, bucket_arn(bucket.name))
    call.records.delete(bucket)
    return {}


@operation(
    "ListBuckets", takes=with_shared("MaxBuckets ContinuationToken Prefix BucketRegion"), action="ListAllMyBuckets"
)
def list_buckets(call: Call, request: Request) -> Result:
    prefix: str = request.get("Prefix", "")
    region = request.get("BucketRegion")
    limit = request.get("MaxBuckets")
    if limit is not None and not 1 <= limit <= 10000:
        raise invalid_argument("Argument max-buckets must be an integer between 1 and 10000", "max-buckets", limit)
    mine = sorted(
        (
            bucket
            for bucket in call.records.all(Bucket)
            if bucket.account == call.account and bucket.name.startswith(prefix) and region in (None, bucket.region)
        ),
        key=lambda bucket: bucket.name,
    )
    token = request.get("ContinuationToken")
    error = invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
    chosen, following = page(mine, key=lambda bucket: bucket.name, limit=limit, token=token, error=error)
    result: dict[str, Any] = {"Buckets": [_describe(bucket) for bucket in chosen], "Owner": owner(call.account)}
    if following is not None:
        result["ContinuationToken"] = following
    if prefix.isprintable() and prefix:  # no bucket's name has what XML cannot show
        result["Prefix"] = prefix
    return result


def _describe(bucket: Bucket) -> dict[str, Any]:
    return {
        "Name": bucket.name,
        "CreationDate": bucket.created,
        "BucketRegion": bucket.region,
        "BucketArn": bucket_arn(bucket.name),
    }
