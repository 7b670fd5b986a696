"""The engine against the corpus, and what its explanations say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iam_corpus import cases, layers_of, request_of

from ringfence.iam.evaluate import Decision, EndpointPolicy, Layers, Source, evaluate


def marked() -> list[Any]:
    return [
        pytest.param(policies, case, id=name, marks=[pytest.mark.statement(*case.get("statements", ()))])
        for name, policies, case in cases()
    ]


def verdict(decision: Decision) -> str:
    words = ["allowed" if decision.allowed else "denied"]
    words += ["explicitly"] if decision.explicit else []
    words += ["by", decision.layer] if decision.layer else []
    return " ".join(words)


@pytest.mark.parametrize(("policies", "case"), marked())
def test_corpus(policies: dict[str, Any], case: dict[str, Any]) -> None:
    request = request_of(case)
    decision = evaluate(request, layers_of(case, policies))
    findings = "\n".join(map(str, decision.findings))
    assert verdict(decision) == case["expect"], findings
    if "message" in case:
        assert decision.message(request.principal.arn, request.action, request.resource) == case["message"]


ALLOW = '{"Version":"2012-10-17","Statement":{"Sid":"S","Effect":"Allow","Action":"s3:*","Resource":"*"%s}}'
DENY = '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"%s}}'
ASKED: dict[str, Any] = {
    "who": "user Alice",
    "do": "s3:GetObject",
    "on": "arn:aws:s3:::b/k",
    "keys": {"aws:SourceVpce": "vpce-1"},
}


def decide(*identity: str) -> Decision:
    sources = tuple(Source(f"policy {number}", text) for number, text in enumerate(identity, 1))
    return evaluate(request_of(ASKED), Layers(identity=sources))


def test_unknown_operator_never_grants_and_always_denies() -> None:
    odd = ',"Condition":{"StringResembles":{"aws:SourceVpce":"vpce-1"}}'
    assert verdict(decide(ALLOW % odd)) == "denied by identity"
    decision = decide(ALLOW % "", DENY % odd)
    assert verdict(decision) == "denied explicitly by identity"
    assert "the operator StringResembles is not known" in str(decision.findings[-1])


def test_undecidable_deny_that_another_condition_rules_out() -> None:
    odd = ',"Condition":{"StringResembles":{"a:b":"c"},"StringEquals":{"aws:SourceVpce":"other"}}'
    assert verdict(decide(ALLOW % "", DENY % odd)) == "allowed by identity"


def test_unreadable_policy_denies() -> None:
    for text in ("", "nonsense", "{}", '{"Statement":[{"Effect":"Allow","Action":"*"}]}', "[1,2]"):
        decision = decide(ALLOW % "", text)
        assert verdict(decision) == "denied explicitly by identity"
        assert "cannot be read" in str(decision.findings[-1])


def test_findings_name_statement_condition_value_and_its_source() -> None:
    decision = decide(ALLOW % ',"Condition":{"StringEquals":{"aws:sourceVpce":"vpce-2"}}')
    assert [str(finding) for finding in decision.findings] == [
        "policy 1, S (Allow) does not apply: StringEquals aws:sourceVpce ['vpce-2'] is not met: "
        "the request has `vpce-1` from the request"
    ]
    decision = decide(ALLOW % ',"Condition":{"StringEquals":{"aws:SourceIp":"192.0.2.1"}}')
    assert str(decision.findings[0]).endswith("is not met: the request has no such key")
    assert str(decide(ALLOW % "").findings[0]) == "policy 1, S (Allow) applies"
    narrow = ALLOW.replace('"Resource":"*"', '"Resource":"arn:aws:s3:::c/*"') % ""
    assert str(decide(narrow).findings[0]) == "policy 1, S (Allow) does not apply: it is not about arn:aws:s3:::b/k"


LAYERS = st.fixed_dictionaries(
    {
        "identity": st.lists(st.sampled_from(["all", "none", "deny"]), max_size=3),
        "boundary": st.sampled_from([None, "all", "none", "deny"]),
        "session": st.sampled_from([None, ["all"], ["none"], ["deny", "all"]]),
        "endpoint": st.sampled_from([None, "all", "none", "deny"]),
    }
)
TEXTS = {
    "all": ALLOW % "",
    "none": (ALLOW % "").replace("s3:*", "sqs:*"),
    "deny": DENY % "",
}


def gate(name: str) -> str:
    return TEXTS[name].replace('"Effect"', '"Principal":"*","Effect"')


@given(LAYERS)
def test_allowed_exactly_if_every_limit_allows_and_nothing_denies(chosen: dict[str, Any]) -> None:
    """Without a resource policy the verdict is a conjunction, whatever the order of evaluation."""
    session = chosen["session"]
    layers = Layers(
        identity=tuple(Source(name, TEXTS[name]) for name in chosen["identity"]),
        boundary=Source("b", TEXTS[chosen["boundary"]]) if chosen["boundary"] else None,
        session=tuple(Source(name, TEXTS[name]) for name in session) if session else None,
        endpoint=EndpointPolicy("e", gate(chosen["endpoint"]), gateway=False) if chosen["endpoint"] else None,
    )
    groups = [chosen["identity"]]
    groups += [[chosen[name]] for name in ("boundary", "endpoint") if chosen[name]]
    groups += [session] if session else []
    expected = all("all" in group and "deny" not in group for group in groups)
    decision = evaluate(request_of(ASKED), layers)
    assert decision.allowed == expected
    assert decision.explicit == any("deny" in group for group in groups)
