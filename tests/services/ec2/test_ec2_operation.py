"""What every EC2 operation has in common: known parameters, and the resources that authorization asks about."""

from typing import Any

import pytest
from botocore.session import get_session

from ringfence.core.operation import REGISTRY
from ringfence.services.ec2.operation import TAKES

MODEL = get_session().get_service_model("ec2")


def test_every_parameter_that_is_taken_exists(ec2: Any) -> None:
    for name, members in TAKES.items():
        shape = MODEL.operation_model(name).input_shape
        assert members - {"DryRun"} <= set(shape.members), name


def test_every_required_parameter_and_client_token_is_taken(ec2: Any) -> None:
    """botocore adds a client token by itself: an operation that refused it could not be called."""
    for name, members in TAKES.items():
        operation = MODEL.operation_model(name)
        assert set(operation.input_shape.required_members) <= members, name
        assert set(operation.idempotent_members) <= members, name


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"VpcId": "vpc-1", "ServiceName": "s"}, ["vpc/vpc-1", "vpc-endpoint/*"]),
        (
            {"VpcId": "vpc-1", "RouteTableIds": ["rtb-1", "rtb-2"]},
            ["vpc/vpc-1", "vpc-endpoint/*", "route-table/rtb-1", "route-table/rtb-2"],
        ),
    ],
)
def test_optional_resources_are_asked_about_when_named(ec2: Any, request_: dict[str, Any], expected: list[str]) -> None:
    on = REGISTRY["ec2", "CreateVpcEndpoint"].on
    assert callable(on)
    with ec2.store.transaction() as records:
        found = on(ec2.call(records), request_)
    assert [arn.split(":", 5)[5] for arn in found] == expected


def test_tags_at_creation_need_create_tags(ec2: Any) -> None:
    ((action, on),) = REGISTRY["ec2", "CreateVpc"].also
    assert action == "ec2:CreateTags" and callable(on)
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}]
    with ec2.store.transaction() as records:
        assert on(ec2.call(records), {"CidrBlock": "10.0.0.0/16"}) == []
        found = on(ec2.call(records), {"TagSpecifications": tags})
    assert found == ["arn:aws:ec2:us-west-2:123456789012:vpc/*"]


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("CreateVpc", {"CidrBlock": "10.0.0.0/16", "AmazonProvidedIpv6CidrBlock": True}),
        ("CreateSubnet", {"VpcId": "vpc-00000000", "Ipv6CidrBlock": "2001:db8::/64"}),
        ("AssociateVpcCidrBlock", {"VpcId": "vpc-00000000", "AmazonProvidedIpv6CidrBlock": True}),
        ("CreateNetworkInterface", {"SubnetId": "subnet-00000000", "Ipv6AddressCount": 1}),
        ("CreateRoute", {"RouteTableId": "rtb-00000000", "DestinationIpv6CidrBlock": "::/0"}),
        ("CreateRoute", {"RouteTableId": "rtb-00000000", "EgressOnlyInternetGatewayId": "eigw-00000000"}),
        ("CreateDefaultSubnet", {"AvailabilityZone": "us-west-2a", "Ipv6Native": True}),
    ],
)
def test_ipv6_is_refused_in_one_way(ec2: Any, operation: str, members: dict[str, Any]) -> None:
    member = list(members)[-1]
    assert ec2.error(operation, **members) == (
        f"NotImplemented: Ringfence does not implement IPv6: the parameter {member} of {operation}."
    )
