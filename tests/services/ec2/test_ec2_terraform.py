"""The calls that Terraform's AWS provider makes for each resource of the VPC family: create, read, update, delete.

Replayed with boto3, in the provider's order and with its members, through the gateway. What the provider waits for must
come to pass, what it takes for granted must hold, and the errors that it expects must have their codes.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from daemon import ACCOUNT, Daemon, local_daemon

from tests.patience import eventually


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture(scope="module")
def ec2(daemon: Daemon) -> Any:
    return daemon.client("ec2")


@pytest.fixture
def vpc(ec2: Any) -> Iterator[str]:
    """aws_vpc, as other resources need it."""
    id = str(ec2.create_vpc(CidrBlock="10.0.0.0/16", InstanceTenancy="default")["Vpc"]["VpcId"])
    yield id
    ec2.delete_vpc(VpcId=id)


@pytest.fixture
def subnet(ec2: Any, vpc: str) -> Iterator[str]:
    id = str(ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-west-2a")["Subnet"]["SubnetId"])
    yield id
    ec2.delete_subnet(SubnetId=id)


def specification(kind: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": "tf"}]}]


def only(filters: dict[str, str]) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": [value]} for name, value in filters.items()]


def code_of(call: Callable[..., Any], **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return str(caught.value.response["Error"]["Code"])


def until(look: Callable[[], Any], wanted: object) -> None:
    """As the provider's waiters do."""
    eventually(look, lambda seen: seen == wanted)


def test_the_provider_starts(ec2: Any) -> None:
    (platforms,) = ec2.describe_account_attributes(AttributeNames=["supported-platforms"])["AccountAttributes"]
    assert platforms["AttributeValues"] == [{"AttributeValue": "VPC"}]
    assert ec2.describe_regions(Filters=only({"region-name": "us-west-2"}))["Regions"][0]["RegionName"] == "us-west-2"
    zones = ec2.describe_availability_zones(
        AllAvailabilityZones=False, Filters=only({"opt-in-status": "opt-in-not-required", "state": "available"})
    )["AvailabilityZones"]
    assert [zone["ZoneId"] for zone in zones] == ["usw2-az1", "usw2-az2", "usw2-az3", "usw2-az4"]
    offered = ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=only({"instance-type": "m5.large"})
    )["InstanceTypeOfferings"]
    assert [one["Location"] for one in offered] == [zone["ZoneName"] for zone in zones]


def test_vpc(ec2: Any) -> None:
    id = ec2.create_vpc(
        CidrBlock="10.0.0.0/16", InstanceTenancy="default", AmazonProvidedIpv6CidrBlock=False,
        TagSpecifications=specification("vpc"),
    )["Vpc"]["VpcId"]  # fmt: skip
    until(lambda: ec2.describe_vpcs(VpcIds=[id])["Vpcs"][0]["State"], "available")
    ec2.modify_vpc_attribute(VpcId=id, EnableDnsHostnames={"Value": True})
    for attribute, value in (
        ("enableDnsHostnames", True), ("enableDnsSupport", True), ("enableNetworkAddressUsageMetrics", False),
    ):  # fmt: skip
        shown = ec2.describe_vpc_attribute(VpcId=id, Attribute=attribute)
        assert shown[attribute[:1].upper() + attribute[1:]] == {"Value": value}
    (acl,) = ec2.describe_network_acls(Filters=only({"default": "true", "vpc-id": id}))["NetworkAcls"]
    (table,) = ec2.describe_route_tables(Filters=only({"association.main": "true", "vpc-id": id}))["RouteTables"]
    (group,) = ec2.describe_security_groups(Filters=only({"group-name": "default", "vpc-id": id}))["SecurityGroups"]
    assert acl["IsDefault"] and table["Associations"][0]["Main"] and group["Description"]
    ec2.modify_vpc_attribute(VpcId=id, EnableNetworkAddressUsageMetrics={"Value": False})
    more = ec2.associate_vpc_cidr_block(VpcId=id, CidrBlock="10.1.0.0/16")["CidrBlockAssociation"]["AssociationId"]
    (shown,) = ec2.describe_vpcs(Filters=only({"cidr-block-association.association-id": more}))["Vpcs"]
    assert shown["CidrBlockAssociationSet"][1]["CidrBlockState"] == {"State": "associated"}
    ec2.disassociate_vpc_cidr_block(AssociationId=more)
    ec2.create_tags(Resources=[id], Tags=[{"Key": "Name", "Value": "new"}])
    ec2.delete_tags(Resources=[id], Tags=[{"Key": "Name"}])
    ec2.delete_vpc(VpcId=id)
    assert code_of(ec2.describe_vpcs, VpcIds=[id]) == "InvalidVpcID.NotFound"


def test_subnet(ec2: Any, vpc: str) -> None:
    id = ec2.create_subnet(
        VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-west-2a", TagSpecifications=specification("subnet")
    )["Subnet"]["SubnetId"]
    until(lambda: ec2.describe_subnets(SubnetIds=[id])["Subnets"][0]["State"], "available")
    ec2.modify_subnet_attribute(SubnetId=id, MapPublicIpOnLaunch={"Value": True})
    until(lambda: ec2.describe_subnets(SubnetIds=[id])["Subnets"][0]["MapPublicIpOnLaunch"], True)
    for attribute in (
        "AssignIpv6AddressOnCreation", "EnableDns64", "EnableResourceNameDnsARecordOnLaunch",
        "EnableResourceNameDnsAAAARecordOnLaunch", "MapCustomerOwnedIpOnLaunch",
    ):  # fmt: skip
        ec2.modify_subnet_attribute(SubnetId=id, **{attribute: {"Value": False}})
        assert code_of(ec2.modify_subnet_attribute, SubnetId=id, **{attribute: {"Value": True}}) == "NotImplemented"
    ec2.modify_subnet_attribute(SubnetId=id, PrivateDnsHostnameTypeOnLaunch="ip-name")
    lingering = only({"subnet-id": id, "description": "AWS Lambda VPC ENI*"})
    assert ec2.describe_network_interfaces(Filters=lingering)["NetworkInterfaces"] == []
    ec2.delete_subnet(SubnetId=id)
    assert code_of(ec2.describe_subnets, SubnetIds=[id]) == "InvalidSubnetID.NotFound"


def test_route_table_and_routes(ec2: Any, vpc: str, subnet: str) -> None:
    gateway = ec2.create_internet_gateway(TagSpecifications=specification("internet-gateway"))["InternetGateway"]
    gateway_id = gateway["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway_id, VpcId=vpc)
    attached = ec2.describe_internet_gateways(InternetGatewayIds=[gateway_id])["InternetGateways"][0]["Attachments"]
    assert attached == [{"State": "available", "VpcId": vpc}]
    id = ec2.create_route_table(VpcId=vpc, ClientToken="tf-1", TagSpecifications=specification("route-table"))[
        "RouteTable"
    ]["RouteTableId"]

    def routes() -> dict[str, str]:
        (table,) = ec2.describe_route_tables(RouteTableIds=[id])["RouteTables"]
        return {
            one.get("DestinationCidrBlock") or one["DestinationPrefixListId"]: one["State"] for one in table["Routes"]
        }

    everywhere = {"RouteTableId": id, "DestinationCidrBlock": "0.0.0.0/0"}
    ec2.create_route(**everywhere, GatewayId=gateway_id)
    assert code_of(ec2.create_route, **everywhere, GatewayId=gateway_id) == "RouteAlreadyExists"
    assert routes() == {"10.0.0.0/16": "active", "0.0.0.0/0": "active"}
    association = ec2.associate_route_table(RouteTableId=id, SubnetId=subnet)["AssociationId"]
    found = only({"association.route-table-association-id": association})
    state = ec2.describe_route_tables(Filters=found)["RouteTables"][0]["Associations"][0]["AssociationState"]
    assert state == {"State": "associated"}
    main = ec2.describe_route_tables(Filters=only({"association.main": "true", "vpc-id": vpc}))["RouteTables"][0]
    moved = ec2.replace_route_table_association(AssociationId=association, RouteTableId=main["RouteTableId"])
    ec2.disassociate_route_table(AssociationId=moved["NewAssociationId"])
    ec2.delete_route(**everywhere)
    assert code_of(ec2.delete_route, **everywhere) == "InvalidRoute.NotFound"
    ec2.delete_route_table(RouteTableId=id)
    assert code_of(ec2.describe_route_tables, RouteTableIds=[id]) == "InvalidRouteTableID.NotFound"
    ec2.detach_internet_gateway(InternetGatewayId=gateway_id, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway_id)
    assert (
        code_of(ec2.describe_internet_gateways, InternetGatewayIds=[gateway_id]) == "InvalidInternetGatewayID.NotFound"
    )


def test_security_group_and_rules(ec2: Any, vpc: str) -> None:
    id = ec2.create_security_group(
        GroupName="tf-20260101", Description="Managed by Terraform", VpcId=vpc,
        TagSpecifications=specification("security-group"),
    )["GroupId"]  # fmt: skip
    everything = {"FromPort": 0, "ToPort": 0, "IpProtocol": "-1"}
    ec2.revoke_security_group_egress(GroupId=id, IpPermissions=[everything | {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    six = [everything | {"Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]
    assert code_of(ec2.revoke_security_group_egress, GroupId=id, IpPermissions=six) == "InvalidPermission.NotFound"
    https = {"FromPort": 443, "ToPort": 443, "IpProtocol": "tcp"}
    ec2.authorize_security_group_ingress(
        GroupId=id, IpPermissions=[https | {"IpRanges": [{"CidrIp": "10.0.0.0/16", "Description": "https"}]}]
    )
    (rule,) = ec2.authorize_security_group_ingress(
        GroupId=id, IpPermissions=[https | {"UserIdGroupPairs": [{"GroupId": id, "UserId": ACCOUNT}]}],
        TagSpecifications=specification("security-group-rule"),
    )["SecurityGroupRules"]  # fmt: skip
    rule_id = rule["SecurityGroupRuleId"]
    ec2.modify_security_group_rules(
        GroupId=id,
        SecurityGroupRules=[
            {
                "SecurityGroupRuleId": rule_id,
                "SecurityGroupRule": {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIpv4": "10.0.0.0/8"},
            }
        ],
    )
    (shown,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule_id])["SecurityGroupRules"]
    assert (shown["CidrIpv4"], shown["FromPort"], shown["Tags"][0]["Value"]) == ("10.0.0.0/8", 80, "tf")
    ec2.revoke_security_group_ingress(GroupId=id, SecurityGroupRuleIds=[rule_id])
    assert (
        code_of(ec2.describe_security_group_rules, SecurityGroupRuleIds=[rule_id])
        == "InvalidSecurityGroupRuleId.NotFound"
    )
    assert ec2.describe_security_group_rules(Filters=only({"group-id": id}))["SecurityGroupRules"]
    ec2.delete_security_group(GroupId=id)
    assert code_of(ec2.describe_security_groups, GroupIds=[id]) == "InvalidGroup.NotFound"


def test_default_security_group_acl_and_table(ec2: Any, vpc: str) -> None:
    """aws_default_…: what came with the VPC is adopted, emptied, filled, and left at the end."""
    (group,) = ec2.describe_security_groups(Filters=only({"group-name": "default", "vpc-id": vpc}))["SecurityGroups"]
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
    ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])
    ec2.create_tags(Resources=[group["GroupId"]], Tags=[{"Key": "Name", "Value": "default"}])
    assert code_of(ec2.delete_security_group, GroupId=group["GroupId"]) == "CannotDelete"
    (acl,) = ec2.describe_network_acls(Filters=only({"default": "true", "vpc-id": vpc}))["NetworkAcls"]
    for entry in acl["Entries"]:
        if entry["RuleNumber"] < 32767:
            ec2.delete_network_acl_entry(
                NetworkAclId=acl["NetworkAclId"], RuleNumber=entry["RuleNumber"], Egress=entry["Egress"]
            )
    (acl,) = ec2.describe_network_acls(NetworkAclIds=[acl["NetworkAclId"]])["NetworkAcls"]
    assert {entry["RuleNumber"] for entry in acl["Entries"]} == {32767}
    table = ec2.describe_route_tables(Filters=only({"association.main": "true", "vpc-id": vpc}))["RouteTables"][0]
    destination = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "10.0.0.0/16"}
    assert code_of(ec2.delete_route, **destination) == "InvalidParameterValue"


def test_network_acl(ec2: Any, vpc: str, subnet: str) -> None:
    id = ec2.create_network_acl(VpcId=vpc, ClientToken="tf-2", TagSpecifications=specification("network-acl"))[
        "NetworkAcl"
    ]["NetworkAclId"]
    entry = {"NetworkAclId": id, "RuleNumber": 100, "Egress": False}
    https = {"Protocol": "6", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0", "PortRange": {"From": 443, "To": 443}}
    ec2.create_network_acl_entry(**entry, **https)
    assert code_of(ec2.create_network_acl_entry, **entry, **https) == "NetworkAclEntryAlreadyExists"
    found = ec2.describe_network_acls(
        NetworkAclIds=[id], Filters=only({"entry.rule-number": "100", "entry.egress": "false"})
    )["NetworkAcls"]
    assert len(found) == 1
    (default,) = ec2.describe_network_acls(Filters=only({"association.subnet-id": subnet}))["NetworkAcls"]
    (association,) = [one for one in default["Associations"] if one["SubnetId"] == subnet]
    moved = ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=id)
    assert code_of(ec2.delete_network_acl, NetworkAclId=id) == "DependencyViolation"
    ec2.replace_network_acl_association(AssociationId=moved["NewAssociationId"], NetworkAclId=default["NetworkAclId"])
    ec2.delete_network_acl_entry(**entry)
    assert code_of(ec2.delete_network_acl_entry, **entry) == "InvalidNetworkAclEntry.NotFound"
    ec2.delete_network_acl(NetworkAclId=id)
    assert code_of(ec2.describe_network_acls, NetworkAclIds=[id]) == "InvalidNetworkAclID.NotFound"


def test_eip_and_nat_gateway(ec2: Any, vpc: str, subnet: str) -> None:
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    elastic = ec2.allocate_address(Domain="vpc", TagSpecifications=specification("elastic-ip"))["AllocationId"]
    assert ec2.describe_addresses(AllocationIds=[elastic])["Addresses"][0]["Domain"] == "vpc"
    assert ec2.describe_addresses_attribute(AllocationIds=[elastic], Attribute="domain-name")["Addresses"] == []
    nat = ec2.create_nat_gateway(
        SubnetId=subnet, AllocationId=elastic, ConnectivityType="public", ClientToken="tf-3",
        TagSpecifications=specification("natgateway"),
    )["NatGateway"]["NatGatewayId"]  # fmt: skip
    until(lambda: ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"], "available")
    ec2.delete_nat_gateway(NatGatewayId=nat)
    until(lambda: ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"], "deleted")
    other = code_of(ec2.release_address, AllocationId=elastic, NetworkBorderGroup="us-west-2-lax-1")
    assert other == "InvalidAddress.NotFound"
    ec2.release_address(AllocationId=elastic, NetworkBorderGroup="us-west-2")
    assert code_of(ec2.describe_addresses, AllocationIds=[elastic]) == "InvalidAllocationID.NotFound"
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)


def test_dhcp_options(ec2: Any, vpc: str) -> None:
    id = ec2.create_dhcp_options(
        DhcpConfigurations=[
            {"Key": "domain-name", "Values": ["example.internal"]},
            {"Key": "domain-name-servers", "Values": ["AmazonProvidedDNS"]},
        ],
        TagSpecifications=specification("dhcp-options"),
    )["DhcpOptions"]["DhcpOptionsId"]
    ec2.associate_dhcp_options(DhcpOptionsId=id, VpcId=vpc)
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["DhcpOptionsId"] == id
    assert ec2.describe_vpcs(Filters=only({"dhcp-options-id": id}))["Vpcs"][0]["VpcId"] == vpc
    ec2.associate_dhcp_options(DhcpOptionsId="default", VpcId=vpc)
    ec2.delete_dhcp_options(DhcpOptionsId=id)
    assert code_of(ec2.describe_dhcp_options, DhcpOptionsIds=[id]) == "InvalidDhcpOptionID.NotFound"


def test_network_interface(ec2: Any, subnet: str) -> None:
    id = ec2.create_network_interface(
        SubnetId=subnet, ClientToken="tf-4", PrivateIpAddresses=[{"Primary": True, "PrivateIpAddress": "10.0.1.50"}],
        TagSpecifications=specification("network-interface"),
    )["NetworkInterface"]["NetworkInterfaceId"]  # fmt: skip

    def shown() -> Any:
        return ec2.describe_network_interfaces(NetworkInterfaceIds=[id])["NetworkInterfaces"][0]

    until(lambda: shown()["Status"], "available")
    ec2.modify_network_interface_attribute(NetworkInterfaceId=id, SourceDestCheck={"Value": False})
    ec2.modify_network_interface_attribute(NetworkInterfaceId=id, Description={"Value": "new"})
    assert (shown()["SourceDestCheck"], shown()["Description"]) == (False, "new")
    ec2.delete_network_interface(NetworkInterfaceId=id)
    assert code_of(shown) == "InvalidNetworkInterfaceID.NotFound"


def test_managed_prefix_list(ec2: Any) -> None:
    id = ec2.create_managed_prefix_list(
        PrefixListName="tf", AddressFamily="IPv4", MaxEntries=2, ClientToken="tf-5",
        Entries=[{"Cidr": "10.1.0.0/16", "Description": "one"}], TagSpecifications=specification("prefix-list"),
    )["PrefixList"]["PrefixListId"]  # fmt: skip

    def shown() -> Any:
        return ec2.describe_managed_prefix_lists(PrefixListIds=[id])["PrefixLists"][0]

    until(lambda: shown()["State"], "create-complete")
    ec2.modify_managed_prefix_list(
        PrefixListId=id, CurrentVersion=1, AddEntries=[{"Cidr": "10.2.0.0/16", "Description": "two"}], RemoveEntries=[]
    )
    until(lambda: (shown()["State"], shown()["Version"]), ("modify-complete", 2))
    ec2.modify_managed_prefix_list(PrefixListId=id, MaxEntries=5)
    until(lambda: (shown()["State"], shown()["MaxEntries"]), ("modify-complete", 5))
    pages = ec2.get_paginator("get_managed_prefix_list_entries").paginate(PrefixListId=id)
    assert [one["Description"] for page in pages for one in page["Entries"]] == ["one", "two"]
    ec2.delete_managed_prefix_list(PrefixListId=id)
    until(lambda: [one["OwnerId"] for one in ec2.describe_managed_prefix_lists()["PrefixLists"]], ["AWS", "AWS"])
    assert code_of(shown) == "InvalidPrefixListID.NotFound"
