"""A second evaluator of AWS's policy language, written from AWS's pages alone: slow, plain, on parsed JSON.

It is what the engine is compared with, so it shares no code and no idea with `ringfence.iam`: no compiling, no caching,
one function for each rule that a page states. Where the pages leave something open it takes the stricter reading, and
`generate.py` does not go there. Called by test_differential.py, test_proof_corpus.py and test_properties.py.

The pages, all below https://docs.aws.amazon.com/IAM/latest/UserGuide/ :
reference_policies_evaluation-logic_policy-eval-denyallow.html    order, what a resource policy reaches past
reference_policies_evaluation-logic-cross-account.html            both accounts must allow
reference_policies_elements_condition_operators.html              operators, absent keys, IfExists, Null
reference_policies_condition-single-vs-multi-valued-context-keys.html    ForAllValues, ForAnyValue
reference_policies_variables.html                                 variables, no value, defaults, special characters
reference_policies_elements_principal.html, …_notprincipal.html, access_policies_boundaries.html
reference_policies_elements_resource.html, …_notresource.html, …_action.html, …_version.html
and https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html    the gate of an endpoint policy
"""

import base64
import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

Json = dict[str, Any]
# a pattern: characters, and whether each is a wildcard (`*` from a variable's value is not one)
Pattern = list[tuple[str, bool]]


@dataclass(frozen=True)
class Who:
    """The caller: kind is root, user, role, service or anonymous. `arn` of a role's session is the session's."""

    kind: str
    account: str
    arn: str
    id: str
    role_arn: str | None = None


@dataclass(frozen=True)
class Case:
    """A request and every policy that has a say, as parsed JSON. `keys` has one list of values for each name."""

    who: Who
    action: str
    resource: str
    owner: str
    keys: dict[str, list[str]] = field(default_factory=dict)
    identity: list[Json] = field(default_factory=list)
    resource_policy: Json | None = None
    trust: bool = False
    boundary: Json | None = None
    session: list[Json] | None = None
    endpoint: Json | None = None
    gateway: bool = False
    scps: list[list[Json]] = field(default_factory=list)
    rcps: list[Json] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """`layers`: those that each suffice to deny; the pages do not say which of several AWS names."""

    allowed: bool
    explicit: bool
    layers: frozenset[str]


def decide(case: Case) -> Verdict:
    denying = frozenset(explicit_denies(case))
    if denying:
        return Verdict(False, True, denying)
    missing = frozenset(missing_allows(case))
    return Verdict(not missing, False, missing)


# ---- layers


def explicit_denies(case: Case) -> list[str]:
    """Which layers have a Deny that applies: "An explicit deny in any of these policies overrides the allow." """
    found = []
    person = case.who.kind in ("user", "role")
    if person and any(denies(policy, case) for policy in case.identity):
        found.append("identity")
    if person and case.boundary is not None and denies(case.boundary, case):
        found.append("boundary")
    if person and any(denies(policy, case) for policy in case.session or []):
        found.append("session")
    if has_scps(case) and any(denies(policy, case) for level in case.scps for policy in level):
        found.append("scp")
    if any(denies(policy, case) for policy in case.rcps):
        found.append("rcp")
    if case.endpoint is not None and endpoint_denies(case):
        found.append("endpoint")
    if case.resource_policy is not None and denies(case.resource_policy, case) and not root_mends_policy(case):
        found.append("trust" if case.trust else "resource")
    return found


def has_scps(case: Case) -> bool:
    """SCPs are for the users, roles and root of member accounts; not for service-linked roles, services, strangers.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
    """
    if case.who.role_arn is not None and ":role/aws-service-role/" in case.who.role_arn:
        return False
    return case.who.kind in ("root", "user", "role")


def root_mends_policy(case: Case) -> bool:
    """A bucket policy cannot lock its account's root out of mending it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
    """
    mending = ("s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy")
    return case.who.kind == "root" and case.who.account == case.owner and case.action.lower() in mending


def missing_allows(case: Case) -> list[str]:
    """Which layers would have to allow, and do not. Only asked where nothing denies explicitly."""
    missing = []
    if has_scps(case) and not all(any(allows(policy, case) for policy in level) for level in case.scps):
        missing.append("scp")
    if case.endpoint is not None and not endpoint_allows(case):
        missing.append("endpoint")
    forms = set() if case.resource_policy is None else allowed_forms(case.resource_policy, case)
    here = "trust" if case.trust else "resource"
    if case.who.kind in ("service", "anonymous"):
        return missing if forms & {"service", "any", "any-with-arn"} else [*missing, here]
    if case.who.account != case.owner:
        # "AWS allows the request only if both account policy evaluations allow the request."
        if not forms:
            missing.append(here)
        return missing + missing_at_caller(case, granted=False)
    if case.who.kind == "root":
        # "By default, all requests are implicitly denied with the exception of the root user"; but a role trust policy
        # "must explicitly allow"
        return [*missing, "trust"] if case.trust and not forms else missing
    if forms & {"user", "session", "any-with-arn"}:
        return missing
    if case.trust and not forms:
        missing.append("trust")
    return missing + missing_at_caller(case, granted=bool(forms & {"role", "any"}))


def missing_at_caller(case: Case, *, granted: bool) -> list[str]:
    """Of the caller's own layers. `granted`: the resource's policy does what an identity-based one would have to do."""
    if case.who.kind == "root":
        return []
    missing = []
    if not granted and not any(allows(policy, case) for policy in case.identity):
        missing.append("identity")
    if case.boundary is not None and not allows(case.boundary, case):
        missing.append("boundary")
    if case.session is not None and not any(allows(policy, case) for policy in case.session):
        missing.append("session")
    return missing


def endpoint_allows(case: Case) -> bool:
    assert case.endpoint is not None
    return any(
        matches(statement, case.endpoint, case, at_gateway=case.gateway)
        for statement in statements(case.endpoint)
        if statement["Effect"] == "Allow"
    )


def endpoint_denies(case: Case) -> bool:
    assert case.endpoint is not None
    return any(
        matches(statement, case.endpoint, case, at_gateway=case.gateway)
        for statement in statements(case.endpoint)
        if statement["Effect"] == "Deny"
    )


# ---- statements


def statements(policy: Json) -> list[Json]:
    return as_list(policy["Statement"])


def denies(policy: Json, case: Case) -> bool:
    return any(matches(s, policy, case) for s in statements(policy) if s["Effect"] == "Deny")


def allows(policy: Json, case: Case) -> bool:
    return bool(allowed_forms(policy, case))


def allowed_forms(policy: Json, case: Case) -> set[str]:
    """In what form each Allow statement that applies names the caller."""
    found: set[str] = set()
    for statement in statements(policy):
        if statement["Effect"] == "Allow" and matches(statement, policy, case):
            found |= forms_of(statement, case)
    return found


def matches(statement: Json, policy: Json, case: Case, *, at_gateway: bool = False) -> bool:
    variables = policy.get("Version") == "2012-10-17"
    return (
        bool(forms_of(statement, case, at_gateway=at_gateway))
        and action_matches(statement, case.action)
        and resource_matches(statement, case, variables)
        and all(
            condition_met(operator, key, wanted, case.keys, variables)
            for operator, pairs in statement.get("Condition", {}).items()
            for key, wanted in pairs.items()
        )
    )


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def action_matches(statement: Json, action: str) -> bool:
    """ "The prefix and the action name are case insensitive." """

    def one(wanted: str) -> bool:
        return glob(plain(wanted.lower()), action.lower())

    if "NotAction" in statement:
        return not any(one(wanted) for wanted in as_list(statement["NotAction"]))
    return any(one(wanted) for wanted in as_list(statement["Action"]))


def resource_matches(statement: Json, case: Case, variables: bool) -> bool:
    def one(wanted: str) -> bool:
        if wanted == "*":
            return True
        fields, asked = wanted.split(":", 5), case.resource.split(":", 5)
        if len(fields) < 6 or len(asked) < 6:
            return False
        # "You can't use a variable to replace parts of the ARN before the fifth colon"
        if not all(glob(plain(w), a) for w, a in zip(fields[:5], asked[:5], strict=True)):
            return False
        last = expand(fields[5], case.keys, variables)
        # "the resource that includes a policy variable with no value will not match any resource"
        return last is not None and glob(last, asked[5])

    if "NotResource" in statement:
        return not any(one(wanted) for wanted in as_list(statement["NotResource"]))
    if "Resource" not in statement:  # role trust policies
        return True
    return any(one(wanted) for wanted in as_list(statement["Resource"]))


# ---- principals


def forms_of(statement: Json, case: Case, *, at_gateway: bool = False) -> set[str]:
    """The forms in which a statement's Principal names the caller; none: it does not."""
    if "NotPrincipal" in statement:
        return {"any"} if not_principal_matches(statement, case) else set()
    if "Principal" not in statement:
        return {"identity"}
    forms = named_forms(statement["Principal"], case.who)
    if at_gateway and statement["Effect"] == "Allow":
        # "For gateway endpoints, the Principal element must be set to *"; an account is its root user only. Of a
        # Deny that names somebody the page says nothing: it counts.
        forms &= {"any", "account"} if case.who.kind == "root" else {"any"}
    if "any" in forms and requires_principal_arn(statement):
        forms = (forms - {"any"}) | {"any-with-arn"}
    return forms


def named_forms(principal: Any, who: Who) -> set[str]:
    if principal == "*":
        return {"any"}
    found = set()
    for value in as_list(principal.get("AWS", [])):
        if value == "*":
            found.add("any")
        elif who.kind in ("service", "anonymous"):
            continue
        elif value in (who.account, f"arn:aws:iam::{who.account}:root"):
            found.add("account")
        elif value == who.arn:
            found.add("session" if who.kind == "role" else "user")
        elif who.kind == "role" and value in (who.role_arn, who.id.partition(":")[0]):
            found.add("role")
        elif who.kind == "user" and value == who.id:
            found.add("user")
    if who.kind == "service" and who.arn in as_list(principal.get("Service", [])):
        found.add("service")
    return found


def requires_principal_arn(statement: Json) -> bool:
    """ "permissions granted using the aws:PrincipalArn condition key with a wildcard(*) in the Principal element" """
    return any(
        key.lower() == "aws:principalarn"
        and operator.rpartition(":")[2].startswith(("String", "Arn"))
        and "Not" not in operator
        for operator, pairs in statement.get("Condition", {}).items()
        for key in pairs
    )


def not_principal_matches(statement: Json, case: Case) -> bool:
    """Everybody but those listed. The page: list the account too, and for a session its role.

    So a half list counts as none for a Deny, and as a whole one for an Allow.
    """
    who = case.who
    if statement["Effect"] == "Deny" and case.boundary is not None and who.kind in ("user", "role"):
        # "The NotPrincipal element with a Deny effect will always deny any IAM principal that has a permissions
        # boundary policy attached, regardless of the values specified"
        return True
    listed = named_forms(statement["NotPrincipal"], who)
    if statement["Effect"] == "Allow" or "any" in listed:
        return not listed
    needed = {
        "root": [{"account"}],
        "user": [{"user", "account"}],
        "role": [{"role", "account"}],
        "service": [{"service"}],
    }
    return not any(forms <= listed for forms in needed.get(who.kind, []))


# ---- conditions

NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def condition_met(operator: str, key: str, wanted: Any, keys: dict[str, list[str]], variables: bool) -> bool:
    quantifier, _, name = operator.rpartition(":")
    values = values_of(key, keys)
    if name == "Null":
        # "An empty string counts as null"
        null = values is None or all(value == "" for value in values)
        return any(text(w).lower() == ("true" if null else "false") for w in as_list(wanted))
    if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    negated = name in NEGATED
    if values is None:
        if if_exists or quantifier == "ForAllValues":
            return True
        return negated and quantifier != "ForAnyValue"
    # "values of negated operators are NOR"
    fits = [
        any(value_matches(NEGATED.get(name, name), text(w), value, keys, variables) for w in as_list(wanted)) != negated
        for value in values
    ]
    empty = all(value == "" for value in values)
    if quantifier == "ForAllValues":
        return empty or all(fits)
    if quantifier == "ForAnyValue":
        return not empty and any(fits)
    assert len(values) == 1, (
        "the pages do not say what an operator without ForAllValues or ForAnyValue makes of several"
    )
    return fits[0]


def values_of(key: str, keys: dict[str, list[str]]) -> list[str] | None:
    """ "Condition key names are not case-sensitive." """
    for name, values in keys.items():
        if name.lower() == key.lower() and values:
            return values
    return None


def text(value: Any) -> str:
    """A value of the document: "Quotation marks are optional for numeric and Boolean values." """
    return str(value).lower() if isinstance(value, bool) else str(value)


def value_matches(name: str, wanted: str, value: str, keys: dict[str, list[str]], variables: bool) -> bool:
    """A positive operator, one value of the policy, one of the request."""
    if name.startswith("String"):
        return string_matches(name, expand(wanted, keys, variables), value)
    if name.startswith("Arn"):
        return arn_matches(wanted, value, keys, variables)
    if name.startswith("Numeric"):
        return compares(name.removeprefix("Numeric"), number(wanted), number(value))
    if name.startswith("Date"):
        return compares(name.removeprefix("Date"), instant(wanted), instant(value))
    if name == "Bool":
        return wanted.lower() == value.lower()
    if name == "BinaryEquals":
        return base64.b64decode(wanted) == base64.b64decode(value)
    if name == "IpAddress":
        return address_matches(wanted, value)
    raise AssertionError(f"no operator {name}")


def string_matches(name: str, wanted: Pattern | None, value: str) -> bool:
    if wanted is None:  # "There is no equal or like value."
        return False
    if name == "StringLike":
        return glob(wanted, value)
    literal = "".join(character for character, _ in wanted)
    if name == "StringEqualsIgnoreCase":
        return literal.lower() == value.lower()
    return literal == value


def arn_matches(wanted: str, value: str, keys: dict[str, list[str]], variables: bool) -> bool:
    """ "Each of the six colon-delimited components of the ARN is checked separately" """
    pattern, asked = expand(wanted, keys, variables), value.split(":", 5)
    if pattern is None:
        return False
    if pattern == [("*", True)]:  # of fewer than six components the page says nothing; this one people write
        return len(asked) == 6
    fields: list[Pattern] = [[]]
    for character, wild in pattern:
        if character == ":" and len(fields) < 6:
            fields.append([])
        else:
            fields[-1].append((character, wild))
    return len(fields) == len(asked) == 6 and all(glob(f, a) for f, a in zip(fields, asked, strict=True))


def compares(name: str, wanted: Any, value: Any) -> bool:
    if wanted is None or value is None:
        return False
    outcomes: dict[str, bool] = {
        "Equals": value == wanted,
        "LessThan": value < wanted,
        "LessThanEquals": value <= wanted,
        "GreaterThan": value > wanted,
        "GreaterThanEquals": value >= wanted,
    }
    return outcomes[name]


def number(value: str) -> Decimal | None:
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


def instant(value: str) -> datetime | None:
    """ "one of the W3C implementations of the ISO 8601 date formats or in epoch (UNIX) time" """
    if value.isdigit():
        return datetime.fromtimestamp(int(value), UTC)
    if len(value) == len("2026-03"):  # a month
        value += "-01"
    try:
        made = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def address_matches(wanted: str, value: str) -> bool:
    """A bare address in the policy is the address alone."""
    try:
        network, address = ipaddress.ip_network(wanted, strict=False), ipaddress.ip_address(value)
    except ValueError:
        return False
    return network.version == address.version and address in network


# ---- variables, wildcards


def plain(pattern: str) -> Pattern:
    return [(character, character in "*?") for character in pattern]


def expand(pattern: str, keys: dict[str, list[str]], variables: bool) -> Pattern | None:
    """A pattern with its variables filled in; None: one of them has no value."""
    if not variables or "${" not in pattern:
        return plain(pattern)
    before, _, rest = pattern.partition("${")
    inside, closed, after = rest.partition("}")
    if not closed:
        return plain(pattern)
    filled = [(c, False) for c in inside] if inside in ("*", "?", "$") else variable(inside, keys)
    following = expand(after, keys, variables)
    if filled is None or following is None:
        return None
    return plain(before) + filled + following


def variable(inside: str, keys: dict[str, list[str]]) -> Pattern | None:
    """ "separate the variable text and the default value with a comma and space" """
    name, has_default, default = inside.partition(", ")
    values = values_of(name, keys)
    # "You cannot use a multivalued condition key as a policy variable."
    if values is not None and len(values) == 1:
        return [(c, False) for c in values[0]]
    if has_default:
        return [(c, False) for c in default.removeprefix("'").removesuffix("'")]
    return None


def glob(pattern: Pattern, value: str) -> bool:
    """`*` is any number of characters, `?` exactly one: which lengths of the value can the pattern so far eat?"""
    eaten = {0}
    for character, wild in pattern:
        if wild and character == "*":
            eaten = {end for start in eaten for end in range(start, len(value) + 1)}
        else:
            eaten = {n + 1 for n in eaten if n < len(value) and ((wild and character == "?") or value[n] == character)}
    return len(value) in eaten
