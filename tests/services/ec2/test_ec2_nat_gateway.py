"""NAT gateways as records: creation, what fails, routes to them, deletion. What works is the reconciler's to say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ringfence.resources.nat_gateway import NatGateway, NatGatewayStatus

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def net(ec2: Any) -> dict[str, str]:
    vpc = ec2.vpc()
    gateway = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    table = ec2("DescribeRouteTables")["RouteTables"][0]["RouteTableId"]
    address = ec2("AllocateAddress")["AllocationId"]
    return {"vpc": vpc, "subnet": ec2.subnet(vpc), "igw": gateway, "table": table, "address": address}


def create(ec2: Any, net: dict[str, str], **more: Any) -> dict[str, Any]:
    request = {"SubnetId": net["subnet"], "AllocationId": net["address"], **more}
    made: dict[str, Any] = ec2("CreateNatGateway", **request)["NatGateway"]
    return made


def said(ec2: Any, nat: str, state: str, after: timedelta = timedelta()) -> None:
    """What the reconciler would write."""
    with ec2.store.transaction() as records:
        records.put(NatGatewayStatus(id=nat, state=state, at=NOW - after))


def shown(ec2: Any, nat: str) -> dict[str, Any]:
    found: dict[str, Any] = ec2("DescribeNatGateways", NatGatewayIds=[nat])["NatGateways"][0]
    return found


def test_a_public_one_brings_an_interface_with_the_address(ec2: Any, net: dict[str, str]) -> None:
    tags = [{"ResourceType": "natgateway", "Tags": [{"Key": "a", "Value": "b"}]}]
    made = create(ec2, net, ClientToken="token", TagSpecifications=tags)
    again = create(ec2, net, ClientToken="token", TagSpecifications=tags)
    assert again["NatGatewayId"] == made["NatGatewayId"] and made["State"] == "pending"
    address = made["NatGatewayAddresses"][0]
    assert address["AllocationId"] == net["address"] and address["Status"] == "associating"
    interface = ec2("DescribeNetworkInterfaces")["NetworkInterfaces"][0]
    assert interface["NetworkInterfaceId"] == address["NetworkInterfaceId"]
    assert interface["InterfaceType"] == "natGateway" and interface["RequesterManaged"]
    assert not interface["SourceDestCheck"] and interface["Groups"] == [] and interface["Status"] == "in-use"
    assert interface["Association"]["AllocationId"] == net["address"]
    said(ec2, made["NatGatewayId"], "available")
    told = shown(ec2, made["NatGatewayId"])
    assert told["State"] == "available" and told["Tags"] == [{"Key": "a", "Value": "b"}]
    assert told["NatGatewayAddresses"][0]["Status"] == "succeeded"
    filters = [{"Name": "state", "Values": ["available"]}, {"Name": "vpc-id", "Values": [net["vpc"]]}]
    assert len(ec2("DescribeNatGateways", Filter=filters)["NatGateways"]) == 1
    assert ec2("DescribeNatGateways", Filter=[{"Name": "state", "Values": ["failed"]}])["NatGateways"] == []


def test_a_private_one_has_no_address_and_needs_no_internet_gateway(ec2: Any, net: dict[str, str]) -> None:
    subnet = ec2.subnet(ec2.vpc("10.1.0.0/16"), "10.1.1.0/24")
    private = {"SubnetId": subnet, "ConnectivityType": "private"}
    made = ec2("CreateNatGateway", **private, PrivateIpAddress="10.1.1.20")["NatGateway"]
    assert made["ConnectivityType"] == "private" and "PublicIp" not in made["NatGatewayAddresses"][0]
    assert made["NatGatewayAddresses"][0]["PrivateIp"] == "10.1.1.20"
    error = ec2.error("CreateNatGateway", **private, AllocationId=net["address"])
    assert "InvalidParameterCombination" in error
    assert "InvalidIPAddress.InUse" in ec2.error("CreateNatGateway", **private, PrivateIpAddress="10.1.1.20")


def fails(ec2: Any, made: dict[str, Any]) -> str:
    assert made["State"] == "pending"
    said(ec2, made["NatGatewayId"], "failed")
    told = shown(ec2, made["NatGatewayId"])
    assert told["State"] == "failed" and told["NatGatewayAddresses"][0]["Status"] == "failed"
    assert ec2("DescribeNetworkInterfaces", Filters=[{"Name": "vpc-id", "Values": [told["VpcId"]]}]) is not None
    return f"{told['FailureCode']}: {told['FailureMessage']}"


def test_what_fails_later(ec2: Any, net: dict[str, str]) -> None:
    other = ec2.vpc("10.1.0.0/16")
    made = create(ec2, net, SubnetId=ec2.subnet(other, "10.1.1.0/24"))
    assert fails(ec2, made) == f"Gateway.NotAttached: Network {other} has no Internet gateway attached"
    create(ec2, net)
    text = f"Elastic IP address {net['address']} is already associated"
    assert fails(ec2, create(ec2, net)) == f"Resource.AlreadyAssociated: {text}"
    tiny = ec2.subnet(net["vpc"], "10.0.9.0/28")
    for _ in range(11):
        ec2("CreateNetworkInterface", SubnetId=tiny)
    made = create(ec2, net, SubnetId=tiny, AllocationId=ec2("AllocateAddress")["AllocationId"])
    text = "Subnet has insufficient free addresses to create this NAT gateway"
    assert fails(ec2, made) == f"InsufficientFreeAddressesInSubnet: {text}"
    route = {"RouteTableId": net["table"], "DestinationCidrBlock": "0.0.0.0/0"}
    assert "InvalidNatGatewayID.NotFound" in ec2.error("CreateRoute", **route, NatGatewayId=made["NatGatewayId"])


def test_what_is_refused_at_once(ec2: Any, net: dict[str, str]) -> None:
    assert "MissingParameter" in ec2.error("CreateNatGateway", SubnetId=net["subnet"])
    assert "MissingParameter" in ec2.error("CreateNatGateway", AllocationId=net["address"])
    unknown = {"SubnetId": net["subnet"], "AllocationId": "eipalloc-0123456789abcdef0"}
    assert "InvalidAllocationID.NotFound" in ec2.error("CreateNatGateway", **unknown)
    both = {"SubnetId": net["subnet"], "AllocationId": net["address"]}
    assert "NotImplemented" in ec2.error("CreateNatGateway", **both, AvailabilityMode="regional")
    assert "NotImplemented" in ec2.error("CreateNatGateway", **both, SecondaryAllocationIds=[net["address"]])
    error = ec2.error("DescribeNatGateways", NatGatewayIds=["nat-0123456789abcdef0"])
    assert error == "NatGatewayNotFound: NAT gateway nat-0123456789abcdef0 was not found"
    assert "NatGatewayMalformed" in ec2.error("DeleteNatGateway", NatGatewayId="nat-x")


def test_five_in_a_zone(ec2: Any, net: dict[str, str]) -> None:
    for _ in range(5):
        ec2("CreateNatGateway", SubnetId=net["subnet"], ConnectivityType="private")
    assert "NatGatewayLimitExceeded" in ec2.error(
        "CreateNatGateway", SubnetId=net["subnet"], ConnectivityType="private"
    )
    other = ec2.subnet(net["vpc"], "10.0.2.0/24", "us-west-2b")
    ec2("CreateNatGateway", SubnetId=other, ConnectivityType="private")


def test_its_address_and_interface_are_its_own(ec2: Any, net: dict[str, str]) -> None:
    address = create(ec2, net)["NatGatewayAddresses"][0]
    assert "AuthFailure" in ec2.error("DisassociateAddress", AssociationId=address["AssociationId"])
    assert "InvalidIPAddress.InUse" in ec2.error("ReleaseAddress", AllocationId=net["address"])
    interface = address["NetworkInterfaceId"]
    other = ec2("AllocateAddress")["AllocationId"]
    assert "AuthFailure" in ec2.error("AssociateAddress", AllocationId=other, NetworkInterfaceId=interface)
    assert "currently in use" in ec2.error("DeleteNetworkInterface", NetworkInterfaceId=interface)
    assert "DependencyViolation" in ec2.error("DeleteSubnet", SubnetId=net["subnet"])


def test_routes_to_it_end_in_a_blackhole(ec2: Any, net: dict[str, str]) -> None:
    nat = create(ec2, net)["NatGatewayId"]
    route = {"RouteTableId": net["table"], "DestinationCidrBlock": "0.0.0.0/0"}
    assert "InvalidParameterCombination" in ec2.error("CreateRoute", **route, NatGatewayId=nat, GatewayId=net["igw"])
    ec2("CreateRoute", **route, GatewayId=net["igw"])
    ec2("ReplaceRoute", **route, NatGatewayId=nat)

    def told() -> dict[str, Any]:
        routes: list[dict[str, Any]] = ec2("DescribeRouteTables")["RouteTables"][0]["Routes"]
        return routes[1]

    assert told()["NatGatewayId"] == nat and told()["State"] == "active" and "GatewayId" not in told()
    ec2("DeleteNatGateway", NatGatewayId=nat)
    assert told()["State"] == "blackhole" and shown(ec2, nat)["State"] == "deleting"
    far = ec2("CreateRouteTable", VpcId=ec2.vpc("10.1.0.0/16"))["RouteTable"]["RouteTableId"]
    private = ec2("CreateNatGateway", SubnetId=net["subnet"], ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    error = ec2.error("CreateRoute", RouteTableId=far, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=private)
    assert "belong to different networks" in error
    assert "InvalidNatGatewayID.NotFound" in ec2.error("ReplaceRoute", **route, NatGatewayId=nat)


def test_what_ended_is_shown_for_an_hour(ec2: Any, net: dict[str, str]) -> None:
    nat = create(ec2, net)["NatGatewayId"]
    ec2("DeleteNatGateway", NatGatewayId=nat)
    said(ec2, nat, "deleted", timedelta(minutes=59))
    assert shown(ec2, nat)["State"] == "deleted" and shown(ec2, nat)["DeleteTime"] is not None
    assert "NatGatewayNotFound" in ec2.error("DeleteNatGateway", NatGatewayId=nat)
    said(ec2, nat, "deleted", timedelta(minutes=61))
    assert ec2("DescribeNatGateways")["NatGateways"] == []
    with ec2.store.transaction() as records:
        assert records.get(NatGateway, nat) is not None  # the reconciler forgets it
