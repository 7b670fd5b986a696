"""Route tables, their associations and routes."""

from typing import Any

import pytest

from ringfence.services.ec2.network_interface import attach


@pytest.fixture
def net(ec2: Any) -> dict[str, str]:
    vpc = ec2.vpc()
    main = ec2("DescribeRouteTables")["RouteTables"][0]
    table = ec2("CreateRouteTable", VpcId=vpc)["RouteTable"]
    return {
        "vpc": vpc,
        "main": main["RouteTableId"],
        "main association": main["Associations"][0]["RouteTableAssociationId"],
        "table": table["RouteTableId"],
        "subnet": ec2.subnet(vpc),
    }


def _associations(ec2: Any, table: str) -> list[Any]:
    found = ec2("DescribeRouteTables", RouteTableIds=[table])["RouteTables"][0]["Associations"]
    return [one.get("SubnetId", "main") for one in found]


def test_a_subnet_is_associated_with_one_table(ec2: Any, net: dict[str, str]) -> None:
    made = ec2("AssociateRouteTable", RouteTableId=net["table"], SubnetId=net["subnet"])
    again = ec2("AssociateRouteTable", RouteTableId=net["table"], SubnetId=net["subnet"])
    assert made == again
    error = ec2.error("AssociateRouteTable", RouteTableId=net["main"], SubnetId=net["subnet"])
    assert error.startswith("Resource.AlreadyAssociated:")
    error = ec2.error("DeleteRouteTable", RouteTableId=net["table"])
    assert error == f"DependencyViolation: The routeTable '{net['table']}' has dependencies and cannot be deleted."
    ec2("DisassociateRouteTable", AssociationId=made["AssociationId"])
    ec2("DeleteRouteTable", RouteTableId=net["table"])


def test_replacing_moves_an_association(ec2: Any, net: dict[str, str]) -> None:
    made = ec2("AssociateRouteTable", RouteTableId=net["table"], SubnetId=net["subnet"])["AssociationId"]
    moved = ec2("ReplaceRouteTableAssociation", AssociationId=made, RouteTableId=net["main"])["NewAssociationId"]
    assert moved != made
    assert _associations(ec2, net["table"]) == [] and _associations(ec2, net["main"]) == ["main", net["subnet"]]


def test_another_table_becomes_main(ec2: Any, net: dict[str, str]) -> None:
    main = net["main association"]
    assert "main route table" in ec2.error("DisassociateRouteTable", AssociationId=main)
    ec2("ReplaceRouteTableAssociation", AssociationId=main, RouteTableId=net["table"])
    assert _associations(ec2, net["table"]) == ["main"]
    ec2("DeleteRouteTable", RouteTableId=net["main"])


def test_deleting_a_subnet_forgets_its_association(ec2: Any, net: dict[str, str]) -> None:
    ec2("AssociateRouteTable", RouteTableId=net["table"], SubnetId=net["subnet"])
    ec2("DeleteSubnet", SubnetId=net["subnet"])
    assert _associations(ec2, net["table"]) == []


def test_tables_and_subnets_of_two_vpcs(ec2: Any, net: dict[str, str]) -> None:
    other = ec2.subnet(ec2.vpc("10.1.0.0/16"), "10.1.0.0/24")
    assert "belong to different networks" in ec2.error("AssociateRouteTable", RouteTableId=net["table"], SubnetId=other)


def test_local_routes_stay(ec2: Any, net: dict[str, str]) -> None:
    where = {"RouteTableId": net["table"]}
    assert "cannot remove local route" in ec2.error("DeleteRoute", **where, DestinationCidrBlock="10.0.0.0/16")
    assert "InvalidRoute.NotFound" in ec2.error("DeleteRoute", **where, DestinationCidrBlock="0.0.0.0/0")


def test_targets_that_are_not_built_are_refused(ec2: Any, net: dict[str, str]) -> None:
    where = {"RouteTableId": net["table"], "DestinationCidrBlock": "0.0.0.0/0"}
    missing = ec2.error("CreateRoute", **where, NetworkInterfaceId="eni-0123456789abcdef0")
    assert "InvalidNetworkInterfaceID.NotFound" in missing
    assert "InvalidNatGatewayID.NotFound" in ec2.error("CreateRoute", **where, NatGatewayId="nat-0123456789abcdef0")
    assert "InvalidVpnGatewayID.NotFound" in ec2.error("CreateRoute", **where, GatewayId="vgw-0123456789abcdef0")
    assert "NotImplemented" in ec2.error("CreateRoute", **where, GatewayId="lgw-0123456789abcdef0")
    assert "MissingParameter" in ec2.error("CreateRoute", **where)
    assert "InvalidInternetGatewayID.NotFound" in ec2.error("CreateRoute", **where, GatewayId="igw-0123456789abcdef0")


def test_a_route_to_an_interface(ec2: Any, net: dict[str, str]) -> None:
    """`blackhole` until it is attached; inside the VPC only for a whole subnet."""
    interface = ec2("CreateNetworkInterface", SubnetId=net["subnet"])["NetworkInterface"]["NetworkInterfaceId"]
    other = ec2.subnet(net["vpc"], "10.0.2.0/24")
    where = {"RouteTableId": net["table"], "NetworkInterfaceId": interface}
    for cidr in ("0.0.0.0/0", "10.0.2.0/24"):
        ec2("CreateRoute", **where, DestinationCidrBlock=cidr)
    assert "is not the CIDR block of one" in ec2.error("CreateRoute", **where, DestinationCidrBlock="10.0.2.0/25")
    again = ec2.error("CreateRoute", **where, DestinationCidrBlock="10.0.0.0/16")
    assert again.startswith("RouteAlreadyExists")

    def shown() -> list[Any]:
        routes = ec2("DescribeRouteTables", RouteTableIds=[net["table"]])["RouteTables"][0]["Routes"]
        return [(one["State"], one.get("InstanceId")) for one in routes if one.get("NetworkInterfaceId") == interface]

    assert shown() == [("blackhole", None)] * 2
    with ec2.store.transaction() as records:
        attach(records, interface, "i-0", ec2.call(records).now, ec2.entropy)
    assert shown() == [("active", "i-0")] * 2
    elsewhere = ec2.subnet(ec2.vpc("10.1.0.0/16"), "10.1.0.0/24")
    stranger = ec2("CreateNetworkInterface", SubnetId=elsewhere)["NetworkInterface"]["NetworkInterfaceId"]
    wrong = {"RouteTableId": net["table"], "NetworkInterfaceId": stranger, "DestinationCidrBlock": "192.0.2.0/24"}
    assert "and interface eni-" in ec2.error("CreateRoute", **wrong) and other
