"""Where names lead and why, on records compiled as the daemon compiles them."""

from typing import Any

import pytest

from ringfence.explain.path import explain_path, parse_question
from ringfence.explain.place import Scene
from ringfence.network.compile import NetworkSettings, compile_topology
from tests.daemon import ACCOUNT, Daemon, local_daemon

REGION = "us-west-2"
RUNTIME = f"runtime.sagemaker.{REGION}.amazonaws.com"


@pytest.fixture
def daemon(tmp_path_factory: pytest.TempPathFactory):
    with local_daemon(tmp_path_factory.mktemp("name")) as made:
        yield made


@pytest.fixture
def vpc(daemon: Daemon) -> dict[str, Any]:
    """A VPC with both DNS attributes and a subnet."""
    ec2 = daemon.client("ec2")
    id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=id, EnableDnsHostnames={"Value": True})
    subnet = ec2.create_subnet(VpcId=id, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    return {"id": id, "subnet": subnet, "place": {"VPCRegion": REGION, "VPCId": id}}


def told(daemon: Daemon, vpc: dict[str, Any], name: str) -> tuple[str, ...]:
    assert daemon.app is not None
    records = daemon.app.store.snapshot()
    scene = Scene(records, compile_topology(records, NetworkSettings(REGION)), ACCOUNT, REGION)
    (path, *_) = explain_path(scene, parse_question({"from": vpc["subnet"], "to": name})).paths
    return (*path.names, *filter(None, [path.remedy]))


def make_zone(daemon: Daemon, vpc: dict[str, Any], name: str, *records: tuple[str, str, str]) -> str:
    client = daemon.client("route53")
    id = client.create_hosted_zone(Name=name, VPC=vpc["place"], CallerReference=name)["HostedZone"]["Id"]
    for label, kind, value in records:
        one = {"Name": f"{label}.{name}", "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
        batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": one}]}
        client.change_resource_record_sets(HostedZoneId=id, ChangeBatch=batch)
    return str(id).rpartition("/")[2]


def make_endpoint(daemon: Daemon, vpc: dict[str, Any], private_dns: bool) -> dict[str, Any]:
    made: dict[str, Any] = daemon.client("ec2").create_vpc_endpoint(
        VpcEndpointType="Interface", VpcId=vpc["id"], ServiceName=f"com.amazonaws.{REGION}.sagemaker.runtime",
        SubnetIds=[vpc["subnet"]], PrivateDnsEnabled=private_dns,
    )["VpcEndpoint"]  # fmt: skip
    return made


def test_the_zone_that_answered_and_its_cnames(daemon: Daemon, vpc: dict[str, Any]) -> None:
    zone = make_zone(daemon, vpc, "corp.test", ("db", "A", "10.0.1.9"), ("alias", "CNAME", "db.corp.test"))
    lines = told(daemon, vpc, "alias.corp.test")
    holder = f"the private hosted zone {zone} of corp.test"
    assert lines[0] == f"alias.corp.test is a CNAME of db.corp.test ({holder})"
    assert lines[1] == f"db.corp.test is 10.0.1.9 ({holder})"
    assert told(daemon, vpc, "no.corp.test")[0] == (
        f"`no.corp.test` does not resolve from here: NXDOMAIN, {holder} decides and does not have it"
    )


def test_private_dns_on_and_off(daemon: Daemon, vpc: dict[str, Any]) -> None:
    assert told(daemon, vpc, RUNTIME)[1] == (
        f"it is the public answer: {vpc['id']} has no interface endpoint of sagemaker.runtime and no zone of this name"
    )
    endpoint = make_endpoint(daemon, vpc, private_dns=False)["VpcEndpointId"]
    lines = told(daemon, vpc, RUNTIME)
    assert lines[1] == f"it is the public answer: private DNS of {endpoint} is off"
    # not a route to the public address, which would lead around the endpoint
    assert lines[2].startswith(f"enable private DNS of {endpoint}, or call {endpoint}-")
    ec2 = daemon.client("ec2")
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PrivateDnsEnabled=True)
    assert told(daemon, vpc, RUNTIME)[0].endswith(f" (private DNS of {endpoint})")
    assert told(daemon, vpc, f"x.{RUNTIME}")[0].endswith(
        f"the private DNS of {endpoint} decides on {RUNTIME} and does not have it"
    )
    ec2.modify_vpc_attribute(VpcId=vpc["id"], EnableDnsHostnames={"Value": False})
    off = f"enableDnsHostnames of {vpc['id']} is off, so private DNS of {endpoint} does not count"
    assert told(daemon, vpc, RUNTIME)[1] == f"it is the public answer: {off}"


def test_zones_that_do_not_count(daemon: Daemon, vpc: dict[str, Any]) -> None:
    ec2 = daemon.client("ec2")
    other = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    assert told(daemon, vpc, "www.example.com")[1].endswith(f"no private zone of {vpc['id']} has this name")
    zone = make_zone(daemon, {"place": {"VPCRegion": REGION, "VPCId": other}}, "example.com")
    assert told(daemon, vpc, "www.example.com")[1] == (
        f"it is the public answer: the private hosted zone {zone} of example.com is not associated with {vpc['id']}"
    )
    daemon.client("route53").associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC=vpc["place"])
    assert "NXDOMAIN" in told(daemon, vpc, "www.example.com")[0]
    ec2.modify_vpc_attribute(VpcId=vpc["id"], EnableDnsHostnames={"Value": False})
    assert f"enableDnsHostnames of {vpc['id']} is off" in told(daemon, vpc, "www.example.com")[1]
    ec2.modify_vpc_attribute(VpcId=vpc["id"], EnableDnsSupport={"Value": False})
    lines = told(daemon, vpc, "www.example.com")
    assert lines[0] == f"enableDnsSupport of {vpc['id']} is off: its resolver 10.0.0.2 does not answer"
    assert lines[-1] == f"set enableDnsSupport of {vpc['id']} to true"


def use_servers(daemon: Daemon, vpc: dict[str, Any], *servers: str) -> str:
    ec2 = daemon.client("ec2")
    wanted = [{"Key": "domain-name-servers", "Values": list(servers)}] if servers else []
    wanted += [{"Key": "domain-name", "Values": ["corp.test"]}]
    made = ec2.create_dhcp_options(DhcpConfigurations=wanted)["DhcpOptions"]["DhcpOptionsId"]
    ec2.associate_dhcp_options(DhcpOptionsId=made, VpcId=vpc["id"])
    return str(made)


def test_name_servers_of_ones_own(daemon: Daemon, vpc: dict[str, Any]) -> None:
    make_zone(daemon, vpc, "corp.test", ("db", "A", "10.0.1.9"))
    options = use_servers(daemon, vpc, "198.51.100.53")
    lines = told(daemon, vpc, "db.corp.test")
    assert lines[0].startswith(f"{options}, the DHCP options of {vpc['id']}, name the server 198.51.100.53, and UDP 53")
    assert lines[1] == "so `db.corp.test` does not resolve from here"
    assert "AmazonProvidedDNS" in lines[-1]
    use_servers(daemon, vpc)
    assert told(daemon, vpc, "db.corp.test")[0].endswith("give no domain-name-servers")
    use_servers(daemon, vpc, "10.0.9.9", "AmazonProvidedDNS")
    assert "db.corp.test is 10.0.1.9" in " ".join(told(daemon, vpc, "db.corp.test"))
