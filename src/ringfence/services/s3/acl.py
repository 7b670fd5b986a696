"""Access control lists and object ownership: who owns what is written, and that the owner alone is granted anything.

Lists are disabled unless the owner asks for them, as on AWS since 2023. Where they are enabled the one list that a
bucket or object can have is `private`, which old modules still set; every other grant is refused, by the public access
block or as not implemented. So is a write of another account that would leave the object its own. Policies decide on
access, always.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.operation import operation
from ringfence.resources.s3 import ENFORCED, Bucket
from ringfence.services.s3 import policy_keys
from ringfence.services.s3.find import find_bucket, owner
from ringfence.services.s3.parameter import BODY_CHECKS, SHARED, malformed_xml, with_shared
from ringfence.services.s3.version import find_object

OWNERSHIPS = (ENFORCED, "BucketOwnerPreferred", "ObjectWriter")
_TO_OWNER = "bucket-owner-full-control"
_PUBLIC = ("public-read", "public-read-write", "authenticated-read")


def check_acl(call: Call, bucket: Bucket, request: Request) -> None:
    """Refuse an ACL of a new object that means anything but that it is the bucket owner's alone."""
    acl = request.get("ACL")
    if not bucket.has_acls:
        if acl not in (None, _TO_OWNER):
            raise _not_supported()
        return
    _check_canned(call, bucket, acl, ("private", _TO_OWNER, "bucket-owner-read"), "s3:PutObject")
    given = acl == _TO_OWNER and bucket.object_ownership == "BucketOwnerPreferred" and bucket.has_ownership_controls
    if call.account != bucket.account and not given:
        raise not_implemented("objects that are owned by another account than their bucket")


def check_bucket_acl(acl: str | None, ownership: str) -> None:
    """Of a bucket that is being made."""
    if acl in (None, "private"):
        return
    if ownership == ENFORCED:
        message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
        raise ServiceError("InvalidBucketAclWithObjectOwnership", message, 400)
    raise not_implemented(f"the ACL {acl}: only private")


def check_ownership(ownership: str) -> str:
    if ownership not in OWNERSHIPS:
        raise malformed_xml()
    return ownership


def _check_canned(call: Call, bucket: Bucket, acl: str | None, known: tuple[str, ...], action: str) -> None:
    if acl is None or acl in known:
        return
    if acl in _PUBLIC and (bucket.public_access_block or {}).get("BlockPublicAcls"):
        message = (
            f"User: {call.principal.arn} is not authorized to perform: {action} because public ACLs are prevented by "
            "the BlockPublicAcls setting in S3 Block Public Access."
        )
        raise ServiceError("AccessDenied", message, 403)
    raise not_implemented(f"the ACL {acl}: only {known[0]}")


def _not_supported() -> ServiceError:
    return ServiceError("AccessControlListNotSupported", "The bucket does not allow ACLs", 400)


def _check_put(call: Call, bucket: Bucket, request: Request, known: tuple[str, ...], action: str) -> None:
    """The ACL of PutBucketAcl or PutObjectAcl: a canned one, or the grants of `private` spelled out."""
    if not bucket.has_acls:
        raise _not_supported()
    if ("ACL" in request) == ("AccessControlPolicy" in request):
        message = "Your request was missing a required header" if "ACL" not in request else "Conflicting ACLs"
        raise ServiceError("MissingSecurityHeader" if "ACL" not in request else "UnexpectedContent", message, 400)
    _check_canned(call, bucket, request.get("ACL"), known, action)
    if "AccessControlPolicy" in request and not _is_private(request["AccessControlPolicy"], bucket.account):
        raise not_implemented("grants to others than the owner in an ACL")


def _is_private(policy: Mapping[str, Any], account: str) -> bool:
    id = owner(account)["ID"]
    if policy.get("Owner", {}).get("ID", id) != id:
        return False
    return [(grant.get("Grantee", {}).get("ID"), grant.get("Permission")) for grant in policy.get("Grants", ())] == [
        (id, "FULL_CONTROL")
    ]


@operation("GetBucketAcl", takes=SHARED, on=("{Bucket}",))
def get_bucket_acl(call: Call, request: Request) -> Result:
    return _grants(find_bucket(call, request).account)


@operation(
    "PutBucketAcl",
    takes=with_shared(*BODY_CHECKS, "ACL AccessControlPolicy"),
    on=("{Bucket}",),
    keys=policy_keys.ACL,
)
def put_bucket_acl(call: Call, request: Request) -> Result:
    _check_put(call, find_bucket(call, request), request, ("private",), "s3:PutBucketAcl")
    return {}


@operation(
    "GetObjectAcl",
    takes=with_shared("VersionId"),
    on=("{Bucket}/{Key}",),
    keys=policy_keys.VERSION,
    instead={"VersionId": "s3:GetObjectVersionAcl"},
)
def get_object_acl(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    find_object(call.records, bucket, request["Key"], request.get("VersionId"))
    return _grants(bucket.account)


@operation(
    "PutObjectAcl",
    takes=with_shared(*BODY_CHECKS, "ACL AccessControlPolicy VersionId"),
    on=("{Bucket}/{Key}",),
    keys={**policy_keys.ACL, **policy_keys.VERSION},
    instead={"VersionId": "s3:PutObjectVersionAcl"},
)
def put_object_acl(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    find_object(call.records, bucket, request["Key"], request.get("VersionId"))
    _check_put(call, bucket, request, ("private", _TO_OWNER), "s3:PutObjectAcl")
    return {}


def _grants(account: str) -> Result:
    """What S3 shows of a bucket or object whose ACL is `private`, or whose ACLs are disabled."""
    grantee = {"Type": "CanonicalUser", **owner(account)}
    return {"Owner": owner(account), "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


@operation("GetBucketOwnershipControls", takes=SHARED, on=("{Bucket}",))
def get_bucket_ownership_controls(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    if not bucket.has_ownership_controls:
        message = "The bucket ownership controls were not found"
        raise ServiceError("OwnershipControlsNotFoundError", message, 404, {"BucketName": bucket.name})
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": bucket.object_ownership}]}}


@operation("PutBucketOwnershipControls", takes=with_shared(*BODY_CHECKS, "OwnershipControls"), on=("{Bucket}",))
def put_bucket_ownership_controls(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    rules = request["OwnershipControls"]["Rules"]
    if len(rules) != 1:
        raise malformed_xml()
    ownership = check_ownership(rules[0]["ObjectOwnership"])
    call.records.put(msgspec.structs.replace(bucket, has_ownership_controls=True, object_ownership=ownership))
    return {}


@operation("DeleteBucketOwnershipControls", takes=SHARED, action="PutBucketOwnershipControls", on=("{Bucket}",))
def delete_bucket_ownership_controls(call: Call, request: Request) -> Result:
    """Without controls ACLs are enabled, and objects are their writers'."""
    call.records.put(msgspec.structs.replace(find_bucket(call, request), has_ownership_controls=False))
    return {}
