"""Resource patterns against the corpus; globs against a plain reference."""

import fnmatch
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iam_corpus import read

from ringfence.iam.context import Context
from ringfence.iam.match import compile_glob, tokens_of
from ringfence.iam.statement import compile_action, compile_resource
from ringfence.iam.variables import parse_template


@pytest.mark.parametrize(
    "case", read("resources")["cases"], ids=lambda case: f"{case['pattern']} on {case['resource']}"
)
def test_corpus(case: dict[str, Any]) -> None:
    pattern = compile_resource(case["pattern"], variables=case.get("version", "2012-10-17") == "2012-10-17")
    assert bool(pattern.matches(case["resource"], Context.of(case.get("keys", {})))) == case["match"]


@given(st.text("ab*?:", max_size=8), st.text("ab:*", max_size=10))
def test_glob_agrees_with_a_regular_expression(pattern: str, text: str) -> None:
    expected = re.fullmatch(pattern.replace("*", ".*").replace("?", ".").replace("a", "a"), text, re.DOTALL) is not None
    assert compile_glob(tokens_of(pattern))(text) == expected
    assert expected == fnmatch.fnmatchcase(text, pattern)


@pytest.mark.parametrize(
    ("pattern", "action", "matches"),
    [
        ("s3:GetObject", "s3:getobject", True),
        ("S3:getOBJECT", "s3:getobject", True),
        ("s3:Get*", "s3:getobject", True),
        ("s3:*Object", "s3:getobject", True),
        ("s3:Get?bject", "s3:getobject", True),
        ("*", "s3:getobject", True),
        ("*:*", "s3:getobject", True),
        ("s3:GetObject", "s3:getobjecttagging", False),
        ("sagemaker:*", "s3:getobject", False),
    ],
)
def test_actions_ignore_case(pattern: str, action: str, matches: bool) -> None:
    assert compile_action(pattern)(action) == matches


@pytest.mark.parametrize(
    "pattern", ["*a" * 3000 + "b", "*" + "?" * 3000 + "b*", "*" + "a" * 5000 + "b*", "?*" * 3000 + "b"]
)
def test_a_hostile_pattern_costs_its_length_times_the_texts(pattern: str) -> None:
    assert not compile_glob(tokens_of(pattern))("a" * 8000)


def test_a_variable_that_is_none_is_text() -> None:
    """However many spaces it has."""
    text = "${a" + " " * 20_000 + "b c}"
    assert parse_template(text, variables=True) == (text,)
