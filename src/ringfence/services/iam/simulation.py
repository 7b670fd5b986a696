"""The policy simulator: what the policies of a user, a role or a request would allow, by the engine that decides calls.

The SageMaker SDK asks it about its role before each job. The account's SCPs count; resource policies and the path of a
call have no part here.
"""

from collections.abc import Sequence

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Principal, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.iam.context import Context, Entry
from ringfence.iam.evaluate import AccessRequest, Decision, Layers, Source, evaluate
from ringfence.iam.organization import scps_of
from ringfence.iam.policy import PolicyError, parse_policy
from ringfence.resources.iam import Group, Role, User
from ringfence.services.iam.identity_policy import identity_sources, managed_source
from ringfence.services.iam.listing import listed
from ringfence.services.iam.lookup import Entity, no_such_entity

_TAKES = "PolicyInputList PermissionsBoundaryPolicyInputList ActionNames ResourceArns ContextEntries Marker MaxItems"
# How the wire spells a decision.
_VERDICTS = {(True, False): "allowed", (False, False): "implicitDeny", (False, True): "explicitDeny"}


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
    results = [
        _shown(asked, evaluate(asked, layers), layers)
        for action in request["ActionNames"]
        for arn in request.get("ResourceArns") or ["*"]
        for asked in [AccessRequest(who, action, arn, call.account, context)]
    ]
    numbered = list(enumerate(results))
    return listed(request, "EvaluationResults", numbered, lambda item: f"{item[0]:06}", lambda item: item[1])


def _entry(given: Request) -> Entry:
    name, values = given["ContextKeyName"], tuple(given.get("ContextKeyValues", ()))
    if len(values) > 1 and not given.get("ContextKeyType", "stringList").endswith("List"):
        raise ServiceError("InvalidInput", f"The context key {name} has several values but no list type.")
    return Entry(name, values, "the simulation's input")


def _shown(asked: AccessRequest, decision: Decision, layers: Layers) -> Result:
    applied = [finding for finding in decision.findings if finding.applied]
    matched = [{"SourcePolicyId": finding.policy, "SourcePolicyType": "IAM Policy"} for finding in applied]
    result: Result = {
        "EvalActionName": asked.action,
        "EvalResourceName": asked.resource,
        "EvalDecision": _VERDICTS[decision.allowed, decision.explicit],
        "MatchedStatements": matched,
        "MissingContextValues": _missing(asked, decision),
    }
    if layers.scps:
        result["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": decision.layer != "scp"}
    if layers.boundary is not None:
        allows = decision.layer != "boundary"
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allows}
    return result


def _missing(asked: AccessRequest, decision: Decision) -> list[str]:
    """The keys that statements about the action ask for and the simulation was not given."""
    keys = {
        condition.key
        for finding in decision.findings
        if finding.statement is not None
        for condition in finding.statement.conditions
        if asked.context.get(condition.lower_key) is None
    }
    return sorted(keys)
