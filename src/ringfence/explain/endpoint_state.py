"""How far an endpoint is: its status, and each instance's phase, interface and container. For explain.endpoint."""

from collections.abc import Iterator
from dataclasses import dataclass

from ringfence.explain.hosting import Ground, Plan
from ringfence.resources.ec2 import NetworkInterface
from ringfence.resources.instance import Instance
from ringfence.resources.sagemaker import HostStatus, Variant
from ringfence.runtime.driver import Exited, Running, State
from ringfence.services.sagemaker.endpoint import endpoint_state
from ringfence.services.sagemaker.serverless import show_serverless


@dataclass(frozen=True, slots=True)
class InstanceState:
    """`container`: running, absent, `exited 1`. `reason`: why its phase is failed."""

    id: str
    variant: str
    phase: str
    interface: str | None
    subnet: str | None
    address: str | None
    container: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class EndpointState:
    """`status` is None of a model that no endpoint runs."""

    name: str
    status: str | None
    failure_reason: str | None
    variants: tuple[dict[str, object], ...]
    instances: tuple[InstanceState, ...]


def describe_state(ground: Ground, plan: Plan) -> EndpointState:
    endpoint, status = plan.endpoint, plan.status
    shown: tuple[dict[str, object], ...] = tuple(
        {
            "name": one.name,
            "model": one.model_name,
            "instance_type": one.instance_type,
            "instances": one.count,
            "serverless": show_serverless(one) if one.serverless else None,
            "role": one.role_arn,
            "subnets": list(one.subnet_ids),
            "groups": list(one.group_ids),
            "isolated": one.isolated,
        }
        for one in plan.variants
    )
    if endpoint is None:
        return EndpointState(plan.name, None, None, shown, ())
    reason = status.failure_reason if status and status.generation == endpoint.generation else None
    hosts = [host for host in ground.records.all(HostStatus) if host.endpoint_key == endpoint.key]
    instances = tuple(_instance(ground, host) for host in hosts)
    return EndpointState(endpoint.name, endpoint_state(ground.records, endpoint), reason, shown, instances)


def _instance(ground: Ground, host: HostStatus) -> InstanceState:
    instance = ground.records.get(Instance, host.instance_id)
    interface = ground.records.get(NetworkInterface, (instance and instance.network_interface_id) or "")
    return InstanceState(
        host.instance_id,
        host.variant,
        host.phase,
        interface.id if interface else None,
        interface.subnet_id if interface else None,
        interface.private_ip if interface else None,
        _words(ground.container(host.instance_id)),
        host.reason,
    )


def _words(state: State) -> str:
    match state:
        case Running():
            return "running"
        case Exited(code, out_of_memory):
            return f"exited {'unseen' if code is None else code}{', out of memory' if out_of_memory else ''}"
        case _:
            return "absent"


def _size(variant: Variant) -> str:
    if variant.serverless is None:
        return f"{variant.count} × {variant.instance_type}"
    one = variant.serverless
    return f"serverless, {one.memory_mb} MB, at most {one.concurrency} at once, {variant.count} kept ready"


def show_state(plan: Plan, state: EndpointState) -> Iterator[str]:
    if plan.endpoint is None:
        yield f"model {state.name}, as an endpoint with one instance would host it"
    else:
        yield f"endpoint {state.name}: {state.status}"
    if state.failure_reason:
        yield f"FailureReason: {state.failure_reason}"
    for variant in plan.variants:
        place = (
            f"{', '.join(variant.subnet_ids)} with {', '.join(variant.group_ids)}" if variant.subnet_ids else "no VPC"
        )
        fleet = _size(variant)
        kind = "shadow variant" if variant.shadow else "variant"
        yield f"  {kind} {variant.name}: model {variant.model_name}, {fleet}, {place}"
    for one in state.instances:
        where = f"{one.interface} {one.address} in {one.subnet}" if one.interface else "no network interface"
        why = f": {one.reason}" if one.reason else ""
        yield f"  instance {one.id} of {one.variant}: {one.phase}, {where}, container {one.container}{why}"
