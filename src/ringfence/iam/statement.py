"""A policy compiled for evaluation: statements whose patterns are predicates. Made by `policy`, read by `evaluate`."""

from dataclasses import dataclass, field
from typing import Literal

from ringfence.core.call import Principal
from ringfence.iam.conditions.condition import Condition
from ringfence.iam.context import Context
from ringfence.iam.match import Predicate, Token, compile_arn, compile_glob, tokens_of
from ringfence.iam.variables import Template, expand, has_variables, parse_template

# How a Principal element named the caller; the order is that of how far it reaches past other layers.
Form = Literal["account", "any", "role", "any-with-arn", "user", "session", "service"]


@dataclass(frozen=True, slots=True)
class ResourcePattern:
    """`predicate` is None when the request's values complete the pattern first."""

    text: str
    predicate: Predicate | None
    template: Template

    def matches(self, resource: str, context: Context) -> bool | None:
        """None if a variable in the pattern has no value."""
        if self.predicate is not None:
            return self.predicate(resource)
        tokens = expand(self.template, context)
        return None if tokens is None else compile_arn(tokens)(resource)


def compile_resource(text: str, *, variables: bool) -> ResourcePattern:
    """Variables count only after the fifth colon: what stands before it decides which service and account is meant."""
    head, tail = _split_resource(text)
    template: Template = (*tokens_of(head), *parse_template(tail, variables=variables))
    if has_variables(template):
        return ResourcePattern(text, None, template)
    tokens: list[Token] = [part for part in template if not isinstance(part, tuple)]
    return ResourcePattern(text, compile_arn(tokens), ())


def _split_resource(text: str) -> tuple[str, str]:
    at = -1
    for _ in range(5):
        at = text.find(":", at + 1)
        if at < 0:
            return text, ""
    return text[: at + 1], text[at + 1 :]


def compile_action(text: str) -> Predicate:
    """Matches lower-case action names."""
    return compile_glob(tokens_of(text.lower()))


@dataclass(frozen=True, slots=True)
class Principals:
    """A Principal or NotPrincipal element: `{"AWS": …}` and its like as (type, value) pairs; `"*"` is ("*", "*")."""

    entries: tuple[tuple[str, str], ...]

    def form(self, who: Principal) -> Form | None:
        """How the element names the caller, in the form that reaches furthest, or None."""
        found = [form for kind, value in self.entries if (form := _form(kind, value, who)) is not None]
        return max(found, key=_REACH.index, default=None)

    def exempts(self, who: Principal) -> bool:
        """As a NotPrincipal: the caller is left out only if it, its role and its account are all listed.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
        """
        if who.kind == "service":
            return ("Service", who.service) in self.entries
        needed = [who.account] if who.kind == "root" else [who.arn, who.account]
        needed += [arn for arn in (who.role_arn, who.user_arn) if arn is not None]
        listed = {value for kind, value in self.entries if kind == "AWS"}
        if who.id in listed:
            # named by an ARN that is the user's no more
            listed.add(who.arn)
        return all(item in listed or (item == who.account and _root(item) in listed) for item in needed)


_REACH: tuple[Form, ...] = ("account", "service", "any", "role", "any-with-arn", "user", "session")


def _root(account: str) -> str:
    return f"arn:aws:iam::{account}:root"


def _form(kind: str, value: str, who: Principal) -> Form | None:
    if kind == "*":
        return "any"
    if who.kind == "service":
        return "service" if kind == "Service" and value == who.service else None
    if kind != "AWS":
        return None
    if value == "*":
        return "any"
    if who.kind == "anonymous":
        return None
    if value in (who.account, _root(who.account)):
        return "account"
    if value in (who.arn, who.id):
        return "session" if who.kind in ("role", "federated") else "user"
    if who.user_arn is not None and value == who.user_arn:
        # what is given to the user is still limited by the policies of the federated session
        return "role"
    if who.role_arn is not None and value in (who.role_arn, who.id.partition(":")[0]):
        return "role"
    return None


@dataclass(frozen=True, slots=True)
class Statement:
    """One compiled statement; `number` counts from 1."""

    number: int
    sid: str | None
    effect: Literal["Allow", "Deny"]
    actions: tuple[Predicate, ...]
    not_action: bool
    resources: tuple[ResourcePattern, ...]
    not_resource: bool
    principals: Principals | None
    not_principal: bool
    conditions: tuple[Condition, ...]

    @property
    def names_principal_arn(self) -> bool:
        """Whether a condition on aws:PrincipalArn narrows the statement to principals by name.

        Not Null and not a negated operator: everybody but somebody is nobody's name, so boundaries still limit it.
        """
        return any(
            condition.lower_key == "aws:principalarn"
            and condition.operator is not None
            and not condition.operator.negated
            for condition in self.conditions
        )

    def covers_action(self, action: str) -> bool:
        """Whether the statement is about this lower-case action."""
        return any(matches(action) for matches in self.actions) != self.not_action

    def covers_resource(self, resource: str, context: Context) -> bool:
        """Whether the statement is about this resource. A trust policy's has no Resource: it is about its own."""
        if not self.resources:
            return True
        # a pattern whose variable has no value matches nothing, so NotResource still covers the rest
        return any(pattern.matches(resource, context) for pattern in self.resources) != self.not_resource


@dataclass(frozen=True, slots=True)
class Policy:
    """`text` is the document as it was given."""

    version: str
    id: str | None
    statements: tuple[Statement, ...]
    text: str
    _by_action: dict[str, tuple[Statement, ...]] = field(default_factory=dict, compare=False, repr=False)

    def about(self, action: str) -> tuple[Statement, ...]:
        """The statements that cover this lower-case action, remembered."""
        found = self._by_action.get(action)
        if found is None:
            found = tuple(statement for statement in self.statements if statement.covers_action(action))
            if len(self._by_action) < 1024:
                self._by_action[action] = found
        return found
