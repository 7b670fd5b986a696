"""UpdateEndpointWeightsAndCapacities: the desired weights and instance counts of the fleet that serves.

The reconciler starts and ends instances, and says when the desired are the current ones. Scaling policies change counts
by the same way (`change_capacities`).
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.record import Writer
from ringfence.resources.sagemaker import Capacity, Endpoint, Fleet, Variant
from ringfence.services.sagemaker.endpoint import check_updatable, serving_fleet
from ringfence.services.sagemaker.instance_limit import check_endpoint_limit
from ringfence.services.sagemaker.lookup import find
from ringfence.services.sagemaker.refusal import invalid, refuse_others
from ringfence.services.sagemaker.serverless import check_concurrency

_MEMBERS = frozenset({"VariantName", "DesiredWeight", "DesiredInstanceCount", "ServerlessUpdateConfig"})


@operation(
    "UpdateEndpointWeightsAndCapacities",
    on=("endpoint/{EndpointName}",),
    takes="EndpointName DesiredWeightsAndCapacities",
)
def update_endpoint_weights_and_capacities(call: Call, request: Request) -> Result:
    endpoint = find(call, Endpoint, request["EndpointName"])
    check_updatable(call.records, endpoint)
    fleet = serving_fleet(call.records, endpoint)
    assert fleet is not None, "an endpoint at rest has a fleet that serves, or it failed"
    wanted = _read(fleet, request["DesiredWeightsAndCapacities"])
    _check_limit(call, fleet, wanted)
    change_capacities(call.records, fleet, wanted)
    call.records.put(msgspec.structs.replace(endpoint, modified=call.now))
    return {"EndpointArn": endpoint.arn}


def change_capacities(records: Writer, fleet: Fleet, wanted: Mapping[str, Capacity]) -> None:
    """Write the desired weights and counts of these variants; the others keep theirs."""
    variants = tuple(with_capacity(one, wanted[one.name]) if one.name in wanted else one for one in fleet.variants)
    records.put(msgspec.structs.replace(fleet, variants=variants, revision=fleet.revision + 1))


def with_capacity(variant: Variant, wanted: Capacity) -> Variant:
    serverless = variant.serverless
    if serverless is not None and wanted.concurrency is not None:
        serverless = msgspec.structs.replace(serverless, concurrency=wanted.concurrency)
    return msgspec.structs.replace(variant, weight=wanted.weight, count=wanted.count, serverless=serverless)


def _check_limit(call: Call, fleet: Fleet, wanted: Mapping[str, Capacity]) -> None:
    added: Counter[str] = Counter()
    for one in fleet.variants:
        if one.name in wanted and one.serverless is None:
            added[one.instance_type] += wanted[one.name].count - one.count
    check_endpoint_limit(call.records, call.account, call.region, +added)


def _read(fleet: Fleet, given: list[dict[str, Any]]) -> dict[str, Capacity]:
    """ValidationException for variants that are not there. All texts but the one on names are ours."""
    known = {variant.name: variant for variant in fleet.variants}
    wanted: dict[str, Capacity] = {}
    for index, one in enumerate(given):
        refuse_others(one, _MEMBERS, f"DesiredWeightsAndCapacities[{index}].")
        name = one["VariantName"]
        if name not in known:
            # https://github.com/getmoto/moto/pull/5082
            raise invalid(
                f'The variant name(s) "{name}" is/are not present within endpoint configuration "{fleet.config_name}".'
            )
        if name in wanted:
            raise invalid(f'The variant "{name}" must not be named twice.')
        wanted[name] = (_read_concurrency if known[name].serverless else _read_count)(fleet, known[name], one)
    production = [one.name for one in fleet.production]
    if not sum(wanted[name].weight if name in wanted else known[name].weight for name in production):
        raise invalid("At least one production variant must have a DesiredWeight greater than 0.")
    return wanted


def _read_count(fleet: Fleet, variant: Variant, given: dict[str, Any]) -> Capacity:
    if "ServerlessUpdateConfig" in given:
        raise invalid(f'ServerlessUpdateConfig cannot be specified for the instance-based variant "{variant.name}".')
    count = given.get("DesiredInstanceCount", variant.count)
    if count < 1 and fleet.asynchronous is None:
        raise invalid(f'The DesiredInstanceCount of the variant "{variant.name}" must be at least 1.')
    return Capacity(weight=given.get("DesiredWeight", variant.weight), count=count)


def _read_concurrency(fleet: Fleet, variant: Variant, given: dict[str, Any]) -> Capacity:
    if "DesiredInstanceCount" in given:
        raise invalid(f'DesiredInstanceCount cannot be specified for the serverless variant "{variant.name}".')
    update = given.get("ServerlessUpdateConfig", {})
    refuse_others(update, frozenset({"MaxConcurrency", "ProvisionedConcurrency"}), "ServerlessUpdateConfig.")
    assert variant.serverless is not None
    maximum = update.get("MaxConcurrency", variant.serverless.concurrency)
    provisioned = update.get("ProvisionedConcurrency", variant.count)
    check_concurrency(maximum, provisioned, variant.name)
    return Capacity(weight=given.get("DesiredWeight", variant.weight), count=provisioned, concurrency=maximum)
