"""DHCP options sets of one's own."""

from typing import Any

import pytest


def test_the_life_of_a_set(ec2: Any) -> None:
    vpc = ec2.vpc()
    wanted = [
        {"Key": "domain-name", "Values": ["corp.example"]},
        {"Key": "domain-name-servers", "Values": ["10.0.0.53", "AmazonProvidedDNS"]},
    ]
    made = ec2("CreateDhcpOptions", DhcpConfigurations=wanted)["DhcpOptions"]["DhcpOptionsId"]
    ec2("AssociateDhcpOptions", DhcpOptionsId=made, VpcId=vpc)
    found = ec2("DescribeDhcpOptions", Filters=[{"Name": "value", "Values": ["corp.*"]}])["DhcpOptions"]
    assert [one["DhcpOptionsId"] for one in found] == [made]
    assert "DependencyViolation" in ec2.error("DeleteDhcpOptions", DhcpOptionsId=made)
    ec2("AssociateDhcpOptions", DhcpOptionsId="default", VpcId=vpc)
    assert ec2("DescribeVpcs")["Vpcs"][0]["DhcpOptionsId"] == "default"
    ec2("DeleteDhcpOptions", DhcpOptionsId=made)


@pytest.mark.parametrize(
    ("key", "values", "error"),
    [
        ("ipv6-address-preferred-lease-time", ["140"], "NotImplemented"),
        ("ntp-servers", ["time.example"], "InvalidParameterValue"),
        ("netbios-node-type", ["3"], "InvalidParameterValue"),
        ("domain-name-servers", ["dns.example"], "InvalidParameterValue"),
        ("domain-name-servers", ["10.0.0.1"] * 5, "InvalidParameterValue"),
        ("time-to-tea", ["5"], "Unknown DHCP option"),
    ],
)
def test_options_that_cannot_be(ec2: Any, key: str, values: list[str], error: str) -> None:
    assert error in ec2.error("CreateDhcpOptions", DhcpConfigurations=[{"Key": key, "Values": values}])


def test_time_servers_and_netbios_are_shown(ec2: Any) -> None:
    given = {"ntp-servers": ["10.0.0.9"], "netbios-name-servers": ["10.0.0.8"], "netbios-node-type": ["2"]}
    wanted = [{"Key": key, "Values": values} for key, values in given.items()]
    made = ec2("CreateDhcpOptions", DhcpConfigurations=wanted)["DhcpOptions"]["DhcpConfigurations"]
    assert {one["Key"]: [value["Value"] for value in one["Values"]] for one in made} == given
