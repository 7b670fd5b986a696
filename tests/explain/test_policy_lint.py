"""Resources that an action is never about, told from those that it may be."""

import json

import pytest

from ringfence.explain.policy_lint import lint, reach

SAGEMAKER = "arn:aws:sagemaker:us-west-2:123456789012:"


def faults(action: str, resource: str, gateway: bool = False, **more: object) -> list[str]:
    statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource} | more
    return [fault for fault, _ in lint(json.dumps({"Version": "2012-10-17", "Statement": [statement]}), gateway)]


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sagemaker:InvokeEndpoint", f"{SAGEMAKER}endpoint/iris"),
        ("sagemaker:InvokeEndpoint", f"{SAGEMAKER}endpoint/*"),
        ("sagemaker:InvokeEndpoint", f"{SAGEMAKER}*"),
        ("sagemaker:InvokeEndpoint", "arn:aws:sagemaker:*:*:e*/iris"),
        ("sagemaker:InvokeEndpoint", f"{SAGEMAKER}endpoint/${{aws:username}}"),
        ("sagemaker:*", f"{SAGEMAKER}model/iris"),
        ("s3:GetObject", "arn:aws:s3:::models/*"),
        ("s3:GetObject", "arn:aws:s3:::models/a/b?c"),
        ("s3:GetObject", "arn:aws:s3:::models*"),
        ("s3:ListBucket", "arn:aws:s3:::models"),
        ("s3:ListBucket", "arn:aws:s3:::*"),
        ("logs:CreateLogStream", "arn:aws:logs:us-west-2:123456789012:log-group:/aws/sagemaker/*"),
        ("sts:AssumeRole", "arn:aws:iam::123456789012:role/service-role/exec"),
        ("ec2:DescribeVpcs", "*"),
    ],
)
def test_what_an_action_may_be_about(action: str, resource: str) -> None:
    assert faults(action, resource) == []


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sagemaker:InvokeEndpoint", f"{SAGEMAKER}model/iris"),
        ("sagemaker:InvokeEndpoint", f"{SAGEMAKER}endpoint-config/*"),
        ("sagemaker:CreateModel", f"{SAGEMAKER}endpoint/iris"),
        ("sagemaker:InvokeEndpoint", "arn:aws:s3:::endpoint/iris"),
        ("s3:GetObject", "arn:aws:s3:::models"),
        ("s3:ListBucket", "arn:aws:s3:::models/*"),
    ],
)
def test_what_it_is_never_about(action: str, resource: str) -> None:
    (fault,) = faults(action, resource)
    assert f"allows {action} on {resource}, which is no resource of that action" in fault


def test_one_of_several_resources_is_enough() -> None:
    both = ["arn:aws:s3:::models", "arn:aws:s3:::models/*"]
    assert faults(["s3:GetObject", "s3:ListBucket"], both) == []  # type: ignore[arg-type]


def test_a_gateway_endpoint_knows_no_principals() -> None:
    named = {"Principal": {"AWS": "arn:aws:iam::123456789012:role/exec"}}
    assert faults("s3:*", "*", gateway=False, **named) == []
    (fault,) = faults("s3:*", "*", gateway=True, **named)
    assert "a gateway endpoint knows none but `*`" in fault


def test_variables_without_a_version_are_literal() -> None:
    resource = "arn:aws:s3:::models/${aws:username}/*"
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": resource}
    ((fault, remedy),) = lint(json.dumps({"Statement": [statement]}), gateway=True)
    assert fault == "has variables and no Version: they are taken literally"
    assert "2012-10-17" in remedy


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([{}], "yes"),
        ([{"Resource": f"{SAGEMAKER}endpoint/other"}], "no"),
        ([{"Action": "sagemaker:DescribeEndpoint"}], "no"),
        ([{"Condition": {"StringEquals": {"aws:PrincipalTag/team": "a"}}}], "conditional"),
        ([{"Principal": {"AWS": "arn:aws:iam::123456789012:role/app"}}], "conditional"),
        ([{}, {"Effect": "Deny"}], "denied"),
        ([{}, {"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}], "conditional"),
        ([{}, {"Effect": "Deny", "Resource": f"{SAGEMAKER}endpoint/other"}], "yes"),
        ([{"NotResource": f"{SAGEMAKER}endpoint/other", "Resource": None}], "yes"),
    ],
)
def test_whether_anybody_may_invoke(statements: list[dict[str, object]], expected: str) -> None:
    usual = {"Effect": "Allow", "Principal": "*", "Action": "sagemaker:InvokeEndpoint", "Resource": "*"}
    made = [{key: value for key, value in (usual | one).items() if value is not None} for one in statements]
    document = json.dumps({"Version": "2012-10-17", "Statement": made})
    assert reach(document, "sagemaker:InvokeEndpoint", f"{SAGEMAKER}endpoint/iris") == expected
