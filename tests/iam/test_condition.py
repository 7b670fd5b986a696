"""Condition operators against the corpus."""

import json
from typing import Any

import pytest
from iam_corpus import read

from ringfence.iam.conditions.condition import compile_condition, is_known
from ringfence.iam.conditions.condition import test as check
from ringfence.iam.conditions.operators import OPERATORS
from ringfence.iam.context import Context
from ringfence.iam.policy import compile_policy


def _met(condition: dict[str, Any], keys: dict[str, Any], version: str) -> bool | str:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    policy = compile_policy(json.dumps({"Version": version, "Statement": statement}), "identity")
    failures = [check(item, Context.of(keys)) for item in policy.statements[0].conditions]
    found = [failure for failure in failures if failure is not None]
    if any(failure.undecidable is None for failure in found):
        return False
    return "undecidable" if found else True


@pytest.mark.parametrize("case", read("conditions")["cases"], ids=str)
def test_corpus(case: dict[str, Any]) -> None:
    assert _met(case["condition"], case["keys"], case.get("version", "2012-10-17")) == case["met"]


def test_every_operator_of_aws_is_known() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"""
    stems = ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"]
    names = [f"{kind}{stem}" for kind in ("Numeric", "Date") for stem in stems]
    likes = ["Equals", "NotEquals", "Like", "NotLike"]
    names += [f"String{stem}" for stem in [*likes, "EqualsIgnoreCase", "NotEqualsIgnoreCase"]]
    names += [f"Arn{stem}" for stem in likes]
    names += ["Bool", "BinaryEquals", "IpAddress", "NotIpAddress"]
    assert {operator.name for operator in OPERATORS.values()} == set(names)
    for name in names:
        for variant in (name, f"{name}IfExists", f"ForAllValues:{name}", f"ForAnyValue:{name}IfExists"):
            assert is_known(variant)
    assert is_known("Null")


def test_a_failure_says_what_was_wanted_and_what_there_was() -> None:
    condition = compile_condition("StringEquals", "aws:SourceVpc", ("vpc-1",), variables=True)
    failure = check(condition, Context.of({"aws:SourceVpc": "vpc-2"}, "the socket"))
    assert str(failure) == "StringEquals aws:SourceVpc ['vpc-1'] is not met: the request has `vpc-2` from the socket"


def test_hostile_pattern_costs_no_more_than_its_length() -> None:
    condition = compile_condition("StringLike", "k", ("*a" * 200 + "b",), variables=False)
    assert check(condition, Context.of({"k": "a" * 5000})) is not None
