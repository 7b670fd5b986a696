"""Why a call was allowed or refused: who, what, each key, each statement, what decided, what would have to change.

Pure: a logged call in, lines and a JSON structure out. Called by gateway.admin.api for `ringfence explain call`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ringfence.core.call import Principal
from ringfence.explain.cause import TITLES, Cause, find_causes, unwilling_level
from ringfence.explain.facts import facts_of
from ringfence.explain.logged_call import LoggedCall, Question
from ringfence.explain.policy_source import odd_sids, sources_by_layer
from ringfence.explain.remedy import find_remedies, mend_authentication
from ringfence.explain.statement import describe, name_of, reason

_IDENTITY = ("identity", "boundary", "session", "scp")


@dataclass(frozen=True, slots=True)
class CallExplanation:
    """`lines` for people, the decision and the remedies last; `facts` for programs."""

    denied: bool
    lines: tuple[str, ...]
    facts: dict[str, Any]


def explain_call(call: LoggedCall, purpose: str | None) -> CallExplanation:
    """`purpose`: what the platform made the call for, or got its credentials for."""
    question = call.deciding or (call.questions[0] if call.questions else None)
    decided, remedies = _decided(call, question), _remedies(call)
    lines = [*_head(call, purpose)]
    lines += [_asked(other, call) for other in call.questions if other is not question]
    if question is not None:
        lines += _shown(question, call)
    lines.append(decided)
    if call.refusal is not None:
        lines.append(f"the answer: {call.refusal.code} ({call.refusal.status}): {_readable(call.refusal.message)}")
    lines += [f"to mend it: {remedy}" for remedy in remedies]
    warnings = [] if question is None else list(_warnings(question))
    lines += [f"beware: {warning}" for warning in warnings]
    facts = facts_of(call, purpose) | {"decided": decided, "remedies": remedies, "warnings": warnings}
    return CallExplanation(call.denied, tuple(lines), facts)


def _head(call: LoggedCall, purpose: str | None) -> Iterator[str]:
    name = f"{call.service or 'an unknown service'} {call.operation or 'an unknown operation'}"
    yield f"request {call.request_id}, {call.at:%Y-%m-%dT%H:%M:%SZ}: {name}"
    yield f"by {_caller(call)}"
    if purpose is not None:
        yield f"made by {purpose}" if call.in_process else f"with role credentials taken by {purpose}"
    if call.in_process:
        yield "from inside AWS: by no address and no VPC endpoint"
        return
    through = f", VPC endpoint {call.arrival.vpce_id}" if call.arrival.vpce_id else ""
    yield f"from {call.arrival.source_ip or 'inside'}, to {call.arrival.listener}{through}"


def _caller(call: LoggedCall) -> str:
    who = call.principal
    if who is None:
        return (
            f"nobody proven: the request names access key {call.claimed_key}" if call.claimed_key else "nobody proven"
        )
    return f"{who.arn}{_proof(who)}"


def _proof(who: Principal) -> str:
    if who.access_key_id is None:
        return ""
    temporary = f", temporary credentials of {who.role_arn or who.arn}" if who.access_key_id.startswith("ASIA") else ""
    return f" (access key {who.access_key_id}{temporary})"


def _asked(question: Question, call: LoggedCall) -> str:
    asked, decision = question.request, question.decision
    mark = "✓" if decision.allowed else "✗"
    whose = f" by {asked.principal.arn}" if asked.principal != call.principal else ""
    granted = f", by {TITLES[decision.layer]}" if decision.allowed and decision.layer else ""
    return f"{mark} asked too: {asked.action} on {asked.resource}{whose}{granted}"


def _shown(question: Question, call: LoggedCall) -> Iterator[str]:
    """One question whole: its keys and its policies."""
    asked = question.request
    whose = f", of {asked.principal.arn}" if asked.principal != call.principal else ""
    yield f"asked: {asked.action} on {asked.resource}{whose}"
    yield "the request's condition keys:"
    entries = asked.context.entries()
    width = max((len(entry.name) for entry in entries), default=0)
    for entry in entries:
        yield f"  {entry.name:<{width}} = {', '.join(entry.values)}  ({entry.source})"
    policies = list(_policies(question, call))
    if policies:
        yield "the policies:"
        yield from policies


def _policies(question: Question, call: LoggedCall) -> Iterator[str]:
    looked = {(finding.layer, finding.policy) for finding in question.decision.findings}
    known = set()
    for layer, sources in sources_by_layer(question.layers):
        if layer == "identity" and not sources and question.request.principal.kind in ("user", "role"):
            yield f"  no {TITLES[layer]}"
        for source in sources:
            known.add((layer, source.name))
            yield f"  {TITLES[layer]}: {source.name}"
            if (layer, source.name) not in looked:
                yield f"    · no statement is about {question.request.action}"
            for finding in question.decision.findings:
                if (finding.layer, finding.policy) == (layer, source.name):
                    yield f"    {_mark(finding)} {describe(finding, question, call)}"
    for finding in question.decision.findings:
        if (finding.layer, finding.policy) not in known:
            yield f"  {finding.policy}: {finding.why}"


def _warnings(question: Question) -> Iterator[str]:
    """What works here and might not on AWS."""
    for layer, sources in sources_by_layer(question.layers):
        if layer in _IDENTITY:
            for source in sources:
                yield from (f"{source.name}: {warning}" for warning in odd_sids(source.text))


def _readable(message: str) -> str:
    """Without the part that only sts:DecodeAuthorizationMessage reads."""
    return message.partition(" Encoded authorization failure message:")[0]


def _mark(finding: Any) -> str:
    if not finding.applied:
        return "·"
    return "✓" if finding.statement is not None and finding.statement.effect == "Allow" else "✗"


def _decided(call: LoggedCall, question: Question | None) -> str:
    """The one line that says what decided: the layer, the policy, the statement, the key."""
    refusal = call.refusal
    if not call.authentic:
        return "denied: who calls is not proven, so no policy was asked"
    if refusal is None and question is not None and (parts := call.denied_parts):
        (first, *_) = find_causes(question)
        return f"denied in part, {len(parts)} of {len(call.questions)}: {_because(first, question, call)}"
    if refusal is None:
        return _allowed(question) if call.answered else "not answered yet"
    if question is None or question.decision.allowed:
        if call.denied:
            return "denied: by the operation's own rule, not by a policy"
        asked = "the policies allow it, the operation refuses it" if call.questions else "no policy was asked"
        return f"refused: {asked}"
    (first, *_) = find_causes(question)
    hidden = f" (in place of {refusal.instead_of}, which the caller may not see)" if refusal.instead_of else ""
    return f"denied: {_because(first, question, call)}{hidden}"


def _allowed(question: Question | None) -> str:
    if question is None:
        return "allowed: the operation needs no permission"
    layer = question.decision.layer
    if layer is None:
        return "allowed: the root user needs no policy"
    granting = [
        f"{finding.policy}, {name_of(finding.statement)}"
        for finding in question.decision.findings
        if finding.layer == layer and finding.applied and finding.statement is not None
    ]
    return f"allowed: by {TITLES[layer]}: {'; '.join(granting)}"


def _because(cause: Cause, question: Question, call: LoggedCall) -> str:
    title, finding = TITLES[cause.layer], cause.finding
    if cause.denies and finding is not None:
        if finding.statement is None:
            return f"{finding.policy}: {finding.why}"
        return f"explicit deny in {title}: {finding.policy}, {describe(finding, question, call)}"
    text = f"no {title} allows {question.request.action} on {question.request.resource}"
    if finding is None or finding.statement is None:
        level = f" of {' or '.join(unwilling_level(question))}" if cause.layer == "scp" else ""
        return f"{text}: no Allow statement{level} is about the action"
    why = reason(finding, finding.statement, question, call)
    return f"{text}: {finding.policy}, {name_of(finding.statement)} does not apply: {why}"


def _remedies(call: LoggedCall) -> list[str]:
    if not call.authentic and call.refusal is not None:
        return [mend_authentication(call.refusal.code)]
    if call.denied:
        return find_remedies(call.deciding) if call.deciding is not None else []
    return list(_look_at_endpoint(call))


def _look_at_endpoint(call: LoggedCall) -> Iterator[str]:
    """What keeps an endpoint from answering is seen where it runs; a request that is not as it has to be is not."""
    resource = call.questions[0].request.resource if call.questions else ""
    if call.service != "sagemaker-runtime" or call.refusal is None or ":endpoint/" not in resource:
        return
    if call.refusal.code != "ValidationError" or "model data" in call.refusal.message:
        yield f"`ringfence explain endpoint {resource.partition(':endpoint/')[2]}` says what it lacks"
