"""The path of a packet in words, on records compiled as the daemon compiles them."""

import json

import pytest

from ringfence.explain.path import PathExplanation, explain_path, parse_question
from ringfence.explain.place import Scene
from ringfence.explain.supposed import SupposedRecords
from ringfence.network.compile import NetworkSettings, compile_topology
from ringfence.resources.job import ProcessingJob
from tests.daemon import ACCOUNT, Daemon, local_daemon
from tests.explain.hosting_world import IMAGE


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
    made = ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=vpc,
        ServiceName="com.amazonaws.us-west-2.sagemaker.runtime",
        SubnetIds=[subnet],
        SecurityGroupIds=[groups["b"]],
        PrivateDnsEnabled=True,
    )["VpcEndpoint"]
    eni = ec2.describe_network_interfaces(NetworkInterfaceIds=made["NetworkInterfaceIds"])["NetworkInterfaces"][0]
    gateway = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-west-2.s3")["VpcEndpoint"]
    daemon.client("sagemaker").create_model(
        ModelName="m",
        PrimaryContainer={"Image": IMAGE},
        ExecutionRoleArn=make_role(daemon),
        VpcConfig={"Subnets": [subnet], "SecurityGroupIds": [groups["a"]]},
    )
    ids = {"endpoint": made["VpcEndpointId"], "gateway": gateway["VpcEndpointId"], "address": eni["PrivateIpAddress"]}
    return {"subnet": subnet, **ids, **groups}


def make_role(daemon: Daemon) -> str:
    element = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [element]})
    arn: str = daemon.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return arn


def scene_of(daemon: Daemon) -> Scene:
    assert daemon.app is not None
    records = daemon.app.store.snapshot()
    return Scene(records, compile_topology(records, NetworkSettings("us-west-2")), ACCOUNT, "us-west-2")


def ask(daemon: Daemon, source: str, target: str, **question: object) -> PathExplanation:
    return explain_path(scene_of(daemon), parse_question({"from": source, "to": target, **question}))


RUNTIME = "runtime.sagemaker.us-west-2.amazonaws.com"


def test_admitted_group_reaches_the_endpoint_by_its_private_name(daemon: Daemon, facts: dict[str, str]) -> None:
    told = ask(daemon, f"{facts['subnet']}:{facts['a']}", RUNTIME)
    assert told.reachable
    (path,) = told.facts["paths"]
    assert path["names"][0].startswith(f"{RUNTIME} is 10.0.1.")
    admitting = [hop for hop in path["forward"] if hop["owner"] == facts["b"]]
    assert admitting[0]["says"].startswith(f"{facts['b']} allows TCP 443 from {facts['a']} (sgr-")
    assert any("✓ policy" in line and "allows every call" in line for line in told.lines)


def test_other_group_is_stopped_and_told_what_to_add(daemon: Daemon, facts: dict[str, str]) -> None:
    told = ask(daemon, f"{facts['subnet']}:{facts['b']}", RUNTIME)
    assert not told.reachable
    assert f"no ingress rule allows it in {facts['b']}" in told.lines[-2]
    assert told.lines[-1].startswith("to mend it: add an ingress rule for TCP 443")
    assert any(line.strip().endswith(f"TCP 443 from {facts['a']}") for line in told.lines), "the rules that there are"


def test_the_internet_has_no_route(daemon: Daemon, facts: dict[str, str]) -> None:
    told = ask(daemon, f"{facts['subnet']}:{facts['a']}", "internet")
    assert not told.reachable
    assert "has no route to" in told.lines[-2]


def test_a_name_that_nobody_answers(daemon: Daemon, facts: dict[str, str]) -> None:
    told = ask(daemon, facts["subnet"], "nowhere.example")
    assert not told.reachable
    assert "does not resolve from here: NXDOMAIN" in told.lines[-2]
    assert told.lines[-1].startswith("to mend it: correct the name")


def test_between_new_interfaces_of_one_subnet_and_by_ping(daemon: Daemon, facts: dict[str, str]) -> None:
    there, back = f"{facts['subnet']}:{facts['a']}", f"{facts['subnet']}:{facts['b']}"
    assert ask(daemon, there, back).reachable
    assert not ask(daemon, there, back, port=80).reachable
    told = ask(daemon, there, back, protocol="icmp")
    assert not told.reachable
    assert "ICMP" in told.lines[-1]


def test_each_interface_of_a_vpc_endpoint(daemon: Daemon, facts: dict[str, str]) -> None:
    told = ask(daemon, f"{facts['subnet']}:{facts['a']}", facts["endpoint"])
    assert [path["reached"] for path in told.facts["paths"]] == [facts["endpoint"]]
    told = ask(daemon, facts["endpoint"], f"{facts['subnet']}:{facts['a']}")
    assert "an endpoint only answers" in told.lines[-2]
    assert ask(daemon, f"{facts['subnet']}:{facts['a']}", facts["gateway"]).reachable is False  # of no route table
    with pytest.raises(ValueError, match="no packet begins there"):
        ask(daemon, facts["gateway"], "internet")


def test_a_model_before_anything_runs_it(daemon: Daemon, facts: dict[str, str]) -> None:
    for name in ("m", "model/m"):
        told = ask(daemon, name, RUNTIME)
        (path,) = told.facts["paths"]
        assert (path["from"]["subnet"], path["from"]["groups"]) == (facts["subnet"], [facts["a"]])
        assert "that m would have" in told.lines[0]
        assert told.reachable
    told = ask(daemon, f"{facts['subnet']}:{facts['a']}", "model/m", port=8080)
    assert not told.reachable


def test_an_address_stands_for_who_has_it(daemon: Daemon, facts: dict[str, str]) -> None:
    (path,) = ask(daemon, facts["address"], "internet").facts["paths"]
    assert path["from"]["label"].startswith("eni-")
    (path,) = ask(daemon, "203.0.113.9", "internet").facts["paths"]
    assert path["from"]["label"] == "a host on the internet"


@pytest.mark.parametrize(
    "place", ["eni-0", "i-0123", "subnet-0", "vpce-0", "nobody.example", "model/none", "endpoint/none", "10.0.1.99"]
)
def test_unknown_places_are_refused(daemon: Daemon, facts: dict[str, str], place: str) -> None:
    with pytest.raises(ValueError, match="`"):
        ask(daemon, place, "internet")


def test_unknown_group_is_refused(daemon: Daemon, facts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is no security group"):
        ask(daemon, f"{facts['subnet']}:sg-0", "internet")


def test_a_job_before_it_runs(daemon: Daemon, facts: dict[str, str]) -> None:
    """A job's instances are those of its owner; before there are any, one in each of its subnets."""
    assert daemon.app is not None
    network = {"VpcConfig": {"Subnets": [facts["subnet"]], "SecurityGroupIds": [facts["b"]]}}
    job = ProcessingJob(
        name="clean",
        arn="a",
        account=ACCOUNT,
        region="us-west-2",
        created=daemon.app.now(),
        spec={"NetworkConfig": network},
    )
    below = scene_of(daemon)
    scene = Scene(SupposedRecords(below.records, job), below.topology, ACCOUNT, "us-west-2")
    for name in ("clean", "job/clean", "processing-job/clean"):
        (path,) = explain_path(scene, parse_question({"from": name, "to": RUNTIME})).facts["paths"]
        assert path["from"]["groups"] == [facts["b"]]
        assert not path["reachable"]
    with pytest.raises(ValueError, match="there is no training-job"):
        explain_path(scene, parse_question({"from": "training-job/clean", "to": RUNTIME}))
