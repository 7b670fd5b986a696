"""Ways out of a private subnet: a NAT gateway in a public one, as the pages on hosting and processing tell it.

https://docs.aws.amazon.com/vpc/latest/userguide/vpc-example-private-subnets-nat.html
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from demo.data import EC2_ACTIONS
from demo.story import BIN, Story, expect
from tests.patience import eventually
from tests.scenarios.hosting import BUCKET, Hosting

pytestmark = pytest.mark.root
PYTHON = str(BIN / "python")
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])).status)"
HEAD = [str(BIN / "aws"), "s3api", "head-object", "--bucket", "scenario-nat", "--key", "model.tar.gz"]
DATA = "s3://scenario-nat/model.tar.gz"
ANYWHERE = "0.0.0.0/0"


@dataclass
class Place:
    """A VPC with a public subnet, and two private ones whose default route leads to the NAT gateway in it."""

    story: Story
    vpc: str
    gateway: str
    public: str
    private: list[str]
    group: str
    public_table: str
    private_table: str
    address: dict[str, Any]
    nat: str = ""

    @property
    def ec2(self) -> Any:
        return self.story.client("ec2")

    def exec(self, *command: str, role: str | None = None) -> tuple[bool, str]:
        where = ("--subnet", self.private[0], "--security-group", self.group, *(("--role", role) if role else ()))
        done = self.story.ringfence("exec", *where, *command)
        return done.returncode == 0, done.stdout.strip() or done.stderr.strip()

    def fetch(self, seconds: int) -> bool:
        return self.exec(PYTHON, "-c", FETCH, "http://example.com/", str(seconds)) == (True, "200")

    def explain(self, *where: str) -> tuple[bool, str]:
        source = where or ("--from-subnet", self.private[0], "--from-group", self.group, "--to", "example.com")
        done = self.story.ringfence("explain", "path", *source)
        expect(done.returncode in (0, 1), done.stderr)
        return done.returncode == 0, done.stdout

    def agree(self, reachable: bool) -> str:
        """What a real connection does, `explain path` has said."""
        said, text = self.explain()
        assert (said, self.fetch(60 if reachable else 4)) == (reachable, reachable), text
        return text

    def default_route(self, **target: str) -> None:
        self.ec2.replace_route(RouteTableId=self.private_table, DestinationCidrBlock=ANYWHERE, **target)

    def state(self) -> str:
        told = self.ec2.describe_nat_gateways(NatGatewayIds=[self.nat])["NatGateways"][0]
        return str(told["State"])


def build(story: Story) -> Place:
    ec2 = story.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    zones = [one["ZoneName"] for one in ec2.describe_availability_zones()["AvailabilityZones"]]
    public, *private = (
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.42.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate((zones[0], *zones[:2]))
    )
    tables = [ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2)]
    for table, subnet in ((tables[0], public), *((tables[1], subnet) for subnet in private)):
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    group = ec2.create_security_group(GroupName="nat-clients", Description="d", VpcId=vpc)["GroupId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    address = ec2.allocate_address(Domain="vpc")
    return Place(story, vpc, gateway, public, private, group, *tables, address)


def remove(place: Place) -> None:
    ec2 = place.ec2
    if place.nat:
        ec2.delete_nat_gateway(NatGatewayId=place.nat)
        eventually(place.state, lambda state: state == "deleted")
    ec2.release_address(AllocationId=place.address["AllocationId"])
    for gateway in ec2.describe_internet_gateways(InternetGatewayIds=[place.gateway])["InternetGateways"]:
        if gateway["Attachments"]:
            ec2.detach_internet_gateway(InternetGatewayId=place.gateway, VpcId=place.vpc)
    ec2.delete_internet_gateway(InternetGatewayId=place.gateway)
    for subnet in (place.public, *place.private):
        ec2.delete_subnet(SubnetId=subnet)
    for table in (place.public_table, place.private_table):
        ec2.delete_route_table(RouteTableId=table)
    ec2.delete_security_group(GroupId=place.group)
    ec2.delete_vpc(VpcId=place.vpc)


@pytest.fixture(scope="module")
def closed(story: Story) -> Iterator[Place]:
    """Without any way out yet."""
    place = build(story)
    try:
        yield place
    finally:
        remove(place)


@pytest.fixture(scope="module")
def place(closed: Place) -> Place:
    """The NAT gateway is made when the first test asks for it; those before saw the VPC without."""
    ec2, place = closed.ec2, closed
    ec2.attach_internet_gateway(InternetGatewayId=place.gateway, VpcId=place.vpc)
    ec2.create_route(RouteTableId=place.public_table, DestinationCidrBlock=ANYWHERE, GatewayId=place.gateway)
    made = ec2.create_nat_gateway(SubnetId=place.public, AllocationId=place.address["AllocationId"])["NatGateway"]
    assert made["State"] == "pending"
    place.nat = made["NatGatewayId"]
    ec2.create_route(RouteTableId=place.private_table, DestinationCidrBlock=ANYWHERE, NatGatewayId=place.nat)
    eventually(place.state, lambda state: state == "available")
    return place


@pytest.fixture(scope="module")
def data(place: Place) -> None:
    """A bucket, and a role that may read it from the NAT gateway's Elastic IP and through no VPC endpoint."""
    story = place.story
    s3, iam = story.client("s3"), story.client("iam")
    s3.create_bucket(Bucket="scenario-nat", CreateBucketConfiguration={"LocationConstraint": story.region})
    s3.copy({"Bucket": BUCKET, "Key": "iris/model.tar.gz"}, "scenario-nat", "model.tar.gz")
    path = {"IpAddress": {"aws:SourceIp": place.address["PublicIp"]}, "Null": {"aws:SourceVpce": "true"}}
    bucket = {"Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::scenario-nat*"}
    statements = [
        {"Effect": "Allow", "Action": EC2_ACTIONS, "Resource": "*"},
        {"Effect": "Allow", **bucket, "Condition": path},
    ]
    trusted = [f"{service}.amazonaws.com" for service in ("ec2", "sagemaker")]
    trust = {"Effect": "Allow", "Principal": {"Service": trusted}, "Action": "sts:AssumeRole"}
    documents = [json.dumps({"Version": "2012-10-17", "Statement": one}) for one in ([trust], statements)]
    role = iam.create_role(RoleName="nat", AssumeRolePolicyDocument=documents[0])["Role"]["Arn"]
    iam.put_role_policy(RoleName="nat", PolicyName="rights", PolicyDocument=documents[1])
    story.facts["roles"]["nat"] = role


@pytest.mark.statement("S4.41")
def test_without_a_way_out_nothing_outside_is_reached(closed: Place) -> None:
    text = closed.agree(False)
    assert "has no route to 198.51.100.80" in text and "a NAT gateway" in text


@pytest.mark.statement("S0.42", "S0.43", "S3.49", "S3.50", "S4.42", "S4.44")
def test_a_nat_gateway_in_a_public_subnet_is_the_way_out(place: Place) -> None:
    text = place.agree(True)
    for cited in (place.nat, place.gateway, place.address["PublicIp"], place.address["AllocationId"]):
        assert cited in text
    interfaces = place.ec2.describe_network_interfaces(
        Filters=[{"Name": "interface-type", "Values": ["natGateway"]}, {"Name": "vpc-id", "Values": [place.vpc]}]
    )["NetworkInterfaces"]
    assert [(one["SubnetId"], one["Groups"]) for one in interfaces] == [(place.public, [])]
    reachable, said = place.explain("--from", "internet", "--to", interfaces[0]["NetworkInterfaceId"])
    assert not reachable and "answers nobody who connects to it" in said


@pytest.mark.statement("S0.42", "S3.49", "S4.42")
def test_an_internet_gateway_alone_leads_a_private_interface_nowhere(place: Place) -> None:
    place.default_route(GatewayId=place.gateway)
    try:
        text = place.agree(False)
    finally:
        place.default_route(NatGatewayId=place.nat)
    assert "has no public IP: a route to an internet gateway takes it nowhere" in text
    assert "use a NAT gateway in another subnet" in text


@pytest.mark.statement("S0.42", "S3.49", "S4.43")
def test_security_groups_must_allow_outbound(place: Place) -> None:
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": ANYWHERE}]}]
    place.ec2.revoke_security_group_egress(GroupId=place.group, IpPermissions=everything)
    try:
        assert f"no egress rule allows it in {place.group}" in place.agree(False)
    finally:
        place.ec2.authorize_security_group_egress(GroupId=place.group, IpPermissions=everything)
    place.agree(True)


@pytest.mark.statement("S4.43")
@pytest.mark.parametrize("which", ["private", "public"])
def test_network_acls_must_allow_outbound_and_the_answers(place: Place, which: str) -> None:
    ec2 = place.ec2
    acl = ec2.create_network_acl(VpcId=place.vpc)["NetworkAcl"]["NetworkAclId"]
    subnet = place.private[0] if which == "private" else place.public
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    before = ec2.describe_network_acls(Filters=filters)["NetworkAcls"][0]
    (association,) = [one for one in before["Associations"] if one["SubnetId"] == subnet]
    moved = ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl)[
        "NewAssociationId"
    ]
    try:
        assert acl in place.agree(False)
        for egress in (True, False):
            ec2.create_network_acl_entry(
                NetworkAclId=acl, RuleNumber=100, Protocol="-1", RuleAction="allow", Egress=egress, CidrBlock=ANYWHERE
            )
        place.agree(True)
        ec2.replace_network_acl_entry(
            NetworkAclId=acl, RuleNumber=100, Protocol="6", RuleAction="allow", Egress=False, CidrBlock=ANYWHERE,
            PortRange={"From": 443, "To": 443},
        )  # fmt: skip
        assert "answer" in place.agree(False)
    finally:
        ec2.replace_network_acl_association(AssociationId=moved, NetworkAclId=before["NetworkAclId"])
        ec2.delete_network_acl(NetworkAclId=acl)


def test_services_see_the_elastic_ip_and_no_endpoint(place: Place, data: None) -> None:
    done, said = place.exec(*HEAD, role="nat")
    assert done and "ContentLength" in said, said
    done = place.story.ringfence("exec", "--internet", "--role", "nat", *HEAD).returncode == 0
    assert not done  # the same role from another address


@pytest.mark.statement("S0.13", "S0.14", "S3.20", "S3.21", "S0.42", "S3.49")
def test_a_model_reaches_its_data_by_the_nat_gateway(place: Place, data: None, hosting: Hosting) -> None:
    config = {"Subnets": place.private, "SecurityGroupIds": [place.group]}
    model = {"role": "nat", "container": {"ModelDataUrl": DATA}, "VpcConfig": config}
    told = hosting.create("by-nat", **model)
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    assert hosting.invoke("by-nat", connect=["example.com", 80])["connect"] == "connected"
    place.default_route(GatewayId=place.gateway)
    try:
        told = hosting.create("by-igw", **model)
    finally:
        place.default_route(NatGatewayId=place.nat)
    assert told["EndpointStatus"] == "Failed"
    assert "Please ensure that an S3 VPC endpoint exists in route table or NAT gateway" in told["FailureReason"]


def test_a_deleted_nat_gateway_leaves_a_blackhole(place: Place) -> None:
    second = place.ec2.create_nat_gateway(SubnetId=place.public, ConnectivityType="private")["NatGateway"]
    eventually(lambda: _state(place, second["NatGatewayId"]), lambda state: state == "available")
    place.default_route(NatGatewayId=second["NatGatewayId"])
    try:
        assert "is a private NAT gateway" in place.agree(False)
        place.ec2.delete_nat_gateway(NatGatewayId=second["NatGatewayId"])
        eventually(lambda: _state(place, second["NatGatewayId"]), lambda state: state == "deleted")
        table = place.ec2.describe_route_tables(RouteTableIds=[place.private_table])["RouteTables"][0]
        assert [one["State"] for one in table["Routes"]] == ["active", "blackhole"]
        assert "which leads nowhere" in place.agree(False)
    finally:
        place.default_route(NatGatewayId=place.nat)
    place.agree(True)


def _state(place: Place, nat: str) -> str:
    return str(place.ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["State"])


def test_a_nat_gateway_that_cannot_be_fails_with_its_reason(place: Place) -> None:
    allocation = place.address["AllocationId"]
    made = place.ec2.create_nat_gateway(SubnetId=place.public, AllocationId=allocation)["NatGateway"]["NatGatewayId"]
    eventually(lambda: _state(place, made), lambda state: state == "failed")
    told = place.ec2.describe_nat_gateways(NatGatewayIds=[made])["NatGateways"][0]
    assert told["FailureCode"] == "Resource.AlreadyAssociated"
    assert told["FailureMessage"] == f"Elastic IP address {allocation} is already associated"
