"""Lines of flow logs: each field, and who says NODATA or SKIPDATA. Pure."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ringfence.network.flow import DEFAULT_FORMAT, FIELDS, FlowKey, parse_format, write_header
from ringfence.reconcile.network.flow_record import Place, write_lines
from ringfence.reconcile.network.flow_window import Total, Window
from ringfence.resources import ec2
from ringfence.resources.flow_log import FlowLog

sys.path.insert(0, str(Path(__file__).parents[1] / "network"))

from world import NOW, OWNED, World

ALL_FIELDS = " ".join(f"${{{name}}}" for name in FIELDS)
START, END = 1_700_000_040.0, 1_700_000_100.0


class Case:
    """An attached interface in a subnet with a NAT gateway, an internet gateway's table and an S3 endpoint."""

    def __init__(self) -> None:
        self.world = world = World()
        self.vpc = world.vpc()
        self.public, self.private = world.subnet(self.vpc, "10.0.0.0/24"), world.subnet(self.vpc, "10.0.1.0/24")
        gateway, nat = world.internet_gateway(self.vpc), world.nat_gateway(self.public)
        out = world.table(self.vpc, self.public)
        world.route(out, destination_cidr="0.0.0.0/0", gateway_id=gateway.id)
        inner = world.table(self.vpc, self.private)
        world.route(inner, destination_cidr="0.0.0.0/0", nat_gateway_id=nat.id)
        world.gateway_endpoint(self.vpc, inner)
        self.instance = world.instance(self.private)
        self.server = world.instance(self.public)

    def place(self, interface_id: str | None, **changes: object) -> Place:
        interface = self.world.change(ec2.NetworkInterface, interface_id or "", **changes)
        topology = self.world.compile()
        return Place(interface, "usw2-az1", topology.vpcs[self.vpc.id], topology.service_at)

    def s3(self) -> str:
        return next(one.address for one in self.world.compile().services if one.service == "s3")

    def line(self, place: Place, key: FlowKey, total: Total, text: str = DEFAULT_FORMAT) -> dict[str, str]:
        window = Window(START, END, {key: total}, active={key.interface_id})
        ((line,),) = write_lines(log(text), window, {key.interface_id: place}).values()
        return dict(zip(parse_format(text), line.text.split(" "), strict=True))


def log(text: str = DEFAULT_FORMAT) -> FlowLog:
    return FlowLog(
        id="fl-1", resource_type="VPC", resource_id="vpc-1", traffic="ALL", interval=60, created=NOW,
        destination_type="s3", format=text, **OWNED,
    )  # fmt: skip


def test_the_default_format() -> None:
    case = Case()
    place = case.place(case.instance.network_interface_id)
    id, own = place.interface.id, place.interface.private_ip
    key = FlowKey(id, "ingress", True, "10.0.0.77", own, 6, 49761, 3389)
    window = Window(START, END, {key: Total(20, 4249, 19, START + 10.9, START + 59.2)}, active={id})
    ((line,),) = write_lines(log(), window, {id: place}).values()
    account = OWNED["account"]
    assert line.text == f"2 {account} {id} 10.0.0.77 {own} 49761 3389 6 20 4249 1700000050 1700000099 ACCEPT OK"
    assert line.start == 1_700_000_050


def test_idle_and_incomplete_interfaces_say_so() -> None:
    case = Case()
    places = {
        place.interface.id: place
        for place in (case.place(one.network_interface_id) for one in (case.instance, case.server))
    }
    first, second = places
    lines = write_lines(log(), Window(START, END, present={first, second}, skipped={second}), places)
    account = OWNED["account"]
    assert lines[first][0].text == f"2 {account} {first} - - - - - - - 1700000040 1700000100 - NODATA"
    assert lines[second][0].text == f"2 {account} {second} - - - - - - - 1700000040 1700000100 - SKIPDATA"


def test_every_field() -> None:
    case = Case()
    attached = ec2.Attachment(id="eni-attach-1", instance_owner=OWNED["account"], attached_at=NOW, instance_id="i-1")
    place = case.place(case.instance.network_interface_id, attachment=attached)
    own = place.interface.private_ip
    key = FlowKey(place.interface.id, "egress", True, own, case.s3(), 6, 40000, 443)
    found = case.line(place, key, Total(1, 60, 2, START, START), ALL_FIELDS)
    assert found == {
        **dict.fromkeys(FIELDS, "-"),
        "version": "10", "account-id": OWNED["account"], "interface-id": place.interface.id, "srcaddr": own,
        "dstaddr": case.s3(), "srcport": "40000", "dstport": "443", "protocol": "6", "packets": "1", "bytes": "60",
        "start": "1700000040", "end": "1700000040", "action": "ACCEPT", "log-status": "OK", "vpc-id": case.vpc.id,
        "subnet-id": case.private.id, "instance-id": "i-1", "tcp-flags": "2", "type": "IPv4", "pkt-srcaddr": own,
        "pkt-dstaddr": case.s3(), "region": OWNED["region"], "az-id": "usw2-az1", "pkt-dst-aws-service": "S3",
        "flow-direction": "egress", "traffic-path": "7",
    }  # fmt: skip
    managed = case.place(case.instance.network_interface_id, requester_managed=True)
    assert case.line(managed, key, Total(1, 60, 2, START, START), ALL_FIELDS)["instance-id"] == "-"


def test_the_interfaces_own_end_is_its_primary_address() -> None:
    """Through a NAT gateway: what comes in is for somebody else, and the pkt- fields say who."""
    case = Case()
    nat = next(one for one in case.world.all(ec2.NetworkInterface) if one.interface_type == "natGateway")
    place = case.place(nat.id)
    key = FlowKey(nat.id, "ingress", True, "10.0.1.4", "203.0.113.5", 6, 40000, 80)
    found = case.line(place, key, Total(1, 60, 2, START, START), ALL_FIELDS)
    assert (found["srcaddr"], found["dstaddr"]) == ("10.0.1.4", nat.private_ip)
    assert (found["pkt-srcaddr"], found["pkt-dstaddr"]) == ("10.0.1.4", "203.0.113.5")


@pytest.mark.parametrize(
    ("where", "target", "path"),
    [("instance", "10.0.0.9", "1"), ("instance", "203.0.113.5", "1"), ("server", "203.0.113.5", "8")],
)
def test_traffic_paths(where: str, target: str, path: str) -> None:
    case = Case()
    place = case.place(getattr(case, where).network_interface_id)
    key = FlowKey(place.interface.id, "egress", True, place.interface.private_ip, target, 6, 40000, 443)
    total = Total(1, 60, 0, START, START)
    assert case.line(place, key, total, ALL_FIELDS)["traffic-path"] == path
    assert case.line(place, key._replace(accepted=False), total, ALL_FIELDS)["traffic-path"] == "-"
    arriving = key._replace(direction="ingress", source=target, destination=place.interface.private_ip)
    assert case.line(place, arriving, total, ALL_FIELDS)["traffic-path"] == "-"


def test_the_version_is_the_highest_of_the_fields() -> None:
    case = Case()
    place = case.place(case.instance.network_interface_id)
    key = FlowKey(place.interface.id, "ingress", False, "10.0.0.77", place.interface.private_ip, 1, 0, 0)
    for text, version in (("${version} ${bytes}", "2"), ("${type} ${version}", "3"), ("${version} ${region}", "4")):
        assert case.line(place, key, Total(1, 84, 0, START, START), text)["version"] == version


@pytest.mark.parametrize("text", ["", "bytes", "${bytes}${start}", "${bytes}  ${start}", "${byte}", "${bytes} "])
def test_what_is_no_format(text: str) -> None:
    with pytest.raises(ValueError):
        parse_format(text)


def test_the_header() -> None:
    assert write_header(parse_format("${version} ${pkt-srcaddr}")) == "version pkt-srcaddr"
    assert datetime.fromtimestamp(START, UTC).year == 2023
