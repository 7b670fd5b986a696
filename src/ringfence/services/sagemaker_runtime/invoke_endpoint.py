"""InvokeEndpoint: one request to a container, one answer."""

from ringfence.core.call import Call, Request
from ringfence.core.operation import operation
from ringfence.core.results import Forward
from ringfence.services.sagemaker_runtime.invocation import (
    component_arns,
    make_forward,
    read_whole_answer,
    refuse_members,
)

_REFUSED = (
    "EnableExplanations",
    "InferenceComponentName",
    "PrefixAwareId",
)


@operation(
    "InvokeEndpoint",
    on=("endpoint/{EndpointName}",),
    keys={"sagemaker:TargetModel": "TargetModel"},
    also=(("sagemaker:InvokeEndpoint", component_arns),),
    decided_by="EndpointName InferenceComponentName TargetModel",
)
def invoke_endpoint(call: Call, request: Request) -> Forward:
    """The gateway has held the body to the daemon's limit."""
    refuse_members(request, _REFUSED)
    return make_forward(call, request, read_whole_answer)
