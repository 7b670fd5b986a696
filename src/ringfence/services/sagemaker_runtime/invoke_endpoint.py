"""InvokeEndpoint: one request to a container, one answer."""

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.results import Forward, ForwardReply
from ringfence.resources.hosted_container import HostedContainer
from ringfence.resources.sagemaker import Endpoint, Variant
from ringfence.services.sagemaker_runtime.invocation import component_arns, make_forward, read_answer, refuse_members

_REFUSED = (
    "TargetModel",
    "EnableExplanations",
    "InferenceComponentName",
    "SessionId",
    "PrefixAwareId",
)


@operation(
    "InvokeEndpoint",
    on=("endpoint/{EndpointName}",),
    keys={"sagemaker:TargetModel": "TargetModel"},
    also=(("sagemaker:InvokeEndpoint", component_arns),),
)
def invoke_endpoint(call: Call, request: Request) -> Forward:
    """The gateway has held the body to the daemon's limit."""
    refuse_members(request, _REFUSED)
    return make_forward(call, request, _finish)


def _finish(endpoint: Endpoint, variant: Variant, container: HostedContainer, reply: ForwardReply) -> Result:
    return {"Body": reply.body, **read_answer(endpoint, variant, container, reply)}
