"""Direct Connect's handlers over a real store: what they take, what they refuse, what they show."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringfence.network.compile.vpn import learned_routes
from tests.direct_calls import Aws


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    client = Aws(tmp_path)
    yield client
    client.store.close()


@pytest.fixture
def line(aws: Aws) -> str:
    made = aws("directconnect", "CreateConnection", location="RF1", bandwidth="1Gbps", connectionName="office")
    assert made["connectionState"] == "requested"
    id: str = made["connectionId"]
    return id


@pytest.fixture
def gateway(aws: Aws) -> str:
    id: str = aws("ec2", "CreateVpnGateway", Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    return id


def wanted(gateway: str, **change: Any) -> dict[str, Any]:
    return {"virtualInterfaceName": "v", "vlan": 7, "asn": 65010, "virtualGatewayId": gateway, **change}


def create(aws: Aws, line: str, gateway: str, **change: Any) -> dict[str, Any]:
    request = {"connectionId": line, "newPrivateVirtualInterface": wanted(gateway, **change)}
    return aws("directconnect", "CreatePrivateVirtualInterface", **request)


def test_an_interface_as_aws_shows_it(aws: Aws, line: str, gateway: str) -> None:
    shown = create(aws, line, gateway, tags=[{"key": "team", "value": "ml"}])
    assert (shown["virtualInterfaceState"], shown["virtualInterfaceType"]) == ("pending", "private")
    assert (shown["amazonAddress"], shown["customerAddress"]) == ("169.254.96.1/30", "169.254.96.2/30")
    assert shown["tags"] == [{"key": "team", "value": "ml"}]
    assert create(aws, line, gateway, vlan=8)["amazonAddress"] == "169.254.96.5/30"
    found = aws("directconnect", "DescribeVirtualInterfaces", connectionId=line, maxResults=1)
    rest = aws("directconnect", "DescribeVirtualInterfaces", connectionId=line, nextToken=found["nextToken"])
    assert [one["vlan"] for one in found["virtualInterfaces"] + rest["virtualInterfaces"]] == [7, 8]
    gateways = aws("directconnect", "DescribeVirtualGateways")["virtualGateways"]
    assert gateways == [{"virtualGatewayId": gateway, "virtualGatewayState": "available"}]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"vlan": 0}, "DirectConnectClientException"),
        ({"vlan": 4095}, "DirectConnectClientException"),
        ({"asn": 0}, "DirectConnectClientException"),
        ({"virtualGatewayId": "vgw-0123456789abcdef0"}, "DirectConnectClientException"),
        ({"amazonAddress": "10.0.0.1/30"}, "DirectConnectClientException"),
        ({"amazonAddress": "10.0.0.1/30", "customerAddress": "10.1.0.2/30"}, "DirectConnectClientException"),
        ({"addressFamily": "ipv6"}, "NotImplemented"),
        ({"mtu": 9001}, "NotImplemented"),
        ({"directConnectGatewayId": "x"}, "NotImplemented"),
        ({"enableSiteLink": True}, "NotImplemented"),
    ],
)
def test_what_cannot_be_is_refused(aws: Aws, line: str, gateway: str, change: dict[str, Any], code: str) -> None:
    request = {"connectionId": line, "newPrivateVirtualInterface": wanted(gateway, **change)}
    assert aws.fails("directconnect", "CreatePrivateVirtualInterface", **request).code == code


def test_a_vlan_is_used_once(aws: Aws, line: str, gateway: str) -> None:
    create(aws, line, gateway)
    request = {"connectionId": line, "newPrivateVirtualInterface": wanted(gateway)}
    assert "already in use" in aws.fails("directconnect", "CreatePrivateVirtualInterface", **request).message


def test_nothing_goes_while_it_is_in_use(aws: Aws, line: str, gateway: str) -> None:
    interface = create(aws, line, gateway)["virtualInterfaceId"]
    assert "virtual interfaces" in aws.fails("directconnect", "DeleteConnection", connectionId=line).message
    assert aws.fails("ec2", "DeleteVpnGateway", VpnGatewayId=gateway).code == "IncorrectState"
    assert aws("directconnect", "DeleteVirtualInterface", virtualInterfaceId=interface) == {
        "virtualInterfaceState": "deleted"
    }
    aws("ec2", "DeleteVpnGateway", VpnGatewayId=gateway)
    assert aws("directconnect", "DeleteConnection", connectionId=line)["connectionState"] == "deleted"
    assert aws("directconnect", "DescribeConnections")["connections"] == []
    assert learned_routes(aws.store.snapshot(), gateway) == ()


def test_bandwidths_and_locations_are_checked(aws: Aws) -> None:
    request = {"location": "RF1", "bandwidth": "2Gbps", "connectionName": "c"}
    assert "not supported" in aws.fails("directconnect", "CreateConnection", **request).message
    request = {"location": "Elsewhere", "bandwidth": "1Gbps", "connectionName": "c"}
    assert "DescribeLocations" in aws.fails("directconnect", "CreateConnection", **request).message


def test_tags(aws: Aws, line: str) -> None:
    arn = f"arn:aws:directconnect:us-west-2:{aws.who.account}:dxcon/{line}"
    aws("directconnect", "TagResource", resourceArn=arn, tags=[{"key": "a", "value": "b"}])
    found = aws("directconnect", "DescribeTags", resourceArns=[arn])["resourceTags"]
    assert found == [{"resourceArn": arn, "tags": [{"key": "a", "value": "b"}]}]
    aws("directconnect", "UntagResource", resourceArn=arn, tagKeys=["a"])
    assert aws("directconnect", "DescribeTags", resourceArns=[arn])["resourceTags"] == [{"resourceArn": arn}]
