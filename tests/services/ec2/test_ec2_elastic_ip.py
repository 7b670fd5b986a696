"""Elastic IPs: allocation, association with interfaces, release."""

from typing import Any

import pytest

from ringfence.network.addresses import elastic_addresses, may_be_public_host


@pytest.fixture
def net(ec2: Any) -> dict[str, str]:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc)
    return {"vpc": vpc, "subnet": subnet, "eni": eni(ec2, subnet)}


def eni(ec2: Any, subnet: str) -> str:
    return str(ec2("CreateNetworkInterface", SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"])


def attach_gateway(ec2: Any, vpc: str) -> str:
    gateway = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    ec2("AttachInternetGateway", InternetGatewayId=gateway, VpcId=vpc)
    return str(gateway)


def test_addresses_are_no_hosts_of_the_internet_and_nobody_elses(ec2: Any) -> None:
    made = [ec2("AllocateAddress", Domain="vpc") for _ in range(5)]
    assert len({one["PublicIp"] for one in made}) == 5
    assert {one["PublicIp"] for one in made} <= set(elastic_addresses())
    assert not any(may_be_public_host(one["PublicIp"]) for one in made)
    assert made[0]["AllocationId"].startswith("eipalloc-0") and made[0]["NetworkBorderGroup"] == "us-west-2"
    assert ec2.error("AllocateAddress") == "AddressLimitExceeded: The maximum number of addresses has been reached."
    ec2("AllocateAddress", region="us-east-1")
    ec2("ReleaseAddress", AllocationId=made[0]["AllocationId"])
    assert ec2("AllocateAddress", Address=made[0]["PublicIp"])["PublicIp"] == made[0]["PublicIp"]


def test_what_cannot_be_allocated(ec2: Any) -> None:
    assert "InvalidAddress.NotFound" in ec2.error("AllocateAddress", Address="192.0.2.7")
    assert "NotImplemented" in ec2.error("AllocateAddress", PublicIpv4Pool="ipv4pool-ec2-012345678901234567")
    assert "NotImplemented" in ec2.error("AllocateAddress", CustomerOwnedIpv4Pool="pool")
    assert "InvalidParameterValue" in ec2.error("AllocateAddress", NetworkBorderGroup="us-west-2-lax-1")
    assert "InvalidParameterValue" in ec2.error("AllocateAddress", Domain="standard")
    assert "DryRunOperation" in ec2.error("AllocateAddress", DryRun=True)


def test_the_life_of_an_association(ec2: Any, net: dict[str, str]) -> None:
    tags = [{"ResourceType": "elastic-ip", "Tags": [{"Key": "a", "Value": "b"}]}]
    made = ec2("AllocateAddress", TagSpecifications=tags)
    both = {"AllocationId": made["AllocationId"], "NetworkInterfaceId": net["eni"]}
    error = ec2.error("AssociateAddress", **both)
    assert error == f"Gateway.NotAttached: Network {net['vpc']} is not attached to any internet gateway"
    gateway = attach_gateway(ec2, net["vpc"])
    association = ec2("AssociateAddress", **both)["AssociationId"]
    assert association.startswith("eipassoc-") and ec2("AssociateAddress", **both)["AssociationId"] == association
    shown = ec2("DescribeAddresses", Filters=[{"Name": "tag:a", "Values": ["b"]}])["Addresses"]
    assert [(one["AssociationId"], one["PrivateIpAddress"]) for one in shown] == [(association, "10.0.1.4")]
    interface = ec2("DescribeNetworkInterfaces", NetworkInterfaceIds=[net["eni"]])["NetworkInterfaces"][0]
    assert interface["Association"]["PublicIp"] == made["PublicIp"]
    wanted = [{"Name": "association.public-ip", "Values": [made["PublicIp"]]}]
    assert len(ec2("DescribeNetworkInterfaces", Filters=wanted)["NetworkInterfaces"]) == 1
    error = ec2.error("ReleaseAddress", AllocationId=made["AllocationId"])
    assert error == f"InvalidIPAddress.InUse: Address {made['PublicIp']} is in use."
    detach = {"InternetGatewayId": gateway, "VpcId": net["vpc"]}
    assert "mapped public address" in ec2.error("DetachInternetGateway", **detach)
    ec2("DisassociateAddress", AssociationId=association)
    assert "InvalidAssociationID.NotFound" in ec2.error("DisassociateAddress", AssociationId=association)
    ec2("DetachInternetGateway", **detach)
    ec2("ReleaseAddress", AllocationId=made["AllocationId"])
    error = ec2.error("ReleaseAddress", AllocationId=made["AllocationId"])
    assert error == f"InvalidAllocationID.NotFound: The allocation ID '{made['AllocationId']}' does not exist"


def test_reassociation_must_be_allowed(ec2: Any, net: dict[str, str]) -> None:
    attach_gateway(ec2, net["vpc"])
    first, second = ec2("AllocateAddress")["AllocationId"], ec2("AllocateAddress")["AllocationId"]
    other = eni(ec2, net["subnet"])
    ec2("AssociateAddress", AllocationId=first, NetworkInterfaceId=net["eni"])
    moved = {"AllocationId": first, "NetworkInterfaceId": other}
    assert "Resource.AlreadyAssociated" in ec2.error("AssociateAddress", **moved)
    ec2("AssociateAddress", **moved, AllowReassociation=True)
    ec2("AssociateAddress", AllocationId=second, NetworkInterfaceId=other)  # which loses its first
    shown = {one["AllocationId"]: one.get("NetworkInterfaceId") for one in ec2("DescribeAddresses")["Addresses"]}
    assert shown == {first: None, second: other}


def test_an_interface_that_goes_leaves_its_address(ec2: Any, net: dict[str, str]) -> None:
    attach_gateway(ec2, net["vpc"])
    made = ec2("AllocateAddress")["AllocationId"]
    ec2("AssociateAddress", AllocationId=made, NetworkInterfaceId=net["eni"], PrivateIpAddress="10.0.1.4")
    ec2("DeleteNetworkInterface", NetworkInterfaceId=net["eni"])
    assert "AssociationId" not in ec2("DescribeAddresses")["Addresses"][0]
    ec2("ReleaseAddress", AllocationId=made)


def test_what_is_refused(ec2: Any, net: dict[str, str]) -> None:
    attach_gateway(ec2, net["vpc"])
    made = ec2("AllocateAddress")
    both = {"AllocationId": made["AllocationId"], "NetworkInterfaceId": net["eni"]}
    assert "MissingParameter" in ec2.error("AssociateAddress", AllocationId=made["AllocationId"])
    assert "MissingParameter" in ec2.error("DisassociateAddress")
    assert "InvalidParameterValue" in ec2.error("AssociateAddress", **both, PrivateIpAddress="10.0.1.9")
    assert "NotImplemented" in ec2.error("AssociateAddress", **both, InstanceId="i-0123456789abcdef0")
    assert "NotImplemented" in ec2.error("ReleaseAddress", PublicIp=made["PublicIp"])
    assert "InvalidAddress.NotFound" in ec2.error("DescribeAddresses", PublicIps=["192.0.2.1"])
    assert len(ec2("DescribeAddresses", PublicIps=[made["PublicIp"]])["Addresses"]) == 1
    assert ec2("DescribeAddressesAttribute", AllocationIds=[made["AllocationId"]]) == {"Addresses": []}
