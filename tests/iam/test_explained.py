"""Each case of the corpus and a thousand generated ones, explained: the verdict is the engine's, nothing crashes."""

import json
from datetime import UTC, datetime

import pytest
from engine_case import layers, principal
from generate import case as generated
from iam_corpus import cases, layers_of, request_of

from ringfence import services
from ringfence.core.call import Arrival
from ringfence.explain.call import explain_call
from ringfence.explain.cause import TITLES
from ringfence.explain.logged_call import LoggedCall, Question, Refusal
from ringfence.iam.context import Context
from ringfence.iam.evaluate import AccessRequest, Layers, evaluate

CASES = {name: (policies, case) for name, policies, case in cases()}


@pytest.fixture(scope="module", autouse=True)
def _operations() -> None:
    services.load()


def check(request: AccessRequest, policies: Layers) -> None:
    decision = evaluate(request, policies)
    call = LoggedCall("id", datetime(2026, 3, 1, tzinfo=UTC), Arrival(""), "s3", "GetObject", request.principal)
    call.questions.append(Question(request, policies, decision))
    call.answered = True
    if not decision.allowed:
        call.refusal = Refusal("AccessDenied", "…", 403)
    told = explain_call(call, None)
    assert json.loads(json.dumps(told.facts)) == told.facts
    decided = told.facts["decided"]
    assert told.denied is not decision.allowed
    if decision.allowed:
        assert decided.startswith("allowed: ")
        return
    assert decision.layer is not None
    assert decided.startswith(
        f"denied: {'explicit deny in' if decision.explicit else 'no'} {TITLES[decision.layer]}"
    ) or ("the policy cannot be read" in decided)
    assert told.facts["remedies"]


@pytest.mark.parametrize("name", CASES)
def test_case_of_the_corpus(name: str) -> None:
    policies, case = CASES[name]
    check(request_of(case), layers_of(case, policies))


def test_generated_cases() -> None:
    for seed in range(1000):
        case = generated(seed)
        context = Context.of(case.keys, "the generator")
        check(AccessRequest(principal(case.who), case.action, case.resource, case.owner, context), layers(case))
