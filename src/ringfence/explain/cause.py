"""What refused a request: the layers and statements without which it would have been allowed. Pure.

Called by explain.call and explain.remedy.
"""

from typing import NamedTuple

from ringfence.explain.logged_call import Question
from ringfence.explain.policy_source import sources_by_layer
from ringfence.explain.statement import NOT_NAMED
from ringfence.iam.conditions.condition import Failure
from ringfence.iam.evaluate import Finding, Layer

TITLES: dict[Layer, str] = {
    "scp": "service control policy",
    "rcp": "resource control policy",
    "resource": "resource-based policy",
    "trust": "role trust policy",
    "identity": "identity-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "endpoint": "VPC endpoint policy",
}
# Each is asked only once those before it have allowed.
_LIMITS: tuple[Layer, ...] = ("identity", "boundary", "session", "endpoint")


class Cause(NamedTuple):
    """`finding`: the Deny that applies (or what denies without a statement); else the Allow that came nearest, if any.

    `denies`: whether it is the former.
    """

    layer: Layer
    finding: Finding | None
    denies: bool


def find_causes(question: Question) -> list[Cause]:
    """The one that decided comes first; [] for what was allowed."""
    decision = question.decision
    if decision.allowed or decision.layer is None:
        return []
    denying = [finding for finding in decision.findings if finding.applied and _denies(finding)]
    if denying:
        denying.sort(key=lambda finding: finding.layer != decision.layer)
        return [Cause(finding.layer, finding, True) for finding in denying]
    return [Cause(layer, _nearest(question, layer), False) for layer in _unwilling(question, decision.layer)]


def _denies(finding: Finding) -> bool:
    return finding.statement is None or finding.statement.effect == "Deny"


def _unwilling(question: Question, decided: Layer) -> list[Layer]:
    """The layer that decided, and those after it that would not have allowed either."""
    present = {layer for layer, _ in sources_by_layer(question.layers)}
    willing = {finding.layer for finding in question.decision.findings if finding.applied}
    if decided in _LIMITS:
        after = _LIMITS[_LIMITS.index(decided) + 1 :]
    else:
        # within the account, whom a resource's policy names needs no more; of another's, both must allow
        after = _LIMITS if question.decision.cross_account else ("endpoint",)
    if question.request.principal.kind not in ("user", "role"):
        after = ("endpoint",)
    return [decided, *(layer for layer in after if layer != decided and layer in present - willing)]


def unwilling_level(question: Question) -> list[str]:
    """The names of the policies at the organization's level where no service control policy allows."""
    willing = {finding.policy for finding in question.decision.findings if finding.layer == "scp" and finding.applied}
    levels = ([source.name for source in level] for level in question.layers.scps)
    return next((names for names in levels if not willing & set(names)), [])


def _nearest(question: Question, layer: Layer) -> Finding | None:
    """Of the Allow statements about the action, one that only a condition kept back, if there is one."""
    level = unwilling_level(question) if layer == "scp" else None
    candidates = [
        finding
        for finding in question.decision.findings
        if finding.layer == layer and not finding.applied and finding.statement and finding.statement.effect == "Allow"
        if level is None or finding.policy in level
    ]
    return min(candidates, key=_distance, default=None)


def _distance(finding: Finding) -> int:
    if isinstance(finding.why, Failure):
        return 0
    return 2 if finding.why == NOT_NAMED else 1
