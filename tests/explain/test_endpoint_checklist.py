"""The checklist of hosting: nothing is wrong with a healthy set-up; each thing broken changes its own finding alone."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from ringfence.services.sagemaker import failure_reason
from tests.daemon import REGION, local_daemon
from tests.explain.hosting_world import (
    BUCKET,
    EC2_ACTIONS,
    EVERYTHING,
    KEY,
    World,
    allow,
    build,
    document,
    give_rights,
    https_from,
    interface_endpoint,
    put_model,
    trust,
)

S3_READ = ["s3:GetObject", "s3:ListBucket"]
S3_RANGE = "198.18.0.0/15"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with local_daemon(tmp_path_factory.mktemp("checklist")) as daemon:
        yield build(daemon)


class Breakage(NamedTuple):
    """`changes`: (check, subject) -> mark; a subject in braces is taken from the world."""

    name: str
    break_it: Callable[[World], Any]
    mend_it: Callable[[World], Any]
    changes: dict[tuple[str, str], str]


def _endpoint(service: str, **changes: Any) -> Callable[[World], Any]:
    return lambda w: w.client("ec2").modify_vpc_endpoint(VpcEndpointId=w.endpoint[service], **changes)


def _policy(service: str, *statements: dict[str, Any]) -> Callable[[World], Any]:
    return _endpoint(service, PolicyDocument=json.dumps({"Statement": list(statements)}))


def _full(service: str) -> Callable[[World], Any]:
    return _endpoint(service, PolicyDocument=EVERYTHING)


def _table(change: str) -> Callable[[World], Any]:
    return lambda w: w.client("ec2").modify_vpc_endpoint(
        VpcEndpointId=w.endpoint["s3"], **{f"{change}RouteTableIds": [w.tables[0]]}
    )


def _acl(w: World) -> str:
    found = w.client("ec2").describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [w.vpc]}])["NetworkAcls"]
    return str(found[0]["NetworkAclId"])


def _deny(egress: bool, first: int, last: int) -> Callable[[World], Any]:
    return lambda w: w.client("ec2").create_network_acl_entry(
        NetworkAclId=_acl(w), RuleNumber=50, Protocol="6", RuleAction="deny", Egress=egress, CidrBlock=S3_RANGE,
        PortRange={"From": first, "To": last},
    )  # fmt: skip


def _allow_again(egress: bool) -> Callable[[World], Any]:
    return lambda w: w.client("ec2").delete_network_acl_entry(NetworkAclId=_acl(w), RuleNumber=50, Egress=egress)


_ALL = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
_INSIDE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}


def _egress(away: dict[str, Any], there: dict[str, Any]) -> Callable[[World], Any]:
    def change(w: World) -> None:
        ec2, group = w.client("ec2"), w.groups["model"]
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[away])
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[there])

    return change


def _internet_gateway(w: World) -> None:
    ec2 = w.client("ec2")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=w.vpc)
    ec2.create_route(RouteTableId=w.tables[0], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)


def _no_internet_gateway(w: World) -> None:
    ec2 = w.client("ec2")
    ec2.delete_route(RouteTableId=w.tables[0], DestinationCidrBlock="0.0.0.0/0")
    for gateway in ec2.describe_internet_gateways()["InternetGateways"]:
        identifier = gateway["InternetGatewayId"]
        ec2.detach_internet_gateway(InternetGatewayId=identifier, VpcId=w.vpc)
        ec2.delete_internet_gateway(InternetGatewayId=identifier)


def _dhcp(**options: str) -> Callable[[World], Any]:
    def associate(w: World) -> None:
        ec2 = w.client("ec2")
        given = [{"Key": key.replace("_", "-"), "Values": [value]} for key, value in options.items()]
        made = ec2.create_dhcp_options(DhcpConfigurations=given)["DhcpOptions"]["DhcpOptionsId"]
        ec2.associate_dhcp_options(DhcpOptionsId=made, VpcId=w.vpc)

    return associate


_DHCP_AGAIN = _dhcp(domain_name_servers="AmazonProvidedDNS", domain_name="us-west-2.compute.internal")


def _rights(ec2: list[str] = EC2_ACTIONS, s3: list[str] = S3_READ) -> Callable[[World], Any]:
    return lambda w: give_rights(w, ec2, s3)


def _trusts(*services: str) -> Callable[[World], Any]:
    return lambda w: w.client("iam").update_assume_role_policy(RoleName="exec", PolicyDocument=trust(*services))


def _bucket_policy(vpce: str | None) -> Callable[[World], Any]:
    """Deny the role everywhere but through a VPC endpoint: this one, or the VPC's own."""

    def put(w: World) -> None:
        wanted = vpce or w.endpoint["s3"]
        deny = allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*", Effect="Deny", Principal={"AWS": w.role})
        deny["Condition"] = {"StringNotEquals": {"aws:SourceVpce": wanted}}
        w.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=document(deny))

    return put


def _no_bucket_policy(w: World) -> None:
    w.client("s3").delete_bucket_policy(Bucket=BUCKET)


def _hostnames(value: bool) -> Callable[[World], Any]:
    return lambda w: w.client("ec2").modify_vpc_attribute(VpcId=w.vpc, EnableDnsHostnames={"Value": value})


def _admit(action: str) -> Callable[[World], Any]:
    def change(w: World) -> None:
        method = getattr(w.client("ec2"), f"{action}_security_group_ingress")
        method(GroupId=w.groups["sagemaker"], IpPermissions=[https_from(w, "model")])

    return change


def _third_zone(w: World) -> None:
    w.client("ec2").create_subnet(VpcId=w.vpc, CidrBlock="10.0.3.0/24", AvailabilityZone=w.zones[2])


def _no_third_zone(w: World) -> None:
    ec2 = w.client("ec2")
    found = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": [w.zones[2]]}])["Subnets"]
    ec2.delete_subnet(SubnetId=next(one["SubnetId"] for one in found if one["VpcId"] == w.vpc))


def _no_sts(w: World) -> None:
    w.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[w.endpoint["sts"]])


def _sts(w: World) -> None:
    w.endpoint["sts"] = interface_endpoint(w, "sts")


def _leave_interface(w: World) -> None:
    """As SageMaker does whose role may not delete it."""
    session = w.user("sts").assume_role(RoleArn=w.role, RoleSessionName="SageMaker")["Credentials"]
    ec2 = w.daemon.client(
        "ec2", (session["AccessKeyId"], session["SecretAccessKey"]), aws_session_token=session["SessionToken"]
    )
    text = "[DO NOT DELETE] ENI managed by SageMaker for Endpoint(gone) - i-0123456789abcdef0"
    ec2.create_network_interface(SubnetId=w.subnets[0], Groups=[w.groups["model"]], Description=text)


def _take_interface(w: World) -> None:
    ec2 = w.client("ec2")
    found = ec2.describe_network_interfaces(Filters=[{"Name": "status", "Values": ["available"]}])["NetworkInterfaces"]
    for one in found:
        ec2.delete_network_interface(NetworkInterfaceId=one["NetworkInterfaceId"])


def _zone_for_s3(w: World) -> None:
    w.client("route53").create_hosted_zone(
        Name=f"s3.{REGION}.amazonaws.com", CallerReference="once", VPC={"VPCRegion": REGION, "VPCId": w.vpc}
    )


def _no_zone_for_s3(w: World) -> None:
    route53 = w.client("route53")
    for zone in route53.list_hosted_zones()["HostedZones"]:
        route53.delete_hosted_zone(Id=zone["Id"])


def _no_object(w: World) -> None:
    w.client("s3").delete_object(Bucket=BUCKET, Key=KEY)


INVOKE = "sagemaker:InvokeEndpoint"
MINE = f"arn:aws:sagemaker:{REGION}:123456789012:endpoint/iris"
FOREIGN = allow(INVOKE, f"arn:aws:sagemaker:{REGION}:123456789012:model/iris", Principal="*")
ALL = allow("*", Principal="*")
ONE_BUCKET = allow("s3:*", "arn:aws:s3:::another/*", Principal="*")
DENY = allow("s3:PutObject", Principal="*", Effect="Deny")
ROUTES = {("s3-route", "{subnet0}"): "wrong", ("s3-route", "{subnet1}"): "wrong"}
POLICY = {("endpoint-policy", "{sagemaker.runtime}"): "wrong"}
INVOCATION = {("invocation", "{sagemaker.runtime}"): "wrong"}
CALLS = {("calls", "sagemaker.api"): "note", ("calls", "sagemaker.runtime"): "note"}
ALL_CALLS = {("calls", service): "note" for service in ("sts", "logs", "sagemaker.api", "sagemaker.runtime")}
INTERFACE = ("sagemaker.api", "sagemaker.runtime", "sts", "logs")
URL = f"s3://{BUCKET}/{KEY}"

BREAKAGES = [
    Breakage("no route to S3", _table("Remove"), _table("Add"), {("s3-route", "{subnet0}"): "wrong"}),
    Breakage("groups let nothing out to S3", _egress(_ALL, _INSIDE), _egress(_INSIDE, _ALL), ROUTES),
    Breakage("ACL denies 443 out", _deny(True, 443, 443), _allow_again(True), ROUTES),
    Breakage("ACL denies the answers", _deny(False, 32768, 60999), _allow_again(False), ROUTES),
    Breakage(
        "gateway endpoint's policy", _policy("s3", ONE_BUCKET), _full("s3"), {("s3-endpoint-policy", "{s3}"): "wrong"}
    ),
    Breakage(
        "internet gateway in a private table",
        _internet_gateway,
        _no_internet_gateway,
        {("internet", "{table0}"): "note"},
    ),
    Breakage("no right to make interfaces", _rights(EC2_ACTIONS[1:]), _rights(), {("ec2-rights", "{role}"): "wrong"}),
    Breakage(
        "no right to delete interfaces",
        _rights([one for one in EC2_ACTIONS if one != "ec2:DeleteNetworkInterface"]),
        _rights(),
        {("ec2-rights", "{role}"): "wrong"},
    ),
    Breakage(
        "no trust", _trusts("ec2.amazonaws.com"), _trusts("sagemaker.amazonaws.com"), {("trust", "{role}"): "wrong"}
    ),
    Breakage(
        "DHCP options without a domain",
        _dhcp(domain_name_servers="AmazonProvidedDNS"),
        _DHCP_AGAIN,
        {("dhcp-options", "{vpc}"): "wrong"},
    ),
    Breakage(
        "a resolver of one's own that is not there",
        _dhcp(domain_name_servers="10.0.99.99", domain_name="corp.example"),
        _DHCP_AGAIN,
        {("resolver", "{vpc}"): "wrong"},
    ),
    Breakage("a private zone hides S3", _zone_for_s3, _no_zone_for_s3, {("resolver", "{vpc}"): "wrong"}),
    Breakage(
        "the internet's resolver, out of reach",
        _dhcp(domain_name_servers="198.51.100.53", domain_name="corp.example"),
        _DHCP_AGAIN,
        {("resolver", "{vpc}"): "wrong"},
    ),
    Breakage("no object", _no_object, put_model, {("model-data", URL): "wrong"}),
    Breakage("no right to read", _rights(s3=["s3:PutObject"]), _rights(), {("s3-rights", URL): "wrong"}),
    Breakage(
        "bucket policy for another endpoint",
        _bucket_policy("vpce-0a1b2c3d4e5f60718"),
        _no_bucket_policy,
        {("s3-rights", URL): "wrong"},
    ),
    Breakage("bucket policy for this endpoint", _bucket_policy(None), _no_bucket_policy, {}),
    Breakage(
        "endpoint group admits nobody",
        _admit("revoke"),
        _admit("authorize"),
        CALLS | {("clients", "{sagemaker.api}"): "wrong", ("clients", "{sagemaker.runtime}"): "wrong"},
    ),
    Breakage(
        "private DNS off",
        _endpoint("sagemaker.runtime", PrivateDnsEnabled=False),
        _endpoint("sagemaker.runtime", PrivateDnsEnabled=True),
        {("private-dns", "{sagemaker.runtime}"): "wrong", ("calls", "sagemaker.runtime"): "note"},
    ),
    Breakage(
        "VPC attribute off",
        _hostnames(False),
        _hostnames(True),
        ALL_CALLS | {("private-dns", f"{{{service}}}"): "wrong" for service in INTERFACE},
    ),
    Breakage(
        "a zone without interfaces",
        _third_zone,
        _no_third_zone,
        {("endpoint-zones", f"{{{one}}}"): "note" for one in INTERFACE},
    ),
    Breakage("no sts endpoint", _no_sts, _sts, {("calls", "sts"): "note"}),
    Breakage(
        "runtime's policy for another endpoint",
        _policy("sagemaker.runtime", allow(INVOKE, MINE + "2", Principal="*")),
        _full("sagemaker.runtime"),
        INVOCATION,
    ),
    Breakage(
        "deny-only policy",
        _policy("sagemaker.runtime", allow("sagemaker:*", Principal="*", Effect="Deny")),
        _full("sagemaker.runtime"),
        POLICY | INVOCATION,
    ),
    Breakage("wrong resource type", _policy("sagemaker.runtime", FOREIGN, ALL), _full("sagemaker.runtime"), POLICY),
    Breakage(
        "deny-only policy of the gateway endpoint",
        _policy("s3", DENY),
        _full("s3"),
        {("endpoint-policy", "{s3}"): "wrong", ("s3-endpoint-policy", "{s3}"): "wrong"},
    ),
    Breakage("interface left behind", _leave_interface, _take_interface, {("leftovers", "{vpc}"): "wrong"}),
]


def _names(world: World) -> dict[str, str]:
    return world.endpoint | {
        "subnet0": world.subnets[0],
        "subnet1": world.subnets[1],
        "table0": world.tables[0],
        "role": world.role,
        "vpc": world.vpc,
    }


def _subject(text: str, names: dict[str, str]) -> str:
    return names[text[1:-1]] if text.startswith("{") else text


def test_healthy_set_up_has_nothing_wrong(world: World) -> None:
    told = world.explain("model", "iris")
    assert not told["wrong"], "\n".join(told["lines"])
    assert {one["mark"] for one in told["facts"]["findings"]} == {"ok"}
    (sts,) = [one for one in told["facts"]["findings"] if (one["check"], one["subject"]) == ("calls", "sts")]
    assert "sts.amazonaws.com and iam.amazonaws.com, without a VPC endpoint" in sts["sentence"]
    assert told["lines"][-1] == "nothing is wrong"


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda one: one.name)
def test_one_thing_broken_is_the_one_finding(world: World, breakage: Breakage) -> None:
    names, before = _names(world), world.marks()
    breakage.break_it(world)
    try:
        after = world.marks()
    finally:
        breakage.mend_it(world)
    expected = {(check, _subject(subject, names)): mark for (check, subject), mark in breakage.changes.items()}
    assert {key: mark for key, mark in after.items() if before.get(key) != mark} == expected
    names = _names(world)  # one made anew has another id
    assert {(check, mark) for (check, _), mark in world.marks().items()} == {(c, m) for (c, _), m in before.items()}


def finding(world: World, check: str, kind: str = "endpoint", name: str = "iris") -> dict[str, Any]:
    return next(one for one in world.findings(kind, name) if one["check"] == check)


def test_a_missing_route_is_told_with_ids_remedy_and_message(world: World) -> None:
    _table("Remove")(world)
    try:
        found, lines = finding(world, "s3-route"), world.explain("endpoint", "iris")["lines"]
    finally:
        _table("Add")(world)
    table = world.tables[0]
    expected = (
        f"the model reaches S3 by no route: {world.subnets[0]} uses {table}, which has neither a route to the S3 "
        "prefix list pl-68a54001 nor to a NAT gateway"
    )
    assert found["sentence"] == expected
    assert found["remedy"].startswith(f"add {table} to {world.endpoint['s3']}")
    assert found["failure_reason"] == failure_reason.data_unreachable(URL)
    assert f"the likely cause: {expected}" in lines


def test_a_model_behind_a_delete_marker_is_told_with_what_brings_it_back(world: World) -> None:
    s3 = world.client("s3")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    marker = s3.delete_object(Bucket=BUCKET, Key=KEY)["VersionId"]
    try:
        (told,) = [one for one in world.findings() if one["check"] == "model-data"]
        assert "is a delete marker of" in told["sentence"]
        command = f"aws s3api delete-object --bucket {BUCKET} --key {KEY} --version-id {marker}"
        assert command in told["remedy"]
    finally:
        s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=marker)
    assert {one["mark"] for one in world.findings() if one["check"] == "model-data"} == {"ok"}


def test_missing_actions_are_named(world: World) -> None:
    _rights(EC2_ACTIONS[2:])(world)
    try:
        found = finding(world, "ec2-rights")
    finally:
        _rights()(world)
    assert "lacks ec2:CreateNetworkInterface, ec2:CreateNetworkInterfacePermission:" in found["sentence"]
    assert found["seen"]["code"] == "M10"
    assert found["failure_reason"] == failure_reason.INTERNAL_ERROR


def test_rights_that_a_boundary_keeps_back_are_not_to_be_had_by_a_policy(world: World) -> None:
    iam = world.client("iam")
    boundary = document({"Effect": "Allow", "NotAction": "ec2:CreateNetworkInterface", "Resource": "*"})
    arn = iam.create_policy(PolicyName="bound", PolicyDocument=boundary)["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName="exec", PermissionsBoundary=arn)
    try:
        found = finding(world, "ec2-rights")
    finally:
        iam.delete_role_permissions_boundary(RoleName="exec")
    assert "lacks ec2:CreateNetworkInterface: no permissions boundary allows ec2:CreateN" in found["sentence"]
    assert found["remedy"].startswith("let the permissions boundary of role `exec` (") and "bound" in found["remedy"]


def test_conditions_on_the_supposed_interface_are_met(world: World) -> None:
    """A role that may delete interfaces of this VPC alone is as good as one that may delete all."""
    arn = f"arn:aws:ec2:{REGION}:123456789012:vpc/{world.vpc}"
    narrow = allow("ec2:DeleteNetworkInterface", Condition={"ArnEquals": {"ec2:Vpc": arn}})
    others = allow([one for one in EC2_ACTIONS if one != "ec2:DeleteNetworkInterface"])
    policy = document(narrow, others, allow(S3_READ))
    world.client("iam").put_role_policy(RoleName="exec", PolicyName="own", PolicyDocument=policy)
    try:
        assert finding(world, "ec2-rights")["mark"] == "ok"
    finally:
        _rights()(world)


# (check, what is wrong with the model, the mark that changes)
MODELS: list[tuple[str, dict[str, Any], str]] = [
    ("image", {"container": {"Image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/none:1"}}, "wrong"),
    ("isolation", {"EnableNetworkIsolation": True}, "note"),
]


@pytest.mark.parametrize(("check", "changes", "mark"), MODELS, ids=lambda one: one if isinstance(one, str) else "")
def test_one_thing_about_the_model(world: World, check: str, changes: dict[str, Any], mark: str) -> None:
    world.model(f"with-{check}", **changes)
    usual, found = world.marks("model"), world.marks("model", f"with-{check}")
    subjects = {(key, one) for (key, _), one in found.items()} - {(key, one) for (key, _), one in usual.items()}
    assert subjects == {(check, mark)}


def test_one_zone_and_a_group_that_is_gone(world: World) -> None:
    ec2 = world.client("ec2")
    group = ec2.create_security_group(GroupName="brief", Description="brief", VpcId=world.vpc)["GroupId"]
    world.model("narrow", VpcConfig={"Subnets": world.subnets[:1], "SecurityGroupIds": [group]})
    assert finding(world, "zones", "model", "narrow")["mark"] == "wrong"
    assert finding(world, "network", "model", "narrow")["mark"] == "ok"
    ec2.delete_security_group(GroupId=group)
    found = finding(world, "network", "model", "narrow")
    assert (found["mark"], found["sentence"]) == ("wrong", f"{group} of the VpcConfig does not exist")


def test_too_few_addresses(world: World) -> None:
    ec2 = world.client("ec2")
    small = [
        ec2.create_subnet(VpcId=world.vpc, CidrBlock=f"10.0.9.{16 * number}/28", AvailabilityZone=zone)["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate(world.zones[:2])
    ]
    world.model("small", VpcConfig={"Subnets": small, "SecurityGroupIds": [world.groups["model"]]})
    assert finding(world, "addresses", "model", "small")["mark"] == "ok"
    made = [
        ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"] for subnet in small * 10
    ]
    found = finding(world, "addresses", "model", "small")
    for interface in made:
        ec2.delete_network_interface(NetworkInterfaceId=interface)
    assert found["mark"] == "wrong"
    assert found["failure_reason"] == failure_reason.NO_ADDRESSES
    assert f"{small[0]} has 1" in found["sentence"]


def test_model_without_a_vpc(world: World) -> None:
    container = {"Image": finding(world, "image")["ids"][0], "ModelDataUrl": URL}
    world.client("sagemaker").create_model(ModelName="outside", PrimaryContainer=container, ExecutionRoleArn=world.role)
    told = world.explain("model", "outside")
    assert not told["wrong"]
    assert {one["check"] for one in told["facts"]["findings"]} == {
        "network", "trust", "image", "model-data", "s3-rights", "isolation",
    }  # fmt: skip


def test_way_to_s3_by_a_nat_gateway_has_no_endpoint_keys(world: World) -> None:
    """A bucket for the endpoint alone refuses what comes by the NAT gateway."""
    ec2, endpoint = world.client("ec2"), world.endpoint["s3"]
    _internet_gateway(world)
    public = ec2.create_subnet(VpcId=world.vpc, CidrBlock="10.0.8.0/24", AvailabilityZone=world.zones[0])["Subnet"]
    table = ec2.create_route_table(VpcId=world.vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=public["SubnetId"])
    gateway = ec2.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.delete_route(RouteTableId=world.tables[0], DestinationCidrBlock="0.0.0.0/0")
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=public["SubnetId"], AllocationId=address)["NatGateway"]["NatGatewayId"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=world.tables)
    for one in world.tables:
        ec2.create_route(RouteTableId=one, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    before = world.findings("model")
    _bucket_policy(None)(world)
    after = world.marks("model")
    _no_bucket_policy(world)
    for one in world.tables:
        ec2.delete_route(RouteTableId=one, DestinationCidrBlock="0.0.0.0/0")
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=world.tables)
    told = {one["check"]: one["sentence"] for one in before if one["mark"] == "ok"}
    assert told["s3-route"].endswith("over the internet")
    assert told["s3-rights"].endswith("without a VPC endpoint")
    assert f"reaches the internet by {nat}" in told["internet"]
    assert [key[0] for key, mark in after.items() if mark == "wrong"] == ["s3-rights"]


def test_failed_endpoint_stays_wrong_when_its_cause_is_mended(world: World) -> None:
    told = world.explain("endpoint", "iris")
    assert told["wrong"]
    assert [one["check"] for one in told["facts"]["findings"] if one["mark"] == "wrong"] == ["status"]
    assert "nothing that gives this reason is wrong now: its cause may be mended" in told["lines"]
    assert told["facts"]["state"]["status"] == "Failed"


@pytest.mark.parametrize("kind", ["endpoint", "model"])
def test_unknown_names_are_not_found(world: World, kind: str) -> None:
    assert world.explain(kind, "nobody") == {"found": False}
