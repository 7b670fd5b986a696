"""The path of a packet in words, on records compiled as the daemon compiles them."""

import pytest

from ringfence.explain.path import PathExplanation, explain_path, parse_question
from ringfence.network.compile import NetworkSettings, compile_topology
from ringfence.network.topology import Topology
from tests.daemon import Daemon, local_daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory):
    with local_daemon(tmp_path_factory.mktemp("explain")) as made:
        yield made


@pytest.fixture(scope="module")
def facts(daemon: Daemon) -> dict[str, str]:
    """A VPC with a subnet, a client group that may reach the endpoint's group on 443, and an interface endpoint."""
    ec2 = daemon.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    groups = {
        name: ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"] for name in ("a", "b")
    }
    pair = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": groups["a"]}]}
    ec2.authorize_security_group_ingress(GroupId=groups["b"], IpPermissions=[pair])
    ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=vpc,
        ServiceName="com.amazonaws.us-west-2.sagemaker.runtime",
        SubnetIds=[subnet],
        SecurityGroupIds=[groups["b"]],
        PrivateDnsEnabled=True,
    )
    return {"subnet": subnet, **groups}


def topology_of(daemon: Daemon) -> Topology:
    assert daemon.app is not None
    return compile_topology(daemon.app.store.snapshot(), NetworkSettings("us-west-2"))


def ask(daemon: Daemon, **question: object) -> PathExplanation:
    return explain_path(topology_of(daemon), parse_question({"port": 443, **question}))


RUNTIME = "runtime.sagemaker.us-west-2.amazonaws.com"


def test_admitted_group_reaches_the_endpoint_by_its_private_name(daemon: Daemon, facts: dict[str, str]) -> None:
    told = ask(daemon, subnet=facts["subnet"], groups=[facts["a"]], to=RUNTIME)
    assert told.reachable
    assert told.lines[0].startswith(f"{RUNTIME} is 10.0.1.")
    assert any(hop["owner"] == facts["b"] and str(hop["rule"]).startswith("sgr-") for hop in told.hops)


def test_other_group_is_stopped_and_told_what_to_add(daemon: Daemon, facts: dict[str, str]) -> None:
    told = ask(daemon, subnet=facts["subnet"], groups=[facts["b"]], to=RUNTIME)
    assert not told.reachable
    assert f"no ingress rule allows it in {facts['b']}" in told.lines[-2]
    assert told.lines[-1].startswith("to mend it: add an ingress rule for TCP 443")


def test_the_internet_has_no_route(daemon: Daemon, facts: dict[str, str]) -> None:
    told = ask(daemon, subnet=facts["subnet"], groups=[facts["a"]], to="internet")
    assert not told.reachable
    assert "has no route to" in told.lines[-2]


def test_a_name_that_nobody_answers(daemon: Daemon, facts: dict[str, str]) -> None:
    told = ask(daemon, subnet=facts["subnet"], to="nowhere.example")
    assert not told.reachable
    assert "does not resolve from here: NXDOMAIN" in told.lines[0]


@pytest.mark.parametrize("question", [{"from": "eni-0"}, {"subnet": "subnet-0"}, {"from": None}])
def test_unknown_places_are_refused(daemon: Daemon, question: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is no"):
        ask(daemon, to="internet", **question)


def test_unknown_group_is_refused(daemon: Daemon, facts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is no security group"):
        ask(daemon, subnet=facts["subnet"], groups=["sg-0"], to="internet")
