"""The VPC's interface endpoints as clients meet them: who may reach 443, private names, Availability Zones."""

from collections.abc import Iterator

from ringfence.explain import aws_message
from ringfence.explain.finding import Finding, note, ok, wrong
from ringfence.explain.hosting import Ground, Plan
from ringfence.explain.standing import Standing, stand_in, standings, vpcs_of
from ringfence.network.addresses import private_dns_names, service_of
from ringfence.network.resolve import resolve
from ringfence.network.topology.endpoint import Endpoint
from ringfence.network.topology.listener import Vantage
from ringfence.network.topology.vpc import Vpc
from ringfence.resources import ec2

_HOSTING = ("sagemaker.api", "sagemaker.runtime")


def check_interface_endpoints(ground: Ground, plan: Plan) -> Iterator[Finding]:
    for vpc in vpcs_of(ground, plan):
        endpoints = [one for one in vpc.endpoints.values() if one.kind == "Interface"]
        if not any(one.service in _HOSTING for one in endpoints):
            sentence = f"{vpc.id} has no SageMaker endpoint: its clients need a way to the internet to call the model"
            yield note(
                "clients", vpc.id, sentence, "create interface endpoints for sagemaker.runtime and sagemaker.api"
            )
        places = tuple(standing for standing in standings(ground, plan) if standing.vpc.id == vpc.id)
        for endpoint in endpoints:
            if endpoint.service in _HOSTING:
                yield check_clients(ground, vpc, endpoint)
            yield from check_names_and_zones(ground, vpc, endpoint, places)


def check_names_and_zones(
    ground: Ground, vpc: Vpc, endpoint: Endpoint, places: tuple[Standing, ...]
) -> Iterator[Finding]:
    """Private names as they are answered at these places, and zones."""
    record = ground.records.get(ec2.VpcEndpoint, endpoint.id)
    if record is not None:
        yield _private_names(vpc, record, places)
        yield _zones(ground, vpc, endpoint)


def check_clients(ground: Ground, vpc: Vpc, endpoint: Endpoint) -> Finding:
    """Which groups a client may be in: each is tried from the subnet of the endpoint's first interface."""
    interfaces = [vpc.interfaces[id] for id in endpoint.interface_ids]
    if not interfaces:
        return wrong("clients", endpoint.id, f"{endpoint.id} has no network interface", "add a subnet to it", None)
    target, admitted = interfaces[0], []
    for group in vpc.groups.values():
        standing = stand_in(ground.topology, target.subnet_id, (group.id,))
        if standing is not None and standing.send(target.address, 443).delivered:
            admitted.append(f"{group.id} ({group.name})")
    what = f"{endpoint.id} ({endpoint.service})"
    if not admitted:
        groups = ", ".join(target.group_ids)
        sentence = f"no security group of {vpc.id} reaches {what} on 443: {groups} admits none, or none may send"
        seen = aws_message.connect_timeout(f"{endpoint.service}.{endpoint.region}.amazonaws.com")
        remedy = f"add an ingress rule for TCP 443 from the clients' security group to {groups}"
        return wrong("clients", endpoint.id, sentence, remedy, seen, endpoint.id, *target.group_ids)
    sentence = f"{what} may be called on 443 by clients with {', '.join(admitted)}"
    return ok("clients", endpoint.id, sentence, endpoint.id, *target.group_ids)


def _private_names(vpc: Vpc, record: ec2.VpcEndpoint, places: tuple[Standing, ...]) -> Finding:
    names = private_dns_names(record.service_name, vpc.region)
    host = names[0].removeprefix("*.") if names else record.service_name
    if not names:
        return ok("private-dns", record.id, f"{record.service_name} has no private names: clients use its vpce- names")
    if record.private_dns_only_inbound:
        sentence = f"private DNS of {record.id} is for inbound resolver endpoints only: in {vpc.id} {host} is public"
        return note("private-dns", record.id, sentence, "the VPC's clients use the gateway endpoint", record.id, vpc.id)
    if record.private_dns_enabled:
        off = [
            name
            for name, on in (("enableDnsSupport", vpc.dns_support), ("enableDnsHostnames", vpc.dns_hostnames))
            if not on
        ]
        if not off:
            if (other := _other_answer(vpc, record.id, host, places)) is not None:
                sentence = f"private DNS of {record.id} is hidden: {host} is answered by {other}"
                remedy = f"delete that zone's record, or make it an alias of {record.id}"
                return wrong("private-dns", record.id, sentence, remedy, aws_message.connect_timeout(host))
            return ok("private-dns", record.id, f"{host} is answered with the addresses of {record.id}")
        sentence = f"private DNS of {record.id} does not work: {' and '.join(off)} of {vpc.id} is off"
        seen = aws_message.connect_timeout(host)
        return wrong("private-dns", record.id, sentence, f"turn {' and '.join(off)} on", seen, record.id, vpc.id)
    same = [one.id for one in vpc.endpoints.values() if one.id != record.id and host in one.private_names]
    if same:
        sentence = f"{record.id} cannot have private DNS: {same[0]} has {host} already (conflicting DNS domain)"
        return note("private-dns", record.id, sentence, f"use its vpce- names, or delete {same[0]}", record.id, *same)
    remedy = f"enable private DNS of {record.id}, or give clients its vpce- name as endpoint URL"
    sentence = f"private DNS of {record.id} is off: {host} is answered with its public address"
    if any(_is_public_way(standing, host) for standing in places):
        return note("private-dns", record.id, f"{sentence}, reached over the internet", remedy)
    return wrong(
        "private-dns", record.id, f"{sentence}, which no route leads to", remedy, aws_message.connect_timeout(host)
    )


def _other_answer(vpc: Vpc, endpoint_id: str, host: str, places: tuple[Standing, ...]) -> str | None:
    """Whose answer it is if it leads elsewhere than to the endpoint: a hosted zone of the same or a longer name."""
    own = {vpc.interfaces[id].address for id in vpc.endpoints[endpoint_id].interface_ids}
    for standing in places:
        answer = resolve(standing.topology, Vantage("vpc", vpc.id, standing.subnet.id), host, "A")
        if answer.source != endpoint_id and not (answer.values and own.issuperset(answer.values)):
            return answer.source or answer.code
    return None


def _is_public_way(standing: Standing, host: str) -> bool:
    address = standing.look_up(host)
    return address is not None and standing.send(address, 443).delivered


def _zones(ground: Ground, vpc: Vpc, endpoint: Endpoint) -> Finding:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/interface-vpc-endpoint.html : zones of sagemaker.runtime"""
    own = {vpc.subnets[vpc.interfaces[id].subnet_id].availability_zone for id in endpoint.interface_ids}
    missing = sorted({subnet.availability_zone for subnet in vpc.subnets.values()} - own)
    if not missing:
        return ok("endpoint-zones", endpoint.id, f"{endpoint.id} has an interface in each zone of {vpc.id}")
    facts = service_of(endpoint.service_name, vpc.region)
    host = facts.names[0].format(r=vpc.region) if facts else endpoint.service
    sentence = f"{endpoint.id} has no interface in {', '.join(missing)}, where {vpc.id} has subnets"
    remedy = f"add a subnet of {missing[0]} to {endpoint.id}"
    if ground.topology.private_dns_per_zone:
        seen = aws_message.cannot_connect(host)
        return wrong("endpoint-zones", endpoint.id, f"{sentence}: {host} is not answered there", remedy, seen)
    return note("endpoint-zones", endpoint.id, f"{sentence}: its clients cross zones", remedy)
