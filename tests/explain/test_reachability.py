"""Reachability Analyzer by boto3: the analysis runs in the reconciler, on records compiled as the daemon does."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ringfence.resources.instance import Instance
from ringfence.services.ec2.network_interface import attach as attach_interface
from tests.daemon import ACCOUNT, REGION, Daemon, local_daemon
from tests.patience import eventually

ANYWHERE = "0.0.0.0/0"
OWNED: Any = {"account": ACCOUNT, "region": REGION}
TARGET = "i-00000000000000001"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory):
    with local_daemon(tmp_path_factory.mktemp("reachability")) as made:
        yield made


class World:
    """A VPC with two subnets, an interface in each, an S3 gateway endpoint and an internet gateway."""

    def __init__(self, daemon: Daemon) -> None:
        self.ec2: Any = daemon.client("ec2")
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.near, self.far = (self.subnet(f"10.0.{n}.0/24") for n in (1, 2))
        self.client, self.server = self.group("client"), self.group("server")
        pair = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": self.client}]}
        self.ec2.authorize_security_group_ingress(GroupId=self.server, IpPermissions=[pair])
        self.source, self.target = self.interface(self.near, self.client), self.interface(self.far, self.server)
        in_vpc = [{"Name": "vpc-id", "Values": [self.vpc]}]
        self.table = self.ec2.describe_route_tables(Filters=in_vpc)["RouteTables"][0]["RouteTableId"]
        self.acl = self.ec2.describe_network_acls(Filters=in_vpc)["NetworkAcls"][0]["NetworkAclId"]
        self.gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)
        self.endpoint = self.ec2.create_vpc_endpoint(
            VpcId=self.vpc, ServiceName=f"com.amazonaws.{REGION}.s3", RouteTableIds=[self.table]
        )["VpcEndpoint"]["VpcEndpointId"]

    def subnet(self, cidr: str) -> str:
        return str(self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=cidr)["Subnet"]["SubnetId"])

    def group(self, name: str) -> str:
        return str(self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"])

    def interface(self, subnet: str, group: str) -> str:
        made = self.ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
        return str(made["NetworkInterfaceId"])

    def path(self, **wanted: Any) -> str:
        asked = {"Source": self.source, "Destination": self.target, "Protocol": "tcp", **wanted}
        given = {name: value for name, value in asked.items() if value is not None}
        return str(self.ec2.create_network_insights_path(**given)["NetworkInsightsPath"]["NetworkInsightsPathId"])

    def analyze(self, path: str, **more: Any) -> dict[str, Any]:
        started = self.ec2.start_network_insights_analysis(NetworkInsightsPathId=path, **more)[
            "NetworkInsightsAnalysis"
        ]
        assert started["Status"] == "running"

        def look() -> dict[str, Any]:
            (told,) = self.ec2.describe_network_insights_analyses(
                NetworkInsightsAnalysisIds=[started["NetworkInsightsAnalysisId"]]
            )["NetworkInsightsAnalyses"]
            return dict(told)

        return eventually(look, lambda told: told["Status"] != "running")

    def reach(self, **wanted: Any) -> dict[str, Any]:
        return self.analyze(self.path(**wanted))

    def code(self, **wanted: Any) -> str:
        told = self.reach(**wanted)
        assert told["NetworkPathFound"] is False
        return str(told["Explanations"][0]["ExplanationCode"])


@pytest.fixture(scope="module")
def world(daemon: Daemon) -> World:
    made = World(daemon)
    attach(daemon, made.source, made.target)
    return made


def attach(daemon: Daemon, *interfaces: str) -> None:
    """As a launch does: an Instance for each, i-0…0, i-0…1."""
    assert daemon.app is not None
    assert daemon.loop is not None
    app = daemon.app

    def write() -> None:
        with app.store.transaction() as records:
            for number, interface in enumerate(interfaces):
                id = f"i-{number:017x}"
                attach_interface(records, interface, id, app.now(), app.entropy)
                records.put(
                    Instance(
                        id=id, account=ACCOUNT, region=REGION, owner="o", network="vpc", network_interface_id=interface
                    )
                )

    daemon.loop.call_soon_threadsafe(write)
    store = daemon.app.store
    eventually(lambda: store.load(Instance, f"i-{len(interfaces) - 1:017x}") is not None)


def ids(components: list[dict[str, Any]]) -> list[str]:
    return [one["Component"]["Id"] for one in components]


def test_a_path_that_is_found(world: World) -> None:
    told = world.reach(DestinationPort=443)
    assert told["Status"] == "succeeded"
    assert told["NetworkPathFound"] is True
    assert "Explanations" not in told
    forward = told["ForwardPathComponents"]
    assert ids(forward) == [
        world.source, world.client, world.acl, world.table, world.acl, world.server, world.target, TARGET,
    ]  # fmt: skip
    assert [one["SequenceNumber"] for one in forward] == list(range(1, len(forward) + 1))
    assert forward[0]["Component"]["Arn"].endswith(f"network-interface/{world.source}")
    assert forward[1]["SecurityGroupRule"]["Direction"] == "egress"
    assert forward[2]["AclRule"] == {
        "Cidr": ANYWHERE, "Egress": True, "Protocol": "all", "RuleAction": "allow", "RuleNumber": 100,
    }  # fmt: skip
    assert forward[3]["RouteTableRoute"]["GatewayId"] == "local"
    admitted = forward[5]["SecurityGroupRule"]
    assert (admitted["Protocol"], admitted["PortRange"]) == ("tcp", {"From": 443, "To": 443})
    back = ids(told["ReturnPathComponents"])
    assert back == [
        TARGET, world.target, world.server, world.acl, world.table, world.acl, world.client, world.source,
    ]  # fmt: skip


def test_without_a_port_any_that_is_open_will_do(world: World) -> None:
    assert world.reach()["NetworkPathFound"] is True
    assert world.code(DestinationPort=80) == "ENI_SG_RULES_MISMATCH"
    assert world.code(Protocol="udp") == "ENI_SG_RULES_MISMATCH"


def test_a_group_without_a_rule(world: World) -> None:
    told = world.reach(Source=world.target, Destination=world.source)
    (why,) = told["Explanations"]
    assert (why["ExplanationCode"], why["Direction"]) == ("ENI_SG_RULES_MISMATCH", "ingress")
    assert ids(told["ForwardPathComponents"])[0] == world.target
    assert [one["Id"] for one in why["SecurityGroups"]] == [world.client]
    assert why["NetworkInterface"]["Id"] == world.source
    assert why["Vpc"]["Id"] == world.vpc


def test_an_acl_also_on_the_way_back(world: World) -> None:
    entry = {"NetworkAclId": world.acl, "RuleNumber": 90, "Protocol": "6", "RuleAction": "deny"}
    entry |= {"CidrBlock": ANYWHERE, "Egress": False, "PortRange": {"From": 1024, "To": 65535}}
    world.ec2.create_network_acl_entry(**entry)
    try:
        (why,) = world.reach(DestinationPort=443)["Explanations"]
    finally:
        world.ec2.delete_network_acl_entry(NetworkAclId=world.acl, RuleNumber=90, Egress=False)
    assert why["ExplanationCode"] == "SUBNET_ACL_RESTRICTION"
    assert (why["Acl"]["Id"], why["AclRule"]["RuleNumber"], why["AclRule"]["RuleAction"]) == (world.acl, 90, "deny")


def test_gateways(world: World) -> None:
    """An S3 endpoint, and an internet gateway without a route, without a public address, and with both."""
    told = world.reach(Destination=world.endpoint, DestinationPort=443)
    assert told["NetworkPathFound"] is True
    assert told["ForwardPathComponents"][-1]["Component"]["Id"] == world.endpoint
    route = next(one["RouteTableRoute"] for one in told["ForwardPathComponents"] if "RouteTableRoute" in one)
    assert route["GatewayId"] == world.endpoint
    assert route["DestinationPrefixListId"].startswith("pl-")
    assert world.code(Destination=world.endpoint, Protocol="udp") == "VPCE_GATEWAY_PROTOCOL_RESTRICTION"
    assert world.code(Destination=world.gateway) == "NO_ROUTE_TO_DESTINATION"
    world.ec2.create_route(RouteTableId=world.table, DestinationCidrBlock=ANYWHERE, GatewayId=world.gateway)
    assert world.code(Destination=world.gateway) == "IGW_PUBLIC_IP_ASSOCIATION_FOR_EGRESS"
    assert world.code(Source=world.gateway) == "IGW_PRIVATE_IP_ASSOCIATION_FOR_INGRESS"
    elastic = world.ec2.allocate_address()["AllocationId"]
    held = world.ec2.associate_address(AllocationId=elastic, NetworkInterfaceId=world.source)["AssociationId"]
    told = world.reach(Destination=world.gateway)
    assert told["NetworkPathFound"] is True
    assert told["ForwardPathComponents"][-1]["Component"]["Id"] == world.gateway
    anyone = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": ANYWHERE}]}
    world.ec2.authorize_security_group_ingress(GroupId=world.client, IpPermissions=[anyone])
    told = world.reach(Source=world.gateway, Destination=world.source, DestinationPort=22)
    assert told["NetworkPathFound"] is True
    assert ids(told["ForwardPathComponents"])[0] == world.gateway
    world.ec2.disassociate_address(AssociationId=held)
    world.ec2.release_address(AllocationId=elastic)


def test_two_vpcs_that_nothing_connects(world: World) -> None:
    other = world.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = world.ec2.create_subnet(VpcId=other, CidrBlock="10.1.1.0/24")["Subnet"]["SubnetId"]
    there = world.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    assert world.code(Destination=there) == "DISCONNECTED_VPCS"


def test_filters_of_components_and_headers(world: World) -> None:
    path, region = world.path(DestinationPort=443), f"arn:aws:ec2:{REGION}:{ACCOUNT}:"
    found = world.analyze(path, FilterInArns=[f"{region}route-table/{world.table}"])
    assert found["NetworkPathFound"] is True
    told = world.analyze(path, FilterInArns=[f"{region}internet-gateway/{world.gateway}"])
    assert told["Explanations"][0]["ExplanationCode"] == "COMPONENT_FILTER_RESTRICTION"
    told = world.analyze(path, FilterOutArns=[f"{region}route-table/{world.table}"])
    assert told["Explanations"][0]["ExplanationCode"] == "COMPONENT_FILTER_RESTRICTION_REMOVED_COMPONENT"
    wanted = {"DestinationAddress": "10.0.9.9"}
    assert world.code(FilterAtDestination=wanted) == "FILTER_AT_DESTINATION_DESTINATION_ADDRESS"
    assert world.code(FilterAtSource={"SourceAddress": "10.0.9.9"}) == "ENI_SOURCE_DEST_CHECK_RESTRICTION"
    told = world.reach(Destination=None, FilterAtSource={"DestinationAddress": "10.0.2.200"})
    assert told["Explanations"][0]["ExplanationCode"] == "NO_POSSIBLE_DESTINATION"


def test_paths_and_analyses_as_objects(world: World) -> None:
    ec2 = world.ec2
    tags = [{"ResourceType": "network-insights-path", "Tags": [{"Key": "Name", "Value": "p"}]}]
    asked = {"Source": world.source, "Destination": world.target, "Protocol": "tcp", "ClientToken": "once"}
    first = ec2.create_network_insights_path(**asked, TagSpecifications=tags)["NetworkInsightsPath"]
    again = ec2.create_network_insights_path(**asked, TagSpecifications=tags)["NetworkInsightsPath"]
    assert first == again
    assert first["Tags"] == [{"Key": "Name", "Value": "p"}]
    id = first["NetworkInsightsPathId"]
    assert first["NetworkInsightsPathArn"].endswith(f"network-insights-path/{id}")
    by_tag = [{"Name": "tag:Name", "Values": ["p"]}, {"Name": "source", "Values": [world.source]}]
    (found,) = ec2.describe_network_insights_paths(Filters=by_tag)["NetworkInsightsPaths"]
    assert found == first
    analysis = world.analyze(id)
    by_status = [{"Name": "status", "Values": ["succeeded"]}, {"Name": "path-found", "Values": ["true"]}]
    listed = ec2.describe_network_insights_analyses(NetworkInsightsPathId=id, Filters=by_status)
    assert listed["NetworkInsightsAnalyses"] == [analysis]
    pages = ec2.get_paginator("describe_network_insights_analyses").paginate(PaginationConfig={"PageSize": 1})
    everything = [one["NetworkInsightsAnalysisId"] for page in pages for one in page["NetworkInsightsAnalyses"]]
    assert analysis["NetworkInsightsAnalysisId"] in everything
    assert len(everything) == len(set(everything)) > 1
    assert refusal(ec2.delete_network_insights_path, NetworkInsightsPathId=id) == "AnalysisExistsForNetworkInsightsPath"
    ec2.delete_network_insights_analysis(NetworkInsightsAnalysisId=analysis["NetworkInsightsAnalysisId"])
    ec2.delete_network_insights_path(NetworkInsightsPathId=id)
    gone = refusal(ec2.describe_network_insights_paths, NetworkInsightsPathIds=[id])
    assert gone == "InvalidNetworkInsightsPathId.NotFound"


def refusal(operation: Any, **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        operation(**request)
    return str(caught.value.response["Error"]["Code"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Source": "eni-0123456789abcdef0"}, "NetworkInsightsSource.NotFound"),
        ({"Destination": "i-0123456789abcdef0"}, "NetworkInsightsDestination.NotFound"),
        ({"Destination": "tgw-0123456789abcdef0"}, "NotImplemented"),
        ({"Destination": "rtb-0123456789abcdef0"}, "InvalidParameterValue"),
        ({"Destination": None}, "MissingParameter"),
        ({"Protocol": "gre"}, "InvalidParameterValue"),
        ({"DestinationIp": "10.0.0"}, "InvalidParameterValue"),
        ({"DestinationPort": 70000}, "InvalidParameterValue"),
        ({"DestinationPort": 1, "FilterAtSource": {"SourceAddress": "10.0.1.4"}}, "InvalidParameterCombination"),
    ],
)
def test_paths_that_are_refused(world: World, changes: dict[str, Any], code: str) -> None:
    asked = {"Source": world.source, "Destination": world.target, "Protocol": "tcp", **changes}
    given = {name: value for name, value in asked.items() if value is not None}
    assert refusal(world.ec2.create_network_insights_path, **given) == code


def test_other_accounts_are_refused_aloud(world: World) -> None:
    start, path = world.ec2.start_network_insights_analysis, world.path()
    assert refusal(start, NetworkInsightsPathId=path, AdditionalAccounts=["210987654321"]) == "NotImplemented"
    assert refusal(start, NetworkInsightsPathId="nip-0123456789abcdef0") == "InvalidNetworkInsightsPathId.NotFound"
    assert refusal(start, NetworkInsightsPathId=path, DryRun=True) == "DryRunOperation"
