"""InvokeEndpointAsync: a request goes into the endpoint's queue. `reconcile.hosting.async_invocation` works it off."""

from datetime import timedelta
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.ids import uuid4
from ringfence.core.operation import operation
from ringfence.resources.async_invocation import AsyncInvocation
from ringfence.services.sagemaker_runtime.invocation import REQUEST_HEADERS, find_serving
from ringfence.services.sagemaker_runtime.validation import validation_error

# the defaults: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html
_TTL_SECONDS = 21600
_TIMEOUT_SECONDS = 900


@operation("InvokeEndpointAsync", on=("endpoint/{EndpointName}",))
def invoke_endpoint_async(call: Call, request: Request) -> Result:
    """Whether the input is there is found out when it is its turn, as with AWS. Until then no container need serve."""
    endpoint, _, fleet = find_serving(call, request["EndpointName"], now=False)
    if fleet.asynchronous is None:  # ours
        raise validation_error(f"Endpoint {endpoint.name} is not asynchronous: use InvokeEndpoint.")
    body = request.get("Body")
    if ("InputLocation" in request) == bool(body):  # ours
        raise validation_error("Either InputLocation or Body is needed, and not both.")
    location = request.get("InputLocation")
    if location is not None and not location.startswith("s3://"):
        raise validation_error("Ringfence does not implement an InputLocation other than s3://.")
    token = uuid4(call.entropy)
    id, output = request.get("InferenceId", token), fleet.asynchronous["OutputConfig"]
    invocation = AsyncInvocation(
        endpoint_key=endpoint.key,
        id=id,
        token=token,
        accepted=call.now,
        expires=call.now + timedelta(seconds=request.get("RequestTTLSeconds", _TTL_SECONDS)),
        timeout=float(request.get("InvocationTimeoutSeconds", _TIMEOUT_SECONDS)),
        headers=_read_headers(request, id),
        input_uri=location,
        body=body or None,
        output_uri=_place(output["S3OutputPath"], request, f"{token}.out"),
        failure_uri=_place(output["S3FailurePath"], {}, f"{token}-error.out") if "S3FailurePath" in output else None,
    )
    call.records.put(invocation)
    result = {"InferenceId": id, "OutputLocation": invocation.output_uri}
    return result | ({"FailureLocation": invocation.failure_uri} if invocation.failure_uri else {})


def _read_headers(request: Request, id: str) -> dict[str, str]:
    given = {header: request[member] for member, header in REQUEST_HEADERS.items() if member in request}
    return {**given, REQUEST_HEADERS["InferenceId"]: id}


def _place(path: str, request: dict[str, Any], file: str) -> str:
    """Below the endpoint's path, in the request's own folder and under its own name if it has them."""
    extension = request.get("S3OutputPathExtension", "").strip("/")
    return "/".join([path.rstrip("/"), *([extension] if extension else []), request.get("Filename", file)])
