"""Policy documents on their way in (checked, measured) and out (URL-encoded, as IAM shows them)."""

from urllib.parse import quote

from ringfence.core.call import Call
from ringfence.core.errors import ServiceError
from ringfence.iam.policy import Kind, PolicyError, parse_policy
from ringfence.iam.principals import UnknownPrincipal, bind_principals
from ringfence.services.iam.lookup import limit_exceeded


def checked_document(text: str, kind: Kind) -> str:
    """The document itself; MalformedPolicyDocument if AWS would not store it."""
    try:
        parse_policy(text, kind)
    except PolicyError as error:
        raise ServiceError("MalformedPolicyDocument", error.message) from None
    return text


def bound_principals(call: Call, text: str) -> dict[str, str]:
    """Who a checked trust policy names, by ARN; MalformedPolicyDocument if one of them is not there."""
    try:
        return bind_principals(call.records, text, call.account)
    except UnknownPrincipal as error:
        raise ServiceError("MalformedPolicyDocument", error.message) from None


def size_of(text: str) -> int:
    """A document's size as IAM's quotas count it: white space is free.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    return len("".join(text.split()))


def check_size(text: str, quota: str, limit: int) -> None:
    if size_of(text) > limit:
        raise limit_exceeded(f"Cannot exceed quota for {quota}: {limit}")


def shown_document(text: str) -> str:
    """RFC 3986 encoded; boto3 and the command line decode it."""
    return quote(text, safe="")
