"""Constraints of the models, in AWS's words."""

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence import services
from ringfence.core.errors import ServiceError
from ringfence.core.operation import REGISTRY
from ringfence.protocol.model import load
from ringfence.protocol.pattern import EQUIVALENT, compile_pattern
from ringfence.protocol.validate import check

SERVICES = ("sts", "ec2", "iam", "s3", "sagemaker", "sagemaker-runtime", "logs", "cloudwatch", "ecr", "route53")
ROLE = "arn:aws:iam::123456789012:role/r"


def validate(service: str, operation: str, params: dict[str, Any]) -> None:
    check(load(service), operation, params)


def refusal(service: str, operation: str, params: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        validate(service, operation, params)
    assert caught.value.status == 400
    return caught.value.code, caught.value.message


def model(**members: Any) -> dict[str, Any]:
    return {"ModelName": "m", "ExecutionRoleArn": ROLE, **members}


def test_what_keeps_the_constraints_passes() -> None:
    container = {"Image": "i", "Environment": {"A": "b"}, "Mode": "SingleModel"}
    vpc = {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}
    tags = [{"Key": "ключ: +/@", "Value": ""}]
    validate("sagemaker", "CreateModel", model(PrimaryContainer=container, VpcConfig=vpc, Tags=tags))


COMPLAINTS = [
    # https://github.com/aws-samples/aws-genai-llm-chatbot/issues/512
    (
        model(VpcConfig={"SecurityGroupIds": [], "Subnets": ["subnet-1"]}),
        "1 validation error detected: Value '[]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1",
    ),
    (
        {},
        "1 validation error detected: Value null at 'modelName' failed to satisfy constraint: Member must not be null",
    ),
    (
        model(PrimaryContainer={"Mode": "Some", "Image": "i" * 256}),
        "2 validation errors detected: Value 'Some' at 'primaryContainer.mode' failed to satisfy constraint: "
        "Member must satisfy enum value set: [SingleModel, MultiModel]; "
        f"Value '{'i' * 256}' at 'primaryContainer.image' failed to satisfy constraint: "
        "Member must have length less than or equal to 255",
    ),
    (
        model(Containers=[{}, {"ContainerHostname": "-"}]),
        "1 validation error detected: Value '-' at 'containers.2.member.containerHostname' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
    ),
    (
        model(VpcConfig={"SecurityGroupIds": ["sg_1"], "Subnets": ["subnet-1"]}),
        "1 validation error detected: Value '[sg_1]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must have length less than or equal to 32, "
        "Member must have length greater than or equal to 0, "
        "Member must satisfy regular expression pattern: [-0-9a-zA-Z]+]",
    ),
    (
        model(PrimaryContainer={"Environment": {"1": "b"}}),
        "1 validation error detected: Value '{1=b}' at 'primaryContainer.environment' failed to satisfy constraint: "
        "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, "
        "Member must have length greater than or equal to 0, "
        "Member must satisfy regular expression pattern: [a-zA-Z_][a-zA-Z0-9_]*]",
    ),
    (
        model(Tags=[{"Value": "v"}]),
        "1 validation error detected: Value null at 'tags.1.member.key' failed to satisfy constraint: "
        "Member must not be null",
    ),
]


@pytest.mark.parametrize(("params", "message"), COMPLAINTS)
def test_json_services_complain_in_their_words(params: dict[str, Any], message: str) -> None:
    assert refusal("sagemaker", "CreateModel", params) == ("ValidationException", message)


def test_ranges_show_the_number() -> None:
    code, message = refusal("sagemaker", "ListModels", {"MaxResults": 101})
    assert code == "ValidationException"
    assert message.endswith(
        "Value '101' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100"
    )


@pytest.mark.parametrize(
    ("service", "operation", "params", "code"),
    [
        ("iam", "CreateRole", {"RoleName": "r r", "AssumeRolePolicyDocument": "{}"}, "ValidationError"),
        ("sts", "AssumeRole", {"RoleArn": ROLE}, "ValidationError"),
        ("logs", "CreateLogGroup", {"logGroupName": "a b"}, "InvalidParameterException"),
        ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "-", "Body": b""}, "ValidationError"),
        ("cloudwatch", "PutMetricData", {}, "ValidationError"),
    ],
)
def test_code_of_a_service(service: str, operation: str, params: dict[str, Any], code: str) -> None:
    assert refusal(service, operation, params)[0] == code


def test_ec2_names_the_parameter_as_the_request_would() -> None:
    missing = "The request must contain the parameter {}"
    assert refusal("ec2", "DeleteSubnet", {}) == ("MissingParameter", missing.format("SubnetId"))
    validate("ec2", "DescribeSubnets", {"MaxResults": 1})  # a range: the handler's to check
    code, message = refusal("ec2", "ModifyInstanceCreditSpecification", {"InstanceCreditSpecifications": [{}]})
    assert (code, message) == ("MissingParameter", missing.format("InstanceCreditSpecification.1.InstanceId"))


def test_s3_requires_only() -> None:
    assert refusal("s3", "CopyObject", {"Bucket": "b", "Key": "k"})[0] == "InvalidRequest"
    assert refusal("s3", "DeleteObjects", {"Bucket": "b"})[0] == "MissingRequestBodyError"
    assert refusal("s3", "DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{}]}})[0] == "MalformedXML"
    validate("s3", "CopyObject", {"Bucket": "b", "Key": "", "CopySource": "-", "ACL": "none"})


# A pattern that does not compile is not enforced. These two quantify the end of the text: `(...)${1,128}`.
SKIPPED = {("sagemaker", "CustomerMetadataKey"), ("sagemaker", "CustomerMetadataValue")}


def test_patterns_that_are_skipped() -> None:
    skipped = {
        (service, name)
        for service in SERVICES
        for name, shape in load(service)._service_description["shapes"].items()
        if "pattern" in shape and compile_pattern(shape["pattern"]) is None
    }
    assert skipped == SKIPPED


@pytest.mark.timeout(120)
def test_no_pattern_takes_for_ever() -> None:
    """Text that almost matches: an engine that backtracks has 2^50 ways to find that out, of a pattern that lets it."""
    services.load()
    starts = ("", "s3://", "https://", "arn:aws:sagemaker:us-west-2:123456789012:")
    repeated = ("a", "A", "0", "-", "/", ".", " ", "a-", "a/", "a.", "a,")
    texts = [start + part * 50 + "\0" for start, part in itertools.product(starts, repeated)]
    for service in {service for service, _ in REGISTRY}:
        for shape in load(service)._service_description["shapes"].values():
            compiled = compile_pattern(shape["pattern"]) if "pattern" in shape else None
            for text in texts if compiled is not None else ():
                compiled.fullmatch(text)


@pytest.mark.parametrize("pattern", EQUIVALENT)
@given(st.data())
def test_equivalent_patterns(pattern: str, data: st.DataObject) -> None:
    start = "https://" if pattern.startswith("https") else ""
    text = start + data.draw(st.text("aA0.-_/*", max_size=12))
    assert bool(re.fullmatch(pattern, text)) == bool(re.fullmatch(EQUIVALENT[pattern], text))


@pytest.mark.parametrize(
    ("java", "good", "bad"),
    [
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "Größe 1, 日本"[:7] + "日", "a#"),
        (r"\p{ASCII}*", "a~\t", "é"),
        (r"\A\S[\p{Print}]*\z", "a b", " a"),
        (r"[\w-_]*", "a-_", "é"),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*", "a😹", "\n"),
        (r"^[a-z]+$", "abc", "abc\n"),
        (r"a|b", "b", "ab"),
    ],
)
def test_java_patterns(java: str, good: str, bad: str) -> None:
    compiled = compile_pattern(java)
    assert compiled is not None
    assert compiled.fullmatch(good)
    assert not compiled.fullmatch(bad)
