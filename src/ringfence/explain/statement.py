"""One statement that was looked at, in words: whether it applies and why, value against value.

Pure. Called by explain.call and explain.remedy.
"""

from ringfence.explain.condition_key import expectation, observation
from ringfence.explain.logged_call import LoggedCall, Question
from ringfence.iam.conditions.condition import Condition, Failure
from ringfence.iam.evaluate import Finding
from ringfence.iam.statement import Statement

NOT_NAMED = "it does not name the caller"


def name_of(statement: Statement) -> str:
    sid = f" `{statement.sid}`" if statement.sid else ""
    return f"statement {statement.number}{sid} ({statement.effect})"


def describe(finding: Finding, question: Question, call: LoggedCall) -> str:
    """`statement 1 `S` (Deny) applies: …`; of what is no statement, what was found."""
    if finding.statement is None:
        return str(finding.why)
    verb = "applies" if finding.applied else "does not apply"
    why = reason(finding, finding.statement, question, call)
    return f"{name_of(finding.statement)} {verb}{f': {why}' if why else ''}"


def reason(finding: Finding, statement: Statement, question: Question, call: LoggedCall) -> str:
    """Why a statement applies or not; "" if it has no conditions and applies."""
    if isinstance(finding.why, Failure):
        return _failed(finding.why, statement, question, call)
    if finding.applied:
        met = [_met(condition, question, call) for condition in statement.conditions]
        return "; and ".join(met)
    if finding.why == NOT_NAMED:
        return _not_named(statement, question)
    listed = ", ".join(pattern.text for pattern in statement.resources)
    return f"it is about {'everything but ' if statement.not_resource else ''}{listed}, not {question.request.resource}"


def _failed(failure: Failure, statement: Statement, question: Question, call: LoggedCall) -> str:
    seen = observation(failure.condition, question, call)
    if failure.undecidable is None:
        return f"{expectation(failure.condition)} is not met: {seen}"
    end = ", and a Deny that cannot be decided denies" if statement.effect == "Deny" else ", and so it grants nothing"
    return f"{expectation(failure.condition)} cannot be decided ({failure.undecidable}): {seen}{end}"


def _met(condition: Condition, question: Question, call: LoggedCall) -> str:
    seen = observation(condition, question, call)
    negated = condition.operator is not None and condition.operator.negated
    absent = question.request.context.get(condition.lower_key) is None
    rule = " (a negated operator is true of an absent key)" if negated and absent and not condition.qualifier else ""
    return f"{expectation(condition)} is met: {seen}{rule}"


def _not_named(statement: Statement, question: Question) -> str:
    assert statement.principals is not None
    listed = ", ".join(value if kind == "*" else f"{kind} {value}" for kind, value in statement.principals.entries)
    text = (
        f"it names {'everybody but ' if statement.not_principal else ''}{listed}, not {question.request.principal.arn}"
    )
    if any(value.startswith(("AIDA", "AROA")) for _, value in statement.principals.entries):
        text += "; an id there is a user or role that was deleted or renamed: whoever has the name now is another"
    endpoint = question.layers.endpoint
    if endpoint is not None and endpoint.gateway and statement.effect == "Allow":
        text += "; a gateway endpoint's policy names principals by `*` alone, narrowed by aws:PrincipalArn"
    return text
