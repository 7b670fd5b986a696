"""Server-side encryption: S3's own (AES256) and the account's AWS managed key (aws:kms without a key), by their rules.

What S3 promises of both without further ado is who can read: AES256 whoever may read the object, the managed key
nobody outside the account that it belongs to, since its policy cannot be changed. Contents lie on this machine's disk
as they are. Keys of the user's own are refused. Called by the operations that make and read objects.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

import uuid
from typing import Any

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Request
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.resources.s3 import Bucket

_NAMESPACE = uuid.UUID("6d0e5a3c-4f5b-4b8e-9c62-0f3f7d1d9a11")


def check_default(algorithm: str, key_id: str | None) -> str:
    """A bucket's default encryption: AES256, or aws:kms with the managed key of whoever writes."""
    if algorithm not in ("AES256", "aws:kms"):
        raise not_implemented(f"server-side encryption with {algorithm}")
    if key_id is None:
        return algorithm
    if algorithm == "AES256":
        message = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"
        raise ServiceError("InvalidArgument", message, 400)
    if key_id != "alias/aws/s3" and not key_id.endswith(":alias/aws/s3"):
        raise _no_key_of_your_own()
    return algorithm


def _no_key_of_your_own() -> ServiceError:
    return not_implemented("server-side encryption with a KMS key of your own: only the AWS managed key aws/s3")


def read_encryption(call: Call, bucket: Bucket, request: Request) -> str:
    """The ARN of the managed key that a new object is encrypted with, or nothing for AES256."""
    default = (bucket.encryption or {}).get("SSEAlgorithm", "AES256")
    algorithm = request.get("ServerSideEncryption", default)
    key_id = request.get("SSEKMSKeyId")
    if algorithm in ("aws:kms:dsse", "aws:fsx"):
        raise not_implemented(f"server-side encryption with {algorithm}")
    if algorithm not in ("AES256", "aws:kms"):
        raise _invalid("x-amz-server-side-encryption", algorithm, "The encryption method specified is not supported")
    if algorithm == "AES256":
        if key_id is not None:
            message = (
                "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption"
            )
            raise _invalid("x-amz-server-side-encryption", algorithm, f"{message} : aws:kms")
        return ""
    if call.principal.kind == "anonymous":
        message = (
            "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4."
        )
        raise ServiceError("InvalidArgument", message, 400)
    managed = _managed_key(call)
    if key_id not in (None, managed, managed.rpartition("/")[2], "alias/aws/s3"):
        raise _no_key_of_your_own()
    return managed


def show_encryption(kms_key: str) -> dict[str, Any]:
    """What answers say of it."""
    if not kms_key:
        return {"ServerSideEncryption": "AES256"}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}


def check_decrypt(call: Call, kms_key: str) -> None:
    """AccessDenied unless the caller is of the account whose managed key it is."""
    key = parse_arn(kms_key) if kms_key else None
    if key is not None and key.account != call.account:
        raise ServiceError(
            "AccessDenied",
            f"User: {call.principal.arn} is not authorized to perform: kms:Decrypt on the resource associated with "
            "this ciphertext because the resource does not exist in this Region, no resource-based policies allow "
            "access, or a resource-based policy explicitly denies access",
            403,
        )


def _managed_key(call: Call) -> str:
    """`aws/s3` of the caller's account: one key in each region, whose id never changes."""
    return call.arn("kms", f"key/{uuid.uuid5(_NAMESPACE, f'{call.account}/{call.region}')}")


def _invalid(name: str, value: str, message: str) -> ServiceError:
    return ServiceError("InvalidArgument", message, 400, {"ArgumentName": name, "ArgumentValue": value})
