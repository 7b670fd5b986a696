"""What else tools read of a bucket: encryption, ownership, ACL, and that the rest was never configured.

The answers are true of every bucket here: lists of grants are disabled, nothing is replicated, logged or expired.
Putting such a configuration is refused for want of a handler.
"""

from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.operation import operation
from ringfence.services.s3 import policy_keys
from ringfence.services.s3.find import find_bucket, owner
from ringfence.services.s3.parameter import BODY_CHECKS, SHARED, accept_only, malformed_xml, with_shared
from ringfence.services.s3.version import find_object


@operation("GetBucketEncryption", takes=SHARED, action="GetEncryptionConfiguration", on=("{Bucket}",))
def get_bucket_encryption(call: Call, request: Request) -> Result:
    found = find_bucket(call, request).encryption or {"SSEAlgorithm": "AES256", "BucketKeyEnabled": False}
    rule: dict[str, Any] = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": found["SSEAlgorithm"]},
        "BucketKeyEnabled": found["BucketKeyEnabled"],
    }
    return {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}


@operation(
    "PutBucketEncryption",
    takes=with_shared(*BODY_CHECKS, "ServerSideEncryptionConfiguration"),
    action="PutEncryptionConfiguration",
    on=("{Bucket}",),
)
def put_bucket_encryption(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    rules = request["ServerSideEncryptionConfiguration"]["Rules"]
    if len(rules) != 1:
        raise malformed_xml()
    accept_only(rules[0], "ApplyServerSideEncryptionByDefault", "BucketKeyEnabled")
    default = rules[0].get("ApplyServerSideEncryptionByDefault", {"SSEAlgorithm": "AES256"})
    if default["SSEAlgorithm"] != "AES256":
        raise not_implemented(f"server-side encryption with {default['SSEAlgorithm']}")
    if "KMSMasterKeyID" in default:
        message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"
        raise ServiceError("InvalidArgument", message, 400)
    encryption = {"SSEAlgorithm": "AES256", "BucketKeyEnabled": bool(rules[0].get("BucketKeyEnabled", False))}
    call.records.put(msgspec.structs.replace(bucket, encryption=encryption))
    return {}


@operation("DeleteBucketEncryption", takes=SHARED, action="PutEncryptionConfiguration", on=("{Bucket}",))
def delete_bucket_encryption(call: Call, request: Request) -> Result:
    call.records.put(msgspec.structs.replace(find_bucket(call, request), encryption=None))
    return {}


@operation("GetBucketOwnershipControls", takes=SHARED, on=("{Bucket}",))
def get_bucket_ownership_controls(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    if not bucket.has_ownership_controls:
        message = "The bucket ownership controls were not found"
        raise ServiceError("OwnershipControlsNotFoundError", message, 404, {"BucketName": bucket.name})
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}


@operation("PutBucketOwnershipControls", takes=with_shared(*BODY_CHECKS, "OwnershipControls"), on=("{Bucket}",))
def put_bucket_ownership_controls(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    rules = request["OwnershipControls"]["Rules"]
    if len(rules) != 1:
        raise malformed_xml()
    ownership = rules[0]["ObjectOwnership"]
    if ownership != "BucketOwnerEnforced":
        raise not_implemented(f"the object ownership {ownership}: access control lists are disabled")
    call.records.put(msgspec.structs.replace(bucket, has_ownership_controls=True))
    return {}


@operation("DeleteBucketOwnershipControls", takes=SHARED, action="PutBucketOwnershipControls", on=("{Bucket}",))
def delete_bucket_ownership_controls(call: Call, request: Request) -> Result:
    """Without controls S3 would honour lists of grants; here none can be put, so nothing else changes."""
    call.records.put(msgspec.structs.replace(find_bucket(call, request), has_ownership_controls=False))
    return {}


def _grants(account: str) -> Result:
    """What S3 shows of a bucket or object whose lists of grants are disabled."""
    grantee = {"Type": "CanonicalUser", **owner(account)}
    return {"Owner": owner(account), "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


@operation("GetBucketAcl", takes=SHARED, on=("{Bucket}",))
def get_bucket_acl(call: Call, request: Request) -> Result:
    return _grants(find_bucket(call, request).account)


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


@operation("GetBucketRequestPayment", takes=SHARED, on=("{Bucket}",))
def get_bucket_request_payment(call: Call, request: Request) -> Result:
    find_bucket(call, request)
    return {"Payer": "BucketOwner"}


def _nothing(call: Call, request: Request) -> Result:
    find_bucket(call, request)
    return {}


@operation("GetBucketLogging", takes=SHARED, on=("{Bucket}",))
def get_bucket_logging(call: Call, request: Request) -> Result:
    return _nothing(call, request)


@operation("GetBucketAccelerateConfiguration", takes=SHARED, action="GetAccelerateConfiguration", on=("{Bucket}",))
def get_bucket_accelerate_configuration(call: Call, request: Request) -> Result:
    return _nothing(call, request)


@operation("GetBucketNotificationConfiguration", takes=SHARED, action="GetBucketNotification", on=("{Bucket}",))
def get_bucket_notification_configuration(call: Call, request: Request) -> Result:
    return _nothing(call, request)


def _absent(call: Call, request: Request, code: str, message: str) -> ServiceError:
    return ServiceError(code, message, 404, {"BucketName": find_bucket(call, request).name})


@operation("GetBucketCors", takes=SHARED, action="GetBucketCORS", on=("{Bucket}",))
def get_bucket_cors(call: Call, request: Request) -> Result:
    raise _absent(call, request, "NoSuchCORSConfiguration", "The CORS configuration does not exist")


@operation("GetBucketWebsite", on=("{Bucket}",))
def get_bucket_website(call: Call, request: Request) -> Result:
    message = "The specified bucket does not have a website configuration"
    raise _absent(call, request, "NoSuchWebsiteConfiguration", message)


@operation("GetBucketLifecycleConfiguration", takes=SHARED, action="GetLifecycleConfiguration", on=("{Bucket}",))
def get_bucket_lifecycle_configuration(call: Call, request: Request) -> Result:
    raise _absent(call, request, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")


@operation("GetBucketReplication", action="GetReplicationConfiguration", on=("{Bucket}",))
def get_bucket_replication(call: Call, request: Request) -> Result:
    message = "The replication configuration was not found"
    raise _absent(call, request, "ReplicationConfigurationNotFoundError", message)


@operation("GetObjectLockConfiguration", action="GetBucketObjectLockConfiguration", on=("{Bucket}",))
def get_object_lock_configuration(call: Call, request: Request) -> Result:
    message = "Object Lock configuration does not exist for this bucket"
    raise _absent(call, request, "ObjectLockConfigurationNotFoundError", message)
