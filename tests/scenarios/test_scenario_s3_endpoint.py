"""The S3 gateway endpoint: its route, its policies, Amazon Linux repositories, the standard names of S3."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.story import BIN, Story
from tests.scenarios.hosting import BUCKET

pytestmark = pytest.mark.root
PYTHON = str(BIN / "python")

# What yum does, without yum: from the mirror list to the package; the sizes of what was fetched on the way.
FETCH = """
import json, ssl, sys, urllib.request
from xml.etree import ElementTree
tls = ssl.create_default_context(cafile=sys.argv[2])
def get(url):
    return urllib.request.urlopen(url, timeout=60, context=tls if url.startswith("https") else None).read()
place = get(sys.argv[1]).decode().strip()
get(place + "/repodata/repomd.xml")
print(get(place + "/Packages/ringfence-hello-1.0-1.noarch.rpm")[:4].hex())
"""
RPM = "edabeedb"  # how every package starts
SECOND, FIRST = "2/core/latest/x86_64/mirror.list", "latest/main/mirror.list"
# The two documents of the page: each is a deny alone, without a version.
DENY_LINUX_1 = {
    "Sid": "AmazonLinuxAMIRepositoryAccess",
    "Principal": "*",
    "Action": ["s3:GetObject"],
    "Effect": "Deny",
    "Resource": ["arn:aws:s3:::packages.*.amazonaws.com/*", "arn:aws:s3:::repo.*.amazonaws.com/*"],
}
DENY_LINUX_2 = {
    "Sid": "AmazonLinux2AMIRepositoryAccess",
    "Principal": "*",
    "Action": ["s3:GetObject"],
    "Effect": "Deny",
    "Resource": ["arn:aws:s3:::amazonlinux.*.amazonaws.com/*"],
}
ALLOW = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


@pytest.mark.statement(
    "S0.16", "S0.17", "S0.18", "S0.19", "S0.20", "S0.21", "S0.22", "S0.24",
    "S3.23", "S3.24", "S3.25", "S3.26", "S3.27", "S3.28", "S3.29", "S3.31",
    "S4.19", "S4.20",
)  # fmt: skip
def test_the_route_appears_in_the_chosen_table_and_the_default_policy_is_full(story: Story) -> None:
    ec2 = story.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    chosen = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    other = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{story.region}.s3", RouteTableIds=[chosen])
    endpoint = made["VpcEndpoint"]
    statement = json.loads(endpoint["PolicyDocument"])["Statement"][0]
    assert {name: statement[name] for name in ALLOW} == ALLOW
    targets = {
        table["RouteTableId"]: [route.get("GatewayId") for route in table["Routes"]]
        for table in ec2.describe_route_tables(RouteTableIds=[chosen, other])["RouteTables"]
    }
    assert targets == {chosen: ["local", endpoint["VpcEndpointId"]], other: ["local"]}
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint["VpcEndpointId"]])
    assert len(ec2.describe_route_tables(RouteTableIds=[chosen])["RouteTables"][0]["Routes"]) == 1
    for table in (chosen, other):
        ec2.delete_route_table(RouteTableId=table)
    ec2.delete_vpc(VpcId=vpc)


@contextmanager
def _policy(story: Story, statements: list[dict[str, object]]) -> Iterator[None]:
    """The gateway endpoint's policy for as long as the block lasts."""
    ec2, endpoint = story.client("ec2"), story.facts["s3_endpoint"]
    before = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]["PolicyDocument"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=json.dumps({"Statement": statements}))
    try:
        yield
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=before)


def _inside(story: Story, *command: str) -> str:
    """What the command says in a private subnet: its last line, or its errors."""
    where = ("exec", "--subnet", story.facts["subnets"][0], "--security-group", story.facts["groups"]["client"])
    done = story.ringfence(*where, *command)
    return done.stdout.strip() if done.returncode == 0 else done.stderr


def _fetch(story: Story, url: str) -> str:
    return _inside(story, PYTHON, "-c", FETCH, url, str(story.state / "ca" / "ca.pem"))


def _mirrors(story: Story, which: str) -> str:
    """Where yum.conf of Amazon Linux 2 or 1 looks first."""
    host = "amazonlinux" if which == SECOND else "repo"
    return f"http://{host}.{story.region}.amazonaws.com/{which}"


@pytest.mark.statement("S0.27", "S0.35", "S0.36", "S0.37", "S3.34", "S3.42", "S3.43", "S3.44")
@pytest.mark.parametrize("which", [SECOND, FIRST], ids=["amazon-linux-2", "amazon-linux-1"])
def test_default_policy_lets_packages_through(story: Story, which: str) -> None:
    """By the repository's own names, then by the page's standard URL of S3 (legacy dash form, path style, http)."""
    with _policy(story, [ALLOW]):
        assert _fetch(story, _mirrors(story, which)) == RPM
        legacy = _mirrors(story, which).replace("//", f"//s3-{story.region}.amazonaws.com/", 1)
        assert _fetch(story, legacy) == RPM


@pytest.mark.statement("S0.28", "S0.29", "S0.30", "S3.35", "S3.36", "S3.37", "S4.31", "S4.32", "S4.33")
@pytest.mark.parametrize(("deny", "stopped"), [(DENY_LINUX_2, SECOND), (DENY_LINUX_1, FIRST)], ids=["second", "first"])
def test_explicit_deny_forbids_the_repositories_that_it_names_and_nothing_else(
    story: Story, deny: dict[str, object], stopped: str
) -> None:
    with _policy(story, [ALLOW, deny]):
        assert "HTTP Error 403" in _fetch(story, _mirrors(story, stopped))
        assert _fetch(story, _mirrors(story, FIRST if stopped == SECOND else SECOND)) == RPM
        get = [str(BIN / "aws"), "s3api", "head-object", "--bucket", BUCKET, "--key", "iris/model.tar.gz"]
        assert "ContentLength" in story.inside(*get, role="execution")
    # the internet is another way, and the endpoint's policy has no say there
    url = _mirrors(story, stopped)
    there = story.ringfence("exec", "--internet", PYTHON, "-c", FETCH, url, str(story.state / "ca" / "ca.pem"))
    assert there.stdout.strip() == RPM, there.stderr


@pytest.mark.statement("S0.30")
def test_a_deny_alone_denies_everything(story: Story) -> None:
    with _policy(story, [DENY_LINUX_1]):
        assert "HTTP Error 403" in _fetch(story, _mirrors(story, SECOND))


@pytest.mark.statement("S0.27", "S0.28")
@pytest.mark.skipif(shutil.which("dnf") is None, reason="there is no dnf: `apt-get install dnf`")
def test_dnf_installs_the_package_and_the_deny_stops_it(story: Story, tmp_path: Path) -> None:
    """The .repo file is Amazon Linux 2's, but for the key that signs packages there."""
    lines = ["[main]", f"reposdir={tmp_path}", "[amzn2-core]", "name=Amazon Linux 2 core repository"]
    lines += [f"mirrorlist={_mirrors(story, SECOND)}", f"sslcacert={story.state}/ca/ca.pem", "gpgcheck=0", "timeout=60"]
    lines += ["retries=1"]
    (tmp_path / "yum.conf").write_text("\n".join(lines) + "\n")
    root = tmp_path / "root"
    install = ("dnf", "-y", "-q", "-c", str(tmp_path / "yum.conf"), f"--installroot={root}", "--releasever=2")
    with _policy(story, [ALLOW, DENY_LINUX_2]):
        said = _inside(story, *install, "install", "ringfence-hello")
        assert "403" in said and not (root / "usr/share/ringfence-hello/hello.txt").exists()
    with _policy(story, [ALLOW]):
        said = _inside(story, *install, "install", "ringfence-hello")
        assert "Amazon Linux repository" in (root / "usr/share/ringfence-hello/hello.txt").read_text(), said


def test_s3_control_comes_through_the_endpoint_and_its_policy(story: Story) -> None:
    """Its names lead to S3's addresses, its actions are S3's."""
    account = story.client("sts").get_caller_identity()["Account"]
    arn = f"arn:aws:s3:::{BUCKET}"
    told = [str(BIN / "aws"), "s3control", "list-tags-for-resource", "--account-id", account, "--resource-arn", arn]
    iam, named = story.client("iam"), {"RoleName": "execution", "PolicyName": "tags-of-buckets"}
    right = {"Effect": "Allow", "Action": "s3:ListTagsForResource", "Resource": arn}
    iam.put_role_policy(**named, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [right]}))
    try:
        with _policy(story, [ALLOW]):
            assert "Tags" in json.loads(story.inside(*told, role="execution"))
        with _policy(story, [ALLOW, {**right, "Effect": "Deny", "Principal": "*"}]):
            assert "explicit deny in a VPC endpoint policy" in story.inside_fails(*told, role="execution")
    finally:
        iam.delete_role_policy(**named)


@pytest.mark.statement("S0.25", "S0.26", "S3.3")
def test_bucket_is_closed_to_the_role_outside_of_the_vpc_and_open_inside(story: Story) -> None:
    get = [str(BIN / "aws"), "s3api", "head-object", "--bucket", BUCKET, "--key", "iris/model.tar.gz"]
    assert "ContentLength" in story.inside(*get, role="execution")
    assert "403" in story.outside_fails(*get, role="execution")
