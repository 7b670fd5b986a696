"""What else tools read of a bucket: encryption, and that the rest was never configured.

The answers are true of every bucket here: nothing is replicated, measured, announced or shown as a website. To put such
a configuration is refused for want of a handler; to put the empty one, or what is so anyway, is not.
"""

from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.operation import operation
from ringfence.services.s3.encryption import check_default
from ringfence.services.s3.find import find_bucket
from ringfence.services.s3.parameter import BODY_CHECKS, SHARED, accept_only, malformed_xml, with_shared

_OWN_ENCRYPTION: dict[str, str | bool] = {"SSEAlgorithm": "AES256", "BucketKeyEnabled": False}


@operation("GetBucketEncryption", takes=SHARED, action="GetEncryptionConfiguration", on=("{Bucket}",))
def get_bucket_encryption(call: Call, request: Request) -> Result:
    found = find_bucket(call, request).encryption or _OWN_ENCRYPTION
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
    algorithm = check_default(default["SSEAlgorithm"], default.get("KMSMasterKeyID"))
    encryption = {"SSEAlgorithm": algorithm, "BucketKeyEnabled": bool(rules[0].get("BucketKeyEnabled", False))}
    call.records.put(msgspec.structs.replace(bucket, encryption=encryption))
    return {}


@operation("DeleteBucketEncryption", takes=SHARED, action="PutEncryptionConfiguration", on=("{Bucket}",))
def delete_bucket_encryption(call: Call, request: Request) -> Result:
    call.records.put(msgspec.structs.replace(find_bucket(call, request), encryption=None))
    return {}


@operation("PutBucketRequestPayment", takes=with_shared(*BODY_CHECKS, "RequestPaymentConfiguration"), on=("{Bucket}",))
def put_bucket_request_payment(call: Call, request: Request) -> Result:
    find_bucket(call, request)
    payer = request["RequestPaymentConfiguration"]["Payer"]
    if payer not in ("BucketOwner", "Requester"):
        raise malformed_xml()
    if payer == "Requester":
        raise not_implemented("buckets whose requesters pay")
    return {}


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


@operation(
    "PutBucketNotificationConfiguration",
    takes=with_shared("NotificationConfiguration SkipDestinationValidation"),
    action="PutBucketNotification",
    on=("{Bucket}",),
)
def put_bucket_notification_configuration(call: Call, request: Request) -> Result:
    """The empty one alone, which is how notifications are taken away."""
    find_bucket(call, request)
    for name in request["NotificationConfiguration"]:
        raise not_implemented(f"notifications of a bucket ({name})")
    return {}


def _absent(call: Call, request: Request, code: str, message: str) -> ServiceError:
    return ServiceError(code, message, 404, {"BucketName": find_bucket(call, request).name})


@operation("GetBucketCors", takes=SHARED, action="GetBucketCORS", on=("{Bucket}",))
def get_bucket_cors(call: Call, request: Request) -> Result:
    raise _absent(call, request, "NoSuchCORSConfiguration", "The CORS configuration does not exist")


@operation("GetBucketWebsite", on=("{Bucket}",))
def get_bucket_website(call: Call, request: Request) -> Result:
    message = "The specified bucket does not have a website configuration"
    raise _absent(call, request, "NoSuchWebsiteConfiguration", message)


@operation("GetBucketReplication", action="GetReplicationConfiguration", on=("{Bucket}",))
def get_bucket_replication(call: Call, request: Request) -> Result:
    message = "The replication configuration was not found"
    raise _absent(call, request, "ReplicationConfigurationNotFoundError", message)


@operation("GetObjectLockConfiguration", action="GetBucketObjectLockConfiguration", on=("{Bucket}",))
def get_object_lock_configuration(call: Call, request: Request) -> Result:
    message = "Object Lock configuration does not exist for this bucket"
    raise _absent(call, request, "ObjectLockConfigurationNotFoundError", message)


def _no_such_configuration(call: Call, request: Request) -> ServiceError:
    return _absent(call, request, "NoSuchConfiguration", "The specified configuration does not exist.")


@operation("GetBucketMetricsConfiguration", takes=with_shared("Id"), action="GetMetricsConfiguration", on=("{Bucket}",))
def get_bucket_metrics_configuration(call: Call, request: Request) -> Result:
    raise _no_such_configuration(call, request)


@operation(
    "GetBucketAnalyticsConfiguration", takes=with_shared("Id"), action="GetAnalyticsConfiguration", on=("{Bucket}",)
)
def get_bucket_analytics_configuration(call: Call, request: Request) -> Result:
    raise _no_such_configuration(call, request)


@operation(
    "GetBucketInventoryConfiguration", takes=with_shared("Id"), action="GetInventoryConfiguration", on=("{Bucket}",)
)
def get_bucket_inventory_configuration(call: Call, request: Request) -> Result:
    raise _no_such_configuration(call, request)


@operation(
    "GetBucketIntelligentTieringConfiguration",
    takes=with_shared("Id"),
    action="GetIntelligentTieringConfiguration",
    on=("{Bucket}",),
)
def get_bucket_intelligent_tiering_configuration(call: Call, request: Request) -> Result:
    raise _no_such_configuration(call, request)


def _none(call: Call, request: Request) -> Result:
    find_bucket(call, request)
    return {"IsTruncated": False}


@operation("ListBucketMetricsConfigurations", takes=SHARED, action="GetMetricsConfiguration", on=("{Bucket}",))
def list_bucket_metrics_configurations(call: Call, request: Request) -> Result:
    return _none(call, request)


@operation("ListBucketAnalyticsConfigurations", takes=SHARED, action="GetAnalyticsConfiguration", on=("{Bucket}",))
def list_bucket_analytics_configurations(call: Call, request: Request) -> Result:
    return _none(call, request)


@operation("ListBucketInventoryConfigurations", takes=SHARED, action="GetInventoryConfiguration", on=("{Bucket}",))
def list_bucket_inventory_configurations(call: Call, request: Request) -> Result:
    return _none(call, request)


@operation(
    "ListBucketIntelligentTieringConfigurations",
    takes=SHARED,
    action="GetIntelligentTieringConfiguration",
    on=("{Bucket}",),
)
def list_bucket_intelligent_tiering_configurations(call: Call, request: Request) -> Result:
    return _none(call, request)
