"""The containers of a pipeline as they are asked: one after another (Serial), or the one that is named (Direct).

https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipelines.html
https://docs.aws.amazon.com/sagemaker/latest/dg/multi-container-direct.html
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from ringfence.core.call import Result
from ringfence.core.results import Forward, ForwardReply
from ringfence.resources.hosted_container import HostedContainer, containers_of
from ringfence.resources.sagemaker import Variant
from ringfence.services.sagemaker_runtime.validation import validation_error

_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_PASSED_ON = {"content-type": "Content-Type", _ATTRIBUTES.lower(): _ATTRIBUTES}


def choose_containers(variant: Variant, target: str | None) -> tuple[HostedContainer, ...]:
    """Those that are asked, in their order. AWS's texts for the refusals are not published: ours."""
    containers = containers_of(variant)
    if not variant.direct:
        if target is not None:
            raise validation_error(
                "TargetContainerHostname is for models with the inference execution mode Direct only."
            )
        return containers
    if target is None:
        raise validation_error("TargetContainerHostname is needed: the model's inference execution mode is Direct.")
    for container in containers:
        if container.name == target:
            return (container,)
    raise validation_error(f"The model has no container with the hostname {target}.")


def chain(
    forward: Forward,
    containers: Sequence[HostedContainer],
    check: Callable[[HostedContainer, ForwardReply], None],
    finish: Callable[[HostedContainer, ForwardReply], Result],
) -> Forward:
    """What one container answers is what the next one is asked, on the same instance, within the time of all."""
    first, *others = containers

    def go_on(reply: ForwardReply) -> Result | Forward:
        if not others:
            return finish(first, reply)
        check(first, reply)
        following = replace(
            forward,
            instance_ids=(reply.instance_id,),
            headers={**forward.headers, **passed_on(reply.headers)},
            body=reply.body,
            timeout=max(0.0, forward.timeout - reply.seconds),
        )
        return chain(following, others, check, finish)

    target = forward.target_model if first.is_multi_model else None
    return replace(forward, port=first.port, finish=go_on, target_model=target)


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Which of an answer's headers are those of the next question."""
    found = {name.lower(): value for name, value in headers.items()}
    return {name: found[header] for header, name in _PASSED_ON.items() if header in found}
