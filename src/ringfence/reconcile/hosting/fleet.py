"""What a fleet has and wants, counted. Pure. Called by `decision` and `fitting`."""

import msgspec

from ringfence.resources.sagemaker import Capacity, EndpointStatus, Fleet, HostStatus


def serving_instances(fleet: Fleet, hosts: list[HostStatus]) -> dict[str, tuple[str, ...]]:
    """The serving instances of each variant, as many as it has; of a serverless one all that there are."""
    return {
        variant.name: tuple(
            host.instance_id for host in hosts if host.variant == variant.name and host.phase == "serving"
        )[: variant.count if variant.serverless is None else None]
        for variant in fleet.variants
    }


def with_one_to_prove(fleet: Fleet) -> Fleet:
    """A serverless variant that keeps no container ready shows once that it can have one."""
    least = {one.name: 1 if one.serverless is not None else 0 for one in fleet.variants}
    return sized(fleet, {one.name: max(one.count, least[one.name]) for one in fleet.variants})


def sized(fleet: Fleet, counts: dict[str, int]) -> Fleet:
    """The fleet with other instance counts."""
    variants = tuple(msgspec.structs.replace(one, count=counts[one.name]) for one in fleet.variants)
    return msgspec.structs.replace(fleet, variants=variants)


def serves(fleet: Fleet, hosts: list[HostStatus]) -> bool:
    return is_whole(fleet, serving_instances(fleet, hosts))


def capacities_of(fleet: Fleet) -> dict[str, Capacity]:
    return {one.name: one.capacity for one in fleet.variants}


def is_whole(fleet: Fleet, instances: dict[str, tuple[str, ...]]) -> bool:
    return all(len(instances[variant.name]) >= variant.count for variant in fleet.variants)


def find_never_served(status: EndpointStatus, failed: list[HostStatus]) -> HostStatus | None:
    """One that failed in its launch, not later."""
    served = {id for ids in status.instances.values() for id in ids}
    return next((host for host in failed if host.instance_id not in served), None)
