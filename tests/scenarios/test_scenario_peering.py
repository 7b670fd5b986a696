"""Two peered VPCs, as a user builds them: both routes, a group of the peer, its interface endpoint, names, deletion.

https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from demo.network import wait_available
from demo.story import BIN, Story
from tests.patience import eventually

pytestmark = pytest.mark.root
PYTHON = str(BIN / "python")
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])).status)"
RESOLVE = "import socket, sys; print(socket.gethostbyname(sys.argv[1]))"
PORT = "8080"


@dataclass
class Side:
    """A VPC with a subnet, its route table and a group."""

    vpc: str
    cidr: str
    subnet: str
    table: str
    group: str


@dataclass
class Place:
    """Both sides, the connection between them, and an HTTP server on the far one."""

    story: Story
    near: Side
    far: Side
    pcx: str = ""
    server: str = ""  # its address
    interface: str = ""

    @property
    def ec2(self) -> Any:
        return self.story.client("ec2")

    def exec(self, *command: str, role: str | None = None) -> tuple[bool, str]:
        where = ("--subnet", self.near.subnet, "--security-group", self.near.group)
        done = self.story.ringfence("exec", *where, *(("--role", role) if role else ()), *command)
        return done.returncode == 0, done.stdout.strip() or done.stderr.strip()

    def agree(self, reachable: bool) -> str:
        """What a real connection does, `explain path` has said."""
        source = ("--from-subnet", self.near.subnet, "--from-group", self.near.group)
        told = self.story.ringfence("explain", "path", *source, "--to", self.server, "--port", PORT)
        seconds = "60" if reachable else "4"
        fetched = self.exec(PYTHON, "-c", FETCH, f"http://{self.server}:{PORT}/", seconds) == (True, "200")
        assert (told.returncode == 0, fetched) == (reachable, reachable), told.stdout + told.stderr
        return told.stdout

    def state(self) -> str:
        found = self.ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[self.pcx])
        return str(found["VpcPeeringConnections"][0]["Status"]["Code"])

    def route(self, side: Side, other: Side) -> None:
        self.ec2.create_route(RouteTableId=side.table, DestinationCidrBlock=other.cidr, VpcPeeringConnectionId=self.pcx)

    def resolve(self, name: str) -> str:
        good, said = self.exec(PYTHON, "-c", RESOLVE, name)
        assert good, said
        return said


def build(ec2: Any, cidr: str) -> Side:
    vpc = ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=cidr.replace("0.0/16", "1.0/24"))["Subnet"]["SubnetId"]
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    group = ec2.create_security_group(GroupName="peer", Description="d", VpcId=vpc)["GroupId"]
    return Side(vpc, cidr, subnet, tables[0]["RouteTableId"], group)


def remove(ec2: Any, side: Side) -> None:
    def free() -> bool:
        found = ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [side.vpc]}])
        return not found["NetworkInterfaces"]

    eventually(free)
    ec2.delete_subnet(SubnetId=side.subnet)
    ec2.delete_security_group(GroupId=side.group)
    ec2.delete_vpc(VpcId=side.vpc)


@contextmanager
def serving(place: Place) -> Iterator[None]:
    """An HTTP server of the far side, which ends with its session."""
    where = ["--subnet", place.far.subnet, "--security-group", place.far.group]
    command = [str(BIN / "ringfence"), "exec", *where, PYTHON, "-u", "-m", "http.server", PORT]
    environment = {"RINGFENCE_STATE": str(place.story.state), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None and b"Serving" in process.stdout.readline()
        inside = [{"Name": "subnet-id", "Values": [place.far.subnet]}]
        found = eventually(lambda: place.ec2.describe_network_interfaces(Filters=inside)["NetworkInterfaces"])[0]
        place.server, place.interface = found["PrivateIpAddress"], found["NetworkInterfaceId"]
        yield
    finally:
        process.terminate()
        process.communicate(timeout=120)


@pytest.fixture(scope="module")
def place(daemon: Story) -> Iterator[Place]:
    ec2 = daemon.client("ec2")
    made = Place(daemon, build(ec2, "10.61.0.0/16"), build(ec2, "10.62.0.0/16"))
    try:
        with serving(made):
            yield made
    finally:
        if made.pcx and made.state() == "active":
            ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=made.pcx)
        for side in (made.near, made.far):
            rules = ec2.describe_security_groups(GroupIds=[side.group])["SecurityGroups"][0]["IpPermissions"]
            if rules:
                ec2.revoke_security_group_ingress(GroupId=side.group, IpPermissions=rules)
            remove(ec2, side)


@pytest.fixture(scope="module")
def peered(place: Place) -> Place:
    """Accepted, with both routes, and the near group admitted by the far one."""
    request = place.ec2.create_vpc_peering_connection(VpcId=place.near.vpc, PeerVpcId=place.far.vpc)
    place.pcx = request["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    place.route(place.near, place.far)
    assert place.state() == "pending-acceptance"
    assert "leads nowhere" in place.agree(False)
    place.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=place.pcx)
    eventually(place.state, lambda state: state == "active")
    text = place.agree(False)
    assert f"no ingress rule allows it in {place.far.group}" in text and place.pcx in text
    pair = {"GroupId": place.near.group, "VpcPeeringConnectionId": place.pcx}
    permission = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "UserIdGroupPairs": [pair]}
    place.ec2.authorize_security_group_ingress(GroupId=place.far.group, IpPermissions=[permission])
    text = place.agree(False)
    assert f"{place.far.table} has no route to" in text and f"not back to {place.pcx}" in text
    assert f"in {place.far.table}, add a route for what answers it to {place.pcx}" in text
    place.route(place.far, place.near)
    return place


def test_both_routes_and_a_group_of_the_peer(peered: Place) -> None:
    text = peered.agree(True)
    assert f"{peered.pcx} leads to {peered.far.vpc}" in text
    assert f"from {peered.near.group} behind {peered.pcx}" in text


def test_an_acl_of_the_peer_counts(peered: Place) -> None:
    ec2 = peered.ec2
    inside = [{"Name": "association.subnet-id", "Values": [peered.far.subnet]}]
    acl = ec2.describe_network_acls(Filters=inside)["NetworkAcls"][0]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleNumber": 90, "Egress": False}
    port = {"From": 8080, "To": 8080}
    ec2.create_network_acl_entry(**entry, Protocol="6", RuleAction="deny", CidrBlock="10.61.0.0/16", PortRange=port)
    try:
        assert f"entry 90 denies it in {acl}" in peered.agree(False)
    finally:
        ec2.delete_network_acl_entry(**entry)
    peered.agree(True)


def test_an_interface_endpoint_of_the_peer(peered: Place) -> None:
    """By its address: its regional name is public, and gives private addresses."""
    ec2, iam = peered.ec2, peered.story.client("iam")
    statement = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = iam.create_role(RoleName="peer", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    tls = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": peered.near.cidr}]}
    ec2.authorize_security_group_ingress(GroupId=peered.far.group, IpPermissions=[tls])
    made = ec2.create_vpc_endpoint(
        VpcEndpointType="Interface", VpcId=peered.far.vpc, ServiceName=f"com.amazonaws.{peered.story.region}.sts",
        SubnetIds=[peered.far.subnet], SecurityGroupIds=[peered.far.group],
    )["VpcEndpoint"]  # fmt: skip
    id = made["VpcEndpointId"]
    try:
        wait_available(peered.story, [id])
        url = f"https://{made['DnsEntries'][0]['DnsName']}"
        call = [str(BIN / "aws"), "sts", "get-caller-identity", "--endpoint-url", url]
        good, said = peered.exec(*call, role=role)
        assert good and "assumed-role/peer" in said, said
    finally:
        ec2.delete_vpc_endpoints(VpcEndpointIds=[id])
        ec2.revoke_security_group_ingress(GroupId=peered.far.group, IpPermissions=[tls])
        iam.delete_role(RoleName="peer")


def test_public_host_names_with_the_dns_option(peered: Place) -> None:
    ec2 = peered.ec2
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=peered.far.vpc)
    address = ec2.allocate_address(Domain="vpc")
    try:
        bound = ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=peered.interface)
        shown = ec2.describe_network_interfaces(NetworkInterfaceIds=[peered.interface])["NetworkInterfaces"][0]
        name = shown["Association"]["PublicDnsName"]
        assert peered.resolve(name) == address["PublicIp"]
        option = {"AllowDnsResolutionFromRemoteVpc": True}
        ec2.modify_vpc_peering_connection_options(
            VpcPeeringConnectionId=peered.pcx, AccepterPeeringConnectionOptions=option
        )
        eventually(lambda: peered.resolve(name), lambda address: address == peered.server)
        ec2.disassociate_address(AssociationId=bound["AssociationId"])
    finally:
        ec2.release_address(AllocationId=address["AllocationId"])
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=peered.far.vpc)
        ec2.delete_internet_gateway(InternetGatewayId=gateway)


def test_deleted(peered: Place) -> None:
    """The last test of the story."""
    ec2 = peered.ec2
    peered.agree(True)
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=peered.pcx)
    eventually(peered.state, lambda state: state == "deleted")
    assert f"sends {peered.far.cidr} to {peered.pcx}, which leads nowhere" in peered.agree(False)
    for side in (peered.near, peered.far):
        (table,) = ec2.describe_route_tables(RouteTableIds=[side.table])["RouteTables"]
        states = {route.get("VpcPeeringConnectionId"): route["State"] for route in table["Routes"]}
        assert states == {None: "active", peered.pcx: "blackhole"}
    (stale,) = ec2.describe_stale_security_groups(VpcId=peered.far.vpc)["StaleSecurityGroupSet"]
    assert stale["StaleIpPermissions"][0]["UserIdGroupPairs"][0]["PeeringStatus"] == "deleted"
