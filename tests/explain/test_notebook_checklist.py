"""The checklist of notebook instances: what one in the VPC alone lacks, what a second interface means, who opens it."""

from collections.abc import Iterator

import pytest

from tests.daemon import REGION, local_daemon
from tests.explain.hosting_world import World, build


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with local_daemon(tmp_path_factory.mktemp("notebooks")) as daemon:
        made = build(daemon)
        given = {"InstanceType": "ml.t3.medium", "RoleArn": made.role}
        place = {"SubnetId": made.subnets[0], "SecurityGroupIds": [made.groups["model"]]}
        create = made.client("sagemaker").create_notebook_instance
        create(NotebookInstanceName="alone", **given, **place, DirectInternetAccess="Disabled")
        create(NotebookInstanceName="both", **given, **place)
        create(NotebookInstanceName="outside", **given)
        yield made


def test_in_the_vpc_with_its_endpoints_nothing_is_wrong(world: World) -> None:
    told = world.explain("notebook", "alone")
    assert told["facts"]["wrong"] == 0, told["lines"]
    marks = world.marks("notebook", "alone")
    subnet = world.subnets[0]
    assert marks["sagemaker", "sagemaker.api"] == marks["sagemaker", "sagemaker.runtime"] == "ok"
    assert marks["s3-route", subnet] == "ok"
    # the API's endpoint makes the URL, and nothing opens it
    assert marks["url", subnet] == "note"
    (url,) = [one for one in world.findings("notebook", "alone") if one["check"] == "url"]
    assert f"aws.sagemaker.{REGION}.notebook" in url["remedy"]


def test_what_is_missing_is_named(world: World) -> None:
    ec2 = world.client("ec2")
    ec2.delete_vpc_endpoints(VpcEndpointIds=[world.endpoint["sagemaker.runtime"]])
    ec2.modify_vpc_endpoint(VpcEndpointId=world.endpoint["s3"], RemoveRouteTableIds=[world.tables[0]])
    try:
        told = world.explain("notebook", "alone")
        wrong = {one["check"]: one for one in told["facts"]["findings"] if one["mark"] == "wrong"}
        assert {*wrong} == {"sagemaker", "s3-route"}, told["lines"]
        assert f"com.amazonaws.{REGION}.sagemaker.runtime" in wrong["sagemaker"]["remedy"]
        assert (
            "or a NAT gateway" in wrong["sagemaker"]["remedy"] and world.endpoint["s3"] in wrong["s3-route"]["remedy"]
        )
        # with the internet of SageMaker's own nothing of it is missing, and the gateway endpoint is of no use
        assert world.explain("notebook", "both")["facts"]["wrong"] == 0
        assert world.marks("notebook", "both")["direct", world.endpoint["s3"]] == "note"
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=world.endpoint["s3"], AddRouteTableIds=[world.tables[0]])


def test_without_a_subnet_there_is_little_to_say(world: World) -> None:
    told = world.explain("notebook", "outside")
    assert told["facts"]["wrong"] == 0 and "no VPC" in " ".join(told["lines"])
    assert not world.explain("notebook", "no")["found"]
