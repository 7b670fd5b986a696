"""VPN as records: both sides' gateways, connections, static and propagated routes. What works is the reconciler's."""

from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from ringfence.resources.instance import Instance
from ringfence.resources.vpn import VpnConnectionStatus, VpnGatewayStatus

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def net(ec2: Any) -> dict[str, str]:
    vpc = ec2.vpc()
    gateway = ec2("CreateVpnGateway", Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ec2("AttachVpnGateway", VpnGatewayId=gateway, VpcId=vpc)
    table = ec2("DescribeRouteTables")["RouteTables"][0]["RouteTableId"]
    customer = ec2("CreateCustomerGateway", Type="ipsec.1", IpAddress="203.0.113.12", BgpAsn=65010)
    return {"vpc": vpc, "vgw": gateway, "table": table, "cgw": customer["CustomerGateway"]["CustomerGatewayId"]}


def connect(ec2: Any, net: dict[str, str], static: bool = True, **more: Any) -> dict[str, Any]:
    request = {"Type": "ipsec.1", "VpnGatewayId": net["vgw"], "CustomerGatewayId": net["cgw"], **more}
    request["Options"] = {"StaticRoutesOnly": static, **more.get("Options", {})}
    made: dict[str, Any] = ec2("CreateVpnConnection", **request)["VpnConnection"]
    return made


def add(ec2: Any, connection: str, *cidrs: str) -> None:
    for cidr in cidrs:
        ec2("CreateVpnConnectionRoute", VpnConnectionId=connection, DestinationCidrBlock=cidr)


def routes(ec2: Any, net: dict[str, str], table: str = "") -> dict[str, tuple[str, str, str]]:
    found = ec2("DescribeRouteTables", RouteTableIds=[table or net["table"]])["RouteTables"][0]["Routes"]
    return {one["DestinationCidrBlock"]: (one["GatewayId"], one["Origin"], one["State"]) for one in found}


def test_a_virtual_private_gateway_is_attached_once_the_link_is_there(ec2: Any, net: dict[str, str]) -> None:
    shown = ec2("DescribeVpnGateways", VpnGatewayIds=[net["vgw"]])["VpnGateways"][0]
    assert shown["VpcAttachments"] == [{"VpcId": net["vpc"], "State": "attaching"}]
    assert (shown["State"], shown["AmazonSideAsn"]) == ("available", 64512)
    with ec2.store.transaction() as records:
        records.put(VpnGatewayStatus(id=net["vgw"], vpc_id=net["vpc"]))
    filters = [{"Name": "attachment.state", "Values": ["attached"]}, {"Name": "attachment.vpc-id", "Values": ["vpc-*"]}]
    assert len(ec2("DescribeVpnGateways", Filters=filters)["VpnGateways"]) == 1
    assert ec2("DescribeVpnGateways", Filters=[{"Name": "amazon-side-asn", "Values": ["1"]}])["VpnGateways"] == []
    other = ec2("CreateVpnGateway", Type="ipsec.1", AmazonSideAsn=4_200_000_000)["VpnGateway"]["VpnGatewayId"]
    said = ec2.error("AttachVpnGateway", VpnGatewayId=other, VpcId=net["vpc"])
    assert said.startswith("InvalidParameterValue") and "already has a virtual private gateway" in said
    second = ec2.vpc("10.1.0.0/16")
    assert "VpnGatewayAttachmentLimitExceeded" in ec2.error("AttachVpnGateway", VpnGatewayId=net["vgw"], VpcId=second)
    again = ec2("AttachVpnGateway", VpnGatewayId=net["vgw"], VpcId=net["vpc"])["VpcAttachment"]
    assert again == {"VpcId": net["vpc"], "State": "attached"}


def test_detaching_and_deleting(ec2: Any, net: dict[str, str]) -> None:
    assert ec2.error("DeleteVpnGateway", VpnGatewayId=net["vgw"]) == "IncorrectState: The VPN gateway is in use."
    assert "DependencyViolation" in ec2.error("DeleteVpc", VpcId=net["vpc"])
    connection = connect(ec2, net)["VpnConnectionId"]
    ec2("EnableVgwRoutePropagation", GatewayId=net["vgw"], RouteTableId=net["table"])
    ec2("CreateRoute", RouteTableId=net["table"], DestinationCidrBlock="192.168.0.0/16", GatewayId=net["vgw"])
    wrong = ec2.error("DetachVpnGateway", VpnGatewayId=net["vgw"], VpcId="vpc-0123456789abcdef0")
    assert wrong.startswith("InvalidVpnGatewayAttachment.NotFound")
    ec2("DetachVpnGateway", VpnGatewayId=net["vgw"], VpcId=net["vpc"])
    assert routes(ec2, net)["192.168.0.0/16"] == (net["vgw"], "CreateRoute", "blackhole")
    shown = ec2("DescribeRouteTables", RouteTableIds=[net["table"]])["RouteTables"][0]
    assert shown["PropagatingVgws"] == []
    assert "IncorrectState" in ec2.error("DeleteVpnGateway", VpnGatewayId=net["vgw"])
    said = ec2.error("DeleteCustomerGateway", CustomerGatewayId=net["cgw"])
    assert said == "IncorrectState: The customer gateway is in use."
    ec2("DeleteVpnConnection", VpnConnectionId=connection)
    ec2("DeleteVpnGateway", VpnGatewayId=net["vgw"])
    ec2("DeleteCustomerGateway", CustomerGatewayId=net["cgw"])
    missing = ec2.error("DescribeVpnGateways", VpnGatewayIds=[net["vgw"]])
    assert missing == f"InvalidVpnGatewayID.NotFound: The vpnGateway ID '{net['vgw']}' does not exist"
    ec2("DeleteVpc", VpcId=net["vpc"])


def test_customer_gateways(ec2: Any, net: dict[str, str]) -> None:
    same = ec2("CreateCustomerGateway", Type="ipsec.1", PublicIp="203.0.113.12", BgpAsn=65010)["CustomerGateway"]
    assert same["CustomerGatewayId"] == net["cgw"]
    large = {"IpAddress": "203.0.113.12", "BgpAsnExtended": 4_000_000_000, "DeviceName": "router"}
    made = ec2("CreateCustomerGateway", Type="ipsec.1", **large)["CustomerGateway"]
    assert (made["BgpAsnExtended"], made["DeviceName"], made["State"]) == ("4000000000", "router", "available")
    filters = [{"Name": "bgp-asn", "Values": ["65010"]}]
    found = ec2("DescribeCustomerGateways", Filters=filters)["CustomerGateways"]
    assert [one["CustomerGatewayId"] for one in found] == [net["cgw"]]
    for wrong in ({}, {"IpAddress": "300.1.1.1"}, {"IpAddress": "127.0.0.1"}, {"IpAddress": "1.2.3.4", "BgpAsn": -1}):
        assert ec2.error("CreateCustomerGateway", Type="ipsec.1", **wrong).startswith(("Invalid", "Missing"))
    refused = {"Type": "ipsec.1", "IpAddress": "1.2.3.4", "CertificateArn": "arn:aws:acm:us-west-2:1:certificate/x"}
    assert "NotImplemented" in ec2.error("CreateCustomerGateway", **refused)


def test_a_connection_tells_the_customer_how_to_set_up_its_device(ec2: Any, net: dict[str, str]) -> None:
    tunnels = [{"TunnelInsideCidr": "169.254.44.0/30", "PreSharedKey": "abcd.EFGH_1"}, {}]
    made = connect(ec2, net, Options={"TunnelOptions": tunnels})
    assert made["State"] == "pending" and made["Options"]["StaticRoutesOnly"] is True
    assert [one["Status"] for one in made["VgwTelemetry"]] == ["DOWN", "DOWN"]
    root = ElementTree.fromstring(made["CustomerGatewayConfiguration"].encode())
    keys = [one.text for one in root.findall("ipsec_tunnel/ike/pre_shared_key")]
    outside = [one.text for one in root.findall("ipsec_tunnel/vpn_gateway/tunnel_outside_address/ip_address")]
    assert root.attrib["id"] == made["VpnConnectionId"] and keys[0] == "abcd.EFGH_1" and keys[1] != keys[0]
    assert outside == [one["OutsideIpAddress"] for one in made["Options"]["TunnelOptions"]] and len(set(outside)) == 2
    inside = [one.text for one in root.findall("ipsec_tunnel/*/tunnel_inside_address/ip_address")]
    assert inside[:2] == ["169.254.44.2", "169.254.44.1"]
    assert connect(ec2, net)["VpnConnectionId"] == made["VpnConnectionId"]
    assert connect(ec2, net, static=False)["VpnConnectionId"] != made["VpnConnectionId"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"EnableAcceleration": True}, "NotImplemented"),
        ({"TunnelInsideIpVersion": "ipv6"}, "NotImplemented"),
        ({"LocalIpv4NetworkCidr": "10.0.0.0/8"}, "NotImplemented"),
        ({"TunnelOptions": [{"Phase1LifetimeSeconds": 900}]}, "NotImplemented"),
        ({"TunnelOptions": [{"PreSharedKey": "short"}]}, "InvalidParameterValue"),
        ({"TunnelOptions": [{"TunnelInsideCidr": "169.254.1.0/30"}]}, "InvalidParameterValue"),
        ({"TunnelOptions": [{"TunnelInsideCidr": "169.254.9.0/30"}] * 2}, "InvalidParameterValue"),
        ({"TunnelOptions": [{}, {}, {}]}, "InvalidParameterValue"),
    ],
)
def test_options_that_a_connection_does_not_take(
    ec2: Any, net: dict[str, str], options: dict[str, Any], code: str
) -> None:
    both = {"Type": "ipsec.1", "VpnGatewayId": net["vgw"], "CustomerGatewayId": net["cgw"]}
    assert ec2.error("CreateVpnConnection", **both, Options=options).startswith(code)


def test_static_routes(ec2: Any, net: dict[str, str]) -> None:
    connection = connect(ec2, net)["VpnConnectionId"]
    add(ec2, connection, "192.168.1.9/24", "192.168.1.0/24")
    shown = ec2("DescribeVpnConnections", VpnConnectionIds=[connection])["VpnConnections"][0]
    assert shown["Routes"] == [{"DestinationCidrBlock": "192.168.1.0/24", "Source": "Static", "State": "available"}]
    route = {"VpnConnectionId": connection, "DestinationCidrBlock": "192.168.1.0/24"}
    ec2("DeleteVpnConnectionRoute", **route)
    assert ec2.error("DeleteVpnConnectionRoute", **route).startswith("InvalidRoute.NotFound")
    dynamic = connect(ec2, net, static=False)["VpnConnectionId"]
    said = ec2.error("CreateVpnConnectionRoute", **route | {"VpnConnectionId": dynamic})
    assert said.startswith("InvalidVpnConnection.InvalidType")


def test_propagated_routes_yield_to_the_tables_own(ec2: Any, net: dict[str, str]) -> None:
    connection = connect(ec2, net)["VpnConnectionId"]
    add(ec2, connection, "192.168.0.0/16", "172.16.0.0/12", "10.0.5.0/24", "10.0.0.0/8")
    assert set(routes(ec2, net)) == {"10.0.0.0/16"}
    ec2("EnableVgwRoutePropagation", GatewayId=net["vgw"], RouteTableId=net["table"])
    ec2("CreateRoute", RouteTableId=net["table"], DestinationCidrBlock="172.16.0.0/12", GatewayId=net["vgw"])
    propagated = (net["vgw"], "EnableVgwRoutePropagation", "active")
    assert routes(ec2, net) == {
        "10.0.0.0/16": ("local", "CreateRouteTable", "active"),
        "172.16.0.0/12": (net["vgw"], "CreateRoute", "active"),
        "192.168.0.0/16": propagated,
        "10.0.0.0/8": propagated,  # 10.0.5.0/24 is within the VPC: local beats it
    }
    filters = [{"Name": "route.origin", "Values": ["EnableVgwRoutePropagation"]}]
    assert len(ec2("DescribeRouteTables", Filters=filters)["RouteTables"]) == 1
    ec2("DisableVgwRoutePropagation", GatewayId=net["vgw"], RouteTableId=net["table"])
    assert set(routes(ec2, net)) == {"10.0.0.0/16", "172.16.0.0/12"}
    other = ec2("CreateVpnGateway", Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    said = ec2.error("EnableVgwRoutePropagation", GatewayId=other, RouteTableId=net["table"])
    assert said == f"Gateway.NotAttached: resource {other} is not attached to network {net['vpc']}"


def test_bgp_tells_of_the_networks_in_which_hosts_stand(ec2: Any, net: dict[str, str]) -> None:
    connect(ec2, net, static=False)
    ec2("EnableVgwRoutePropagation", GatewayId=net["vgw"], RouteTableId=net["table"])
    host = Instance(
        id="i-1", account="1", region="us-west-2", owner="session/i-1", network="customer",
        customer_cidr="192.168.7.0/24", vpn_gateway_id=net["vgw"],
    )  # fmt: skip
    with ec2.store.transaction() as records:
        records.put(host)
    assert routes(ec2, net)["192.168.7.0/24"] == (net["vgw"], "EnableVgwRoutePropagation", "active")
    with ec2.store.transaction() as records:
        records.delete(host)
    assert "192.168.7.0/24" not in routes(ec2, net)


def test_a_deleted_connection_is_shown_for_an_hour(ec2: Any, net: dict[str, str]) -> None:
    connection = connect(ec2, net)["VpnConnectionId"]
    add(ec2, connection, "192.168.0.0/16")
    ec2("EnableVgwRoutePropagation", GatewayId=net["vgw"], RouteTableId=net["table"])
    with ec2.store.transaction() as records:
        records.put(VpnConnectionStatus(id=connection, state="available", at=NOW, up=True))
    shown = ec2("DescribeVpnConnections")["VpnConnections"][0]
    assert shown["State"] == "available" and shown["VgwTelemetry"][0]["Status"] == "UP"
    ec2("DeleteVpnConnection", VpnConnectionId=connection)
    shown = ec2("DescribeVpnConnections")["VpnConnections"][0]
    assert shown["State"] == "deleting" and "CustomerGatewayConfiguration" not in shown
    assert set(routes(ec2, net)) == {"10.0.0.0/16"}
    for state, after, seen in (("deleted", timedelta(), ["deleted"]), ("deleted", timedelta(hours=2), [])):
        with ec2.store.transaction() as records:
            records.put(VpnConnectionStatus(id=connection, state=state, at=NOW - after))
        assert [one["State"] for one in ec2("DescribeVpnConnections")["VpnConnections"]] == seen


def test_dry_run_and_tags(ec2: Any, net: dict[str, str]) -> None:
    tags = [{"Key": "a", "Value": "b"}]
    for name, kind, more in (
        ("CreateVpnGateway", "vpn-gateway", {}),
        ("CreateCustomerGateway", "customer-gateway", {"IpAddress": "203.0.113.77"}),
        ("CreateVpnConnection", "vpn-connection", {"VpnGatewayId": net["vgw"], "CustomerGatewayId": net["cgw"]}),
    ):
        request = {"Type": "ipsec.1", **more, "TagSpecifications": [{"ResourceType": kind, "Tags": tags}]}
        assert ec2.error(name, **request, DryRun=True).startswith("DryRunOperation")
        (made,) = ec2(name, **request).values()
        assert made["Tags"] == tags
        assert ec2.error(name, **request | {"Type": "ipsec.2"}).startswith("InvalidParameterValue")
    found = ec2("DescribeTags", Filters=[{"Name": "key", "Values": ["a"]}])["Tags"]
    assert {one["ResourceType"] for one in found} == {"vpn-gateway", "customer-gateway", "vpn-connection"}
