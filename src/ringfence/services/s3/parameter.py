"""Request members that S3's operations share, and the refusal of those that an operation does not implement.

Every operation names what it understands, so a member that a newer client sends is refused and never ignored.
"""

from collections.abc import Mapping

from ringfence.core.arn import make_arn
from ringfence.core.call import Request
from ringfence.core.errors import ServiceError, not_implemented

# Understood everywhere: find_bucket checks the owner; no bucket here is a Requester Pays bucket, where S3 ignores it.
SHARED = "Bucket Key ExpectedBucketOwner RequestPayer"
# The gateway verifies these against the bytes of a body that is not an object's content.
BODY_CHECKS = ("ContentMD5", "ChecksumAlgorithm")


def with_shared(*members: str) -> str:
    """What an operation `takes`: these, and what all of S3's operations do."""
    return " ".join((SHARED, *members))


def accept_only(structure: Mapping[str, object], *members: str) -> None:
    """Refuse loudly any member of a structure inside a request other than these."""
    for name in structure:
        if name not in members:
            raise not_implemented(f"the parameter {name} here")


def object_arn(bucket: str, name: str) -> str:
    """The ARN of an object."""
    return make_arn("s3", "", "", f"{bucket}/{name}")


def bucket_arn(bucket: str) -> str:
    """The ARN of a bucket."""
    return make_arn("s3", "", "", bucket)


def invalid_argument(message: str, name: str, value: object) -> ServiceError:
    """InvalidArgument with the fields by which S3 names the culprit."""
    return ServiceError("InvalidArgument", message, 400, {"ArgumentName": name, "ArgumentValue": str(value)})


def malformed_xml() -> ServiceError:
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return ServiceError("MalformedXML", message, 400)


def check_key(name: str) -> None:
    """S3's limit on the length of a key: 1,024 bytes of UTF-8."""
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > 1024:
        fields = {"Size": size, "MaxSizeAllowed": 1024}
        raise ServiceError("KeyTooLongError", "Your key is too long", 400, fields)
    if "\0" in name or any("\ud800" <= character <= "\udfff" for character in name):
        raise invalid_argument("The key contains characters that S3 cannot store.", "key", name.encode().hex())


def page_size(request: Request, name: str, argument: str, most: int = 1000) -> int:
    """`MaxKeys` and its like: S3's default and ceiling is 1,000."""
    value: int = request.get(name, most)
    if not 0 <= value <= 2147483647:
        message = f"Argument {argument} must be an integer between 0 and 2147483647"
        raise invalid_argument(message, argument, value)
    return min(value, most)
