"""What would have to change for a refused call to be allowed: a sentence for each cause. Pure.

Called by explain.call.
"""

from ringfence.core.call import Principal
from ringfence.explain.cause import TITLES, Cause, find_causes, unwilling_level
from ringfence.explain.condition_key import endpoint_left_out, is_off_path, way_to
from ringfence.explain.logged_call import Question
from ringfence.explain.statement import name_of
from ringfence.iam.conditions.condition import Failure
from ringfence.iam.evaluate import Finding
from ringfence.iam.statement import Statement

# What the refusals of a signature or key mean, by words in their codes.
_OF_CODES: tuple[tuple[str, str], ...] = (
    ("Missing", "sign the request: give the client credentials (`eval $(ringfence env)`)"),
    ("ExpiredToken", "get new credentials: these are temporary and have expired"),
    ("RequestExpired", "get new credentials if they are temporary; else set the client's clock"),
    ("RequestTimeTooSkewed", "set the client's clock"),
    ("InvalidToken", "send the session token that belongs to the temporary access key, and none with a permanent one"),
    (
        "SignatureDoesNotMatch",
        "use the access key's own secret; nothing between client and daemon may change a request",
    ),
    ("InvalidSignature", "use the access key's own secret, this region, and a clock that is right"),
    ("AuthorizationHeaderMalformed", "sign for the region and service that the message names"),
    ("IncompleteSignature", "sign as Signature Version 4 wants it"),
)
_UNKNOWN_KEY = "use an active access key of this daemon (`eval $(ringfence env)`), with its session token if it has one"


def find_remedies(question: Question) -> list[str]:
    """One or more sentences for each cause, the deciding one's first."""
    made = [sentence for cause in find_causes(question) for sentence in _mend(cause, question)]
    return list(dict.fromkeys(made))


def mend_authentication(code: str) -> str:
    return next((sentence for word, sentence in _OF_CODES if word in code), _UNKNOWN_KEY)


def _mend(cause: Cause, question: Question) -> list[str]:
    finding = cause.finding
    if cause.denies and finding is not None:
        return [_lift(finding, question)]
    sentence = _allow(cause, question)
    if finding is not None and finding.statement is not None:
        nearest = _meet(finding, finding.statement, question)
        return [f"{nearest}; or {sentence}" if nearest else sentence]
    return [sentence]


def _lift(finding: Finding, question: Question) -> str:
    statement = finding.statement
    if statement is None:
        return _LIFTS.get(finding.policy, f"correct {finding.policy}")
    ways = [way for one in statement.conditions if (way := way_to(one, met=False, question=question)) is not None]
    change = f"change {name_of(statement)} of {finding.policy}"
    if any(is_off_path(condition, question) for condition in statement.conditions):
        change += f", so that it spares {_who_calls(question.request.principal)}: no network path leads to this call"
    elif (endpoint := endpoint_left_out(statement.conditions, question)) is not None:
        change += f", to name {endpoint} too"
    return f"{', or '.join(ways)}, which it does not deny; or {change}" if ways else change


def _who_calls(who: Principal) -> str:
    """As a condition that spares a service, or a role that one has assumed, has to name it."""
    if who.kind == "service":
        return f"aws:PrincipalServiceName {who.service}"
    return f"aws:PrincipalArn {who.role_arn or who.arn}"


_LIFTS = {
    "the caller": "use other credentials: no policy can give these the action",
    "the bucket's public access block": "name the caller in the bucket's policy instead of everybody, or turn "
    "RestrictPublicBuckets off",
}


def _meet(finding: Finding, statement: Statement, question: Question) -> str | None:
    """How the call could be one that the nearest statement allows."""
    if not isinstance(finding.why, Failure):
        return None
    if finding.why.undecidable is not None:
        return f"correct {name_of(statement)} of {finding.policy}: {finding.why.undecidable}"
    way = way_to(finding.why.condition, met=True, question=question)
    endpoint = endpoint_left_out([finding.why.condition], question)
    also = f", or name {endpoint} there too" if endpoint is not None else ""
    return way and f"{way} (what {name_of(statement)} of {finding.policy} wants){also}"


def _allow(cause: Cause, question: Question) -> str:
    asked, layers = question.request, question.layers
    what = f"{asked.action} on {asked.resource}"
    match cause.layer:
        case "identity":
            return f"add {what} to an identity-based policy of {_owner(asked.principal)}{_passing(question)}"
        case "trust" if layers.resource is None:
            return f"create the role {asked.resource}, or correct its ARN: there is none"
        case "trust":
            assert layers.resource is not None
            return f"let the {layers.resource.name} allow {asked.action} to {_as_principal(asked.principal)}"
        case "resource":
            where = f"the {layers.resource.name}" if layers.resource else f"a policy of {asked.resource}"
            signed = "; or sign the request" if asked.principal.kind == "anonymous" else ""
            return f"let {where} allow {what} to {_as_principal(asked.principal)}{signed}"
        case "boundary":
            assert layers.boundary is not None
            return f"let the permissions boundary of {_owner(asked.principal)} ({layers.boundary.name}) allow {what}"
        case "session":
            return f"assume the role with session policies that allow {what}"
        case "endpoint":
            return _let_endpoint(question, what)
        case "scp" | "rcp":
            level = unwilling_level(question)
            return f"let {' or '.join(level) if level else f'a {TITLES[cause.layer]}'} allow {what}"


def _let_endpoint(question: Question, what: str) -> str:
    endpoint, vpc = question.layers.endpoint, question.request.context.single("aws:sourcevpc")
    assert endpoint is not None
    place = f" ({'gateway' if endpoint.gateway else 'interface'} endpoint in {vpc})" if vpc else ""
    if not any(finding.layer == "endpoint" for finding in question.decision.findings):
        place += ", in which no Allow statement is about the action,"
    return f"let the {endpoint.name}{place} allow {what}"


def _owner(who: Principal) -> str:
    if who.kind == "role" and who.role_arn is not None:
        return f"role `{who.role_arn.rpartition('/')[2]}`"
    return f"user `{who.arn.rpartition('/')[2]}`" if who.kind == "user" else who.arn


def _as_principal(who: Principal) -> str:
    if who.kind == "service":
        return f'{{"Service": "{who.service}"}}'
    return '"*"' if who.kind == "anonymous" else f'{{"AWS": "{who.role_arn or who.arn}"}}'


def _passing(question: Question) -> str:
    service = question.request.context.single("iam:passedtoservice")
    return f" (with iam:PassedToService {service}, if it is conditioned)" if service else ""
