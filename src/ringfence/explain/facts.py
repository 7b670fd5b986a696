"""A logged call as a JSON structure: `ringfence explain call --json`. Pure; called by explain.call."""

from typing import Any

from ringfence.core.call import Principal
from ringfence.explain.logged_call import LoggedCall, Question
from ringfence.explain.policy_source import sources_by_layer
from ringfence.explain.statement import describe
from ringfence.iam.conditions.condition import Failure
from ringfence.iam.evaluate import Finding


def facts_of(call: LoggedCall, purpose: str | None) -> dict[str, Any]:
    """Everything that the lines say, and every question whole."""
    arrival = call.arrival
    return {
        "request_id": call.request_id,
        "time": call.at.isoformat(),
        "service": call.service,
        "operation": call.operation,
        "outcome": _outcome(call),
        "principal": _principal(call.principal),
        "claimed_access_key_id": call.claimed_key,
        "made_by": purpose,
        "in_process": call.in_process,
        "arrival": {
            "source_ip": arrival.source_ip,
            "listener": arrival.listener,
            "vpc_id": arrival.vpc_id,
            "vpce_id": arrival.vpce_id,
            "tls": arrival.tls,
        },
        "questions": [_question(question, call) for question in call.questions],
        "error": call.refusal._asdict() if call.refusal is not None else None,
    }


def _outcome(call: LoggedCall) -> str:
    if call.refusal is None:
        return "denied in part" if call.denied else "allowed" if call.answered else "under way"
    return "denied" if call.denied else "refused"


def _principal(who: Principal | None) -> dict[str, Any] | None:
    if who is None:
        return None
    return {
        "kind": who.kind,
        "arn": who.arn,
        "id": who.id,
        "role_arn": who.role_arn,
        "access_key_id": who.access_key_id,
    }


def _question(question: Question, call: LoggedCall) -> dict[str, Any]:
    asked, decision = question.request, question.decision
    return {
        "principal": asked.principal.arn,
        "action": asked.action,
        "resource": asked.resource,
        "resource_account": asked.resource_account,
        "allowed": decision.allowed,
        "layer": decision.layer,
        "explicit": decision.explicit,
        "cross_account": decision.cross_account,
        "message": None if decision.allowed else decision.message(asked.principal.arn, asked.action, asked.resource),
        "context": [
            {"key": entry.name, "values": list(entry.values), "source": entry.source}
            for entry in asked.context.entries()
        ],
        "policies": [
            {"layer": layer, "policy": source.name}
            for layer, sources in sources_by_layer(question.layers)
            for source in sources
        ],
        "statements": [_statement(finding, question, call) for finding in decision.findings],
    }


def _statement(finding: Finding, question: Question, call: LoggedCall) -> dict[str, Any]:
    statement = finding.statement
    return {
        "layer": finding.layer,
        "policy": finding.policy,
        "number": statement.number if statement else None,
        "sid": statement.sid if statement else None,
        "effect": statement.effect if statement else None,
        "applied": finding.applied,
        "said": describe(finding, question, call),
        "failed_condition": _condition(finding.why) if isinstance(finding.why, Failure) else None,
    }


def _condition(failure: Failure) -> dict[str, Any]:
    condition = failure.condition
    return {
        "operator": condition.name,
        "key": condition.key,
        "expected": list(condition.expected),
        "actual": list(failure.entry.values) if failure.entry is not None else None,
        "undecidable": failure.undecidable,
    }
