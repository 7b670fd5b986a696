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
        ("ntp-servers", ["10.0.0.1"], "NotImplemented"),
        ("domain-name-servers", ["dns.example"], "InvalidParameterValue"),
        ("domain-name-servers", ["10.0.0.1"] * 5, "InvalidParameterValue"),
        ("time-to-tea", ["5"], "Unknown DHCP option"),
    ],
)
def test_options_that_instances_would_not_get(ec2: Any, key: str, values: list[str], error: str) -> None:
    assert error in ec2.error("CreateDhcpOptions", DhcpConfigurations=[{"Key": key, "Values": values}])
