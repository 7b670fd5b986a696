"""An invocation of a serverless variant: what it may be, and its place among those that there are at once. Pure.

https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html . Called by `invocation`.
"""

from ringfence.core.call import Request
from ringfence.core.errors import ServiceError
from ringfence.core.results import Execution, ServerlessVariant
from ringfence.resources.sagemaker import Endpoint, Fleet, Variant

# https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints-invoke.html
_PAYLOAD = 4 * 1024 * 1024
# "the total concurrency you can share between all serverless endpoints per Region in your account"
_LARGE_REGIONS = frozenset(
    {"us-east-1", "us-east-2", "us-west-2", "ap-northeast-1", "ap-southeast-1", "ap-southeast-2"}
    | {"eu-central-1", "eu-west-1"}
)
_LARGE, _SMALL = 1000, 500


def check_serverless_request(request: Request, *, serial: bool) -> None:
    """AWS's texts are not known: ours."""
    if not serial:
        raise ServiceError("ValidationError", "The answer of a serverless endpoint cannot be streamed.")
    if "SessionId" in request:
        raise ServiceError("ValidationError", "A serverless endpoint has no stateful sessions.")
    if len(request["Body"]) > _PAYLOAD:
        raise ServiceError("RequestEntityTooLargeException", f"The request body is larger than {_PAYLOAD} bytes.", 413)


def make_execution(endpoint: Endpoint, fleet: Fleet, variant: Variant) -> Execution | None:
    """None for a variant that has instances."""
    if variant.serverless is None:
        return None
    return Execution(
        variant=ServerlessVariant(fleet.endpoint_key, fleet.generation, variant.name),
        limit=variant.serverless.concurrency,
        account_limit=_LARGE if endpoint.region in _LARGE_REGIONS else _SMALL,
        provisioned=variant.count,
    )
