"""The checklist of one VPC endpoint: from which subnets it is reached, and what its policy says."""

import json
from collections.abc import Iterator

import pytest

from tests.daemon import local_daemon
from tests.explain.hosting_world import World, allow, build


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with local_daemon(tmp_path_factory.mktemp("checklist")) as daemon:
        yield build(daemon)


@pytest.mark.parametrize("service", ["s3", "sagemaker.runtime"])
def test_nothing_is_wrong_with_a_healthy_one(world: World, service: str) -> None:
    told = world.explain("vpc-endpoint", world.endpoint[service])
    assert not told["wrong"], "\n".join(told["lines"])
    reached = {one["subject"] for one in told["facts"]["findings"] if one["check"] == "subnet" and one["mark"] == "ok"}
    assert reached == set(world.subnets)


def test_a_subnet_without_a_route_to_the_gateway_endpoint(world: World) -> None:
    ec2, endpoint, table = world.client("ec2"), world.endpoint["s3"], world.tables[0]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[table])
    try:
        one = world.marks("vpc-endpoint", endpoint)
        lines = world.explain("vpc-endpoint", endpoint)["lines"]
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[world.tables[1]])
        both = world.marks("vpc-endpoint", endpoint)
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=world.tables)
    assert [key for key, mark in one.items() if mark != "ok"] == [("subnet", world.subnets[0])]
    assert (
        f"– subnet {world.subnets[0]}: {world.subnets[0]} does not use {endpoint}: {table} has no route to it" in lines
    )
    assert [key for key, mark in both.items() if mark == "wrong"] == [("subnets", endpoint)]


def test_a_policy_that_names_another_resource_type(world: World) -> None:
    ec2, endpoint = world.client("ec2"), world.endpoint["sagemaker.runtime"]
    arn = "arn:aws:sagemaker:us-west-2:123456789012:model/iris"
    policy = json.dumps({"Statement": [allow("sagemaker:InvokeEndpoint", arn, Principal="*")]})
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=policy)
    try:
        (found,) = [one for one in world.findings("vpc-endpoint", endpoint) if one["mark"] == "wrong"]
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, ResetPolicy=True)
    assert found["check"] == "endpoint-policy"
    assert "is no resource of that action (it is about endpoint or inference-component)" in found["sentence"]


def test_a_policy_that_only_denies(world: World) -> None:
    """As AWS's examples for Amazon Linux repositories: alone, such a document lets nothing through."""
    ec2, endpoint = world.client("ec2"), world.endpoint["s3"]
    deny = allow("s3:*", "arn:aws:s3:::packages.*.amazonaws.com/*", Effect="Deny", Principal="*")
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=json.dumps({"Statement": [deny]}))
    try:
        (found,) = [one for one in world.findings("vpc-endpoint", endpoint) if one["mark"] == "wrong"]
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, ResetPolicy=True)
    assert "has no Allow statement: a policy that only denies lets nothing through" in found["sentence"]


def test_unknown_id_is_not_found(world: World) -> None:
    assert world.explain("vpc-endpoint", "vpce-0") == {"found": False}


def test_an_endpoint_of_a_service_that_is_not_served_says_so(world: World) -> None:
    endpoint = world.client("ec2").create_vpc_endpoint(
        VpcId=world.vpc,
        VpcEndpointType="Interface",
        ServiceName="aws.sagemaker.us-west-2.studio",
        SubnetIds=world.subnets[:1],
        SecurityGroupIds=[world.groups["sagemaker"]],
    )["VpcEndpoint"]["VpcEndpointId"]
    try:
        found = {one["check"]: one for one in world.findings("vpc-endpoint", endpoint)}
        assert found["service"]["mark"] == "note" and "is not served here" in found["service"]["sentence"]
        assert "studio.us-west-2.sagemaker.aws is answered with the addresses" in found["private-dns"]["sentence"]
        assert "no interface in" in found["endpoint-zones"]["sentence"]
        assert found["clients"]["mark"] == "ok" and "(model)" in found["clients"]["sentence"]
    finally:
        world.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    healthy = world.findings("vpc-endpoint", world.endpoint["sagemaker.runtime"])
    assert "service" not in {one["check"] for one in healthy}


def test_s3_names_for_inbound_resolvers_alone(world: World) -> None:
    ec2 = world.client("ec2")
    endpoint = ec2.create_vpc_endpoint(
        VpcId=world.vpc,
        VpcEndpointType="Interface",
        ServiceName="com.amazonaws.us-west-2.s3",
        SubnetIds=world.subnets,
        SecurityGroupIds=[world.groups["others"]],
        PrivateDnsEnabled=True,
    )["VpcEndpoint"]["VpcEndpointId"]
    try:
        (found,) = [one for one in world.findings("vpc-endpoint", endpoint) if one["check"] == "private-dns"]
    finally:
        ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    assert found["mark"] == "note" and "for inbound resolver endpoints only" in found["sentence"]
