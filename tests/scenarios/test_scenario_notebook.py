"""Notebook instances in the VPC: two interfaces or one, root or none, what a stop keeps, who may open their URLs.

https://docs.aws.amazon.com/sagemaker/latest/dg/appendix-notebook-and-internet-access.html
https://docs.aws.amazon.com/sagemaker/latest/dg/notebook-interface-endpoint.html
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from demo.story import Story
from ringfence.config import DEFAULT_STUDIO
from tests.patience import eventually
from tests.scenarios.aws_cli import Cli
from tests.scenarios.killing import kill_daemon
from tests.scenarios.notebook import Notebooks

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not DEFAULT_STUDIO.is_dir(), reason="JupyterLab is not installed: run `make studio`"),
]
ON_CREATE = """#!/bin/bash
set -e
id -u
echo once >> /home/ec2-user/SageMaker/created
"""
ON_START = """#!/bin/bash
set -e
sudo -u ec2-user -i <<'EOF'
whoami
echo again >> SageMaker/started
EOF
touch /opt/outside
"""
# Who one is; with which address a connection leaves, nothing if there is no way; what sudo does.
LOOK = """
import json, os, socket, subprocess
def leaves(host):
    try:
        with socket.create_connection((host, 443), 3) as made:
            return made.getsockname()[0]
    except OSError:
        return None
hosts = ["example.com", "s3.us-west-2.amazonaws.com", "api.sagemaker.us-west-2.amazonaws.com"]
told = {host.partition(".")[0]: leaves(host) for host in hosts}
told |= {"uid": os.getuid(), "cwd": os.getcwd(), "files": sorted(os.listdir())}
told["metadata"] = json.load(open("/opt/ml/metadata/resource-metadata.json"))["ResourceName"]
done = subprocess.run(["sudo", "sh", "-c", "id -u; exit 3"], capture_output=True, text=True)
told["sudo"] = [done.stdout.strip(), done.returncode, done.stderr.strip()]
print(json.dumps(told))
"""
# What df says, and what is said to somebody who wants more.
FILL = """
import os, subprocess
print(subprocess.run(["df", "-BG", "--output=size,target", "."], capture_output=True, text=True).stdout.split()[3:])
with open("large", "wb") as file:
    try:
        os.posix_fallocate(file.fileno(), 0, 7 << 30)
    except OSError as error:
        print(error.strerror)
os.remove("large")
"""
SHOWN = "['{size}G', '/home/ec2-user/SageMaker']\nNo space left on device\n"
HOST = "lab.notebook.us-west-2.sagemaker.aws"


@pytest.fixture(scope="module")
def lab(story: Story) -> Iterator[Notebooks]:
    """`lab`: InService, in the VPC alone; with scripts, and root for its user."""
    made = Notebooks(story)
    try:
        made.allow()
        made.configure("setup", OnCreate=ON_CREATE, OnStart=ON_START)
        made.create("lab", LifecycleConfigName="setup")
        made.settle("lab", "InService")
        yield made
    finally:
        made.clean()


@contextmanager
def way_out(lab: Notebooks) -> Iterator[None]:
    """A NAT gateway in a public subnet, which the client's subnet sends everything else to."""
    ec2, facts = lab.story.client("ec2"), lab.story.facts
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=facts["vpc"])
    subnet = ec2.create_subnet(VpcId=facts["vpc"], CidrBlock="10.0.200.0/28")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=facts["vpc"])["RouteTable"]["RouteTableId"]
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat], WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    ec2.create_route(RouteTableId=facts["table"], DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    try:
        yield
    finally:
        ec2.delete_route(RouteTableId=facts["table"], DestinationCidrBlock="0.0.0.0/0")
        ec2.delete_nat_gateway(NatGatewayId=nat)
        ec2.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[nat], WaiterConfig={"Delay": 1, "MaxAttempts": 120})
        ec2.release_address(AllocationId=address)
        ec2.disassociate_route_table(AssociationId=association)
        ec2.delete_route_table(RouteTableId=table)
        ec2.delete_subnet(SubnetId=subnet)
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=facts["vpc"])
        ec2.delete_internet_gateway(InternetGatewayId=gateway)


def test_in_the_vpc_alone(lab: Notebooks) -> None:
    """Scripts have run as root and are logged. SageMaker and S3 are behind their endpoints, nothing else is there."""
    eventually(lambda: lab.log("lab/LifecycleConfigOnCreate"), lambda text: text == "0")
    eventually(lambda: lab.log("lab/LifecycleConfigOnStart"), lambda text: text == "ec2-user")
    eventually(lambda: lab.log("lab/jupyter.log"), lambda text: "jupyterlab" in text)
    told = json.loads(lab.run("lab", LOOK))
    assert (told["uid"], told["cwd"], told["metadata"]) == (200000, "/home/ec2-user/SageMaker", "lab")
    assert told["files"] == ["created", "lost+found", "started"]
    (interface,) = lab.interfaces("lab")
    own = interface["PrivateIpAddress"]
    assert (told["example"], told["s3"], told["api"]) == (None, own, own)
    assert told["sudo"] == ["0", 3, ""]


def test_direct_internet_access(lab: Notebooks) -> None:
    """Two interfaces: what is for the VPC's CIDR by the ENI, the rest by SageMaker's own. Nobody there is root."""
    lab.create("direct", DirectInternetAccess="Enabled", RootAccess="Disabled")
    try:
        lab.settle("direct", "InService")
        (interface,) = lab.interfaces("direct")
        told = json.loads(lab.run("direct", LOOK))
        assert told["api"] == interface["PrivateIpAddress"]
        assert told["example"] == told["s3"] and told["s3"].startswith("100.")
        assert told["sudo"][:2] == ["", 1] and "RootAccess is Disabled" in told["sudo"][2]
        said = lab.story.ringfence("explain", "notebook", "direct")
        assert said.returncode == 0 and "is not used: with DirectInternetAccess" in said.stdout
    finally:
        lab.delete("direct")


def test_a_stop_keeps_the_volume_and_the_interface(lab: Notebooks, story: Story) -> None:
    (before,) = lab.interfaces("lab")
    cell = "open('kept', 'w').write('x'); open('/home/ec2-user/lost', 'w').write('x')"
    cookie = lab.browse("--internet", notebook="lab", run=cell)["cookie"]
    cli, named = Cli(story), ("--notebook-instance-name", "lab")
    cli("sagemaker", "wait", "notebook-instance-in-service", *named)
    lab.stop("lab")
    cli("sagemaker", "wait", "notebook-instance-stopped", *named)
    (stopped,) = lab.interfaces("lab")
    assert (stopped["NetworkInterfaceId"], stopped["Status"]) == (before["NetworkInterfaceId"], "available")
    with pytest.raises(ClientError, match="DependencyViolation"):
        story.client("ec2").delete_security_group(GroupId=lab.group)
    said = story.ringfence("explain", "delete", lab.group).stdout
    assert "delete-notebook-instance --notebook-instance-name lab" in said
    assert lab.browse("--internet", host=HOST, cookie=cookie)["api_status"] == 404
    started = lab.start("lab")
    assert started["NetworkInterfaceId"] == before["NetworkInterfaceId"]
    cell = """
import os
print(os.path.exists("kept"), os.path.exists("/home/ec2-user/lost"))
print(open("created").read().count("once"), open("started").read().count("again"))
"""
    assert lab.run("lab", cell) == "True False\n1 2\n"


@pytest.mark.skipif(not Path("/dev/loop-control").exists(), reason="no loop devices here: volumes are not limited")
def test_the_volume_has_its_size_and_grows(lab: Notebooks, story: Story) -> None:
    assert lab.run("lab", FILL) == SHOWN.format(size=5)
    lab.stop("lab")
    eventually(lambda: str(story.state / "volumes") not in Path("/proc/mounts").read_text())
    update = {"NotebookInstanceName": "lab", "VolumeSizeInGB": 6}
    lab.sagemaker.update_notebook_instance(**update)
    lab.settle("lab", "Stopped")
    with pytest.raises(ClientError, match="has 6 GB: it cannot be decreased to 5 GB"):
        lab.sagemaker.update_notebook_instance(**{**update, "VolumeSizeInGB": 5})
    lab.start("lab")
    assert lab.run("lab", FILL + "print(open('created').read())") == SHOWN.format(size=6) + "once\n\n"


@pytest.mark.statement("S2.16", "S2.17")
def test_the_url_is_opened_over_the_internet_or_by_its_own_endpoint(lab: Notebooks) -> None:
    """The endpoint for the API makes the URL, and cannot open it."""
    url = lab.browse(notebook="lab", keep=True)["url"]
    assert "unreachable" in lab.browse(open=url, patience=3)
    with way_out(lab):
        told = lab.browse(open=url)
        assert (told["status"], told["location"], told["api_status"]) == (302, "/lab", 200)
    assert "unreachable" in lab.browse(host=HOST, cookie=told["cookie"], patience=3)
    endpoint = lab.make_endpoint()
    try:
        assert lab.browse(notebook="lab", run="print(6 * 7)")["output"] == "42\n"
    finally:
        lab.delete_endpoint(endpoint)


@pytest.mark.statement("S2.18", "S2.19")
def test_a_policy_keeps_the_url_in_the_network(lab: Notebooks, story: Story) -> None:
    """Without one it opens anywhere; with one neither URL nor session is worth anything elsewhere."""
    outside = ("--internet", "--source-ip", "198.51.100.9")
    shared = lab.browse(notebook="lab", keep=True)["url"]
    assert lab.browse(*outside, open=shared)["api_status"] == 200
    endpoint = lab.make_endpoint()
    try:
        lab.allow(StringEquals={"aws:SourceVpc": story.facts["vpc"]})
        told = lab.browse(notebook="lab")
        assert told["api_status"] == 200
        assert lab.browse(*outside, host=HOST, cookie=told["cookie"])["api_status"] == 403
        url = lab.browse(notebook="lab", keep=True)["url"]
        assert lab.browse(*outside, open=url)["status"] == 403
        assert lab.browse(open=url)["status"] == 302
        _deny_by_endpoint_policy(lab, story, endpoint, told["cookie"])
    finally:
        lab.allow()
        lab.delete_endpoint(endpoint)
    lab.allow(IpAddress={"aws:SourceIp": ["203.0.113.0/24"]})
    try:
        office = lab.browse("--internet", "--source-ip", "203.0.113.9", notebook="lab")
        assert office["api_status"] == 200
        assert lab.browse(*outside, host=HOST, cookie=office["cookie"])["api_status"] == 403
    finally:
        lab.allow()


def _deny_by_endpoint_policy(lab: Notebooks, story: Story, endpoint: str, cookie: str) -> None:
    lab.allow()
    other = "arn:aws:sagemaker:*:*:notebook-instance/other"
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": other}]}
    story.client("ec2").modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=json.dumps(policy))
    assert lab.browse(host=HOST, cookie=cookie)["api_status"] == 403


def test_frames_are_refused_once_the_policy_changes(lab: Notebooks, tmp_path: Path) -> None:
    signal, told = tmp_path / "signal", {}

    def watch() -> None:
        told.update(lab.browse("--internet", notebook="lab", run="print(6 * 7)", again=str(signal)))

    browser = threading.Thread(target=watch)
    browser.start()
    eventually(lambda: signal.exists() and signal.read_text() == "ready")
    lab.allow(StringEquals={"aws:SourceVpc": "vpc-0123456789abcdef0"})
    signal.write_text("go")
    browser.join(120)
    lab.allow()
    assert told["output"] == "42\n"
    assert (told["after"], told["closed"], told["api_after"]) == (None, 1008, 403)


def test_a_script_that_fails_is_told(lab: Notebooks, story: Story) -> None:
    lab.configure("broken", OnStart="#!/bin/bash\necho no such thing >&2\nexit 7\n")
    arn = lab.create("unlucky", LifecycleConfigName="broken")
    told = lab.settle("unlucky", "Failed")
    assert told["FailureReason"].startswith("Notebook Instance Lifecycle Config 'arn:aws:sagemaker:us-west-2:")
    assert f"/broken' for Notebook Instance '{arn}' failed." in told["FailureReason"]
    eventually(lambda: lab.log("unlucky/LifecycleConfigOnStart"), lambda text: text == "no such thing")
    (interface,) = lab.interfaces("unlucky")
    assert interface["Status"] == "available"
    lab.delete("unlucky")
    Cli(story)("sagemaker", "wait", "notebook-instance-deleted", "--notebook-instance-name", "unlucky")
    eventually(lambda: lab.interfaces("unlucky"), lambda left: not left)


def test_what_a_killed_daemon_was_doing_is_done(lab: Notebooks, story: Story) -> None:
    """A launch that needs the role's EC2 permissions, in Pending; a stop; and what runs goes on to."""
    lab.give_rights("sagemaker:List*")
    try:
        lab.create("young")
        told = lab.settle("young", "Failed")
        assert told["FailureReason"].startswith("InternalServerError: We encountered an internal error.")
        assert "NetworkInterfaceId" not in told
        said = story.ringfence("explain", "notebook", "young")
        assert said.returncode == 1 and "ec2:CreateNetworkInterface" in said.stdout
    finally:
        lab.give_rights()
    lab.sagemaker.start_notebook_instance(NotebookInstanceName="young")
    _restart(lab, story)
    lab.settle("young", "InService")
    assert len(lab.interfaces("young")) == 1
    lab.sagemaker.stop_notebook_instance(NotebookInstanceName="young")
    _restart(lab, story)
    lab.settle("young", "Stopped")
    assert lab.describe("lab")["NotebookInstanceStatus"] == "InService"
    assert lab.run("lab", "print(open('created').read())") == "once\n\n"
    lab.delete("young")
    eventually(lambda: lab.interfaces("young"), lambda left: not left)
    eventually(lambda: list((story.state / "volumes").iterdir()), lambda left: len(left) == 1)


def _restart(lab: Notebooks, story: Story) -> None:
    kill_daemon(story)
    story.up()
    lab.connect()
