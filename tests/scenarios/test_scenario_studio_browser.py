"""Studio in a real browser: headless Chromium in the VPC, in another one and on the internet.

It is there if `make browser` was run. https://docs.aws.amazon.com/sagemaker/latest/dg/studio-interface-endpoint.html
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.network import wait_available
from demo.story import Story, expect
from ringfence.config import DEFAULT_STUDIO
from tests.patience import eventually
from tests.scenarios.chromium import CHROMIUM, MISSING, Chromium
from tests.scenarios.studio import Studio

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(MISSING, reason="no Chromium, certutil or Playwright here: run `make browser`"),
    pytest.mark.skipif(not DEFAULT_STUDIO.is_dir(), reason="JupyterLab is not installed: run `make studio`"),
]
BOTH = ["sagemaker:CreatePresignedDomainUrl", "sagemaker:DescribeUserProfile"]
FREE = {"Effect": "Allow", "Action": BOTH, "Resource": "*"}
CELL = """import boto3
for domain in boto3.client("sagemaker").list_domains()["Domains"]:
    print(domain["DomainName"], domain["Status"])
print(boto3.client("sts").get_caller_identity()["Arn"])"""
IDENTITY = "arn:aws:sts::123456789012:assumed-role/studio/SageMaker"
SLOWLY = """import time
for i in range(900):
    print(i, flush=True)
    time.sleep(0.1)"""
REFUSED = "Auth token containing insufficient permissions"


@dataclass
class World:
    """A profile whose JupyterLab runs; where browsers may stand."""

    studio: Studio
    domain: str
    inside: tuple[str, ...]
    outside: tuple[str, ...]
    elsewhere: tuple[str, ...]

    @property
    def host(self) -> str:
        return f"https://{self.domain}.studio.us-west-2.sagemaker.aws"

    def url(self, *where: str) -> str:
        """Made by the role of the browsers, standing there."""
        made = self.studio.browse(*where, make={"DomainId": self.domain, "UserProfileName": "ann"}, keep=True)
        return str(made["url"])


@contextmanager
def other_vpc(story: Story) -> Iterator[tuple[str, ...]]:
    """With the same addresses and an endpoint for Studio of its own: where `ringfence exec` stands in it."""
    ec2 = story.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    with ExitStack() as made:
        made.callback(ec2.delete_vpc, VpcId=vpc)
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-west-2a")["Subnet"]
        made.callback(ec2.delete_subnet, SubnetId=subnet["SubnetId"])
        endpoint = ec2.create_vpc_endpoint(
            VpcEndpointType="Interface", VpcId=vpc, ServiceName="aws.sagemaker.us-west-2.studio",
            SubnetIds=[subnet["SubnetId"]], PrivateDnsEnabled=True,
        )["VpcEndpoint"]["VpcEndpointId"]  # fmt: skip
        made.callback(delete_endpoint, ec2, vpc, endpoint)
        wait_available(story, [endpoint])
        yield ("--subnet", subnet["SubnetId"])


def delete_endpoint(ec2: Any, vpc: str, id: str) -> None:
    ec2.delete_vpc_endpoints(VpcEndpointIds=[id])
    inside = [{"Name": "vpc-id", "Values": [vpc]}]
    eventually(
        lambda: ec2.describe_network_interfaces(Filters=inside)["NetworkInterfaces"], lambda found: not found, pause=0.1
    )


@pytest.fixture(scope="module")
def world(story: Story) -> Iterator[World]:
    studio = Studio(story)
    try:
        studio.make_endpoint()
        studio.make_endpoint("com.amazonaws.{region}.sts")
        studio.allow(FREE)
        domain = studio.make_domain("browser")
        studio.make_profile(domain, "ann")
        made = studio.make_app(domain, "ann")
        expect(made["Status"] == "InService", f"{made}: {studio.log(domain, 'ann')}")
        inside = ("--subnet", story.facts["subnets"][0], "--security-group", story.facts["groups"]["client"])
        with other_vpc(story) as elsewhere:
            yield World(studio, domain, inside, ("--internet", "--source-ip", "203.0.113.9"), elsewhere)
    finally:
        studio.clean()


@contextmanager
def browsers(story: Story, *places: tuple[str, ...]) -> Iterator[list[Chromium]]:
    with ExitStack() as opened:
        made = [Chromium(story, *place) for place in places]
        for one in made:
            opened.callback(one.close)
        yield made


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots go; RINGFENCE_PICTURES keeps them elsewhere."""
    return Path(os.environ.get("RINGFENCE_PICTURES", tmp_path))


@pytest.mark.statement("S1.1", "S1.12", "S1.26", "S1.35")
def test_a_notebook_is_worked_with_until_the_policy_changes(world: World, story: Story, pictures: Path) -> None:
    with browsers(story, world.inside) as (chromium,):
        landed = chromium.ask("open", url=world.url(*world.inside))
        assert (landed["status"], landed["url"]) == (200, f"{world.host}/jupyterlab/default/lab")
        assert chromium.ask("lab") == {"title": "JupyterLab", "troubles": [], "workers": []}
        chromium.ask("notebook")
        assert chromium.ask("cell", code=CELL)["output"].split() == ["browser", "InService", IDENTITY]
        chromium.ask("photograph", path=str(pictures / "studio.png"))
        assert (pictures / "studio.png").stat().st_size > 10_000
        check_what_else_a_page_does(chromium)
        # each answer of the kernel is judged too: what it prints stops, without anything being asked
        number = chromium.ask("cell", code=SLOWLY, idle=False)["number"]
        assert chromium.ask("open_channels", wanted=1) == {"open": 1}
        elsewhere = {"StringEquals": {"aws:SourceVpc": "vpc-0123456789abcdef0"}}
        world.studio.allow({**FREE, "Condition": elsewhere})
        assert chromium.ask("open_channels", wanted=0) == {"open": 0}
        stopped = chromium.ask("shown", number=number)["output"]
        assert chromium.ask("fetch", path="/jupyterlab/default/api")["status"] == 403
        assert chromium.ask("shown", number=number)["output"] == stopped
        assert 0 < len(stopped.split()) < 900
        assert REFUSED in chromium.ask("open", url=f"{world.host}/jupyterlab/default/lab")["said"]
    world.studio.allow(FREE)


def check_what_else_a_page_does(chromium: Chromium) -> None:
    chromium.ask("cell", code="x = 6 * 7; print(x)")
    chromium.ask("restart")
    assert chromium.ask("cell", code="print('x' in globals())")["output"].strip() == "False"
    assert "42-sagemaker-user" in chromium.ask("terminal", command="echo $((6*7))-$USER", wanted="42-sage")["screen"]
    replies = chromium.ask("burst", path="/jupyterlab/default/api/contents", count=60)["replies"]
    assert {status for status, _ in replies} == {200}
    icon = "/jupyterlab/default/static/favicons/favicon.ico"
    whole = chromium.ask("fetch", path=icon)
    part = chromium.ask("fetch", path=icon, headers={"Range": "bytes=100-199"})
    assert (part["status"], part["size"]) == (206, 100)
    assert part["headers"]["content-range"] == f"bytes 100-199/{whole['size']}"


@pytest.mark.statement("S1.25", "S1.28", "S1.29", "S1.30", "S1.31", "S1.32", "S1.37", "S1.38")
def test_each_of_the_four_policies_refuses_the_same_browser_elsewhere(world: World, story: Story) -> None:
    """Another VPC has the same addresses: its name is what refuses it."""
    endpoints = story.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    vpc = {"aws:SourceVpc": story.facts["vpc"]}
    ids = [one["VpcEndpointId"] for one in endpoints if one["VpcId"] == story.facts["vpc"]]
    conditions: list[dict[str, Any]] = [
        {"StringEquals": vpc},
        {"ForAnyValue:StringEquals": {"aws:sourceVpce": ids}},
        {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]}},
        {"IpAddress": {"aws:VpcSourceIp": ["10.0.1.0/24"]}, "StringEquals": vpc},
    ]
    with browsers(story, world.inside, world.outside, world.elsewhere) as opened:
        for condition in conditions:
            admitted = 1 if "aws:SourceIp" in condition.get("IpAddress", {}) else 0
            world.studio.allow({**FREE, "Sid": "Enable SageMaker Studio Access", "Condition": condition})
            url = world.url(*(world.inside, ("--internet", "--source-ip", "203.0.113.10"))[admitted])
            chosen = opened[admitted]
            others = [one for one in opened if one is not chosen]
            for other in others:
                told = other.ask("open", url=url)
                assert (told["status"], REFUSED in told["said"]) == (403, True), (condition, told)
            # which did not use it up
            assert chosen.ask("open", url=url)["status"] == 200, condition
            cookies = chosen.ask("cookies")["cookies"]
            for other in others:
                other.ask("carry", cookies=cookies)
                told = other.ask("open", url=f"{world.host}/jupyterlab/default/lab")
                assert (told["status"], REFUSED in told["said"]) == (403, True), (condition, told)
    world.studio.allow(FREE)


def test_the_machines_own_browser_is_opened_where_the_command_is_told_to(
    world: World, story: Story, tmp_path: Path
) -> None:
    """`ringfence studio open`: Chromium on this machine, through the command's proxy, sees what one in the VPC sees."""
    world.studio.allow({**FREE, "Condition": {"StringEquals": {"aws:SourceVpc": story.facts["vpc"]}}})
    headless = tmp_path / "chromium"
    options = "--headless=new --no-sandbox --virtual-time-budget=30000 --dump-dom"
    headless.write_text(f'#!/bin/sh\nexec {CHROMIUM} {options} "$@"\n')
    headless.chmod(0o755)
    role = ("--role", story.facts["roles"]["app"])
    done = story.ringfence("studio", "open", "ann", *world.inside, *role, "--browser", str(headless))
    assert done.returncode == 0, done.stderr
    assert "JupyterLab</title>" in done.stdout
    assert "jp-Launcher" in done.stdout or "jp-Notebook" in done.stdout
    world.studio.allow(FREE)
