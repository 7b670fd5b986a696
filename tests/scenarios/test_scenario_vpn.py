"""SageMaker from a company's own network, joined to the VPC by VPN: the page's last sentence on who can call.

https://docs.aws.amazon.com/sagemaker/latest/dg/interface-vpc-endpoint.html
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from demo.hosting import PYTHON, RESOLVE
from demo.story import BIN, Story, expect
from tests.patience import eventually
from tests.scenarios.hosting import ENDPOINT, Hosting

pytestmark = pytest.mark.root
OFFICE, PUBLIC = "192.168.40.0/24", "203.0.113.44"
WHO = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
CALL = (
    "import boto3, sys; "
    "print(boto3.client('sagemaker-runtime', endpoint_url=sys.argv[1]).invoke_endpoint("
    "EndpointName=sys.argv[2], Body=sys.argv[3], ContentType='application/json')['Body'].read().decode())"
)
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=60).status)"


@dataclass
class Office:
    """A VPC with an endpoint for the runtime, and a company's network joined to it."""

    story: Story
    vpc: str
    subnet: str
    group: str
    table: str
    vgw: str
    cgw: str
    vpn: str
    endpoint: str
    name: str

    @property
    def ec2(self) -> Any:
        return self.story.client("ec2")

    def exec(self, *command: str, role: str | None = "office") -> tuple[bool, str]:
        where = ("--customer-network", OFFICE, "--via", self.vgw, *(("--role", role) if role else ()))
        done = self.story.ringfence("exec", *where, *command)
        return done.returncode == 0, done.stdout.strip() or done.stderr.strip()

    def invoke(self) -> tuple[bool, str]:
        body = json.dumps({"rows": self.story.facts["rows"]})
        return self.exec(PYTHON, "-c", CALL, f"https://{self.name}", ENDPOINT, body)

    def explain(self, *where: str) -> tuple[bool, str]:
        done = self.story.ringfence("explain", "path", *where)
        expect(bool(done.stdout), done.stderr)
        return done.returncode == 0, done.stdout

    def agree(self, reachable: bool) -> str:
        """What a real connection does, `explain path` has said."""
        said, text = self.explain("--from", f"{self.vgw}/192.168.40.9", "--to", self.name)
        connect = "import socket, sys; socket.create_connection((sys.argv[1], 443), float(sys.argv[2]))"
        done, told = self.exec(PYTHON, "-c", connect, self.name, "60" if reachable else "3", role=None)
        assert (said, done) == (reachable, reachable), (text, told)
        return text

    def routes(self) -> dict[str, tuple[str, str]]:
        found = self.ec2.describe_route_tables(RouteTableIds=[self.table])["RouteTables"][0]["Routes"]
        return {one["DestinationCidrBlock"]: (one["Origin"], one["State"]) for one in found}


def build(story: Story) -> Office:
    ec2 = story.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.44.0.0/16")["Vpc"]["VpcId"]
    for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{attribute: {"Value": True}})
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.44.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="from-office", Description="d", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="192.168.0.0/16"
    )
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0]["RouteTableId"]
    made = ec2.create_vpc_endpoint(
        VpcEndpointType="Interface", VpcId=vpc, ServiceName=f"com.amazonaws.{story.region}.sagemaker.runtime",
        SubnetIds=[subnet], SecurityGroupIds=[group], PrivateDnsEnabled=True,
    )["VpcEndpoint"]  # fmt: skip
    vgw = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ec2.attach_vpn_gateway(VpnGatewayId=vgw, VpcId=vpc)
    cgw = ec2.create_customer_gateway(Type="ipsec.1", BgpAsn=65010, IpAddress=PUBLIC)["CustomerGateway"]
    vpn = ec2.create_vpn_connection(
        Type="ipsec.1",
        VpnGatewayId=vgw,
        CustomerGatewayId=cgw["CustomerGatewayId"],
        Options={"StaticRoutesOnly": True},
    )["VpnConnection"]["VpnConnectionId"]
    name = made["DnsEntries"][0]["DnsName"]
    return Office(
        story, vpc, subnet, group, table, vgw, cgw["CustomerGatewayId"], vpn, made["VpcEndpointId"], name
    )  # fmt: skip


def remove(office: Office) -> None:
    ec2 = office.ec2
    ec2.delete_vpn_connection(VpnConnectionId=office.vpn)
    ec2.delete_customer_gateway(CustomerGatewayId=office.cgw)
    ec2.detach_vpn_gateway(VpnGatewayId=office.vgw, VpcId=office.vpc)
    ec2.delete_vpn_gateway(VpnGatewayId=office.vgw)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[office.endpoint])
    inside = [{"Name": "vpc-id", "Values": [office.vpc]}]
    eventually(lambda: ec2.describe_vpc_endpoints(Filters=inside)["VpcEndpoints"], lambda left: not left)
    ec2.delete_subnet(SubnetId=office.subnet)
    ec2.delete_security_group(GroupId=office.group)
    ec2.delete_vpc(VpcId=office.vpc)


@pytest.fixture(scope="module")
def office(story: Story) -> Iterator[Office]:
    """A role that may invoke from the office through the endpoint, and in no other way."""
    place = build(story)
    try:
        role(story, place.endpoint)
        yield place
    finally:
        remove(place)


def role(story: Story, endpoint: str) -> None:
    iam = story.client("iam")
    path = {"StringEquals": {"aws:SourceVpce": endpoint}, "IpAddress": {"aws:VpcSourceIp": OFFICE}}
    invoke = {"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": "*", "Condition": path}
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    documents = [json.dumps({"Version": "2012-10-17", "Statement": [one]}) for one in (trust, invoke)]
    iam.create_role(RoleName="office", AssumeRolePolicyDocument=documents[0])
    iam.put_role_policy(RoleName="office", PolicyName="invoke", PolicyDocument=documents[1])


@pytest.fixture(scope="module")
def hosted(story: Story) -> Iterator[None]:
    made = Hosting(story)
    told = made.create(ENDPOINT, VpcConfig=made.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    yield
    made.clean()


def last_arrival(story: Story) -> dict[str, Any]:
    done = story.ringfence("explain", "call", "--last", "--json")
    arrival: dict[str, Any] = json.loads(done.stdout)["arrival"]
    return arrival


def test_without_routes_nothing_comes_back(office: Office) -> None:
    """The request arrives at the endpoint; its answer knows no way, first in the VPC, then at the gateway."""
    text = office.agree(False)
    assert office.table in text and "not back to" in text
    office.ec2.create_route(
        RouteTableId=office.table, DestinationCidrBlock="192.168.0.0/16", GatewayId=office.vgw
    )  # fmt: skip
    try:
        assert f"{office.vgw} has no route to 192.168.40.9" in office.agree(False)
    finally:
        office.ec2.delete_route(RouteTableId=office.table, DestinationCidrBlock="192.168.0.0/16")


@pytest.fixture(scope="module")
def joined(office: Office) -> Office:
    """With a static route of the connection, propagated; tests before this saw the VPC without."""
    office.ec2.create_vpn_connection_route(VpnConnectionId=office.vpn, DestinationCidrBlock=OFFICE)
    office.ec2.enable_vgw_route_propagation(GatewayId=office.vgw, RouteTableId=office.table)
    assert office.routes()[OFFICE] == ("EnableVgwRoutePropagation", "active")
    waiter = office.ec2.get_waiter("vpn_connection_available")
    waiter.wait(VpnConnectionIds=[office.vpn], WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    (told,) = office.ec2.describe_vpn_connections(VpnConnectionIds=[office.vpn])["VpnConnections"]
    assert [one["Status"] for one in told["VgwTelemetry"]] == ["UP", "UP"]
    (shown,) = office.ec2.describe_vpn_gateways(VpnGatewayIds=[office.vgw])["VpnGateways"]
    assert shown["VpcAttachments"] == [{"VpcId": office.vpc, "State": "attached"}]
    return office


@pytest.mark.statement("S2.1", "S2.5", "S2.41")
def test_invoke_endpoint_from_a_network_joined_by_vpn(story: Story, joined: Office, hosted: None) -> None:
    text = joined.agree(True)
    assert joined.vgw in text and joined.vpn in text
    done, answer = joined.invoke()
    assert done and json.loads(answer) == {"classes": story.facts["classes"]}, answer
    arrival = last_arrival(story)
    assert (arrival["vpc_id"], arrival["vpce_id"]) == (joined.vpc, joined.endpoint)
    assert arrival["source_ip"].startswith("192.168.40.")


def test_private_names_are_public_ones_in_the_office(story: Story, joined: Office) -> None:
    host = f"runtime.sagemaker.{story.region}.amazonaws.com"
    done, addresses = joined.exec(PYTHON, "-c", RESOLVE, host, role=None)
    assert done and addresses.startswith("198.19.")
    done, addresses = joined.exec(PYTHON, "-c", RESOLVE, joined.name, role=None)
    assert done and addresses.startswith("10.44.1.")


@pytest.mark.statement("S2.39")
def test_by_its_own_internet_access_the_office_is_somebody_else(story: Story, joined: Office, hosted: None) -> None:
    """aws:SourceIp is the customer gateway's address; the role's condition on the endpoint is not met."""
    done, who = joined.exec(PYTHON, "-c", WHO)
    assert done and "assumed-role/office/" in who, who
    arrival = last_arrival(story)
    assert (arrival["source_ip"], arrival["vpce_id"]) == (PUBLIC, None)
    public = f"https://runtime.sagemaker.{story.region}.amazonaws.com"
    done, said = joined.exec(PYTHON, "-c", CALL, public, ENDPOINT, "{}")
    assert not done and "AccessDenied" in said


def test_the_office_reaches_nothing_else_of_the_vpc(joined: Office) -> None:
    """From edge to edge nothing passes: the VPC's way out is not the office's, nor is its resolver."""
    igw = joined.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    joined.ec2.attach_internet_gateway(InternetGatewayId=igw, VpcId=joined.vpc)
    try:
        ask = "import socket; s = socket.create_connection(('10.44.0.2', 53), 2)"
        assert not joined.exec(PYTHON, "-c", ask, role=None)[0]
        said, text = joined.explain(
            "--from", f"{joined.vgw}/192.168.40.9", "--to", "10.44.0.2", "--port", "53", "--protocol", "udp"
        )
        assert not said and "answers nobody outside the VPC" in text
        assert joined.exec(PYTHON, "-c", FETCH, "http://example.com/", role=None) == (True, "200")
        said, text = joined.explain("--from", f"{joined.vgw}/192.168.40.9", "--to", "example.com", "--port", "80")
        assert said and igw not in text and PUBLIC in text
    finally:
        joined.ec2.detach_internet_gateway(InternetGatewayId=igw, VpcId=joined.vpc)
        joined.ec2.delete_internet_gateway(InternetGatewayId=igw)


def test_from_the_vpc_to_the_office(joined: Office) -> None:
    where = ("--from-subnet", joined.subnet, "--from-group", joined.group, "--to", "192.168.40.9")
    said, text = joined.explain(*where)
    assert said and f"{joined.vgw}" in text
    joined.ec2.disable_vgw_route_propagation(GatewayId=joined.vgw, RouteTableId=joined.table)
    try:
        said, text = joined.explain(*where)
        assert not said and "has no route to 192.168.40.9" in text
    finally:
        joined.ec2.enable_vgw_route_propagation(GatewayId=joined.vgw, RouteTableId=joined.table)


def test_bgp_knows_the_office_while_somebody_is_there(joined: Office) -> None:
    ec2 = joined.ec2
    ec2.delete_vpn_connection_route(VpnConnectionId=joined.vpn, DestinationCidrBlock=OFFICE)
    both = {"Type": "ipsec.1", "VpnGatewayId": joined.vgw, "CustomerGatewayId": joined.cgw}
    dynamic = ec2.create_vpn_connection(**both)["VpnConnection"]["VpnConnectionId"]
    try:
        # who was there may be on the way out
        eventually(joined.routes, lambda routes: OFFICE not in routes)
        text = joined.agree(True)
        assert f"{dynamic} (BGP)" in text
        eventually(joined.routes, lambda routes: OFFICE not in routes)
    finally:
        ec2.delete_vpn_connection(VpnConnectionId=dynamic)
        ec2.create_vpn_connection_route(VpnConnectionId=joined.vpn, DestinationCidrBlock=OFFICE)


@pytest.mark.statement("S2.42")
def test_invoke_endpoint_by_direct_connect(story: Story, joined: Office, hosted: None) -> None:
    """A virtual interface is preferred to the VPN's route, and is enough without any VPN."""
    line = story.client("directconnect")
    building = line.describe_locations()["locations"][0]["locationCode"]
    connection = line.create_connection(location=building, bandwidth="1Gbps", connectionName="office")["connectionId"]
    wanted = {"virtualInterfaceName": "office", "vlan": 101, "asn": 65010, "virtualGatewayId": joined.vgw}
    interface = line.create_private_virtual_interface(connectionId=connection, newPrivateVirtualInterface=wanted)
    id = interface["virtualInterfaceId"]
    try:
        told = eventually(lambda: _interface(line, id), lambda told: told["virtualInterfaceState"] == "available")
        assert told["bgpPeers"][0]["bgpStatus"] == "up"
        joined.ec2.delete_vpn_connection_route(VpnConnectionId=joined.vpn, DestinationCidrBlock=OFFICE)
        text = joined.agree(True)
        assert f"{id} (BGP)" in text and joined.vpn not in text
        done, answer = joined.invoke()
        assert done and json.loads(answer) == {"classes": story.facts["classes"]}, answer
        assert last_arrival(story)["vpce_id"] == joined.endpoint
        with pytest.raises(line.exceptions.DirectConnectClientException):
            line.delete_connection(connectionId=connection)
    finally:
        line.delete_virtual_interface(virtualInterfaceId=id)
        line.delete_connection(connectionId=connection)
        joined.ec2.create_vpn_connection_route(VpnConnectionId=joined.vpn, DestinationCidrBlock=OFFICE)


def _interface(line: Any, id: str) -> dict[str, Any]:
    (told,) = line.describe_virtual_interfaces(virtualInterfaceId=id)["virtualInterfaces"]
    return dict(told)


def test_where_nobody_can_stand_is_said(joined: Office) -> None:
    def refused(*where: str) -> str:
        done = joined.story.ringfence("exec", "--customer-network", *where, "true")
        assert done.returncode != 0
        return done.stderr

    assert "overlaps 10.44.0.0/16" in refused("10.44.8.0/24", "--via", joined.vgw)
    assert "is no IPv4 block" in refused("office")
    assert "no customer's network can be" in refused("198.18.0.0/24")
    assert "does not exist" in refused(OFFICE, "--via", "vgw-0123456789abcdef0")
    assert "goes with --customer-network" in joined.story.ringfence("exec", "--internet", "--via", "x", "true").stderr


def test_a_shell_in_the_customers_network(joined: Office) -> None:
    command = [str(BIN / "ringfence"), "shell", "--state", str(joined.story.state), "--customer-network", OFFICE]
    done = subprocess.run(
        [*command, "--via", joined.vgw],
        input="ip -o -4 addr show dev eth0; exit 5\n",
        env={**os.environ, "SHELL": "/bin/sh"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert f"[{OFFICE} 192.168.40." in done.stderr
    assert "inet 192.168.40." in done.stdout
    assert "say where to stand" in joined.story.ringfence("shell", "--internet", "--customer-network", OFFICE).stderr
    assert "goes with --customer-network" in joined.story.ringfence("shell", "--internet", "--via", "vgw-1").stderr
