"""The corpus through both evaluators: hand-derived verdicts, each with the page of AWS that decides it.

Whole evaluations are put to the engine by test_evaluate.py; here to the naive one. operators.json is put to both.
"""

import json
from typing import Any

import pytest
from engine_case import ask_engine
from iam_corpus import CORPUS, cases, layers_of, read, request_of
from naive import Case, Json, Who, condition_met, decide, resource_matches

from ringfence.iam.evaluate import Source

WHO = Who("user", "123456789012", "arn:aws:iam::123456789012:user/Alice", "AIDAALICE")


def naive_case(case: Json, policies: Json) -> Case:
    """A case in the corpus's shorthand, for the naive evaluator."""
    request, layers = request_of(case), layers_of(case, policies)
    who = request.principal

    def document(source: Any) -> Json:
        made: Json = json.loads(source.text)
        return made

    def documents(sources: tuple[Source, ...]) -> list[Json]:
        return [document(source) for source in sources]

    return Case(
        Who(who.kind, who.account, who.arn, who.id, who.role_arn),
        request.action,
        request.resource,
        request.resource_account,
        keys={entry.name: list(entry.values) for entry in request.context.entries()},
        identity=documents(layers.identity),
        resource_policy=None if layers.resource is None else document(layers.resource),
        trust=layers.trust,
        boundary=None if layers.boundary is None else document(layers.boundary),
        session=None if layers.session is None else documents(layers.session),
        endpoint=None if layers.endpoint is None else document(layers.endpoint),
        gateway=layers.endpoint is not None and layers.endpoint.gateway,
        scps=[documents(level) for level in layers.scps],
        rcps=documents(layers.rcps),
    )


@pytest.mark.parametrize(("policies", "case"), [pytest.param(p, c, id=name) for name, p, c in cases()])
def test_evaluations(policies: Json, case: Json) -> None:
    try:
        asked = naive_case(case, policies)
    except json.JSONDecodeError:
        return  # what cannot be read is the engine's to refuse
    verdict = decide(asked)
    words = case["expect"].split()
    assert verdict.allowed == (words[0] == "allowed")
    assert verdict.explicit == ("explicitly" in words)
    assert verdict.allowed or words[-1] in verdict.layers


def met_by_engine(condition: Json, keys: Json, version: str | None) -> bool:
    policy: Json = {} if version is None else {"Version": version}
    policy["Statement"] = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    listed = {name: value if isinstance(value, list) else [value] for name, value in keys.items()}
    return ask_engine(Case(WHO, "s3:GetObject", "*", WHO.account, listed, [policy])).allowed


def met_by_pages(condition: Json, keys: Json, version: str | None) -> bool:
    listed = {name: value if isinstance(value, list) else [value] for name, value in keys.items()}
    return all(
        condition_met(operator, key, wanted, listed, version == "2012-10-17")
        for operator, pairs in condition.items()
        for key, wanted in pairs.items()
    )


def operator_cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{case['condition']} {case['keys']} {case.get('version', '')}")
        for name in ("operators", "conditions")
        for case in read(name)["cases"]
        if case["met"] != "undecidable"  # a value that is none: of these the pages say nothing
    ]


@pytest.mark.parametrize("case", operator_cases())
def test_operators(case: Json) -> None:
    asked = case["condition"], case["keys"], case.get("version", "2012-10-17")
    assert met_by_engine(*asked) == case["met"]


@pytest.mark.parametrize(
    "case", [p for p in operator_cases() if not any(o.isupper() or o.islower() for o in p.values[0]["condition"])]
)
def test_operators_by_the_pages(case: Json) -> None:
    asked = case["condition"], case["keys"], case.get("version", "2012-10-17")
    assert met_by_pages(*asked) == case["met"]


@pytest.mark.parametrize("case", read("resources")["cases"], ids=lambda case: f"{case['pattern']} {case['resource']}")
def test_resources_by_the_pages(case: Json) -> None:
    keys = {name: value if isinstance(value, list) else [value] for name, value in case.get("keys", {}).items()}
    asked = Case(WHO, "s3:GetObject", case["resource"], WHO.account, keys)
    variables = case.get("version", "2012-10-17") == "2012-10-17"
    assert resource_matches({"Resource": case["pattern"]}, asked, variables) == case["match"]


def test_every_case_has_its_page() -> None:
    for path in sorted(CORPUS.glob("*.json")):
        content = json.loads(path.read_text())
        for case in content["cases"]:
            page = case.get("page", content.get("page", ""))
            assert page.startswith("https://docs.aws.amazon.com/"), (path.name, case)


def test_no_operator_and_no_layer_is_forgotten() -> None:
    operators = {name for case in read("operators")["cases"] for name in case["condition"]}
    stems = {name.rpartition(":")[2].removesuffix("IfExists") for name in operators}
    assert len(stems) == 27
    for stem in stems - {"Null"}:
        assert {stem, f"{stem}IfExists", f"ForAllValues:{stem}", f"ForAnyValue:{stem}"} <= operators
    messages = {case["message"].partition(" on resource: ")[2] for _, _, case in cases() if "message" in case}
    for name in ("identity-based policy", "permissions boundary", "session policy", "service control policy"):
        assert any(f"because no {name} allows the" in text for text in messages), name
        assert any(f"with an explicit deny in a{'n' if name[0] == 'i' else ''} {name}" in text for text in messages), (
            name
        )
    for name in ("resource-based policy", "resource control policy", "VPC endpoint policy"):
        assert any(text.endswith(f"with an explicit deny in a {name}") for text in messages), name
