"""The way that the platform's transfer of model data takes from a subnet: name, packets, and what S3 sees of them.

Pure; called by explain.checks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ringfence.core.call import Arrival
from ringfence.explain.hosting import Ground, Plan
from ringfence.explain.standing import Standing, standings
from ringfence.network.addresses import PLATFORM_PUBLIC, public_address, service_facts
from ringfence.network.topology import Topology
from ringfence.network.trace import Trace
from ringfence.resources.hosted_container import single
from ringfence.resources.sagemaker import Variant
from ringfence.services.sagemaker.container import ModelData, model_data

FROM_PLATFORM = Arrival(PLATFORM_PUBLIC, tls=True, listener="the internet")


@dataclass(frozen=True, slots=True)
class WayToS3:
    """`arrival`: what S3's socket sees; if nothing arrives, what it would once the VPC's S3 endpoint is on the way."""

    standing: Standing
    host: str
    trace: Trace
    arrival: Arrival | None

    @property
    def endpoint_id(self) -> str | None:
        return self.arrival.vpce_id if self.arrival else None


def ways_to_s3(ground: Ground, plan: Plan) -> tuple[WayToS3, ...]:
    """From every subnet of the plan; each model's bucket has a name of its own, and all of them one address."""
    hosts = {variant.subnet_ids: host_of(variant, ground.region) for variant in plan.variants}
    found = []
    for standing in standings(ground, plan):
        host = next(host for subnets, host in hosts.items() if standing.subnet.id in subnets)
        found.append(find_way(standing, host, ground.region))
    return tuple(found)


def host_of(variant: Variant, region: str) -> str:
    """Virtual-host style; path style where the wildcard certificate does not reach."""
    data, regional = data_of(variant), f"s3.{region}.amazonaws.com"
    return regional if data is None or "." in data.bucket else f"{data.bucket}.{regional}"


def data_in(plan: Plan) -> Iterator[tuple[Variant, ModelData]]:
    """The data of every container; the variant as if it had this container alone."""
    for variant in plan.variants:
        for one in single(variant):
            if data := data_of(one):
                yield one, data


def data_of(variant: Variant) -> ModelData | None:
    return model_data(variant.container)


def s3_public_address(region: str) -> str:
    facts = service_facts("s3")
    assert facts is not None
    return public_address(facts, region)


def s3_endpoints(topology: Topology, vpc_id: str) -> tuple[str, ...]:
    """The VPC's S3 gateway endpoints."""
    endpoints = topology.vpcs[vpc_id].endpoints.values()
    return tuple(one.id for one in endpoints if one.service == "s3" and one.kind == "Gateway")


def find_way(standing: Standing, host: str, region: str) -> WayToS3:
    """The way of a packet from there to the host, one of S3's."""
    address = standing.look_up_anyhow(host) or s3_public_address(region)
    walked = standing.send(address, 443)
    if walked.delivered:
        return WayToS3(standing, host, walked, standing.arrival(walked))
    wished = s3_endpoints(standing.topology, standing.vpc.id)
    arrival = (
        Arrival(standing.address, standing.vpc.id, wished[0], True, f"VPC endpoint {wished[0]}") if wished else None
    )
    return WayToS3(standing, host, walked, arrival)
