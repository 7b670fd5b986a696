"""VPC endpoint policies: the default one, and what AWS refuses as a document. `iam` evaluates them, on every call."""

from ringfence.core.errors import ServiceError
from ringfence.iam.policy import PolicyError, parse_policy

# https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
DEFAULT = '{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}'
_MOST_CHARACTERS = 20480


def check(text: str) -> str:
    """The document as given, if AWS would take it as an endpoint policy."""
    if len(text) > _MOST_CHARACTERS:
        raise ServiceError("InvalidPolicyDocument", "The Policy Document exceeds the maximum allowed length.")
    try:
        parse_policy(text, "endpoint")
    except PolicyError as error:
        line, column = error.position
        raise ServiceError(
            "InvalidPolicyDocument", f"The Policy Document is not valid. Syntax error at position ({line},{column})."
        ) from None
    return text
