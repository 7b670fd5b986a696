"""What all ways of asking a model share: which container is asked, with which headers, and how its failures are told.

Not the transport: the handlers return a Forward, and its `finish` makes the result of what the container replied.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.record import Reader
from ringfence.core.results import Forward, ForwardReply, Invoked
from ringfence.resources.hosted_container import HostedContainer, containers_of
from ringfence.resources.sagemaker import Endpoint, EndpointStatus, Fleet, Variant
from ringfence.resources.stateful_session import StatefulSession
from ringfence.services.sagemaker.serverless import is_serverless
from ringfence.services.sagemaker_runtime import stateful_session
from ringfence.services.sagemaker_runtime.capture import Sample, choose_sample
from ringfence.services.sagemaker_runtime.pipeline import chain, choose_containers
from ringfence.services.sagemaker_runtime.serverless import check_serverless_request, make_execution
from ringfence.services.sagemaker_runtime.stateful_session import (
    SessionKeeper,
    bad_header,
    find_session,
    follow_session,
)
from ringfence.services.sagemaker_runtime.target_model import check_target_model
from ringfence.services.sagemaker_runtime.validation import validation_error

# "a model container must respond within 60 seconds"
# https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
TIMEOUT_SECONDS = 60.0

REQUEST_HEADERS = {
    "ContentType": "Content-Type",
    "Accept": "Accept",
    "CustomAttributes": "X-Amzn-SageMaker-Custom-Attributes",
    "InferenceId": "X-Amzn-SageMaker-Inference-Id",
    "SessionId": stateful_session.HEADER,
}
# The answer's headers, under the member that they are in the result of either operation.
_ANSWERS = {
    "ContentType": "content-type",
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
}
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container {container}. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)
# ours: AWS's text for a container that closes the connection is not published
_BROKEN = "Unable to get a response from container {container}: the connection was {failure}."


# (recalled) from callers whose endpoint had more work than instances
_BUSY = "A transient exception occurred while retrieving variant instances. Please try again later."


def component_arns(call: Call, request: Request) -> list[str]:
    """The inference component, if the request is for one."""
    name = request.get("InferenceComponentName")
    return [call.arn("sagemaker", f"inference-component/{name}")] if name else []


def refuse_members(request: Request, members: tuple[str, ...]) -> None:
    for member in members:
        if member in request:
            raise validation_error(f"Ringfence does not implement {member}.")


class _Serving(NamedTuple):
    """Who serves a request. `session`: the stateful session that it is a part of."""

    endpoint: Endpoint
    status: EndpointStatus
    fleet: Fleet
    variant: Variant
    session: StatefulSession | None

    def instances(self, call: Call, *, every: bool) -> tuple[str, ...]:
        """Whom to ask, in this order. `every`: any of them may have to be."""
        if self.session is not None:
            return (self.session.instance_id,)
        return _candidates(call, self.variant, self.status.instances.get(self.variant.name, ()), every=every)

    def invoked(self) -> Invoked:
        endpoint, variant = self.endpoint, self.variant
        serving = self.status.instances.get(variant.name, ())
        return Invoked(endpoint.account, endpoint.region, endpoint.name, variant.name, len(serving))


def make_forward(
    call: Call,
    request: Request,
    finish: Callable[[Endpoint, Variant, HostedContainer, ForwardReply], Result],
    *,
    serial: bool = True,
) -> Forward:
    """The question to the container that is asked first; `finish` makes the result of the reply of the last one."""
    who = _choose(call, request)
    endpoint, fleet, variant = who.endpoint, who.fleet, who.variant
    if variant.serverless is not None:
        check_serverless_request(request, serial=serial)
    containers = choose_containers(variant, request.get("TargetContainerHostname"))
    target_model = check_target_model(call, endpoint, containers, request.get("TargetModel"))
    if len(containers) > 1 and not serial:  # ours
        raise validation_error("The answer of an inference pipeline cannot be streamed.")
    sample = choose_sample(call, fleet.capture, endpoint, variant, request)
    forward = Forward(
        instance_ids=who.instances(call, every=target_model is not None),
        method="POST",
        path="/invocations",
        headers=_headers(request),
        body=request["Body"],
        timeout=TIMEOUT_SECONDS,
        finish=lambda reply: {},  # of each container its own
        invoked=who.invoked(),
        capture=sample.capture if sample else None,
        target_model=target_model,
        execution=make_execution(endpoint, fleet, variant),
    )
    if "SessionId" in request:  # a shadow variant's container has other sessions
        keeper = SessionKeeper(endpoint, variant, request["SessionId"], call.now)
        forward, finish = replace(forward, keep=keeper.keep), partial(_finish_in_session, keeper, finish)
    elif fleet.shadow is not None:
        forward = replace(forward, shadow=_copy(call, who, fleet.shadow, forward, sample))
    return chain(forward, containers, partial(check_reply, endpoint), partial(finish, endpoint, variant))


def _choose(call: Call, request: Request) -> _Serving:
    endpoint, status, fleet = find_serving(call, request["EndpointName"])
    if fleet.asynchronous is not None:  # ours
        raise validation_error(f"Endpoint {endpoint.name} is asynchronous: use InvokeEndpointAsync.")
    session = find_session(call, endpoint, request)
    if session is not None:
        status, fleet = follow_session(call, endpoint, session)
    variant = _choose_variant(call, fleet, status, session.variant if session else request.get("TargetVariant"))
    return _Serving(endpoint, status, fleet, variant, session)


def _headers(request: Request) -> dict[str, str]:
    given = {header: request[member] for member, header in REQUEST_HEADERS.items() if member in request}
    return {"Content-Type": "application/octet-stream", **given}


def _finish_in_session(
    keeper: SessionKeeper,
    finish: Callable[[Endpoint, Variant, HostedContainer, ForwardReply], Result],
    endpoint: Endpoint,
    variant: Variant,
    container: HostedContainer,
    reply: ForwardReply,
) -> Result:
    result = finish(endpoint, variant, container, reply)
    try:
        return keeper.add(result, reply)
    except ValueError as error:
        raise model_error(endpoint, container, bad_header(error, reply)) from None


def _copy(call: Call, who: _Serving, shadow: Variant, forward: Forward, sample: Sample | None) -> Forward | None:
    """The same request to the shadow variant: so many of the production variant's as its weight is of that one's."""
    shown = who._replace(variant=shadow, session=None)
    weight = who.status.weight
    if not who.status.instances.get(shadow.name) or _fraction(call) * weight(who.variant) >= weight(shadow):
        return None
    copy = replace(
        forward,
        instance_ids=shown.instances(call, every=False),
        invoked=shown.invoked(),
        capture=sample.of_shadow(call, shadow).capture if sample else None,
    )
    answer = partial(read_whole_answer, who.endpoint, shadow)
    return chain(copy, containers_of(shadow), partial(check_reply, who.endpoint), answer)


def find_serving(call: Call, name: str, *, now: bool = True) -> tuple[Endpoint, EndpointStatus, Fleet]:
    """The endpoint, its status and the fleet that serves.

    ValidationError if it is not there or never served, ServiceUnavailable while none of its containers does; not if
    it need not be `now`.
    """
    records: Reader = call.records
    endpoint = records.get(Endpoint, call.scoped(name.lower()))
    if endpoint is None:
        raise validation_error(f"Endpoint {name} of account {call.account} not found.")
    status = records.get(EndpointStatus, endpoint.key)
    fleet = records.get(Fleet, f"{endpoint.key}/{status.serving_generation}") if status else None
    if endpoint.deleting or status is None or fleet is None:
        raise validation_error(f"Endpoint {name} of account {call.account} is not InService.")
    status, fleet = _shifted(call, status, fleet)
    if now and not (any(status.instances.values()) or is_serverless(fleet)):
        raise _unavailable(f"No container of endpoint {name} of account {call.account} is healthy.")
    return endpoint, status, fleet


def _shifted(call: Call, status: EndpointStatus, fleet: Fleet) -> tuple[EndpointStatus, Fleet]:
    """While an update shifts traffic: the new fleet, as if it served, for its share of the requests."""
    coming = status.deployment
    if coming is None or not any(coming.instances.values()):
        return status, fleet
    if (any(status.instances.values()) or is_serverless(fleet)) and _fraction(call) >= coming.share:
        return status, fleet
    new = call.records.get(Fleet, f"{status.endpoint_key}/{coming.generation}")
    assert new is not None, "a deployment's fleet is written before it"
    return replace(status, instances=coming.instances, capacities={}), new


def _choose_variant(call: Call, fleet: Fleet, status: EndpointStatus, target: str | None) -> Variant:
    """The target, or by weight among those that have instances now."""
    if target is not None:
        for variant in fleet.production:
            if variant.name == target and (status.instances.get(target) or variant.serverless):
                return variant
            if variant.name == target:
                raise _unavailable(f"No container of variant {target} is healthy.")
        raise validation_error(f"Variant {target} not found in endpoint configuration {fleet.config_name}.")
    able = [variant for variant in fleet.production if status.instances.get(variant.name) or variant.serverless]
    left = _fraction(call) * sum(status.weight(variant) for variant in able)
    for variant in able:
        left -= status.weight(variant)
        if left < 0:
            return variant
    return able[-1]


def _candidates(call: Call, variant: Variant, instances: tuple[str, ...], *, every: bool) -> tuple[str, ...]:
    """One at random, or all, of which the gateway takes the one with the least to do; at random among equals.

    `every`: all, whatever the strategy, because where a model is loaded decides. A serverless variant's is found when
    it is asked.
    """
    if variant.serverless is not None:
        return ()
    first = int(_fraction(call) * len(instances))
    if variant.routing == "RANDOM" and not every:
        return (instances[first],)
    return instances[first:] + instances[:first]


def _fraction(call: Call) -> float:
    """At least 0 and less than 1."""
    return int.from_bytes(call.entropy(4)) / 2**32


def check_reply(endpoint: Endpoint, container: HostedContainer, reply: ForwardReply) -> None:
    """Raise the error that a reply is, unless it is a success."""
    if reply.error is not None:
        raise reply.error
    if reply.failure == "busy":
        raise _unavailable(_BUSY)
    if reply.failure is not None or not 200 <= reply.status < 300:
        raise model_error(endpoint, container, reply)


def read_answer(endpoint: Endpoint, variant: Variant, container: HostedContainer, reply: ForwardReply) -> Result:
    """What of a container's success is in the result of every operation, its body apart; else the error that it is."""
    check_reply(endpoint, container, reply)
    found = {name.lower(): value for name, value in reply.headers.items()}
    answer = {member: found[header] for member, header in _ANSWERS.items() if header in found}
    return {**answer, "InvokedProductionVariant": variant.name}


def read_whole_answer(endpoint: Endpoint, variant: Variant, container: HostedContainer, reply: ForwardReply) -> Result:
    """As `read_answer`, with its body."""
    return {"Body": reply.body, **read_answer(endpoint, variant, container, reply)}


def model_error(endpoint: Endpoint, container: HostedContainer, reply: ForwardReply) -> ServiceError:
    """The message's form: https://github.com/aws/amazon-sagemaker-examples/issues/799"""
    if reply.failure is None:
        status, original = reply.status, reply.body.decode(errors="replace")
    else:
        text = _TIMED_OUT if reply.failure == "timeout" else _BROKEN
        status, original = 0, text.format(container=container.name, failure=reply.failure)
    kind = "client" if 400 <= status < 500 else "server"
    group = f"/aws/sagemaker/Endpoints/{endpoint.name}"
    console = f"https://{endpoint.region}.console.aws.amazon.com/cloudwatch/home?region={endpoint.region}"
    return ServiceError(
        "ModelError",
        f'Received {kind} error ({status}) from {container.name} with message "{original}". '
        f"See {console}#logEventViewer:group={group} in account {endpoint.account} for more information.",
        424,
        {
            "OriginalStatusCode": status,
            "OriginalMessage": original,
            "LogStreamArn": f"arn:aws:logs:{endpoint.region}:{endpoint.account}:log-group:{group}",
        },
    )


def _unavailable(message: str) -> ServiceError:
    """The texts are ours, but for that of `busy`."""
    return ServiceError("ServiceUnavailable", message, 503)
