"""Secondary private addresses of network interfaces."""

from typing import Any

import pytest


def _make(ec2: Any, subnet: str, **more: Any) -> str:
    return str(ec2("CreateNetworkInterface", SubnetId=subnet, **more)["NetworkInterface"]["NetworkInterfaceId"])


def _shown(ec2: Any, id: str) -> dict[str, Any]:
    return dict(ec2("DescribeNetworkInterfaces", NetworkInterfaceIds=[id])["NetworkInterfaces"][0])


def _addresses(ec2: Any, id: str) -> list[str]:
    return [one["PrivateIpAddress"] for one in _shown(ec2, id)["PrivateIpAddresses"]]


def _assign(ec2: Any, id: str, **more: Any) -> list[str]:
    answer = ec2("AssignPrivateIpAddresses", NetworkInterfaceId=id, **more)
    assert answer["NetworkInterfaceId"] == id
    return [one["PrivateIpAddress"] for one in answer["AssignedPrivateIpAddresses"]]


def test_of_a_new_interface(ec2: Any) -> None:
    subnet = ec2.subnet(ec2.vpc())
    assert _addresses(ec2, _make(ec2, subnet, SecondaryPrivateIpAddressCount=2)) == ["10.0.1.4", "10.0.1.5", "10.0.1.6"]
    chosen = [{"PrivateIpAddress": "10.0.1.60"}, {"PrivateIpAddress": "10.0.1.50", "Primary": True}]
    other = _make(ec2, subnet, PrivateIpAddresses=chosen)
    assert _addresses(ec2, other) == ["10.0.1.50", "10.0.1.60"]
    assert [one["Primary"] for one in _shown(ec2, other)["PrivateIpAddresses"]] == [True, False]
    single = _make(
        ec2,
        subnet,
        PrivateIpAddress="10.0.1.70",
        PrivateIpAddresses=[{"PrivateIpAddress": "10.0.1.71", "Primary": False}],
    )
    assert _addresses(ec2, single) == ["10.0.1.70", "10.0.1.71"]
    assert ec2("DescribeSubnets")["Subnets"][0]["AvailableIpAddressCount"] == 251 - 7


def test_they_come_and_go(ec2: Any) -> None:
    subnet = ec2.subnet(ec2.vpc())
    id = _make(ec2, subnet)
    assert _assign(ec2, id, SecondaryPrivateIpAddressCount=2) == ["10.0.1.5", "10.0.1.6"]
    assert _assign(ec2, id, PrivateIpAddresses=["10.0.1.90", "10.0.1.5"]) == ["10.0.1.90", "10.0.1.5"]
    assert _addresses(ec2, id) == ["10.0.1.4", "10.0.1.5", "10.0.1.6", "10.0.1.90"]
    ec2("UnassignPrivateIpAddresses", NetworkInterfaceId=id, PrivateIpAddresses=["10.0.1.5", "10.0.1.90"])
    assert _addresses(ec2, id) == ["10.0.1.4", "10.0.1.6"]
    assert _addresses(ec2, _make(ec2, subnet)) == ["10.0.1.5"]
    found = ec2("DescribeNetworkInterfaces", Filters=[{"Name": "addresses.private-ip-address", "Values": ["10.0.1.6"]}])
    assert [one["NetworkInterfaceId"] for one in found["NetworkInterfaces"]] == [id]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({}, "MissingParameter"),
        ({"SecondaryPrivateIpAddressCount": 0}, "InvalidParameterValue"),
        ({"SecondaryPrivateIpAddressCount": 1, "PrivateIpAddresses": ["10.0.1.9"]}, "InvalidParameterCombination"),
        ({"SecondaryPrivateIpAddressCount": 50}, "PrivateIpAddressLimitExceeded"),
        ({"PrivateIpAddresses": ["10.0.2.9"]}, "InvalidParameterValue: Address 10.0.2.9 does not fall"),
        ({"PrivateIpAddresses": ["10.0.1.5"]}, "InvalidParameterValue: [10.0.1.5] assigned, but move is not allowed."),
        (
            {"PrivateIpAddresses": ["10.0.1.5"], "AllowReassignment": True},
            "InvalidParameterValue: [10.0.1.5] assigned, but move is not allowed.",
        ),
        ({"Ipv4PrefixCount": 1}, ""),
    ],
)
def test_what_cannot_be_assigned(ec2: Any, request_: dict[str, Any], error: str) -> None:
    subnet = ec2.subnet(ec2.vpc())
    id, _ = _make(ec2, subnet), _make(ec2, subnet)
    assert ec2.error("AssignPrivateIpAddresses", NetworkInterfaceId=id, **request_).startswith(error)
    assert _addresses(ec2, id) == ["10.0.1.4"]


def test_one_moves_with_its_elastic_ip(ec2: Any) -> None:
    vpc = ec2.vpc()
    gateway = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    subnet = ec2.subnet(vpc)
    old, new = _make(ec2, subnet, SecondaryPrivateIpAddressCount=1), _make(ec2, subnet)
    first, second = (ec2("AllocateAddress")["AllocationId"] for _ in range(2))
    ec2("AssociateAddress", AllocationId=first, NetworkInterfaceId=old)
    ec2("AssociateAddress", AllocationId=second, NetworkInterfaceId=old, PrivateIpAddress="10.0.1.5")
    primary, secondary = _shown(ec2, old)["PrivateIpAddresses"]
    assert [one["Association"]["AllocationId"] for one in (primary, secondary)] == [first, second]
    assert ec2.error("AssociateAddress", AllocationId=first, NetworkInterfaceId=new, PrivateIpAddress="10.0.1.5")
    assert _assign(ec2, new, PrivateIpAddresses=["10.0.1.5"], AllowReassignment=True) == ["10.0.1.5"]
    assert _addresses(ec2, old) == ["10.0.1.4"]
    (shown,) = ec2("DescribeAddresses", AllocationIds=[second])["Addresses"]
    assert (shown["NetworkInterfaceId"], shown["PrivateIpAddress"]) == (new, "10.0.1.5")
    ec2("UnassignPrivateIpAddresses", NetworkInterfaceId=new, PrivateIpAddresses=["10.0.1.5"])
    assert "AssociationId" not in ec2("DescribeAddresses", AllocationIds=[second])["Addresses"][0]
    assert _shown(ec2, old)["Association"]["AllocationId"] == first


def test_what_cannot_be_unassigned(ec2: Any) -> None:
    id = _make(ec2, ec2.subnet(ec2.vpc()), SecondaryPrivateIpAddressCount=1)
    found = [
        ec2.error("UnassignPrivateIpAddresses", NetworkInterfaceId=id, PrivateIpAddresses=[address])
        for address in ("10.0.1.4", "10.0.1.9")
    ]
    assert found == [
        "InvalidParameterValue: The primary private IP address cannot be unassigned",
        f"InvalidParameterValue: Some of [10.0.1.9] are not assigned to interface {id}",
    ]
    assert ec2.error("UnassignPrivateIpAddresses", NetworkInterfaceId=id).startswith("MissingParameter")
