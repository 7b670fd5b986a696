"""Everything that hosting a model in its VPC needs, before it is tried and after it failed: a checklist in words.

Pure. Called by gateway.admin.hosting for `ringfence explain endpoint` and `explain model`; each concern is a file of
explain.checks.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict

from ringfence.explain.checklist import Checklist, tell
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
from ringfence.explain.endpoint_state import describe_state, show_state
from ringfence.explain.finding import Finding, wrong
from ringfence.explain.hosting import Ground, Plan

Check = Callable[[Ground, Plan], Iterator[Finding]]

# In the order in which a launch comes upon them.
CHECKS: tuple[Check, ...] = (
    check_network, check_role, check_container, check_names, check_s3_route, check_model_data, check_isolation,
    check_calls, check_internet_route, check_interface_endpoints, check_endpoint_policies, check_leftovers,
)  # fmt: skip


def explain_hosting(ground: Ground, plan: Plan) -> Checklist:
    """State, findings, and which of them are behind a FailureReason."""
    findings = find(ground, plan)
    state = describe_state(ground, plan)
    return tell([*show_state(plan, state)], findings, {"state": asdict(state)}, state.failure_reason)


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
