"""What DescribeEndpoint says of the variants of an endpoint, of those that serve and of those that are coming. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime

from ringfence.core.call import Result
from ringfence.core.record import Reader
from ringfence.resources.hosted_container import containers_of
from ringfence.resources.sagemaker import (
    Deployed,
    Deployment,
    Endpoint,
    EndpointStatus,
    Fleet,
    HostStatus,
    Variant,
)
from ringfence.services.sagemaker.serverless import show_serverless


def summarize_variants(records: Reader, status: EndpointStatus, fleet: Fleet) -> Result:
    """The fleet that serves."""
    changing = status.fleet_revision < fleet.revision
    return _by_kind(fleet, lambda variant: _variant_summary(records, status, variant, changing=changing))


def summarize_creation(records: Reader, endpoint: Endpoint) -> Result:
    """The first fleet, until it serves."""
    fleet = records.get(Fleet, f"{endpoint.key}/{endpoint.generation}")
    assert fleet is not None, "an endpoint is written with its fleet"
    up: dict[str, tuple[str, ...]] = {}
    for host in records.all(HostStatus):
        if (host.endpoint_key, host.phase) == (endpoint.key, "serving"):
            up[host.variant] = (*up.get(host.variant, ()), host.instance_id)
    return _summarize_pending(fleet, up, "Creating", endpoint.created, endpoint.created)


def summarize_deployment(records: Reader, endpoint: Endpoint, deployment: Deployment) -> Result:
    """The fleet that is coming."""
    fleet = records.get(Fleet, f"{endpoint.key}/{deployment.generation}")
    assert fleet is not None, "a deployment's fleet is written before it"
    stage = {"launching": "Creating", "baking": "Baking", "terminating": "ActivatingTraffic"}
    status = stage.get(deployment.stage, "Deleting")
    return _summarize_pending(fleet, deployment.instances, status, deployment.since, deployment.began)


def _summarize_pending(
    fleet: Fleet, up: Mapping[str, tuple[str, ...]], status: str, since: datetime, began: datetime
) -> Result:
    """`up`: variant -> its instances that serve."""

    def summarize(variant: Variant) -> Result:
        return {
            "VariantName": variant.name,
            "CurrentWeight": variant.weight,
            "DesiredWeight": variant.weight,
            **_pending_capacity(variant, up.get(variant.name, ())),
            "VariantStatus": [{"Status": status, "StartTime": since}],
        }

    return {"EndpointConfigName": fleet.config_name, **_by_kind(fleet, summarize), "StartTime": began}


def _pending_capacity(variant: Variant, up: tuple[str, ...]) -> Result:
    if variant.serverless is not None:
        return {"DesiredServerlessConfig": show_serverless(variant)}
    return {
        "CurrentInstanceCount": len(up),
        "DesiredInstanceCount": variant.count,
        "InstanceType": variant.instance_type,
    }


def _by_kind(fleet: Fleet, summarize: Callable[[Variant], Result]) -> Result:
    """The summaries under the members in which AWS shows them."""
    shown: Result = {"ProductionVariants": [summarize(variant) for variant in fleet.production]}
    return shown | ({"ShadowProductionVariants": [summarize(fleet.shadow)]} if fleet.shadow else {})


def _variant_summary(records: Reader, status: EndpointStatus, variant: Variant, *, changing: bool) -> Result:
    """`changing`: weights and counts of the fleet are on their way to what was asked for."""
    serving = status.instances.get(variant.name, ())
    summary: Result = {
        "VariantName": variant.name,
        "CurrentWeight": status.weight(variant),
        "DesiredWeight": variant.weight,
        **_capacity(status, variant),
    }
    if changing and status.capacities.get(variant.name) != variant.capacity:
        # "Updating capacity for the production variant"
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ProductionVariantStatus.html
        summary["VariantStatus"] = [{"Status": "Updating"}]
    if variant.routing != "RANDOM":
        summary["RoutingConfig"] = {"RoutingStrategy": variant.routing}
    host = records.get(HostStatus, serving[0]) if serving else None
    deployed = status.deployed.get(variant.name)
    if host and host.started:
        deployed = Deployed(at=host.started, images=host.resolved_images)
    if deployed:
        summary["DeployedImages"] = [
            {"SpecifiedImage": one.definition["Image"], "ResolvedImage": resolved, "ResolutionTime": deployed.at}
            for one, resolved in zip(containers_of(variant), deployed.images, strict=False)
        ]
    return summary


def _capacity(status: EndpointStatus, variant: Variant) -> Result:
    """A serverless variant has a CurrentInstanceCount of 0 with AWS, and no other."""
    if variant.serverless is None:
        return {
            "CurrentInstanceCount": len(status.instances.get(variant.name, ())),
            "DesiredInstanceCount": variant.count,
        }
    reached = status.capacities.get(variant.name)
    desired = show_serverless(variant)
    current = show_serverless(variant, reached.concurrency, reached.count) if reached else desired
    shown: Result = {"CurrentInstanceCount": 0, "CurrentServerlessConfig": current}
    return shown | ({"DesiredServerlessConfig": desired} if desired != current else {})
