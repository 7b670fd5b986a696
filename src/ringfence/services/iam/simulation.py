"""The policy simulator: what the policies of a user, a role or a request would allow, by the engine that decides calls.

The SageMaker SDK asks it about its role before each job. The account's SCPs count; resource policies and the path of a
call have no part here.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Principal, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.iam.action_facts import action_facts
from ringfence.iam.context import Context, Entry
from ringfence.iam.evaluate import AccessRequest, Decision, Layer, Layers, Source, evaluate
from ringfence.iam.organization import scps_of
from ringfence.iam.policy import PolicyError, parse_policy
from ringfence.resources.iam import Group, Role, User
from ringfence.services.iam.identity_policy import identity_sources, managed_source
from ringfence.services.iam.listing import listed
from ringfence.services.iam.lookup import Entity, no_such_entity
from ringfence.services.iam.statement_position import statement_spans

_TAKES = "PolicyInputList PermissionsBoundaryPolicyInputList ActionNames ResourceArns ContextEntries Marker MaxItems"
# How the wire spells a decision.
_VERDICTS = {(True, False): "allowed", (False, False): "implicitDeny", (False, True): "explicitDeny"}
# With its service, and no wildcards.
_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9_-]+")
_STRICTNESS = ("allowed", "implicitDeny", "explicitDeny")


@operation("SimulatePrincipalPolicy", takes=f"PolicySourceArn {_TAKES}", on=("{PolicySourceArn}",))
def simulate_principal_policy(call: Call, request: Request) -> Result:
    owner = _find(call, request["PolicySourceArn"])
    given = _inputs(request.get("PolicyInputList", ()), "PolicyInputList")
    sources = (*identity_sources(call.records, owner), *given)
    limits = _inputs(request.get("PermissionsBoundaryPolicyInputList", ()), "PermissionsBoundaryPolicyInputList")
    boundary = limits[0] if limits else managed_source(call.records, owner.boundary) if owner.boundary else None
    scps = scps_of(call.records, _nobody(call))
    return _simulate(call, request, Layers(identity=sources, boundary=boundary, scps=scps))


@operation("SimulateCustomPolicy", takes=_TAKES)
def simulate_custom_policy(call: Call, request: Request) -> Result:
    sources = _inputs(request["PolicyInputList"], "PolicyInputList")
    limits = _inputs(request.get("PermissionsBoundaryPolicyInputList", ()), "PermissionsBoundaryPolicyInputList")
    return _simulate(call, request, Layers(identity=sources, boundary=limits[0] if limits else None))


def _find(call: Call, arn: str) -> Entity:
    parsed = parse_arn(arn)
    if parsed is not None and parsed.service == "iam" and parsed.account == call.account:
        key = f"{call.account}/{parsed.name.lower()}"
        candidates = (call.records.get(Role, key), call.records.get(User, key), call.records.get(Group, key))
        for found in candidates:
            if found is not None and found.arn == arn:
                return found
    raise no_such_entity(f"The entity with ARN {arn} cannot be found.")


def _inputs(texts: Sequence[str], name: str) -> tuple[Source, ...]:
    for text in texts:
        try:
            parse_policy(text, "identity")
        except PolicyError as error:
            raise ServiceError("InvalidInput", f"{name}: {error.message}") from None
    return tuple(Source(f"{name}.{number}", text) for number, text in enumerate(texts, 1))


def _nobody(call: Call) -> Principal:
    """A user that no resource policy names and no key describes: only the given policies and keys decide."""
    return Principal("user", call.account, f"arn:aws:iam::{call.account}:user/simulated", "AIDASIMULATED")


def _simulate(call: Call, request: Request, layers: Layers) -> Result:
    who = _nobody(call)
    context = Context(_entry(entry) for entry in request.get("ContextEntries", ()) if entry.get("ContextKeyName"))
    arns = request.get("ResourceArns") or ["*"]
    for action in request["ActionNames"]:
        if not _ACTION.fullmatch(action):
            raise ServiceError("InvalidInput", f"Invalid action name: {action}")
    results = [
        _shown(action, [_ask(AccessRequest(who, action, arn, call.account, context), layers) for arn in arns], layers)
        for action in request["ActionNames"]
    ]
    numbered = list(enumerate(results))
    return listed(request, "EvaluationResults", numbered, lambda item: f"{item[0]:06}", lambda item: item[1])


def _entry(given: Request) -> Entry:
    name, values = given["ContextKeyName"], tuple(given.get("ContextKeyValues", ()))
    if len(values) > 1 and not given.get("ContextKeyType", "stringList").endswith("List"):
        raise ServiceError("InvalidInput", f"The context key {name} has several values but no list type.")
    return Entry(name, values, "the simulation's input")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What is shown of one action on one resource."""

    arn: str
    verdict: str
    matched: tuple[Result, ...]
    missing: tuple[str, ...]
    by_organizations: bool
    by_boundary: bool


def _ask(asked: AccessRequest, layers: Layers) -> _Answer:
    decision = evaluate(asked, layers)
    return _Answer(
        asked.resource,
        _VERDICTS[decision.allowed, decision.explicit],
        tuple(_matched(decision, layers)),
        tuple(_missing(asked, decision)),
        by_organizations=all(_allows(decision, "scp", level) for level in layers.scps),
        by_boundary=layers.boundary is None or _allows(decision, "boundary", (layers.boundary,)),
    )


def _shown(action: str, answers: list[_Answer], layers: Layers) -> Result:
    """One result an action, however many resources: the strictest decision, and all that led to it."""
    strictest = max(answers, key=lambda answer: _STRICTNESS.index(answer.verdict)).verdict
    matched = [one for answer in answers if answer.verdict == strictest for one in answer.matched]
    result: Result = {
        "EvalActionName": action,
        "EvalResourceName": _template(action, answers[0].arn),
        "EvalDecision": strictest,
        "MatchedStatements": [one for number, one in enumerate(matched) if one not in matched[:number]],
        "MissingContextValues": sorted({key for answer in answers for key in answer.missing}),
    }
    if layers.scps:
        allowed = all(answer.by_organizations for answer in answers)
        result["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": allowed}
    if layers.boundary is not None:
        allowed = all(answer.by_boundary for answer in answers)
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    specific = [_shown_specific(answer, layers) for answer in answers if answer.arn != "*"]
    return {**result, "EvalDecisionDetails": {}, "ResourceSpecificResults": specific} if specific else result


def _shown_specific(answer: _Answer, layers: Layers) -> Result:
    result: Result = {
        "EvalResourceName": answer.arn,
        "EvalResourceDecision": answer.verdict,
        "MatchedStatements": list(answer.matched),
        "MissingContextValues": list(answer.missing),
    }
    if layers.boundary is not None:
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": answer.by_boundary}
    return result


def _template(action: str, arn: str) -> str:
    """The ARN format of the resource type that was simulated, or `*`."""
    facts = action_facts(action)
    kind = facts.type_of(arn) if facts is not None and arn != "*" else None
    return kind.arn_format if kind is not None else "*"


def _allows(decision: Decision, layer: Layer, sources: tuple[Source, ...]) -> bool:
    """Whether these policies, taken together, allow."""
    names = {source.name for source in sources}
    effects = {
        finding.statement.effect if finding.statement is not None else "Deny"
        for finding in decision.findings
        if finding.layer == layer and finding.applied and finding.policy in names
    }
    return effects == {"Allow"}


def _matched(decision: Decision, layers: Layers) -> Iterator[Result]:
    """The statements of identity policies that decided: the Denies if one applies, else what allowed."""
    if not decision.allowed and not decision.explicit:
        return
    texts = {source.name: source.text for source in layers.identity}
    effect = "Deny" if decision.explicit else "Allow"
    for finding in decision.findings:
        statement = finding.statement
        if finding.layer != "identity" or not finding.applied or statement is None or statement.effect != effect:
            continue
        start, end = statement_spans(texts[finding.policy])[statement.number - 1]
        yield {
            "SourcePolicyId": _policy_id(finding.policy),
            "SourcePolicyType": "IAM Policy",
            "StartPosition": {"Line": start.line, "Column": start.column},
            "EndPosition": {"Line": end.line, "Column": end.column},
        }


def _policy_id(source: str) -> str:
    """The policy's name: of ``inline policy `p` of …`` p, of a managed one the last part of its ARN."""
    return source.split("`")[1] if "`" in source else source.rpartition("/")[2]


def _missing(asked: AccessRequest, decision: Decision) -> list[str]:
    """The keys that statements of identity policies ask for and the simulation was not given."""
    keys = {
        condition.key
        for finding in decision.findings
        if finding.statement is not None and finding.layer == "identity"
        for condition in finding.statement.conditions
        if asked.context.get(condition.lower_key) is None
    }
    return sorted(keys)
