"""AWS's messages that a user sees of a fault in hosting: FailureReason, CreateModel's refusal, the client's own errors.

Numbered M1 … M17 as in docs/explain-endpoint.md. Called by explain.checks.
"""

from collections.abc import Sequence

from ringfence.explain.finding import Seen
from ringfence.services.sagemaker import failure_reason
from ringfence.services.sagemaker_runtime import target_model


def data_inaccessible(url: str, role_arn: str, region: str) -> Seen:
    """https://github.com/aws/sagemaker-python-sdk/issues/3755"""
    text = (
        f'Could not access model data at {url}. Please ensure that the role "{role_arn}" exists and that its trust '
        'relationship policy allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". '
        f'Also ensure that the role has "s3:GetObject" permissions and that the object is located in {region}. If your '
        "Model uses multiple models or uncompressed models, please ensure that the role has "
        '"s3:ListBucket" permission.'
    )
    return Seen("M1", text, "CreateModel")


def data_refused(url: str) -> Seen:
    return Seen("M2", failure_reason.data_refused(url))


def model_refused(bucket: str, key: str) -> Seen:
    return Seen("", target_model.model_refused(bucket, key).message, "InvokeEndpoint")


def data_unreachable(url: str) -> Seen:
    return Seen("M3", failure_reason.data_unreachable(url))


def no_ping(variant: str) -> Seen:
    return Seen("M6", failure_reason.no_ping(variant))


def image_missing(variant: str, image: str) -> Seen:
    return Seen("M7", failure_reason.image_missing(variant, image))


def cannot_start(variant: str) -> Seen:
    return Seen("M8", failure_reason.cannot_start(variant))


def internal_error() -> Seen:
    return Seen("M10", failure_reason.INTERNAL_ERROR)


def dhcp_incomplete(options_id: str, servers: Sequence[str] = (), domain: Sequence[str] = ()) -> Seen:
    return Seen("M11", failure_reason.dhcp_incomplete(options_id, servers, domain))


def connect_timeout(host: str) -> Seen:
    return Seen("M17", f'ConnectTimeoutError: Connect timeout on endpoint URL: "https://{host}/"', "the client")


def cannot_connect(host: str) -> Seen:
    text = f'EndpointConnectionError: Could not connect to the endpoint URL: "https://{host}/"'
    return Seen("M17", text, "the client")


def endpoint_policy_denial(action: str, arn: str) -> Seen:
    text = (
        f"User: … is not authorized to perform: {action} on resource: {arn} because no VPC endpoint policy allows the "
        f"{action} action"
    )
    return Seen("AccessDenied", text, "the client")
