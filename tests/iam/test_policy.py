"""Documents read and refused, in AWS's words; a fuzz that looks for anything but a Policy or a PolicyError."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.iam.managed import managed_policies
from ringfence.iam.policy import Kind, PolicyError, compile_policy, parse_policy
from ringfence.iam.statement import Policy

GOOD: dict[str, Any] = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
TRUST: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"Service": "sagemaker.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


def document(*statements: dict[str, Any], **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more})


def without(name: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in {**GOOD, **more}.items() if key != name}


def open_to(principal: object) -> dict[str, Any]:
    return {**GOOD, "Principal": principal}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("identity", document(GOOD)),
        ("identity", json.dumps({"Statement": GOOD})),
        ("identity", document(GOOD, Id="x", Version="2008-10-17")),
        ("identity", document({**GOOD, "Sid": "Enable SageMaker Studio Access"})),
        ("identity", document({**GOOD, "Sid": ""}, {**GOOD, "Sid": ""})),
        ("bucket", document({**open_to("*"), "Sid": "Access-to-specific-VPCE-only"})),
        ("identity", document({**GOOD, "Resource": ["arn:aws-us-gov:s3:::b", "arn:*:s3:::b", "arn:aws*:s3:::b"]})),
        ("identity", document({**without("Action"), "NotAction": ["s3:*", "iam:Pass?ole"]})),
        ("identity", document({**without("Resource"), "NotResource": ["arn:aws:s3:::b/*"]})),
        ("identity", document({**GOOD, "Condition": {"Bool": {"aws:SecureTransport": True}, "Null": {"a:b": "true"}}})),
        ("trust", document(TRUST)),
        ("trust", document({**TRUST, "Principal": {"AWS": ["123456789012", "arn:aws:iam::123456789012:role/a/b"]}})),
        ("trust", document({**TRUST, "Principal": {"Federated": "accounts.google.com"}})),
        ("endpoint", json.dumps({"Statement": [open_to("*")]})),
        ("bucket", document(open_to({"AWS": "*", "Service": ["logs.amazonaws.com"]}))),
        ("bucket", document({**without("Effect"), "Effect": "Deny", "NotPrincipal": {"AWS": "123456789012"}})),
    ],
)
def test_accepted(kind: Kind, text: str) -> None:
    assert parse_policy(text, kind).text == text


SYNTAX = "Syntax errors in policy."
SID = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("identity", "", "This policy contains invalid Json"),
        ("identity", "{", "This policy contains invalid Json"),
        ("identity", document(GOOD) + "x", "This policy contains invalid Json"),
        ("identity", "[]", SYNTAX),
        ("identity", '"x"', SYNTAX),
        ("identity", "{}", SYNTAX),
        ("identity", document(), SYNTAX),
        ("identity", document("x"), SYNTAX),  # type: ignore[arg-type]
        ("identity", document(GOOD, Statements=[]), SYNTAX),
        ("identity", document({**GOOD, "Actions": "*"}), SYNTAX),
        ("identity", document({**GOOD, "action": "*"}), SYNTAX),
        ("identity", document(GOOD, Version="2012-10-18"), "Policy document must be version 2012-10-17 or greater."),
        ("identity", document(GOOD, Version=None), "Policy document must be version 2012-10-17 or greater."),
        ("identity", document(without("Effect")), SYNTAX),
        ("identity", document({**GOOD, "Effect": "allow"}), SYNTAX),
        ("identity", document(without("Action")), "Policy statement must contain actions."),
        ("identity", document({**GOOD, "Action": []}), "Policy statement must contain actions."),
        ("identity", document({**GOOD, "NotAction": "s3:*"}), SYNTAX),
        ("identity", document({**GOOD, "NotResource": "*"}), SYNTAX),
        ("identity", document({**GOOD, "Action": [1]}), SYNTAX),
        (
            "identity",
            document({**GOOD, "Action": "GetObject"}),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        ("identity", document({**GOOD, "Action": "s3:a:b"}), "Actions/Condition can contain only one colon."),
        ("identity", document({**GOOD, "Action": "s 3:Get"}), "Vendor s 3 is not valid"),
        ("identity", document(without("Resource")), "Policy statement must contain resources."),
        ("identity", document({**GOOD, "Resource": "bucket"}), 'Resource bucket must be in ARN format or "*".'),
        ("identity", document(open_to("*")), "Policy document should not specify a principal."),
        ("identity", document({**GOOD, "Sid": 1}), SYNTAX),
        (
            "identity",
            document({**GOOD, "Sid": "a"}, {**GOOD, "Sid": "a"}),
            "Statement IDs (SID) in a single policy must be unique.",
        ),
        ("identity", document({**GOOD, "Sid": "not-a-word"}), SID),
        ("identity", document({**GOOD, "Sid": "é"}), SID),
        ("trust", document({**TRUST, "Sid": "not_a_word"}), SID),
        (
            "identity",
            document({**GOOD, "Resource": "arn:awz:s3:::b"}),
            'Partition "awz" is not valid for resource "arn:awz:s3:::b".',
        ),
        (
            "identity",
            document({**GOOD, "Resource": "arn::s3:::b"}),
            'Partition "" is not valid for resource "arn::s3:::b".',
        ),
        ("bucket", document({**open_to("*"), "Resource": "arn:awz:s3:::b"}), "Policy has invalid resource"),
        ("identity", document({**GOOD, "Condition": []}), SYNTAX),
        ("identity", document({**GOOD, "Condition": {"StringEquals": "x"}}), SYNTAX),
        ("identity", document({**GOOD, "Condition": {"StringEquals": {"a:b": {}}}}), SYNTAX),
        ("identity", document({**GOOD, "Condition": {"StringEquals": {"a:b": [None]}}}), SYNTAX),
        ("identity", document({**GOOD, "Condition": {"StringIs": {"a:b": "c"}}}), "Invalid Condition type : StringIs"),
        ("identity", document({**GOOD, "Condition": {"NumericEquals": {"a:b": "c"}}}), SYNTAX),
        ("identity", '{"Version":"2012-10-17","Version":"2012-10-17","Statement":[]}', SYNTAX),
        ("trust", document({**TRUST, "Resource": "*"}), "Has prohibited field Resource"),
        ("trust", document({"Effect": "Allow", "Action": "sts:AssumeRole"}), "Missing required field Principal"),
        (
            "trust",
            document({**TRUST, "Action": "s3:GetObject"}),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            "trust",
            document({**TRUST, "Principal": {"AWS": "arn:aws:iam::123456789012:user/*"}}),
            'Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:user/*"',
        ),
        (
            "trust",
            document({**TRUST, "Principal": {"Service": "sagemaker"}}),
            'Invalid principal in policy: "Service":"sagemaker"',
        ),
        ("trust", document({**TRUST, "Principal": "me"}), 'Invalid principal in policy: "me"'),
        ("bucket", "nonsense", "Policies must be valid JSON and the first byte must be '{'"),
        ("bucket", document(GOOD), "Missing required field Principal"),
        ("bucket", document(open_to({"AWS": "joe"})), "Invalid principal in policy"),
        ("bucket", document({**open_to("*"), "Action": "Get"}), "Policy has invalid action"),
        ("bucket", document({**open_to("*"), "Resource": "b/*"}), "Policy has invalid resource"),
        ("bucket", document({**GOOD, "NotPrincipal": {"AWS": "*"}}), "Allow with NotPrincipal is not allowed."),
        ("endpoint", document(GOOD), "Missing required field Principal"),
    ],
)
def test_refused(kind: Kind, text: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, kind)
    assert caught.value.message == message


def test_position_of_a_json_fault() -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy('{"Statement":\n  oops}', "endpoint")
    assert caught.value.position == (2, 3)


def test_aws_managed_policies_are_valid() -> None:
    assert "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess" in managed_policies()
    for policy in managed_policies().values():
        parse_policy(policy.document, "identity")


def test_nesting_does_not_break_the_reader() -> None:
    with pytest.raises(PolicyError):
        parse_policy("[" * 100_000, "identity")
    with pytest.raises(PolicyError):
        parse_policy('{"a":' * 100_000, "identity")


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
NAMES = ["Version", "Statement", "Effect", "Action", "Resource", "Principal", "NotPrincipal", "AWS", "Condition"]
VALUES = ["2012-10-17", "Allow", "Deny", "s3:*", "*", "arn:aws:s3:::b/${a:b}", "${", "StringLike", "Null", "a:b", ""]
WORDS = st.sampled_from([*NAMES, *VALUES, "IpAddress"])
JSON = st.recursive(
    LEAVES | WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=15
)
ELEMENT = WORDS | st.lists(WORDS, max_size=2) | JSON
STATEMENTS = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": ELEMENT, "Resource": ELEMENT},
    optional={"Principal": JSON, "NotPrincipal": JSON, "Condition": JSON, "Sid": JSON},
)
DOCUMENTS = JSON | st.fixed_dictionaries(
    {"Version": st.just("2012-10-17"), "Statement": st.lists(STATEMENTS, max_size=2) | JSON}
)


@settings(max_examples=300)
@given(DOCUMENTS, st.sampled_from(["identity", "trust", "bucket", "endpoint", "resource"]))
def test_any_json_is_read_or_refused(value: object, kind: Kind) -> None:
    text = json.dumps(value)
    for read in (parse_policy, compile_policy):
        try:
            assert isinstance(read(text, kind), Policy)
        except PolicyError as error:
            assert error.message


@settings(max_examples=200)
@given(st.text(), st.sampled_from(["identity", "bucket"]))
def test_any_text_is_read_or_refused(text: str, kind: Kind) -> None:
    with pytest.raises(PolicyError):
        parse_policy(text, kind)
