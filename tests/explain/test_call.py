"""Sentences for each layer and kind of condition, from decisions of the real engine."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ringfence import services
from ringfence.core.call import Arrival, Principal
from ringfence.explain.call import explain_call
from ringfence.explain.logged_call import LoggedCall, Question, Refusal
from ringfence.iam.context import Context, Entry
from ringfence.iam.evaluate import AccessRequest, EndpointPolicy, Layers, Source, evaluate

ROLE = Principal("role", "1", "arn:aws:sts::1:assumed-role/app/s", "AROA1:s", "arn:aws:iam::1:role/app", "s")
USER = Principal("user", "1", "arn:aws:iam::1:user/ana", "AIDA1")
ANONYMOUS = Principal("anonymous", "anonymous", "anonymous", "anonymous")
SAGEMAKER = Principal("service", "1", "sagemaker.amazonaws.com", "sagemaker", service="sagemaker.amazonaws.com")
INTERNET = [Entry("aws:SecureTransport", ("true",), "the listener"), Entry("aws:SourceIp", ("203.0.113.7",), "x")]
ENDPOINT = [
    Entry("aws:SecureTransport", ("true",), "the listener"),
    Entry("aws:SourceVpce", ("vpce-1",), "the listener"),
    Entry("aws:SourceVpc", ("vpc-1",), "the listener"),
]


def source(*statements: dict[str, Any], name: str = "policy P") -> Source:
    return Source(name, json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def allow(action: str = "s3:*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": "*", **more}


def explained(
    layers: Layers, *, who: Principal = ROLE, action: str = "s3:GetObject", on: str = "arn:aws:s3:::b/k",
    keys: list[Entry] = INTERNET, account: str = "1",
) -> tuple[str, list[str]]:  # fmt: skip
    """The deciding line and the remedies of a request."""
    services.load()
    asked = AccessRequest(who, action, on, account, Context(keys))
    decision = evaluate(asked, layers)
    call = LoggedCall("id", datetime(2026, 3, 1, tzinfo=UTC), Arrival("203.0.113.7"), "s3", "GetObject", who)
    call.questions.append(Question(asked, layers, decision))
    call.answered = True
    if not decision.allowed:
        call.refusal = Refusal("AccessDenied", decision.message(who.arn, action, on), 403)
    told = explain_call(call, None)
    assert told.denied is not decision.allowed
    assert json.loads(json.dumps(told.facts))["decided"] in told.lines
    return told.facts["decided"], told.facts["remedies"]


def test_each_layer_says_where_to_allow() -> None:
    own = source(allow())
    other = source(allow("ec2:*"), name="B")
    resource = source({**allow("s3:PutObject"), "Principal": "*"}, name="policy of bucket `b`")
    gate = EndpointPolicy("policy of VPC endpoint vpce-1", source({**allow("ec2:*"), "Principal": "*"}).text, True)
    wanted = {
        "identity-based policy of role `app`": explained(Layers()),
        "permissions boundary of role `app` (B)": explained(Layers(identity=(own,), boundary=other)),
        "assume the role with session policies": explained(Layers(identity=(own,), session=(other,))),
        "let the policy of VPC endpoint vpce-1 (gateway endpoint in vpc-1)": explained(
            Layers(identity=(own,), endpoint=gate), keys=ENDPOINT
        ),
        'let the policy of bucket `b` allow s3:GetObject on arn:aws:s3:::b/k to "*"; or sign': explained(
            Layers(resource=resource), who=ANONYMOUS
        ),
        'let the policy of bucket `b` allow s3:GetObject on arn:aws:s3:::b/k to {"AWS"': explained(
            Layers(identity=(own,), resource=resource), account="2"
        ),
    }
    for words, (decided, remedies) in wanted.items():
        assert decided.startswith("denied: no ")
        assert words in remedies[0]


def test_layers_that_would_refuse_next_are_named_too() -> None:
    gate = EndpointPolicy("policy of VPC endpoint vpce-1", source({**allow("ec2:*"), "Principal": "*"}).text, False)
    boundary = source(allow("ec2:*"), name="B")
    _, remedies = explained(Layers(boundary=boundary, endpoint=gate), keys=ENDPOINT)
    assert [words.split()[0] for words in remedies] == ["add", "let", "let"]
    _, remedies = explained(Layers(identity=(source(allow()),), boundary=boundary, endpoint=gate), keys=ENDPOINT)
    assert len(remedies) == 2


def test_the_level_of_the_organization_that_does_not_allow() -> None:
    root = source(allow("*"), name="service control policy p-FullAWSAccess of r-1")
    unit = source(allow("ec2:*"), name="service control policy `few` (p-1) of ou-1")
    decided, remedies = explained(Layers(identity=(source(allow()),), scps=((root,), (unit,))))
    assert decided.endswith("no Allow statement of service control policy `few` (p-1) of ou-1 is about the action")
    assert remedies == [
        "let service control policy `few` (p-1) of ou-1 allow s3:GetObject on arn:aws:s3:::b/k",
    ]


def test_trust() -> None:
    text = json.dumps(
        {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    )
    role = "arn:aws:iam::1:role/app"
    layers = Layers(resource=Source("trust policy of role `app`", text), trust=True)
    decided, remedies = explained(layers, who=SAGEMAKER, action="sts:AssumeRole", on=role)
    assert "it names Service ec2.amazonaws.com, not sagemaker.amazonaws.com" in decided
    assert remedies == [
        'let the trust policy of role `app` allow sts:AssumeRole to {"Service": "sagemaker.amazonaws.com"}'
    ]
    _, remedies = explained(Layers(trust=True), who=SAGEMAKER, action="sts:AssumeRole", on=role)
    assert remedies == [f"create the role {role}, or correct its ARN: there is none"]


@pytest.mark.parametrize(
    ("operator", "key", "value", "seen", "way"),
    [
        ("StringEquals", "aws:SourceVpce", "vpce-9", "internet path", "call through vpce-9"),
        ("StringEquals", "aws:SourceVpc", "vpc-9", "S3's API through a VPC", "call through a VPC endpoint in vpc-9"),
        ("IpAddress", "aws:VpcSourceIp", "10.0.0.0/8", "internet", "call through a VPC endpoint from 10.0.0.0/8"),
        ("IpAddress", "aws:SourceIp", "192.0.2.0/24", "aws:SourceIp is 203.0.113.7", "call from 192.0.2.0/24"),
        ("Bool", "aws:SecureTransport", "false", "aws:SecureTransport is true", "call without TLS"),
        ("StringEquals", "aws:RequestTag/team", "a", "the request sets no such tag", "send the tag team with a"),
        ("StringEquals", "aws:PrincipalTag/team", "a", "has no such tag", "tag arn:aws:sts::1:assumed-role/app/s"),
        ("StringEquals", "aws:username", "ana", "only IAM users have it", "aws:username will be ana"),
        ("StringEquals", "ec2:Vpc", "v", "AWS gives s3:GetObject on this resource no such key", "ec2:Vpc will be v"),
        ("StringLike", "aws:PrincipalArn", "arn:x", "an anonymous caller", "call as arn:x"),
        ("Null", "aws:SourceIp", "true", "aws:SourceIp is 203.0.113.7", "call without aws:SourceIp"),
        ("Null", "aws:SourceVpce", "false", "aws:SourceVpce is absent", "aws:SourceVpce is there"),
        ("StringNotEquals", "aws:SourceIp", "203.0.113.7", "aws:SourceIp is", "something else than 203.0.113.7"),
        ("Foo", "aws:SourceIp", "x", "the operator Foo is not known", "correct statement 1 `S` (Allow)"),
    ],
)
def test_a_condition_that_keeps_an_allow_back(operator: str, key: str, value: str, seen: str, way: str) -> None:
    policy = source(allow(Sid="S", Condition={operator: {key: value}}))
    decided, remedies = explained(Layers(identity=(policy,)))
    assert f"policy P, statement 1 `S` (Allow) does not apply: {operator} {key} [{value}]" in decided
    assert seen in decided
    assert way in remedies[0]
    assert "; or add s3:GetObject on arn:aws:s3:::b/k" in remedies[0]


def test_a_deny_says_which_conditions_it_meets() -> None:
    deny = {
        "Sid": "D",
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-9"}, "Bool": {"aws:SecureTransport": "true"}},
    }
    decided, remedies = explained(Layers(identity=(source(allow(), deny),)))
    assert decided.startswith(
        "denied: explicit deny in identity-based policy: policy P, statement 2 `D` (Deny) applies"
    )
    assert "aws:SourceVpce is absent because the call came over the internet path" in decided
    assert "(a negated operator is true of an absent key)" in decided
    assert "Bool aws:SecureTransport [true] is met: aws:SecureTransport is true" in decided
    assert remedies[0].startswith("call through vpce-9, or call without TLS, which it does not deny; or change")


def test_the_source_address_is_unknown_through_an_endpoint() -> None:
    policy = source(allow(Condition={"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}))
    decided, _ = explained(Layers(identity=(policy,)), keys=ENDPOINT)
    assert "through a VPC endpoint the caller's public address is not known: aws:VpcSourceIp is" in decided
    decided, _ = explained(Layers(identity=(policy,)), keys=[])
    assert "the call was made inside AWS, by no network path" in decided


def test_the_endpoint_that_was_left_out_is_named() -> None:
    """Studio's URLs are made through one endpoint and opened through another: a policy has to name both."""
    (own,) = (entry.values[0] for entry in ENDPOINT if entry.name.lower() == "aws:sourcevpce")
    wanted = {"StringNotEquals": {"aws:SourceVpce": "vpce-9"}}
    deny = {"Sid": "D", "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": wanted}
    _, remedies = explained(Layers(identity=(source(allow(), deny),)), keys=ENDPOINT)
    assert remedies == [
        f"call through vpce-9, which it does not deny; or change statement 2 `D` (Deny) of policy P, to name {own} too"
    ]
    only = source(allow(Sid="S", Condition={"StringEquals": {"aws:SourceVpce": "vpce-9"}}))
    _, remedies = explained(Layers(identity=(only,)), keys=ENDPOINT)
    assert remedies[0].startswith(
        f"call through vpce-9 (what statement 1 `S` (Allow) of policy P wants), or name {own} there too; or add"
    )


def test_no_path_is_asked_of_a_call_that_takes_none() -> None:
    """What SageMaker does itself with a role, at Feature Store's offline store or a model's data: nobody can send it
    through an endpoint, so the policy has to spare it."""
    wanted = {"StringNotEquals": {"aws:SourceVpce": "vpce-9"}}
    deny = {"Sid": "D", "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": wanted}
    _, remedies = explained(Layers(identity=(source(allow(), deny),)), keys=[])
    assert remedies == [
        "change statement 2 `D` (Deny) of policy P, so that it spares aws:PrincipalArn arn:aws:iam::1:role/app: "
        "no network path leads to this call"
    ]
    only = source(allow(Condition={"StringEquals": {"aws:SourceVpce": "vpce-9"}}))
    _, remedies = explained(Layers(identity=(only,)), keys=[])
    assert remedies == ["add s3:GetObject on arn:aws:s3:::b/k to an identity-based policy of role `app`"]


def test_a_policy_that_cannot_be_read_denies() -> None:
    decided, remedies = explained(Layers(identity=(Source("managed policy M", ""),)))
    assert decided == "denied: managed policy M: the policy cannot be read: This policy contains invalid Json"
    assert remedies == ["correct managed policy M"]


def test_who_allowed() -> None:
    assert explained(Layers(identity=(source(allow(Sid="S")),)))[0].endswith("policy P, statement 1 `S` (Allow)")
    root = Principal("root", "1", "arn:aws:iam::1:root", "1")
    assert explained(Layers(), who=root)[0] == "allowed: the root user needs no policy"
    assert explained(Layers(identity=(source(allow()),)), who=USER)[1] == []


def test_an_endpoint_that_cannot_answer_is_to_be_looked_at() -> None:
    services.load()
    endpoint = "arn:aws:sagemaker:us-west-2:1:endpoint/ep"
    asked = AccessRequest(ROLE, "sagemaker:InvokeEndpoint", endpoint, "1", Context(INTERNET))
    layers = Layers(identity=(source(allow("sagemaker:*")),))
    for code, message, wanted in (
        ("ModelError", "no", True),
        ("ValidationError", "Failed to download model data(bucket: b, key: k).", True),
        ("ValidationError", "Variant x not found", False),
    ):
        call = LoggedCall(
            "id", datetime(2026, 3, 1, tzinfo=UTC), Arrival("203.0.113.7"), "sagemaker-runtime", "x", ROLE
        )
        call.questions.append(Question(asked, layers, evaluate(asked, layers)))
        call.refusal, call.answered = Refusal(code, message, 400), True
        remedies = explain_call(call, None).facts["remedies"]
        assert remedies == (["`ringfence explain endpoint ep` says what it lacks"] if wanted else [])
