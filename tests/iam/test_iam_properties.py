"""What must hold of every request and every set of policies, and of every text that is given for a policy."""

import json
from dataclasses import replace
from random import Random
from typing import Any

import generate
import pytest
from engine_case import ask_engine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive import Case, Json, decide

from ringfence.iam.policy import PolicyError, compile_policy, parse_policy

SEEDS = st.integers(0, 2**32)
KINDS = ("identity", "trust", "bucket", "endpoint", "resource")


def asked(seed: int) -> Case:
    return generate.case(seed)


def another(case: Case, seed: int, kind: str, effect: str) -> Json:
    """A policy of one statement about the same request, made by the generator so that it is likely to apply."""
    maker = generate._Maker(Random(seed))
    maker.who, maker.action, maker.resource, maker.keys = case.who, case.action, case.resource, case.keys
    statement = maker.statement(kind)
    statement["Effect"] = effect
    return {"Version": "2012-10-17", "Statement": [statement]}


def with_statement(policy: Json, statement: Json) -> Json:
    present = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    return {**policy, "Statement": [*present, {key: value for key, value in statement.items() if key != "Sid"}]}


def variants(case: Case, seed: int, effect: str) -> list[Case]:
    """The case with one statement more, in each layer that it has."""
    person = case.who.kind in ("user", "role")
    identity = another(case, seed, "identity", effect)["Statement"][0]
    found = [replace(case, identity=[*case.identity, {"Statement": [identity]}])] if person else []
    for name in ("boundary", "endpoint", "resource_policy"):
        policy = getattr(case, name)
        if policy is None:
            continue
        kind = {
            "boundary": "identity",
            "endpoint": "endpoint",
            "resource_policy": "trust" if case.trust else "resource",
        }
        statement = another(case, seed, kind[name], effect)["Statement"][0]
        if "NotPrincipal" in statement:
            continue
        found.append(replace(case, **{name: with_statement(policy, statement)}))
    if case.session:
        found.append(replace(case, session=[with_statement(case.session[0], identity), *case.session[1:]]))
    if case.scps:
        found.append(
            replace(case, scps=[[with_statement(case.scps[0][0], identity), *case.scps[0][1:]], *case.scps[1:]])
        )
    return found


@given(SEEDS, SEEDS)
def test_a_further_deny_never_allows(seed: int, other: int) -> None:
    case = asked(seed)
    before = ask_engine(case)
    for more in variants(case, other, "Deny"):
        after = ask_engine(more)
        assert before.allowed or not after.allowed
        assert not before.explicit or after.explicit


@given(SEEDS, SEEDS)
def test_a_further_allow_never_denies(seed: int, other: int) -> None:
    case = asked(seed)
    before = ask_engine(case)
    for more in variants(case, other, "Allow"):
        after = ask_engine(more)
        assert after.allowed or not before.allowed
        assert before.explicit or not after.explicit


@given(SEEDS, st.randoms(use_true_random=False))
def test_order_of_statements_and_documents_is_irrelevant(seed: int, rnd: Random) -> None:
    case = asked(seed)
    before, after = ask_engine(case), ask_engine(shuffled(case, rnd))
    assert (before.allowed, before.layer, before.explicit) == (after.allowed, after.layer, after.explicit)


def shuffled(case: Case, rnd: Random) -> Case:
    def mixed(values: list[Any]) -> list[Any]:
        return rnd.sample(values, len(values))

    def policy(given: Json | None) -> Json | None:
        if given is None or isinstance(given["Statement"], dict):
            return given
        pairs = mixed(list(given.items()))
        return {**dict(pairs), "Statement": [dict(mixed(list(s.items()))) for s in mixed(given["Statement"])]}

    return replace(
        case,
        keys=dict(mixed(list(case.keys.items()))),
        identity=mixed([policy(one) for one in case.identity]),
        resource_policy=policy(case.resource_policy),
        boundary=policy(case.boundary),
        session=None if case.session is None else mixed([policy(one) for one in case.session]),
        endpoint=policy(case.endpoint),
        scps=mixed([mixed([policy(one) for one in level]) for level in case.scps]),
        rcps=mixed([policy(one) for one in case.rcps]),
    )


@given(SEEDS)
def test_explanation_agrees_with_the_verdict(seed: int) -> None:
    """The findings are the whole reason: what denies and what grants is among them, and nothing else would have."""
    decision = ask_engine(asked(seed))
    applied = [f for f in decision.findings if f.applied and f.statement is not None]
    denials = {f.layer for f in applied if f.statement is not None and f.statement.effect == "Deny"}
    grants = {f.layer for f in applied if f.statement is not None and f.statement.effect == "Allow"}
    if decision.explicit:
        assert not decision.allowed
        assert decision.layer in denials
    elif decision.allowed:
        assert decision.layer is None or decision.layer in grants
    assert all(str(finding) for finding in decision.findings)


@given(SEEDS)
def test_the_same_question_has_the_same_answer(seed: int) -> None:
    """Whatever compiled policies are kept from other questions."""
    case = asked(seed)
    warm = [ask_engine(case) for _ in range(2)]
    compile_policy.cache_clear()
    cold = ask_engine(case)
    assert [(d.allowed, d.layer, d.explicit) for d in warm] == [(cold.allowed, cold.layer, cold.explicit)] * 2
    assert [str(f) for f in warm[1].findings] == [str(f) for f in cold.findings]


@given(SEEDS, SEEDS)
def test_a_changed_policy_counts_at_once(seed: int, other: int) -> None:
    """One policy under one name, then another, then the first again: each time what the documents say."""
    case = asked(seed)
    changed = replace(case, identity=[another(case, other, "identity", "Allow")], boundary=None)
    for _ in range(2):
        for one in (case, changed):
            if one.who.kind in ("user", "role"):
                assert ask_engine(one).allowed == decide(one).allowed


# ---- any text at all

ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["*", "Allow", "Deny", "2012-10-17", "2008-10-17", "s3:*", "s3:Get*", "arn:aws:s3:::b/*", "${", "${aws:x"]
    ),
    st.sampled_from(["${}", "${*", "${a, 'b}", "${, ''}", "123456789012", "\ud800", "\x00", "StringEquals", "aws:k"]),
)
NAMES = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["Version", "Id", "Statement", "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource"]),
    st.sampled_from(["Principal", "NotPrincipal", "Condition", "AWS", "Service", "Federated", "CanonicalUser"]),
    st.sampled_from(["StringEquals", "Null", "ForAllValues:Bool", "IpAddressIfExists", "aws:SourceIp", "DateLessThan"]),
)
ANY_JSON = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)
STATEMENT = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]) | ATOMS},
    optional={
        "Action": st.just("s3:*") | ANY_JSON,
        "Resource": st.just("*") | ANY_JSON,
        "Principal": st.just("*") | ANY_JSON,
        "Condition": st.dictionaries(NAMES, st.dictionaries(NAMES, ANY_JSON, max_size=2) | ANY_JSON, max_size=2),
        "Sid": ATOMS,
        "NotAction": ANY_JSON,
    },
)
NEARLY = st.fixed_dictionaries(
    {"Statement": STATEMENT | st.lists(STATEMENT | ANY_JSON, max_size=3)}, optional={"Version": ATOMS}
)


def check(text: str) -> None:
    """A policy, or the error that AWS has for it; and if it is kept all the same, a decision. Never anything else."""
    for kind in KINDS:
        try:
            policy = parse_policy(text, kind)
        except PolicyError as error:
            assert error.message
        else:
            assert policy.statements


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(NEARLY | ANY_JSON)
def test_any_json_is_a_policy_or_an_error(document: Any) -> None:
    check(json.dumps(document))


@settings(max_examples=300, deadline=None)
@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_a_policy_or_an_error(text: str) -> None:
    check(text)


@settings(max_examples=300, deadline=None)
@given(SEEDS, st.integers(0, 2000), st.text(max_size=3), st.integers(0, 5))
def test_a_damaged_policy_is_a_policy_or_an_error(seed: int, at: int, inserted: str, removed: int) -> None:
    case = asked(seed)
    for policy in [*case.identity, case.resource_policy, case.endpoint]:
        if policy is not None:
            text = json.dumps(policy)
            check(text[: at % len(text)] + inserted + text[at % len(text) + removed :])


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(SEEDS, NEARLY | ANY_JSON)
def test_a_stored_document_of_any_kind_only_ever_denies_more(seed: int, document: Any) -> None:
    """A document that AWS would not have stored gives no right to anybody by being there."""
    case = asked(seed)
    if case.who.kind not in ("user", "role"):
        return
    try:
        parse_policy(json.dumps(document), "identity")
    except PolicyError:
        before, after = ask_engine(case), ask_engine(replace(case, identity=[*case.identity, document]))
        assert before.allowed or not after.allowed


@pytest.mark.parametrize("depth", [500, 100_000])
def test_a_deep_document_is_refused(depth: int) -> None:
    check("[" * depth + "]" * depth)
    check('{"Statement":' * depth + "{}" + "}" * depth)


@pytest.mark.parametrize(
    "text", ["", " ", "null", "1", "1" * 5_000, '"', '{"Statement":NaN}', "\ufeff{}", '{"a":1,"a":2}', "{}" * 2]
)
def test_what_is_no_document_is_refused(text: str) -> None:
    for kind in KINDS:
        with pytest.raises(PolicyError):
            parse_policy(text, kind)
