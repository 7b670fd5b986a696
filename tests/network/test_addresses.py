"""Constants that others rely on."""

from ipaddress import ip_address, ip_network

import pytest

from ringfence.network import addresses
from ringfence.network.service import SERVICES


def test_known_prefix_lists() -> None:
    for region, id in (("us-east-1", "pl-63a5400a"), ("us-west-2", "pl-68a54001"), ("eu-west-1", "pl-6da54004")):
        assert addresses.prefix_list_of(f"com.amazonaws.{region}.s3", region) == id
    assert addresses.prefix_list_of("com.amazonaws.us-west-2.sts", "us-west-2") is None


@pytest.mark.parametrize("region", ["us-west-2", "eu-south-2", "mars-north-1"])
def test_what_has_gateway_endpoints_is_in_its_prefix_list_and_nobody_else_is(region: str) -> None:
    lists = addresses.prefix_lists(region)
    assert len(lists) == 2
    listed = [ip_network(cidr) for _, cidrs in lists.values() for cidr in cidrs]
    for facts in SERVICES:
        address = ip_address(addresses.public_address(facts, region))
        assert address in addresses.SERVICE_RANGE
        assert any(address in cidr for cidr in listed) == (facts.service in ("s3", "dynamodb"))


def test_no_two_services_share_an_address() -> None:
    found = [addresses.public_address(facts, "us-west-2") for facts in SERVICES]
    assert len(set(found)) == len(found)


def test_names() -> None:
    assert addresses.private_dns_names("com.amazonaws.us-west-2.sagemaker.api", "us-west-2") == (
        "api.sagemaker.us-west-2.amazonaws.com",
    )
    assert addresses.private_dns_names("com.amazonaws.us-west-2.nothing", "us-west-2") == ()
    assert addresses.private_name("10.0.1.5", "us-east-1") == "ip-10-0-1-5.ec2.internal"
    assert addresses.vpc_resolver("10.1.0.0/16") == "10.1.0.2"
