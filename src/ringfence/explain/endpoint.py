"""Everything that hosting a model in its VPC needs, before it is tried and after it failed: a checklist in words.

Pure. Called by gateway.admin.hosting for `ringfence explain endpoint` and `explain model`; each concern is a file of
explain.checks.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ringfence.explain.checks.calls import check_calls
from ringfence.explain.checks.container import check_container
from ringfence.explain.checks.endpoint_policy import check_endpoint_policies
from ringfence.explain.checks.interface_endpoint import check_interface_endpoints
from ringfence.explain.checks.internet_route import check_internet_route
from ringfence.explain.checks.isolation import check_isolation
from ringfence.explain.checks.leftover import check_leftovers
from ringfence.explain.checks.model_data import check_model_data
from ringfence.explain.checks.names import check_names
from ringfence.explain.checks.network import check_network
from ringfence.explain.checks.role import check_role
from ringfence.explain.checks.s3_route import check_s3_route
from ringfence.explain.endpoint_state import EndpointState, describe_state, show_state
from ringfence.explain.finding import SIGNS, Finding, wrong
from ringfence.explain.hosting import Ground, Plan

Check = Callable[[Ground, Plan], Iterator[Finding]]

# In the order in which a launch comes upon them.
CHECKS: tuple[Check, ...] = (
    check_network, check_role, check_container, check_names, check_s3_route, check_model_data, check_isolation,
    check_calls, check_internet_route, check_interface_endpoints, check_endpoint_policies, check_leftovers,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HostingExplanation:
    """`lines` for people, `facts` for programs."""

    wrong: bool
    lines: tuple[str, ...]
    facts: dict[str, Any]


def explain_hosting(ground: Ground, plan: Plan) -> HostingExplanation:
    """State, findings, and which of them are behind a FailureReason."""
    findings = find(ground, plan)
    state = describe_state(ground, plan)
    faults = [one for one in findings if one.mark == "wrong"]
    head = [*show_state(plan, state), *_cause(state, faults)]
    return tell(head, findings, {"state": asdict(state)})


def tell(head: list[str], findings: tuple[Finding, ...], facts: dict[str, Any]) -> HostingExplanation:
    """The findings under `head`, and beside `facts`."""
    faults = sum(one.mark == "wrong" for one in findings)
    lines = [*head, *(line for one in findings for line in _show(one))]
    lines.append(f"{faults} wrong" if faults else "nothing is wrong")
    listed = [_fact(one) for one in findings]
    return HostingExplanation(faults > 0, tuple(lines), facts | {"findings": listed, "wrong": faults})


def find(ground: Ground, plan: Plan) -> tuple[Finding, ...]:
    """Every finding once."""
    made = [finding for check in CHECKS for finding in check(ground, plan)]
    return tuple(dict.fromkeys((*_failed(plan), *made)))


def _failed(plan: Plan) -> Iterator[Finding]:
    """An endpoint that has failed is wrong even if its cause is mended since; so is one whose models are gone."""
    status, endpoint = plan.status, plan.endpoint
    if endpoint is None:
        return
    settled = status is not None and status.generation == endpoint.generation
    if status is not None and settled and status.failure_reason:
        serving = status.serving_generation is not None
        sentence = (
            "its update failed, the old instances serve" if serving else "its creation failed, and it stays failed"
        )
        remedy = "update it again" if serving else "mend the cause, then delete the endpoint and create it again"
        yield wrong("status", endpoint.name, sentence, remedy, None, endpoint.arn)
    for absent in plan.absent:
        yield wrong("status", endpoint.name, f"{absent} is gone: what it ran cannot be looked at", "create it again")


def _cause(state: EndpointState, faults: list[Finding]) -> Iterator[str]:
    """Which of the findings says what SageMaker said."""
    reason = state.failure_reason
    if not reason:
        return
    likely = [one for one in faults if one.failure_reason == reason]
    for one in likely:
        yield f"the likely cause: {one.sentence}"
    if not likely:
        yield "nothing that gives this reason is wrong now: its cause may be mended"


def _show(one: Finding) -> Iterator[str]:
    yield f"{SIGNS[one.mark]} {one.check} {one.subject}: {one.sentence}"
    if one.mark == "ok":
        return
    if one.remedy:
        yield f"    to mend it: {one.remedy}"
    if one.seen is not None:
        code = f" ({one.seen.code})" if one.seen.code else ""
        yield f"    {one.seen.where} says{code}: {one.seen.text}"


def _fact(one: Finding) -> dict[str, Any]:
    return asdict(one) | {"failure_reason": one.failure_reason}
