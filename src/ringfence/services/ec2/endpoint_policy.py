"""VPC endpoint policies: the default one, and what AWS refuses as a document. `iam` evaluates them, on every call."""

import json

from ringfence.core.errors import ServiceError

# https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
DEFAULT = '{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}'
_MOST_CHARACTERS = 20480


def check(text: str) -> str:
    """The document as given, if AWS would take it as an endpoint policy."""
    if len(text) > _MOST_CHARACTERS:
        raise ServiceError("InvalidPolicyDocument", "The Policy Document exceeds the maximum allowed length.")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise _syntax_error(error.lineno, error.colno) from None
    if not isinstance(document, dict):
        raise _syntax_error(1, 1)
    return text


def _syntax_error(line: int, column: int) -> ServiceError:
    return ServiceError(
        "InvalidPolicyDocument", f"The Policy Document is not valid. Syntax error at position ({line},{column})."
    )
