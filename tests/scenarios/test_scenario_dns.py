"""Names inside a VPC: private hosted zones, their precedence, and DHCP options that name other servers.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from demo.data import EC2_ACTIONS
from demo.story import BIN, Story, expect
from ringfence.network import addresses
from tests.patience import eventually
from tests.scenarios.hosting import BUCKET, Hosting
from tests.scenarios.jobs import Jobs

pytestmark = pytest.mark.root
PYTHON = str(BIN / "python")
# prints what each `name/type` of its arguments answers within the seconds of the first, or how asking failed
ASK = """
import dns.resolver, json, sys
def ask(name, kind, *tcp):
    try:
        found = dns.resolver.resolve(name, kind, tcp=bool(tcp), lifetime=float(sys.argv[1]))
        return sorted(item.to_text() for item in found)
    except Exception as error:
        return type(error).__name__
print(json.dumps([ask(*one.split("/")) for one in sys.argv[2:]]))
"""
# a name server that knows `name=address` of its arguments; says its own address, and ends with its input
SERVER = """
import dns.message, dns.rrset, select, socket, sys
known = dict(one.split("=") for one in sys.argv[1:])
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 53))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.connect(("10.43.1.1", 9))
    print(probe.getsockname()[0], flush=True)
while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
    wire, peer = server.recvfrom(4096)
    query = dns.message.from_wire(wire)
    response, name = dns.message.make_response(query, recursion_available=True), query.question[0].name
    address = known.get(name.to_text(omit_final_dot=True))
    if address is None:
        response.set_rcode(3)
    elif query.question[0].rdtype == 1:
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", address))
    server.sendto(response.to_wire(), peer)
"""
LIST = "import boto3, sys; print(boto3.client('sagemaker').list_endpoints()['ResponseMetadata']['HTTPStatusCode'])"
DATA = "s3://scenario-dns/model.tar.gz"


@dataclass
class Place:
    """A VPC with two private subnets, an S3 gateway endpoint in their route table and one group, open to itself."""

    story: Story
    vpc: str
    subnets: list[str]
    group: str
    endpoint: str

    @property
    def ec2(self) -> Any:
        return self.story.client("ec2")

    @property
    def route53(self) -> Any:
        return self.story.client("route53")

    @property
    def where(self) -> tuple[str, ...]:
        return ("--subnet", self.subnets[0], "--security-group", self.group)

    def exec(self, *command: str, where: tuple[str, ...] = ()) -> str:
        done = self.story.ringfence("exec", *(where or self.where), *command)
        expect(done.returncode == 0, done.stderr)
        return done.stdout.strip()

    def ask(self, *questions: str, where: tuple[str, ...] = (), seconds: int = 60) -> list[Any]:
        """Less of `seconds` is for those who expect no answer."""
        return list(json.loads(self.exec(PYTHON, "-c", ASK, str(seconds), *questions, where=where)))

    def explain(self, name: str) -> str:
        source = ("--from-subnet", self.subnets[0], "--from-group", self.group, "--to", name)
        done = self.story.ringfence("explain", "path", *source)
        expect(done.returncode in (0, 1), done.stderr)
        return done.stdout

    def zone(self, name: str, *records: tuple[str, str, str]) -> str:
        """A private zone of the VPC with these (label, type, value), once the resolver has them."""
        place = {"VPCRegion": self.story.region, "VPCId": self.vpc}
        made = self.route53.create_hosted_zone(Name=name, VPC=place, CallerReference=name)
        id: str = made["HostedZone"]["Id"].rpartition("/")[2]
        sets = [
            {"Name": f"{label}.{name}".lstrip("."), "Type": kind, "TTL": 60, "ResourceRecords": [{"Value": value}]}
            for label, kind, value in records
        ]
        if sets:
            self.change(id, "CREATE", *sets)
        return id

    def change(self, zone: str, action: str, *sets: dict[str, Any]) -> None:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": one} for one in sets]}
        told = self.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)
        change = told["ChangeInfo"]["Id"]
        eventually(lambda: self.route53.get_change(Id=change)["ChangeInfo"]["Status"], lambda seen: seen == "INSYNC")

    def drop(self, zone: str) -> None:
        sets = self.route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        if own := [one for one in sets if one["Type"] not in ("NS", "SOA")]:
            self.change(zone, "DELETE", *own)
        self.route53.delete_hosted_zone(Id=zone)

    @contextmanager
    def name_servers(self, *servers: str) -> Iterator[str]:
        """A DHCP options set with these servers, for as long."""
        wanted = {"domain-name-servers": list(servers), "domain-name": ["corp.test"]}
        configuration = [{"Key": key, "Values": values} for key, values in wanted.items()]
        made: str = self.ec2.create_dhcp_options(DhcpConfigurations=configuration)["DhcpOptions"]["DhcpOptionsId"]
        before = self.ec2.describe_vpcs(VpcIds=[self.vpc])["Vpcs"][0]["DhcpOptionsId"]
        self.ec2.associate_dhcp_options(DhcpOptionsId=made, VpcId=self.vpc)
        try:
            yield made
        finally:
            self.ec2.associate_dhcp_options(DhcpOptionsId=before, VpcId=self.vpc)
            self.ec2.delete_dhcp_options(DhcpOptionsId=made)

    @contextmanager
    def own_server(self, **known: str) -> Iterator[str]:
        """A name server on an instance of the VPC; its address."""
        command = [str(BIN / "ringfence"), "exec", *self.where, PYTHON, "-c", SERVER]
        command += [f"{name}={address}" for name, address in known.items()]
        environment = {**os.environ, "RINGFENCE_STATE": str(self.story.state)}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as running:
            try:
                assert running.stdout is not None
                yield running.stdout.readline().strip()
            finally:
                assert running.stdin is not None
                running.stdin.close()
                running.wait(120)


@pytest.fixture(scope="module")
def place(daemon: Story) -> Iterator[Place]:
    ec2 = daemon.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.43.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    zones = [one["ZoneName"] for one in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.43.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(zones, start=1)
    ]
    group = ec2.create_security_group(GroupName="names", Description="d", VpcId=vpc)["GroupId"]
    itself = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=itself)
    here = [{"Name": "vpc-id", "Values": [vpc]}]
    table = ec2.describe_route_tables(Filters=here)["RouteTables"][0]["RouteTableId"]
    endpoint = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=f"com.amazonaws.{daemon.region}.s3", RouteTableIds=[table]
    )["VpcEndpoint"]["VpcEndpointId"]
    yield Place(daemon, vpc, subnets, group, endpoint)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    eventually(lambda: ec2.describe_network_interfaces(Filters=here)["NetworkInterfaces"], lambda left: not left)
    for subnet in subnets:
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_security_group(GroupId=group)
    ec2.delete_vpc(VpcId=vpc)


@pytest.fixture
def example(place: Place) -> Iterator[str]:
    """A private zone over a public name."""
    zone = place.zone(
        "example.com",
        ("db", "A", "10.43.1.77"),
        ("*.w", "A", "10.43.1.78"),
        ("alias", "CNAME", "db.example.com"),
        ("", "TXT", '"two" "strings"'),
        ("", "MX", "10 mail.example.com"),
        ("_ldap._tcp", "SRV", "0 5 389 db.example.com"),
        ("six", "AAAA", "2001:db8::1"),
    )
    yield zone
    place.drop(zone)


def test_the_private_zone_decides_in_its_vpc_and_nowhere_else(place: Place, example: str) -> None:
    questions = {
        "db.example.com/A": ["10.43.1.77"],
        "db.example.com/A/tcp": ["10.43.1.77"],
        "any.thing.w.example.com/A": ["10.43.1.78"],
        "alias.example.com/A": ["10.43.1.77"],
        "alias.example.com/CNAME": ["db.example.com."],
        "example.com/TXT": ['"two" "strings"'],
        "example.com/MX": ["10 mail.example.com."],
        "_ldap._tcp.example.com/SRV": ["0 5 389 db.example.com."],
        "six.example.com/AAAA": ["2001:db8::1"],
        "www.example.com/A": "NXDOMAIN",
        "db.example.com/TXT": "NoAnswer",
        f"s3.{place.story.region}.amazonaws.com/A": [_s3_address(place)],
    }
    assert dict(zip(questions, place.ask(*questions), strict=True)) == questions
    inside, outside = (
        f"`www.example.com` does not resolve from here: NXDOMAIN, the private hosted zone {example}",
        ["NXDOMAIN"],
    )
    assert inside in place.explain("www.example.com")
    assert place.ask("www.example.com/A", where=("--internet",)) == [[addresses.EXAMPLE_ADDRESS]]
    assert place.ask("db.example.com/A", where=("--internet",)) == outside
    assert f"db.example.com is 10.43.1.77 (the private hosted zone {example} of example.com)" in place.explain(
        "db.example.com"
    )


def test_the_most_specific_zone_and_reverse_names(place: Place, example: str) -> None:
    inner = place.zone("w.example.com", ("only", "A", "10.43.1.80"))
    reverse = place.zone("43.10.in-addr.arpa", ("99.9", "PTR", "ninety.example.com"))
    try:
        found = place.ask(
            "only.w.example.com/A", "any.w.example.com/A", "db.example.com/A", "99.9.43.10.in-addr.arpa/PTR"
        )
        assert found == [["10.43.1.80"], "NXDOMAIN", ["10.43.1.77"], ["ninety.example.com."]]
    finally:
        place.drop(inner)
        place.drop(reverse)
    assert place.ask("any.w.example.com/A") == [["10.43.1.78"]]


def test_private_zones_need_both_attributes(place: Place, example: str) -> None:
    place.ec2.modify_vpc_attribute(VpcId=place.vpc, EnableDnsHostnames={"Value": False})
    try:
        assert place.ask("www.example.com/A", "db.example.com/A") == [[addresses.EXAMPLE_ADDRESS], "NXDOMAIN"]
        assert f"enableDnsHostnames of {place.vpc} is off" in place.explain("www.example.com")
    finally:
        place.ec2.modify_vpc_attribute(VpcId=place.vpc, EnableDnsHostnames={"Value": True})
    assert place.ask("www.example.com/A") == ["NXDOMAIN"]


@pytest.fixture
def api(place: Place) -> Iterator[dict[str, Any]]:
    """An endpoint of the SageMaker API without private DNS, and a role that may call through it only."""
    made = place.ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=place.vpc,
        ServiceName=f"com.amazonaws.{place.story.region}.sagemaker.api",
        SubnetIds=place.subnets,
        SecurityGroupIds=[place.group],
        PrivateDnsEnabled=False,
    )["VpcEndpoint"]
    only = {"StringEquals": {"aws:SourceVpce": made["VpcEndpointId"]}}
    statement = {"Effect": "Allow", "Action": "sagemaker:ListEndpoints", "Resource": "*", "Condition": only}
    make_role(place.story, "dns-api", "ec2", [statement])
    yield made
    place.ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])


def make_role(story: Story, name: str, service: str, statements: list[dict[str, Any]]) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    documents = [json.dumps({"Version": "2012-10-17", "Statement": one}) for one in ([trust], statements)]
    iam = story.client("iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=documents[0])["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=documents[1])
    return arn


@pytest.mark.statement("S1.13")
def test_a_private_zone_leads_the_apis_own_name_to_the_endpoint(place: Place, api: dict[str, Any]) -> None:
    """Unmodified clients reach the API by `api.sagemaker.<region>.amazonaws.com`, verified by TLS, not by its URL."""
    name = f"api.sagemaker.{place.story.region}.amazonaws.com"
    assert not place.ask(f"{name}/A")[0][0].startswith("10.43.")
    assert f"private DNS of {api['VpcEndpointId']} is off" in place.explain(name)
    zone = place.zone(name)
    target = {"DNSName": api["DnsEntries"][0]["DnsName"], "HostedZoneId": api["DnsEntries"][0]["HostedZoneId"]}
    alias = {"Name": name, "Type": "A", "AliasTarget": {**target, "EvaluateTargetHealth": False}}
    try:
        place.change(zone, "CREATE", alias)
        found = place.ask(f"{name}/A")[0]
        assert len(found) == 2 and all(address.startswith("10.43.") for address in found)
        assert place.exec(PYTHON, "-c", LIST, where=(*place.where, "--role", "dns-api")) == "200"
        said = place.explain(name)
        assert f"an alias of {api['VpcEndpointId']} in the private hosted zone {zone}" in said and "✗" not in said
    finally:
        place.drop(zone)
    assert not place.ask(f"{name}/A")[0][0].startswith("10.43.")


def test_name_servers_of_dhcp_options_bypass_amazons(place: Place, example: str) -> None:
    """They are asked through the network, by whoever comes after; what they do not know does not exist."""
    with place.own_server(**{"only.corp.test": "10.43.1.90"}) as server, place.name_servers(server) as options:
        files = place.exec("cat", "/etc/resolv.conf").splitlines()
        assert files[:2] == [f"nameserver {server}", "search corp.test"]
        assert place.ask("only.corp.test/A", "db.example.com/A") == [["10.43.1.90"], "NXDOMAIN"]
        short = "import socket; print(socket.gethostbyname('only'))"
        assert place.exec(PYTHON, "-c", short) == "10.43.1.90"
        assert f"{options}, the DHCP options of {place.vpc}, name the server {server}, not" in place.explain(
            "db.example.com"
        )
        itself = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": place.group}]}]
        place.ec2.revoke_security_group_ingress(GroupId=place.group, IpPermissions=itself)
        try:
            assert place.ask("only.corp.test/A", seconds=3) == ["LifetimeTimeout"]
            assert "no ingress rule allows it" in place.explain("only.corp.test")
        finally:
            place.ec2.authorize_security_group_ingress(GroupId=place.group, IpPermissions=itself)
    with place.name_servers(addresses.PUBLIC_RESOLVER):
        assert place.ask("db.example.com/A", "example.com/A", seconds=3) == ["LifetimeTimeout"] * 2
        assert "has no route to" in place.explain("db.example.com")
    assert place.ask("db.example.com/A") == [["10.43.1.77"]]


@pytest.mark.statement("S0.35", "S0.36")
def test_a_models_data_url_must_resolve_by_the_servers_that_are_named(
    place: Place, story: Story, hosting: Hosting
) -> None:
    """The route to the gateway endpoint is there all the time: it is the name that decides."""
    s3 = story.client("s3")
    s3.create_bucket(Bucket="scenario-dns", CreateBucketConfiguration={"LocationConstraint": story.region})
    s3.copy({"Bucket": BUCKET, "Key": "iris/model.tar.gz"}, "scenario-dns", "model.tar.gz")
    read = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::scenario-dns*"}
    network = {"Effect": "Allow", "Action": EC2_ACTIONS, "Resource": "*"}
    story.facts["roles"]["dns"] = make_role(story, "dns", "sagemaker", [read, network])
    config = {"Subnets": place.subnets, "SecurityGroupIds": [place.group]}
    model = {"role": "dns", "container": {"ModelDataUrl": DATA}, "VpcConfig": config}
    with place.own_server() as server, place.name_servers(server):
        told = hosting.create("dns-unknown", **model)
    assert told["EndpointStatus"] == "Failed"
    assert "Please ensure that an S3 VPC endpoint exists" in told["FailureReason"]
    host = f"scenario-dns.s3.{story.region}.amazonaws.com"
    known = {host: _s3_address(place), f"s3.{story.region}.amazonaws.com": _s3_address(place)}
    with place.own_server(**known) as server, place.name_servers(server):
        told = hosting.create("dns-known", **model)
        assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    legacy = f"s3-{story.region}.amazonaws.com/A"
    assert place.ask(legacy) == [[_s3_address(place)]]
    told = hosting.create("dns-default", **model)
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")


@pytest.mark.statement("S4.34", "S4.35")
def test_a_jobs_data_urls_must_resolve_by_the_servers_that_are_named(place: Place, story: Story, jobs: Jobs) -> None:
    """As a model's, with one bucket for all: the route to the gateway endpoint leads there only once the name does."""
    network = {"VpcConfig": {"Subnets": place.subnets, "SecurityGroupIds": [place.group]}}
    with place.own_server() as server, place.name_servers(server):
        told = jobs.process("names-unknown", "pass", NetworkConfig=network)
    assert told["ProcessingJobStatus"] == "Failed"
    assert told["FailureReason"].endswith("Unable to execute request to S3")
    names = (f"{BUCKET}.s3.{story.region}.amazonaws.com", f"s3.{story.region}.amazonaws.com")
    with (
        place.own_server(**dict.fromkeys(names, _s3_address(place))) as server,
        place.name_servers(server),
    ):
        told = jobs.process("names-known", "pass", NetworkConfig=network)
    assert told["ProcessingJobStatus"] == "Completed", told.get("FailureReason")
    told = jobs.process("names-default", "pass", NetworkConfig=network)
    assert told["ProcessingJobStatus"] == "Completed", told.get("FailureReason")


def _s3_address(place: Place) -> str:
    facts = addresses.service_facts("s3")
    assert facts is not None
    return addresses.public_address(facts, place.story.region)
