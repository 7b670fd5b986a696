"""One VPC endpoint as its clients meet it: policy, who may reach it from where, names, zones. Pure.

Called by gateway.admin.hosting for `ringfence explain vpc-endpoint`.
"""

from collections.abc import Iterator

from ringfence.core.operation import REGISTRY
from ringfence.explain.checks.endpoint_policy import check_document
from ringfence.explain.checks.interface_endpoint import check_clients, check_names_and_zones
from ringfence.explain.finding import Finding, note, ok, wrong
from ringfence.explain.hosting import Ground
from ringfence.explain.standing import Standing, stand_in
from ringfence.network.addresses import service_of
from ringfence.network.explain import explain
from ringfence.network.topology.endpoint import Endpoint
from ringfence.network.topology.vpc import Vpc
from ringfence.network.trace import Trace
from ringfence.resources import ec2


def find_of_endpoint(ground: Ground, record: ec2.VpcEndpoint) -> tuple[Finding, ...]:
    """Everything about an endpoint that is not being deleted."""
    vpc = ground.topology.vpcs.get(record.vpc_id)
    endpoint = vpc.endpoints.get(record.id) if vpc else None
    if vpc is None or endpoint is None:
        return (wrong("state", record.id, f"{record.id} is being deleted", "create another"),)
    return tuple(_look(ground, vpc, endpoint, record))


def _look(ground: Ground, vpc: Vpc, endpoint: Endpoint, record: ec2.VpcEndpoint) -> Iterator[Finding]:
    yield check_document(record)
    yield from _unserved(vpc, endpoint)
    # with every group of the VPC at once: what stops it then is a route, an ACL or the endpoint's own groups
    groups = tuple(vpc.groups)
    places = [stand_in(ground.topology, subnet, groups) for subnet in vpc.subnets]
    found = tuple(one for one in places if one is not None)
    target = _target(vpc, endpoint)
    if target is not None:
        reached = [_reach(endpoint, standing, target) for standing in found]
        yield from reached
        if found and all(one.mark != "ok" for one in reached):
            remedy = reached[0].remedy
            yield wrong("subnets", endpoint.id, f"no subnet of {vpc.id} reaches {endpoint.id}", remedy)
    if endpoint.kind == "Interface":
        yield check_clients(ground, vpc, endpoint)
        yield from check_names_and_zones(ground, vpc, endpoint, found)


def _unserved(vpc: Vpc, endpoint: Endpoint) -> Iterator[Finding]:
    """An endpoint can be made of services that Ringfence does not have: its network is real, what answers is not."""
    facts = service_of(endpoint.service_name, vpc.region)
    if facts is not None and facts.api not in {service for service, _ in REGISTRY}:
        sentence = f"{endpoint.service_name} is not served here: who calls through {endpoint.id} gets NotImplemented"
        yield note("service", endpoint.id, sentence, "names, routes and groups of it are as on AWS")


def _target(vpc: Vpc, endpoint: Endpoint) -> str | None:
    own = [vpc.interfaces[id].address for id in endpoint.interface_ids]
    return next(iter((*own, *endpoint.addresses)), None)


def _reach(endpoint: Endpoint, standing: Standing, target: str) -> Finding:
    subnet, walked = standing.subnet.id, standing.send(target, 443)
    if walked.delivered and walked.reached == endpoint.id:
        return ok("subnet", subnet, f"{subnet} reaches {endpoint.id} at {target}, as far as the sender's groups let it")
    sentence, remedy = _why(endpoint, standing, walked)
    return note("subnet", subnet, sentence, remedy, subnet, endpoint.id, walked.deciding.owner)


def _why(endpoint: Endpoint, standing: Standing, walked: Trace) -> tuple[str, str]:
    subnet, table = standing.subnet.id, standing.subnet.route_table_id
    if endpoint.kind == "Gateway" and (walked.delivered or walked.deciding.stage in ("route", "internet gateway")):
        other = f", but goes by {walked.reached}" if walked.delivered else ""
        sentence = f"{subnet} does not use {endpoint.id}: {table} has no route to it{other}"
        return sentence, f"add {table} to {endpoint.id} (ec2 modify-vpc-endpoint --add-route-table-ids {table})"
    said = explain(walked)
    return f"{subnet} does not reach {endpoint.id}: {said.sentence}", said.remedy
