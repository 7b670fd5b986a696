"""What is gathered for a decision (policies, condition keys, resources) and how a refusal is worded."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from direct_calls import ACCOUNT, ROOT, Aws
from hypothesis import given
from hypothesis import strategies as st

from ringfence.core.call import Arrival, Principal
from ringfence.core.errors import ServiceError
from ringfence.core.operation import Operation
from ringfence.core.tags import set_tags
from ringfence.gateway.authentication.authenticate import ANONYMOUS
from ringfence.gateway.authorization.authorize import Denied, authorize, conceal, is_allowed
from ringfence.resources.ec2 import Subnet, VpcEndpoint
from ringfence.resources.iam import User
from ringfence.resources.s3 import Bucket

ALICE = Principal("user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/Alice", "AIDAALICE", access_key_id="AKIAALICE")
INTERNET = Arrival("203.0.113.7", tls=True)
ENDPOINT = Arrival("10.0.1.5", vpc_id="vpc-1", vpce_id="vpce-1", tls=True)
ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
OPEN = {**ALLOW_ALL, "Principal": "*"}


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    made = Aws(tmp_path)
    made.who = ALICE
    yield made
    made.store.close()


def text(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def give(aws: Aws, *statements: dict[str, Any]) -> None:
    """Make Alice, with these statements as her only policy."""
    policies = {"p": text(*statements)} if statements else {}
    with aws.store.transaction() as records:
        records.put(User(name="Alice", account=ACCOUNT, id="AIDAALICE", created=aws.now, policies=policies))


def bucket(aws: Aws, *statements: dict[str, Any], **more: Any) -> None:
    policy = text(*statements) if statements else None
    fields = {"account": ACCOUNT, **more}
    with aws.store.transaction() as records:
        records.put(Bucket(name="b", region="us-west-2", created=aws.now, policy=policy, **fields))


def endpoint(aws: Aws, *statements: dict[str, Any], kind: str = "Interface") -> None:
    with aws.store.transaction() as records:
        records.put(
            VpcEndpoint(
                id="vpce-1", account=ACCOUNT, region="us-west-2", vpc_id="vpc-1", service_name="s", type=kind,
                policy=text(*statements), created=aws.now,
            )
        )  # fmt: skip


def operation(action: str, *on: str, **more: Any) -> Operation:
    service = more.pop("service", action.partition(":")[0])
    return Operation(service, action.partition(":")[2], lambda _call, _request: {}, action, on, **more)


def ask(aws: Aws, asked: Operation, arrival: Arrival = INTERNET, who: Principal | None = None, facts: Any = None,
        **request: Any) -> None:  # fmt: skip
    aws.arrival = arrival
    with aws.store.transaction() as records:
        authorize(asked, replace(aws.call(records, who), facts=facts or {}), request)


def refused(aws: Aws, *args: Any, **request: Any) -> Denied:
    with pytest.raises(Denied) as caught:
        ask(aws, *args, **request)
    return caught.value


INVOKE = operation("sagemaker:InvokeEndpoint", "endpoint/{EndpointName}", service="sagemaker-runtime")
GET = operation("s3:GetObject", "{Bucket}/{Key}")


@pytest.mark.parametrize(
    ("condition", "internet", "through_endpoint"),
    [
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, True, False),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, False, False),
        ({"IpAddress": {"aws:VpcSourceIp": "10.0.1.0/24"}}, False, True),
        ({"StringEquals": {"aws:SourceVpc": "vpc-1"}}, False, True),
        ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, False, True),
        ({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}, True, False),
        ({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, False, True),
        ({"Null": {"aws:SourceVpce": "true"}}, True, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, True, True),
        ({"Bool": {"aws:ViaAWSService": "false"}}, True, True),
        ({"StringEquals": {"aws:RequestedRegion": "us-west-2"}}, True, True),
        (
            {"StringEquals": {"aws:username": "Alice", "aws:userid": "AIDAALICE", "aws:PrincipalType": "User"}},
            True,
            True,
        ),
        ({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:user/Alice"}}, True, True),
        ({"StringEquals": {"aws:PrincipalAccount": ACCOUNT, "aws:ResourceAccount": ACCOUNT}}, True, True),
        ({"DateLessThan": {"aws:CurrentTime": "2026-03-02T00:00:00Z"}}, True, True),
        ({"NumericGreaterThan": {"aws:EpochTime": "1772366400"}}, False, False),
        ({"Null": {"aws:TokenIssueTime": "true", "aws:MultiFactorAuthPresent": "true"}}, True, True),
    ],
)
def test_keys_of_the_path_and_the_caller(aws: Aws, condition: Any, internet: bool, through_endpoint: bool) -> None:
    give(aws, {**ALLOW_ALL, "Condition": condition})
    endpoint(aws, OPEN)
    for arrival, allowed in ((INTERNET, internet), (ENDPOINT, through_endpoint)):
        if allowed:
            ask(aws, INVOKE, arrival, EndpointName="e")
        else:
            refused(aws, INVOKE, arrival, EndpointName="e")


def test_headers_do_not_tell_where_a_call_comes_from(aws: Aws) -> None:
    """Only keys of the signed request come from headers, under their own names."""
    give(aws, {**ALLOW_ALL, "Condition": {"StringEquals": {"aws:UserAgent": "agent"}}})
    ask(aws, INVOKE, facts={"aws:UserAgent": "agent"}, EndpointName="e")
    refused(aws, INVOKE, EndpointName="e")


@pytest.mark.statement("S2.36", "S2.37", "S2.38", "S2.39")
def test_endpoint_policy_is_a_gate(aws: Aws) -> None:
    give(aws, ALLOW_ALL)
    arn = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:endpoint/myEndpoint"
    endpoint(aws, {**OPEN, "Action": "sagemaker:InvokeEndpoint", "Resource": arn})
    ask(aws, INVOKE, ENDPOINT, EndpointName="myEndpoint")
    error = refused(aws, INVOKE, ENDPOINT, EndpointName="other")
    assert (error.code, error.status, error.decision.layer) == ("AccessDeniedException", 403, "endpoint")
    assert error.message == (
        f"User: {ALICE.arn} is not authorized to perform: sagemaker:InvokeEndpoint on resource: "
        f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:endpoint/other because no VPC endpoint policy allows the "
        "sagemaker:InvokeEndpoint action"
    )
    refused(aws, operation("sagemaker:CreateEndpoint", "endpoint/{EndpointName}"), ENDPOINT, EndpointName="myEndpoint")
    refused(aws, INVOKE, ENDPOINT, ROOT, EndpointName="other")
    ask(aws, INVOKE, INTERNET, EndpointName="other")


def test_endpoint_that_is_gone_admits_nobody(aws: Aws) -> None:
    give(aws, ALLOW_ALL)
    assert refused(aws, INVOKE, ENDPOINT, EndpointName="e").decision.layer == "endpoint"


def test_passing_a_role(aws: Aws) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/R"
    create = operation("sagemaker:CreateModel", passes={"ExecutionRoleArn": "sagemaker.amazonaws.com"})
    give(aws, {**ALLOW_ALL, "Action": "sagemaker:*"})
    error = refused(aws, create, ExecutionRoleArn=role)
    assert error.code == "AccessDeniedException"
    assert f"iam:PassRole on resource: {role} because no identity-based policy" in error.message
    ask(aws, create)
    condition = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    give(aws, {**ALLOW_ALL, "Action": "sagemaker:*"}, {**ALLOW_ALL, "Action": "iam:PassRole", "Condition": condition})
    refused(aws, create, ExecutionRoleArn=role)
    condition = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    give(aws, {**ALLOW_ALL, "Action": "sagemaker:*"}, {**ALLOW_ALL, "Action": "iam:PassRole", "Condition": condition})
    ask(aws, create, ExecutionRoleArn=role)
    endpoint(aws, {**OPEN, "Action": "sagemaker:CreateModel"})
    ask(aws, create, ENDPOINT, ExecutionRoleArn=role)
    refused(aws, create, ExecutionRoleArn="arn:aws:iam::999999999999:role/R")


def test_also_must_be_allowed_too(aws: Aws) -> None:
    copy = operation("s3:PutObject", "{Bucket}/{Key}", also=(("s3:GetObject", ("{Bucket}/source",)),))
    give(aws, {**ALLOW_ALL, "Action": "s3:PutObject"})
    bucket(aws)
    assert refused(aws, copy, Bucket="b", Key="k").asked.action == "s3:GetObject"
    give(aws, {**ALLOW_ALL, "Action": ["s3:PutObject", "s3:GetObject"]})
    ask(aws, copy, Bucket="b", Key="k")


def test_resources_of_templates(aws: Aws) -> None:
    def asked(on: tuple[str, ...], **request: Any) -> str:
        return refused(aws, operation("ec2:X", *on), **request).asked.resource

    give(aws)
    prefix = f"arn:aws:ec2:us-west-2:{ACCOUNT}:"
    assert asked(("vpc/{VpcId}", "subnet/*"), VpcId="vpc-1") == f"{prefix}vpc/vpc-1"
    assert asked(("vpc/{VpcId}",)) == f"{prefix}vpc/*"
    assert asked(()) == "*"
    assert asked(("{Arn}",), Arn="arn:aws:ec2:::x") == "arn:aws:ec2:::x"
    assert asked(("{A}/{B}",), A="{B}", B="x") == f"{prefix}{{B}}/x"
    give(aws, {**ALLOW_ALL, "Resource": f"{prefix}subnet/s-1"})
    assert asked(("subnet/{Ids}",), Ids=["s-1", "s-2"]) == f"{prefix}subnet/s-2"
    ask(aws, operation("ec2:X", "subnet/{Ids}"), Ids=["s-1"])


def test_service_keys_and_tags(aws: Aws) -> None:
    create = operation(
        "sagemaker:CreateModel",
        "model/{ModelName}",
        keys={"sagemaker:VpcSubnets": "VpcConfig.Subnets", "sagemaker:NetworkIsolation": "Isolated"},
    )
    condition = {
        "ForAllValues:StringEquals": {"sagemaker:VpcSubnets": ["s-1", "s-2"], "aws:TagKeys": ["team"]},
        "Null": {"sagemaker:VpcSubnets": "false"},
        "Bool": {"sagemaker:NetworkIsolation": "true"},
        "StringEquals": {"aws:RequestTag/team": "a"},
    }
    give(aws, {**ALLOW_ALL, "Condition": condition})
    tags = [{"Key": "team", "Value": "a"}]
    good = {"ModelName": "m", "VpcConfig": {"Subnets": ["s-1", "s-2"]}, "Isolated": True, "Tags": tags}
    ask(aws, create, **good)
    for change in (
        {"VpcConfig": {"Subnets": ["s-1", "s-3"]}},
        {"VpcConfig": {}},
        {"Isolated": False},
        {"Tags": [{"Key": "team", "Value": "b"}]},
        {"Tags": [*tags, {"Key": "other", "Value": "x"}]},
    ):
        refused(aws, create, **{**good, **change})


def test_resource_tags(aws: Aws) -> None:
    give(aws, {**ALLOW_ALL, "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}})
    refused(aws, INVOKE, EndpointName="e")
    with aws.store.transaction() as records:
        set_tags(records, f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:endpoint/e", {"team": "a"})
    ask(aws, INVOKE, EndpointName="e")


def test_keys_of_one_resource_are_not_another_s(aws: Aws) -> None:
    """AWS's reference has ec2:Vpc on the subnet and the security groups of an interface, not on the interface."""
    made = {"account": ACCOUNT, "region": "us-west-2"}
    place = {"availability_zone": "us-west-2a", "availability_zone_id": "usw2-az1"}
    with aws.store.transaction() as records:
        for subnet, vpc in (("subnet-1", "vpc-1"), ("subnet-2", "vpc-2")):
            records.put(Subnet(id=subnet, vpc_id=vpc, cidr="10.0.0.0/24", **place, **made))
    in_vpc = {"ArnEquals": {"ec2:Vpc": f"arn:aws:ec2:us-west-2:{ACCOUNT}:vpc/vpc-1"}}
    create = operation("ec2:CreateNetworkInterface", "subnet/{SubnetId}", "network-interface/*")
    give(aws, {**ALLOW_ALL, "Condition": in_vpc})
    assert refused(aws, create, SubnetId="subnet-1").asked.resource.endswith(":network-interface/*")
    on_new = {**ALLOW_ALL, "Resource": "arn:aws:ec2:*:*:network-interface/*"}
    give(aws, {**ALLOW_ALL, "Condition": in_vpc}, on_new)
    ask(aws, create, SubnetId="subnet-1")
    assert refused(aws, create, SubnetId="subnet-2").asked.resource.endswith(":subnet/subnet-2")


@pytest.mark.parametrize(
    ("action", "code", "status"),
    [
        ("sagemaker:X", "AccessDeniedException", 400),
        ("logs:X", "AccessDeniedException", 400),
        ("ec2:X", "UnauthorizedOperation", 403),
        ("iam:X", "AccessDenied", 403),
        ("sts:X", "AccessDenied", 403),
        ("s3:X", "AccessDenied", 403),
    ],
)
def test_refusal_of_each_service(aws: Aws, action: str, code: str, status: int) -> None:
    give(aws)
    error = refused(aws, operation(action))
    assert (error.code, error.status) == (code, status)


def test_bucket_policy_and_accounts(aws: Aws) -> None:
    foreign = replace(ALICE, account="999999999999", arn="arn:aws:iam::999999999999:user/Alice")
    with aws.store.transaction() as records:
        policies = {"p": text(ALLOW_ALL)}
        records.put(User(name="Alice", account="999999999999", id="AIDAALICE", created=aws.now, policies=policies))
    give(aws)
    bucket(aws)
    assert refused(aws, GET, INTERNET, foreign, Bucket="b", Key="k").message == "Access Denied"
    assert '"arn:aws:s3:::b/k" because no identity-based' in refused(aws, GET, Bucket="b", Key="k").message
    bucket(aws, {**OPEN, "Principal": {"AWS": ["999999999999", ALICE.arn]}})
    ask(aws, GET, INTERNET, foreign, Bucket="b", Key="k")
    ask(aws, GET, Bucket="b", Key="k")


def test_anonymous_needs_a_public_policy_that_is_not_restricted(aws: Aws) -> None:
    bucket(aws)
    error = refused(aws, GET, INTERNET, ANONYMOUS, Bucket="b", Key="k")
    assert (error.code, error.message) == ("AccessDenied", "Access Denied")
    bucket(aws, OPEN)
    ask(aws, GET, INTERNET, ANONYMOUS, Bucket="b", Key="k")
    bucket(aws, OPEN, public_access_block={"RestrictPublicBuckets": True})
    refused(aws, GET, INTERNET, ANONYMOUS, Bucket="b", Key="k")
    with pytest.raises(ServiceError, match="NoSuchBucket"):
        ask(aws, GET, INTERNET, ANONYMOUS, Bucket="c", Key="k")


@pytest.mark.statement("S0.15", "S0.26")
def test_bucket_for_one_endpoint(aws: Aws) -> None:
    give(aws, ALLOW_ALL)
    endpoint(aws, OPEN, kind="Gateway")
    bucket(aws, {**OPEN, "Effect": "Deny", "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}})
    ask(aws, GET, ENDPOINT, Bucket="b", Key="k")
    error = refused(aws, GET, INTERNET, Bucket="b", Key="k")
    assert error.message.endswith("with an explicit deny in a resource-based policy")
    assert refused(aws, GET, INTERNET, ROOT, Bucket="b", Key="k").decision.explicit


def test_concealed_errors(aws: Aws) -> None:
    asked = replace(GET, conceals={"NoSuchKey": ("s3:ListBucket", ("{Bucket}",))})
    missing = ServiceError("NoSuchKey", "The specified key does not exist.", 404)
    give(aws, {**ALLOW_ALL, "Action": "s3:GetObject"})
    bucket(aws)
    with aws.store.transaction() as records:
        call = aws.call(records)
        assert conceal(asked, call, {"Bucket": "b", "Key": "k"}, missing).code == "AccessDenied"
        other = ServiceError("InvalidRange", "x", 416)
        assert conceal(asked, call, {"Bucket": "b", "Key": "k"}, other) is other
    give(aws, {**ALLOW_ALL, "Action": ["s3:GetObject", "s3:ListBucket"]})
    with aws.store.transaction() as records:
        assert conceal(asked, aws.call(records), {"Bucket": "b", "Key": "k"}, missing) is missing


def test_a_user_made_anew_is_another(aws: Aws) -> None:
    give(aws, ALLOW_ALL)
    ask(aws, INVOKE, EndpointName="e")
    refused(aws, INVOKE, INTERNET, replace(ALICE, id="AIDAFORMER"), EndpointName="e")
    refused(aws, INVOKE, INTERNET, replace(ALICE, arn=f"arn:aws:iam::{ACCOUNT}:user/Bob"), EndpointName="e")


def test_boundary_and_attached_policies(aws: Aws) -> None:
    read_only = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    bucket(aws)
    with aws.store.transaction() as records:
        user = User(name="Alice", account=ACCOUNT, id="AIDAALICE", created=aws.now, attached=(read_only,))
        records.put(user)
    ask(aws, GET, Bucket="b", Key="k")
    with aws.store.transaction() as records:
        full = msgspec.structs.replace(user, policies={"p": text(ALLOW_ALL)}, boundary=read_only)
        records.put(full)
    ask(aws, GET, Bucket="b", Key="k")
    error = refused(aws, INVOKE, EndpointName="e")
    assert error.message.endswith("because no permissions boundary allows the sagemaker:InvokeEndpoint action")
    with aws.store.transaction() as records:
        records.put(msgspec.structs.replace(full, boundary="arn:aws:iam::123456789012:policy/gone"))
    assert refused(aws, GET, Bucket="b", Key="k").decision.layer == "boundary"


ODD_NAMES = st.text("arn:aws:s3:::{B}*?/xé\n", max_size=30)
ODD_TEMPLATES = st.sampled_from([("{A}",), ("{A}/{B}",), ("x/{A}", "*")])
ODD_ACTIONS = st.sampled_from(["s3:GetObject", "sagemaker:CreateModel", "sts:AssumeRole", "iam:GetRole", "ec2:X"])


def test_odd_names_are_decided_like_any(aws: Aws) -> None:
    """Whatever a client puts into a name, the answer is a decision: nothing else is raised, and nobody is let in."""
    give(aws)
    unknown = replace(ALICE, id="AIDAFORMER")

    @given(ODD_ACTIONS, ODD_TEMPLATES, ODD_NAMES, st.text(max_size=10))
    def check(action: str, on: tuple[str, ...], a: str, b: str) -> None:
        for who in (ALICE, unknown):
            refused(aws, operation(action, *on), INTERNET, who, A=a, B=b)
        passing = operation("sagemaker:X", passes={"A": "sagemaker.amazonaws.com"})
        refused(aws, passing, INTERNET, ALICE, A=a)
        try:
            ask(aws, passing, INTERNET, ROOT, A=a)
        except Denied as error:
            assert error.decision.cross_account

    check()


def test_asking_what_would_be_decided(aws: Aws) -> None:
    give(aws, {**ALLOW_ALL, "Action": "s3:GetObject"})
    bucket(aws)
    with aws.store.transaction() as records:
        call = aws.call(records)
        assert is_allowed(call, "s3:GetObject", "arn:aws:s3:::b/k").allowed
        assert not is_allowed(call, "s3:PutObject", "arn:aws:s3:::b/k").allowed
