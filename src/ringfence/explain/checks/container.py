"""Image, instance type, and what is known of a container that did not come up: its last words and its end."""

from collections.abc import Iterator

from ringfence.explain import aws_message
from ringfence.explain.checks.image import check_image
from ringfence.explain.finding import Finding, Seen, note, ok, wrong
from ringfence.explain.hosting import Ground, Plan
from ringfence.explain.log_tail import say_last_lines
from ringfence.resources.hosted_container import containers_of, single
from ringfence.resources.sagemaker import HostStatus, Variant
from ringfence.runtime.driver import Exited
from ringfence.runtime.instance_type import GIB, limits, limits_of
from ringfence.services.sagemaker.failure_reason import label_missing


def check_container(ground: Ground, plan: Plan) -> Iterator[Finding]:
    for variant in plan.variants:
        for one in single(variant):
            yield check_image(ground, one)
        yield from _labels(ground, variant)
        if plan.endpoint is not None:
            yield _instance_type(variant)
    if plan.endpoint is not None:
        for variant in plan.variants:
            yield from _start(ground, plan, variant)


def _labels(ground: Ground, variant: Variant) -> Iterator[Finding]:
    """What an image must say of itself for a pipeline or for many models; of one that is not here yet, nothing."""
    for container in containers_of(variant):
        name = container.definition["Image"]
        image = ground.image(name)
        for label in container.labels if image is not None else ():
            if image is not None and image.labels.get(label) != "true":
                seen = Seen("", label_missing(name, label))
                yield wrong("image", name, f"it lacks the label {label}=true", "build it with that label", seen)


def _instance_type(variant: Variant) -> Finding:
    if variant.serverless is not None:
        known = limits_of(variant)
        size = f"serverless, {variant.serverless.memory_mb} MB"
        sentence = f"{size}: each container gets {known.memory_bytes / GIB:g} GiB and {known.cpus:g} CPUs"
        return ok("instance-type", variant.name, sentence)
    found = limits(variant.instance_type)
    if found is None or found.accelerators:
        text = f"The account-level service limit '{variant.instance_type} for endpoint usage' is 0 Instances"
        seen = Seen("ResourceLimitExceeded", text, "CreateEndpoint")
        sentence = f"{variant.instance_type} is not offered here: it has accelerators or is unknown"
        return wrong("instance-type", variant.name, sentence, "choose a type without accelerators", seen)
    sentence = f"{variant.instance_type}: the container gets {found.memory_bytes / GIB:g} GiB and {found.cpus:g} CPUs"
    return ok("instance-type", variant.name, sentence)


def _start(ground: Ground, plan: Plan, variant: Variant) -> Iterator[Finding]:
    """/ping and the container's end, if the start has failed or an instance ended by itself."""
    assert plan.endpoint is not None
    status = plan.status
    reason = (status.failure_reason if status else None) or ""
    said = say_last_lines(ground, f"/aws/sagemaker/Endpoints/{plan.endpoint.name}", f"{variant.name}/")
    exits = _exits(ground, plan.endpoint.key, variant.name)
    never, crashed = aws_message.no_ping(variant.name), aws_message.cannot_start(variant.name)
    if reason == never.text and status is not None and status.ended:
        yield wrong("container", variant.name, _ended_early(status.ended) + said, _remedy(variant, status.ended), never)
    elif reason == never.text:
        seconds = variant.startup_timeout
        sentence = f"the container ran, and GET /ping on port 8080 was not answered with 200 within {seconds} s"
        remedy = (
            "answer /ping within 2 s once the model is loaded; what it downloads at the start must be reachable in "
            "the VPC; or raise ContainerStartupHealthCheckTimeoutInSeconds"
        )
        yield wrong("container", variant.name, sentence + said, remedy, never)
    elif reason == crashed.text:
        sentence = f"the container did not start{exits}{said}"
        yield wrong("container", variant.name, sentence, _remedy(variant, ""), crashed)
    elif exits:
        sentence = f"a container ended by itself{exits}{said}"
        yield wrong("container", variant.name, sentence, "see the log; it is started again with growing delays", None)
    elif status is None or status.generation < plan.endpoint.generation:
        yield note("container", variant.name, "not started yet, or not answering /ping yet")


def _ended_early(how: str) -> str:
    return f"the container ended ({how}) before it answered GET /ping on port 8080 with 200"


def _remedy(variant: Variant, how: str) -> str:
    if "out of memory" in how:
        return f"choose an instance type with more memory than {variant.instance_type} has, or a smaller model"
    return "run the image with the argument `serve` by hand: it must stay up and listen on port 8080"


def _exits(ground: Ground, key: str, variant: str) -> str:
    shown = []
    for host in ground.records.all(HostStatus):
        state = ground.container(host.instance_id) if (host.endpoint_key, host.variant) == (key, variant) else None
        if isinstance(state, Exited):
            memory = ", out of memory" if state.out_of_memory else ""
            shown.append(f"{host.instance_id} with exit code {state.code}{memory}")
    return f" ({'; '.join(shown)})" if shown else ""
