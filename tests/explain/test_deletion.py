"""`ringfence explain delete`: what it names is what is in the way, and its steps in their order make the way free."""

import io
import json
import shlex
import time
import urllib.error
import urllib.request
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest
from awscli.clidriver import create_clidriver
from botocore.exceptions import ClientError

from tests.daemon import REGION, Daemon, local_daemon
from tests.patience import eventually


@pytest.fixture
def daemon(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    with local_daemon(tmp_path_factory.mktemp("deletion")) as made:
        for name, value in made.env.items():
            if name.startswith("AWS_"):  # for the AWS CLI, which runs in this process: a new one takes a second each
                monkeypatch.setenv(name, value)
        yield made


def ask(daemon: Daemon, id: str) -> dict[str, Any]:
    token = json.loads((daemon.state / "admin.json").read_text())["token"]
    request = urllib.request.Request(
        f"{daemon.url}/_ringfence/explain/deletion",
        json.dumps({"id": id}).encode(),
        {"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        told: dict[str, Any] = json.loads(answer.read())
    return told


def follow(daemon: Daemon, id: str) -> list[str]:
    """Do what it says, step by step; the commands."""
    told = ask(daemon, id)
    assert told["held"], told
    steps = list(dict.fromkeys(one["mend"] for one in told["facts"]["holders"]))
    assert steps
    done = []
    for step in steps:
        command = step.partition(", or ")[0]
        assert command.startswith("aws ec2 "), command
        for attempt in range(50):  # an endpoint's interfaces go a moment after it
            said = io.StringIO()
            with redirect_stderr(said), redirect_stdout(io.StringIO()):
                if create_clidriver().main(shlex.split(command)[1:]) == 0:
                    break
            assert "DependencyViolation" in said.getvalue(), (command, said.getvalue())
            time.sleep(0.05 * attempt)
        done.append(command.split()[2])
    return done


def build(daemon: Daemon) -> dict[str, str]:
    ec2 = daemon.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    groups = [ec2.create_security_group(GroupName=n, Description=n, VpcId=vpc)["GroupId"] for n in ("a", "b")]
    for one, other in (groups, reversed(groups)):
        pair = {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049, "UserIdGroupPairs": [{"GroupId": other}]}
        ec2.authorize_security_group_ingress(GroupId=one, IpPermissions=[pair])
    interface = ec2.create_network_interface(SubnetId=subnet, Groups=groups)["NetworkInterface"]["NetworkInterfaceId"]
    ec2.create_vpc_endpoint(
        VpcEndpointType="Interface", VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.sts", SubnetIds=[subnet],
        SecurityGroupIds=groups, PrivateDnsEnabled=False,
    )  # fmt: skip
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    elastic = ec2.allocate_address()["AllocationId"]
    ec2.associate_address(AllocationId=elastic, NetworkInterfaceId=interface)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    options = [{"Key": "domain-name-servers", "Values": ["10.0.0.2"]}]
    dopt = ec2.create_dhcp_options(DhcpConfigurations=options)["DhcpOptions"]["DhcpOptionsId"]
    ec2.associate_dhcp_options(DhcpOptionsId=dopt, VpcId=vpc)
    ids = {"vpc": vpc, "subnet": subnet, "a": groups[0], "b": groups[1], "igw": gateway, "rtb": table, "dopt": dopt}
    return ids | {"eni": interface}


DELETE = {
    "vpc": ("delete_vpc", "VpcId"),
    "subnet": ("delete_subnet", "SubnetId"),
    "a": ("delete_security_group", "GroupId"),
    "igw": ("delete_internet_gateway", "InternetGatewayId"),
    "rtb": ("delete_route_table", "RouteTableId"),
    "dopt": ("delete_dhcp_options", "DhcpOptionsId"),
}


@pytest.mark.parametrize("what", DELETE)
def test_the_steps_make_the_way_free(daemon: Daemon, what: str) -> None:
    made = build(daemon)
    operation, member = DELETE[what]
    delete = getattr(daemon.client("ec2"), operation)
    with pytest.raises(ClientError) as caught:
        delete(**{member: made[what]})
    told = ask(daemon, made[what])
    error = caught.value.response["Error"]
    assert told["facts"]["error"] == {"code": error["Code"], "message": error["Message"]}
    follow(daemon, made[what])
    eventually(lambda: ask(daemon, made[what]), lambda told: not told["held"])
    delete(**{member: made[what]})


def test_groups_that_refer_to_each_other(daemon: Daemon) -> None:
    made = build(daemon)
    holders = {one["id"]: one for one in ask(daemon, made["a"])["facts"]["holders"]}
    (rule,) = [one for id, one in holders.items() if id.startswith("sgr-")]
    assert rule["sentence"] == f"ingress rule {rule['id']} of {made['b']} refers to {made['a']}"
    assert any(id.startswith("vpce-") for id in holders)
    assert holders[made["eni"]]["sentence"].endswith("is of an interface of your own")


def test_what_nothing_holds_and_what_is_not_there(daemon: Daemon) -> None:
    made = build(daemon)
    assert ask(daemon, made["eni"])["lines"] == [f"{made['eni']} can be deleted: nothing holds it"]
    described = daemon.client("ec2").describe_network_interfaces(NetworkInterfaceIds=[made["eni"]])
    assert described["NetworkInterfaces"], "nothing was deleted"
    for id in ("vpc-0123456789abcdef0", "x", "i-0123"):
        with pytest.raises(urllib.error.HTTPError):
            ask(daemon, id)
