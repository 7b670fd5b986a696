"""What an EC2 denial's encoded message holds, in AWS's shape: sts:DecodeAuthorizationMessage shows it.

Called by gateway.authorization; sealed by `iam.session_token`. The documentation names the parts; the members' names
are those of decoded messages that users published.
https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html
"""

import json
from collections.abc import Iterable
from typing import Any

from ringfence.core.call import Principal
from ringfence.explain.logged_call import Question
from ringfence.explain.policy_source import statement_element, texts_of
from ringfence.iam.evaluate import Finding, Layers
from ringfence.iam.statement import Statement


def encode_denial(question: Question) -> str:
    """The text before it is sealed. For want of an Allow nothing has matched: only Deny statements are listed."""
    asked, decision = question.request, question.decision
    matched = [
        _matched(question.layers, finding, finding.statement, asked.principal)
        for finding in decision.findings
        if finding.applied and finding.statement is not None and finding.statement.effect == "Deny"
    ]
    told = {
        "allowed": decision.allowed,
        "explicitDeny": decision.explicit,
        "matchedStatements": {"items": matched},
        "failures": {"items": []},
        "context": {
            "principal": {"id": asked.principal.id, "arn": asked.principal.arn},
            "action": asked.action,
            "resource": asked.resource,
            "conditions": {"items": [_pair(entry.name, entry.values) for entry in asked.context.entries()]},
        },
    }
    return json.dumps(told, separators=(",", ":"))


def _matched(layers: Layers, finding: Finding, statement: Statement, who: Principal) -> dict[str, Any]:
    element = statement_element(layers, finding)
    named = [value for _, value in statement.principals.entries] if statement.principals else [who.id.partition(":")[0]]
    return {
        "statementId": statement.sid or "",
        "effect": statement.effect.upper(),
        "principals": _items(named),
        "principalGroups": _items(()),
        "actions": _items(texts_of(element, "Action") or texts_of(element, "NotAction")),
        "resources": _items(texts_of(element, "Resource") or texts_of(element, "NotResource")),
        "conditions": {"items": [_pair(condition.key, condition.expected) for condition in statement.conditions]},
    }


def _pair(key: str, values: Iterable[str]) -> dict[str, Any]:
    return {"key": key, "values": _items(values)}


def _items(values: Iterable[str]) -> dict[str, Any]:
    return {"items": [{"value": value} for value in values]}
