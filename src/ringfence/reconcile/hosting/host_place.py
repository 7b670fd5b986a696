"""Where the instances of an endpoint are, for those who move data through their networks while they serve.

Called by `data_capture`, `async_invocation` and `multi_model`.
"""

from dataclasses import dataclass

from ringfence.network.topology.instance import Instance
from ringfence.reconcile.hosting.host_launch import hosting_wish
from ringfence.reconcile.instance.launch import Wish
from ringfence.reconcile.parts import Parts
from ringfence.resources.sagemaker import Endpoint, EndpointStatus, Fleet, HostStatus, Variant


@dataclass(frozen=True, slots=True)
class HostPlace:
    """One serving instance."""

    endpoint: Endpoint
    variant: Variant
    wish: Wish
    place: Instance


def find_places(parts: Parts, endpoint_key: str, variant_name: str) -> tuple[HostPlace, ...]:
    """Of the instances that serve the variant now, those that the network has."""
    records, applied = parts.store.snapshot(), parts.applied.topology
    endpoint, status = records.get(Endpoint, endpoint_key), records.get(EndpointStatus, endpoint_key)
    if endpoint is None or status is None or applied is None:
        return ()
    fleet = records.get(Fleet, f"{endpoint_key}/{status.serving_generation}")
    variant = next((one for one in fleet.variants if one.name == variant_name), None) if fleet else None
    if variant is None:
        return ()
    return tuple(
        HostPlace(endpoint, variant, hosting_wish(endpoint, variant, id), applied.instances[id])
        for id in status.instances.get(variant_name, ())
        if id in applied.instances
    )


def find_place(parts: Parts, instance_id: str) -> HostPlace | None:
    """Of one instance, whichever of the endpoint's fleets it is of; None if the network does not have it."""
    records, applied = parts.store.snapshot(), parts.applied.topology
    status = records.get(HostStatus, instance_id)
    if status is None or applied is None or instance_id not in applied.instances:
        return None
    endpoint = records.get(Endpoint, status.endpoint_key)
    fleet = records.get(Fleet, f"{status.endpoint_key}/{status.generation}")
    variant = next((one for one in fleet.variants if one.name == status.variant), None) if fleet else None
    if endpoint is None or variant is None:
        return None
    return HostPlace(endpoint, variant, hosting_wish(endpoint, variant, instance_id), applied.instances[instance_id])
