"""JupyterLab in the VPC, opened by presigned URL and used through interface endpoints, by a browser's own protocol.

https://docs.aws.amazon.com/sagemaker/latest/dg/studio-interface-endpoint.html
"""

import base64
import http.client
import itertools
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.story import BIN, Story, expect
from ringfence.config import DEFAULT_STUDIO
from tests.patience import eventually
from tests.scenarios.killing import kill_daemon
from tests.scenarios.studio import Studio

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not DEFAULT_STUDIO.is_dir(), reason="JupyterLab is not installed: run `make studio`"),
]
BOTH = ["sagemaker:CreatePresignedDomainUrl", "sagemaker:DescribeUserProfile"]
FREE = {"Effect": "Allow", "Action": BOTH, "Resource": "*"}
CELL = "import boto3; print(boto3.client('sagemaker').list_domains()['Domains'][0]['DomainName'])"
SCRIPT = "#!/bin/bash\necho made > $HOME/made-by-config\n"


@pytest.fixture(scope="module")
def lab(story: Story) -> Iterator[tuple[Studio, str]]:
    """A domain with a profile whose JupyterLab is InService, and Studio's endpoint in the VPC."""
    studio = Studio(story)
    try:
        studio.make_endpoint()
        studio.allow(FREE)
        config = studio.sagemaker.create_studio_lifecycle_config(
            StudioLifecycleConfigName="start",
            StudioLifecycleConfigContent=base64.b64encode(SCRIPT.encode()).decode(),
            StudioLifecycleConfigAppType="JupyterLab",
        )["StudioLifecycleConfigArn"]
        domain = studio.make_domain()
        studio.make_profile(domain, "ann")
        made = studio.make_app(domain, "ann", ResourceSpec={"LifecycleConfigArn": config})
        expect(made["Status"] == "InService", f"{made}: {studio.log(domain, 'ann')}")
        yield studio, domain
    finally:
        studio.clean()
        names = [
            one["StudioLifecycleConfigName"]
            for one in studio.sagemaker.list_studio_lifecycle_configs()["StudioLifecycleConfigs"]
        ]
        for name in names:
            studio.sagemaker.delete_studio_lifecycle_config(StudioLifecycleConfigName=name)


@pytest.fixture
def wanted(lab: tuple[Studio, str]) -> dict[str, Any]:
    lab[0].allow(FREE)
    return {"DomainId": lab[1], "UserProfileName": "ann"}


@pytest.mark.statement("S1.1", "S1.8", "S1.9", "S1.12", "S1.33", "S1.35")
def test_a_url_made_in_the_vpc_opens_a_jupyterlab_whose_kernels_run(
    lab: tuple[Studio, str], wanted: dict[str, Any]
) -> None:
    studio, domain = lab
    told = studio.browse(make=wanted, run=CELL)
    host = f"{domain}.studio.us-west-2.sagemaker.aws"
    assert told["url"].startswith(f"https://{host}/auth?token=")
    assert (told["status"], told["location"]) == (302, "/jupyterlab/default/lab")
    (cookie,) = told["set"]
    for attribute in ("__Host-StudioSession=", "HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=43200"):
        assert attribute in cookie
    assert told["page"], told
    # the app calls the API with its role, through the endpoint of its subnets
    assert told["output"] == "team\n"
    assert all("Path=/jupyterlab/default/" in one and "Secure" in one for one in told["app_cookies"])
    # opened once, it opens no more
    again = studio.browse(open=told["url"])
    assert (again["status"], again["cookie"]) == (403, None)
    # its cookie is of no use on another domain's name
    other = studio.browse(host="d-0123456789ab.studio.us-west-2.sagemaker.aws", cookie=told["cookie"])
    assert other["api_status"] == 401
    assert studio.browse(host=host, cookie="0" * 64)["api_status"] == 401


@pytest.mark.statement("S1.24")
def test_without_a_policy_it_opens_from_the_internet_too(lab: tuple[Studio, str], wanted: dict[str, Any]) -> None:
    told = lab[0].browse("--internet", make=wanted)
    assert (told["status"], told["api_status"]) == (302, 200)


def test_what_the_app_finds_in_its_container(lab: tuple[Studio, str], wanted: dict[str, Any]) -> None:
    studio, domain = lab
    cell = """
import getpass, json, os, socket
told = json.load(open("/opt/ml/metadata/resource-metadata.json"))
told |= {"uid": os.getuid(), "home": os.path.expanduser("~"), "user": getpass.getuser()}
told["files"] = sorted(name for name in os.listdir(os.path.expanduser("~")) if not name.startswith("."))
try:
    socket.create_connection(("192.0.2.1", 443), 2)
    told["internet"] = True
except OSError:
    told["internet"] = False
print(json.dumps(told))
"""
    told = json.loads(studio.browse(make=wanted, run=cell)["output"])
    assert told["ResourceArn"].endswith(f":app/{domain}/ann/JupyterLab/default")
    assert (told["AppType"], told["DomainId"], told["UserProfileName"]) == ("JupyterLab", domain, "ann")
    assert (told["uid"], told["home"], told["user"]) == (200001, "/home/sagemaker-user", "sagemaker-user")
    assert "made-by-config" in told["files"]
    # VpcOnly: the subnet has no way to the internet, so the app has none
    assert not told["internet"]


@pytest.mark.statement("S1.25", "S1.28", "S1.29", "S1.30", "S1.31", "S1.32", "S1.37", "S1.38", "S1.39")
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_four_policies(lab: tuple[Studio, str], wanted: dict[str, Any], number: int, story: Story) -> None:
    """Each lets the browser in where it says, and stops the URL and the session that are carried elsewhere."""
    studio, domain = lab
    endpoints = story.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    ids = [one["VpcEndpointId"] for one in endpoints if one["ServiceName"].endswith((".studio", "sagemaker.api"))]
    vpc = {"aws:SourceVpc": story.facts["vpc"]}
    condition: dict[str, Any] = {
        1: {"StringEquals": vpc},
        2: {"ForAnyValue:StringEquals": {"aws:sourceVpce": ids}},
        3: {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]}},
        4: {"IpAddress": {"aws:VpcSourceIp": ["10.0.1.0/24"]}, "StringEquals": vpc},
    }[number]
    inside: tuple[str, ...] = ()
    outside: tuple[str, ...] = ("--internet", "--source-ip", "198.51.100.9")
    if number == 3:
        inside, outside = ("--internet", "--source-ip", "203.0.113.9"), ()
    studio.allow({**FREE, "Sid": "Enable SageMaker Studio Access", "Condition": condition})
    there = studio.browse(*inside, make=wanted)
    assert (there["status"], there["api_status"]) == (302, 200)
    host = f"{domain}.studio.us-west-2.sagemaker.aws"
    carried = studio.browse(*outside, host=host, cookie=there["cookie"])
    assert (carried["api_status"], json.loads(carried["api"])["message"]) == (
        403,
        "Auth token containing insufficient permissions",
    )
    url = studio.browse(*inside, make=wanted, keep=True)["url"]
    assert studio.browse(*outside, open=url)["status"] == 403
    # it was not used up by who may not open it
    assert studio.browse(*inside, open=url)["status"] == 302


@pytest.mark.statement("S1.26")
def test_frames_are_refused_once_the_policy_changes(
    lab: tuple[Studio, str], wanted: dict[str, Any], tmp_path: Path
) -> None:
    studio, _ = lab
    signal, told = tmp_path / "signal", {}

    def watch() -> None:
        told.update(studio.browse(make=wanted, run="print(6 * 7)", again=str(signal)))

    browser = threading.Thread(target=watch)
    browser.start()
    eventually(lambda: signal.exists() and signal.read_text() == "ready")
    studio.allow({**FREE, "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-0123456789abcdef0"}}})
    signal.write_text("go")
    browser.join(120)
    assert told["output"] == "42\n"
    assert (told["after"], told["closed"], told["api_after"]) == (None, 1008, 403)


def test_a_web_socket_of_another_origin_is_refused(lab: tuple[Studio, str], wanted: dict[str, Any]) -> None:
    told = lab[0].browse(make=wanted, run="print(1)", origin="https://evil.example")
    assert told["handshake"] == 403
    assert "output" not in told


def test_the_command_opens_it_from_where_it_is_told_to(
    lab: tuple[Studio, str], wanted: dict[str, Any], story: Story
) -> None:
    """A proxy on this machine's loopback leads into the VPC, to that host alone, for as long as the command runs."""
    studio, domain = lab
    host, facts = f"{domain}.studio.us-west-2.sagemaker.aws", story.facts
    inside = ("--subnet", facts["subnets"][0], "--security-group", facts["groups"]["client"])
    studio.allow({**FREE, "Condition": {"StringEquals": {"aws:SourceVpc": facts["vpc"]}}})
    command = ("studio", "open", "ann", "--role", facts["roles"]["app"])
    refused = story.ringfence(*command, "--print")
    assert refused.returncode == 1
    assert "AccessDeniedException: " in refused.stderr
    assert "this was from the internet: stand in a VPC with --subnet" in refused.stderr
    (why,) = [one for one in refused.stderr.split("`") if one.startswith("ringfence explain call ")]
    assert "aws:SourceVpc" in story.ringfence(*why.split()[1:]).stdout
    printed = story.ringfence(*command, *inside, "--print").stdout.strip()
    assert studio.browse(open=printed)["status"] == 302
    with serving(story, *command, *inside, "--serve") as (port, url):
        # the proxy's place is what counts, not this machine, which does not even know the name
        told = through(port, host, url, Path(story.environment["AWS_CA_BUNDLE"]))
        assert (told.status, told.headers["Location"]) == (302, "/jupyterlab/default/lab")
        with pytest.raises(OSError, match="403"):
            through(port, "api.sagemaker.us-west-2.amazonaws.com", "/", Path(story.environment["AWS_CA_BUNDLE"]))
    with pytest.raises(ConnectionError):
        through(port, host, "/", Path(story.environment["AWS_CA_BUNDLE"]))
    nobody = story.ringfence("studio", "open", "nobody")
    assert (nobody.returncode, "there is no user profile `nobody`" in nobody.stderr) == (64, True)


@contextmanager
def serving(story: Story, *command: str) -> Iterator[tuple[int, str]]:
    """The proxy's port and the URL, as the command tells them."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with subprocess.Popen(
        [str(BIN / "ringfence"), *command],
        env=environment | {"RINGFENCE_STATE": str(story.state), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            told = dict(line.strip().split(": ", 1) for line in itertools.islice(process.stdout, 5))
            (port,) = [text.partition(" ")[0] for what, text in told.items() if what.startswith("proxy for")]
            yield int(port.rpartition(":")[2]), told["open once, within five minutes"]
        finally:
            process.terminate()
            assert process.wait(120) == 0


def through(port: int, host: str, url: str, authority: Path) -> http.client.HTTPResponse:
    trust = ssl.create_default_context(cafile=str(authority))
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trust, timeout=120)
    connection.set_tunnel(host, 443)
    connection.request("GET", url.partition(f"https://{host}")[2] or url)
    return connection.getresponse()


@pytest.mark.statement("S1.27")
def test_sign_on_domains_have_no_presigned_urls(lab: tuple[Studio, str]) -> None:
    studio, _ = lab
    domain = studio.make_domain("sso", AuthMode="SSO")
    sign_on = {"SingleSignOnUserIdentifier": "UserName", "SingleSignOnUserValue": "ann"}
    studio.sagemaker.create_user_profile(DomainId=domain, UserProfileName="ann", **sign_on)
    studio.settle(lambda: studio.sagemaker.describe_user_profile(DomainId=domain, UserProfileName="ann"))
    with pytest.raises(studio.sagemaker.exceptions.ClientError, match="needs AuthMode IAM"):
        studio.sagemaker.create_presigned_domain_url(DomainId=domain, UserProfileName="ann")
    studio.delete_domain(domain)


@pytest.mark.statement("S1.36")
def test_the_endpoints_own_name_serves_both_calls(
    lab: tuple[Studio, str], wanted: dict[str, Any], story: Story
) -> None:
    studio, domain = lab
    endpoints = story.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    (api,) = [one for one in endpoints if one["ServiceName"].endswith(".sagemaker.api")]
    name = api["DnsEntries"][0]["DnsName"]
    assert name.startswith(api["VpcEndpointId"])
    assert name.endswith(".api.sagemaker.us-west-2.vpce.amazonaws.com")
    told = studio.browse(make=wanted, endpoint=f"https://{name}", keep=True)
    assert told["profile"] == "InService"
    assert told["url"].startswith(f"https://{domain}.studio.us-west-2.sagemaker.aws/auth?token=")


def test_an_app_and_its_sessions_outlive_the_daemon(
    lab: tuple[Studio, str], wanted: dict[str, Any], story: Story
) -> None:
    """Killed and started again: the same container, the same cookie."""
    studio, domain = lab
    cell = "print(open('/proc/1/stat').read().split()[21])"
    before = studio.browse(make=wanted, run=cell)
    kill_daemon(studio.story)
    studio.story.up()
    studio.connect()
    studio.settle(lambda: studio.sagemaker.describe_app(**wanted, AppType="JupyterLab", AppName="default"))
    host = f"{domain}.studio.us-west-2.sagemaker.aws"
    _await_app(studio, host, before["cookie"])
    after = studio.browse(host=host, cookie=before["cookie"], run=cell)
    assert before["output"] == after["output"]
    # taken down in order, it is launched anew: another container, the same cookie
    assert story.ringfence("down").returncode == 0
    story.up()
    studio.connect()
    _await_app(studio, host, before["cookie"])
    assert studio.browse(host=host, cookie=before["cookie"], run=cell)["output"] not in (None, before["output"])


def _await_app(studio: Studio, host: str, cookie: str) -> None:
    eventually(lambda: studio.browse(host=host, cookie=cookie), lambda told: told["api_status"] == 200)
