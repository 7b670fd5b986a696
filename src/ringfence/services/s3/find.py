"""The bucket that a request names, or S3's error; and owners as S3 shows them. For S3's handlers."""

import hashlib

from ringfence.core.call import Call, Request
from ringfence.core.errors import ServiceError
from ringfence.core.record import Reader
from ringfence.resources.s3 import Bucket


def find_bucket(call: Call, request: Request) -> Bucket:
    """The bucket of `request`. Its owner must be the one that the client expects, if it says so."""
    bucket = get_bucket(call.records, request["Bucket"])
    check_owner(bucket, request.get("ExpectedBucketOwner"))
    if bucket.region != call.region:
        # boto3 and the CLI read `Region` here and try again there.
        message = f"The authorization header is malformed; the region '{call.region}' is wrong; expecting "
        fields = {"Region": bucket.region}
        raise ServiceError("AuthorizationHeaderMalformed", f"{message}'{bucket.region}'", 400, fields)
    return bucket


def get_bucket(records: Reader, name: str) -> Bucket:
    """The bucket of this name wherever it is."""
    bucket = records.get(Bucket, name)
    if bucket is None:
        raise ServiceError("NoSuchBucket", "The specified bucket does not exist", 404, {"BucketName": name})
    return bucket


def check_owner(bucket: Bucket, expected: str | None) -> None:
    if expected is not None and expected != bucket.account:
        raise ServiceError("AccessDenied", "Access Denied", 403)


def owner(account: str) -> dict[str, str]:
    """The account as `Owner`: S3 shows a canonical user id, ours is derived from the account id."""
    return {"ID": hashlib.sha256(f"ringfence canonical user {account}".encode()).hexdigest()}
