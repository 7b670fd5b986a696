"""Every filter that AWS documents for a Describe operation is known here; others are refused."""

import re
from typing import Any

import pytest
from conftest import MODEL

from ringfence import services
from ringfence.core.operation import REGISTRY

services.load()

_NAME = re.compile(r"<li>\s*<p>\s*<code>([^<]+)</code>")


def documented() -> list[tuple[str, str, str]]:
    """(operation, the member that has its filters, filter) as botocore documents them."""
    found = []
    for service, operation in sorted(REGISTRY):
        members = MODEL.operation_model(operation).input_shape.members if service == "ec2" else {}
        for member in {"Filters", "Filter"} & set(members):
            names = _NAME.findall(members[member].documentation)
            found += [
                (operation, member, "tag:x" if name.startswith("tag:") or name == "tag" else name) for name in names
            ]
    return found


def test_there_are_many() -> None:
    assert len(documented()) > 150


@pytest.mark.parametrize(("operation", "member", "name"), documented())
def test_a_documented_filter_is_known(ec2: Any, operation: str, member: str, name: str) -> None:
    ec2(operation, **{member: [{"Name": name, "Values": ["x"]}]})


@pytest.mark.parametrize("operation", sorted({operation for operation, _, _ in documented()}))
def test_another_filter_is_refused(ec2: Any, operation: str) -> None:
    member = next(member for name, member, _ in documented() if name == operation)
    assert ec2.error(operation, **{member: [{"Name": "colour", "Values": ["x"]}]}) == (
        "InvalidParameterValue: The filter 'colour' is invalid"
    )


@pytest.mark.parametrize(
    ("value", "name", "matches"),
    [
        ("*a" * 100 + "*", "a" * 255, True),
        ("*a" * 100 + "b", "a" * 255, False),  # with backtracking: for ever
        (r"\*a\?", "*a?", True),
        (r"\*a\?", "bab", False),
        ("?a*", "ba", True),
        ("\\", "\\", True),
    ],
)
def test_wildcards_in_values(ec2: Any, value: str, name: str, matches: bool) -> None:
    vpc = ec2.vpc()
    ec2("CreateTags", Resources=[vpc], Tags=[{"Key": "Name", "Value": name}])
    found = ec2("DescribeVpcs", Filters=[{"Name": "tag:Name", "Values": [value]}])["Vpcs"]
    assert [one["VpcId"] for one in found] == ([vpc] if matches else [])


def test_filters_of_what_rules_refer_to(ec2: Any) -> None:
    vpc = ec2.vpc()
    web, database = ec2.group(vpc, "web"), ec2.group(vpc, "database")
    permission = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": web}]}
    ec2("AuthorizeSecurityGroupIngress", GroupId=database, IpPermissions=[permission])

    def found(name: str, value: str) -> list[str]:
        groups = ec2("DescribeSecurityGroups", Filters=[{"Name": name, "Values": [value]}])["SecurityGroups"]
        return [one["GroupName"] for one in groups]

    assert found("ip-permission.group-name", "web") == ["database"]
    assert found("egress.ip-permission.group-name", "web") == []
    assert sorted(found("ip-permission.user-id", "123456789012")) == ["database", "default"]
