"""S3 Block Public Access of a bucket, and whether a bucket policy is public. Access control lists are disabled anyway.

Enforced here: BlockPublicPolicy, when a policy is put. The authorizer enforces RestrictPublicBuckets with `is_public`.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
"""

import json
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.services.s3.find import find_bucket
from ringfence.services.s3.parameter import BODY_CHECKS, SHARED, with_shared

SETTINGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
# Every bucket made since April 2023 starts so.
BLOCK_ALL = dict.fromkeys(SETTINGS, True)

# Keys that, held to fixed values, make a grant to everyone non-public.
_NARROWING = frozenset(
    {
        "aws:principalorgid", "aws:principalarn", "aws:principalaccount", "aws:userid",
        "aws:sourcearn", "aws:sourceowner", "aws:sourceaccount",
        "aws:sourcevpc", "aws:sourcevpce", "aws:sourceip", "aws:vpcsourceip",
        "s3:dataaccesspointaccount", "s3:dataaccesspointarn", "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)  # fmt: skip
_POSITIVE = ("stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress")


@operation(
    "PutPublicAccessBlock",
    takes=with_shared(*BODY_CHECKS, "PublicAccessBlockConfiguration"),
    action="PutBucketPublicAccessBlock",
    on=("{Bucket}",),
)
def put_public_access_block(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    asked = request["PublicAccessBlockConfiguration"]
    settings = {name: bool(asked.get(name, False)) for name in SETTINGS}
    call.records.put(msgspec.structs.replace(bucket, public_access_block=settings))
    return {}


@operation("GetPublicAccessBlock", takes=SHARED, action="GetBucketPublicAccessBlock", on=("{Bucket}",))
def get_public_access_block(call: Call, request: Request) -> Result:
    bucket = find_bucket(call, request)
    if bucket.public_access_block is None:
        message = "The public access block configuration was not found"
        raise ServiceError("NoSuchPublicAccessBlockConfiguration", message, 404, {"BucketName": bucket.name})
    return {"PublicAccessBlockConfiguration": dict(bucket.public_access_block)}


@operation("DeletePublicAccessBlock", takes=SHARED, action="PutBucketPublicAccessBlock", on=("{Bucket}",))
def delete_public_access_block(call: Call, request: Request) -> Result:
    call.records.put(msgspec.structs.replace(find_bucket(call, request), public_access_block=None))
    return {}


def is_public(policy: str) -> bool:
    """Whether a valid policy grants anything to everyone without holding them to fixed values."""
    statements = json.loads(policy)["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        if statement["Effect"] == "Allow" and _is_everyone(statement) and not _is_narrowed(statement):
            return True
    return False


def _is_everyone(statement: Mapping[str, Any]) -> bool:
    if "NotPrincipal" in statement:
        return True
    principal = statement["Principal"]
    named = principal.get("AWS", ()) if isinstance(principal, dict) else principal
    return "*" in ([named] if isinstance(named, str) else named)


def _is_narrowed(statement: Mapping[str, Any]) -> bool:
    """Conditions are a conjunction: one that holds everybody to fixed values is enough."""
    for operator, keys in statement.get("Condition", {}).items():
        if operator.lower() in _POSITIVE:
            for key, values in keys.items():
                listed = values if isinstance(values, list) else [values]
                if key.lower() in _NARROWING and all(_is_fixed(key.lower(), str(value)) for value in listed):
                    return True
    return False


def _is_fixed(key: str, value: str) -> bool:
    """A value without a policy variable, and neither a wildcard alone nor a very broad range of addresses."""
    if "${" in value or not value.strip("*?"):
        return False
    if key not in ("aws:sourceip", "aws:vpcsourceip"):
        return "*" not in value and "?" not in value
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        return False
    return network.is_private or network.prefixlen >= (8 if network.version == 4 else 32)
