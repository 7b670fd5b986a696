"""InvokeEndpointWithResponseStream: one request to a container, its answer in parts as they come."""

from msgspec.structs import replace

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.results import EventStream, Forward
from ringfence.services.sagemaker_runtime.invocation import component_arns, make_forward, read_answer, refuse_members

# "for streaming, up to 8 minutes"; the answer has to begin within the time that any has
# https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
_SECONDS = 480.0
_REFUSED = ("InferenceComponentName", "PrefixAwareId")


@operation(
    "InvokeEndpointWithResponseStream",
    on=("endpoint/{EndpointName}",),
    also=(("sagemaker:InvokeEndpointWithResponseStream", component_arns),),
    decided_by="EndpointName InferenceComponentName",
)
def invoke_endpoint_with_response_stream(call: Call, request: Request) -> Forward:
    """A container that fails before its first byte is a ModelError, later one an event."""
    refuse_members(request, _REFUSED)
    forward = make_forward(call, request, read_answer, serial=False)
    # nothing that is streamed is captured: nor is the answer of its copy, which has nothing to be compared with
    shadow = replace(forward.shadow, capture=None) if forward.shadow else None
    return replace(forward, stream=EventStream(_SECONDS, _make_part, _describe_break), shadow=shadow)


def _make_part(data: bytes) -> Result:
    return {"PayloadPart": {"Bytes": data}}


def _describe_break(failure: str) -> ServiceError:
    """The codes are the model's; AWS's texts are not published: ours."""
    if failure == "timeout":
        code, message = (
            "ModelInvocationTimeExceeded",
            f"The model did not end its answer within {_SECONDS:.0f} seconds.",
        )
    else:
        code, message = "StreamBroken", "The model container closed the connection before the end of its answer."
    return ServiceError("ModelStreamError", message, 424, {"ErrorCode": code})
