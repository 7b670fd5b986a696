"""A VPC endpoint policy's faults that show without any call: it allows nothing, or not what it seems to.

Pure; called by explain.checks.endpoint_policy.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from ringfence.core.arn import parse_arn
from ringfence.explain.policy_source import texts_of
from ringfence.iam.action_facts import action_facts
from ringfence.iam.context import Context
from ringfence.iam.policy import compile_policy
from ringfence.iam.statement import Statement

_VARIABLE = re.compile(r"\$\{[^}]*\}")


def lint(text: str, gateway: bool) -> Iterator[tuple[str, str]]:
    """(fault, remedy), the worst first."""
    document = json.loads(text)
    listed = document["Statement"]
    elements: list[dict[str, Any]] = listed if isinstance(listed, list) else [listed]
    if not any(element.get("Effect") == "Allow" for element in elements):
        yield (
            "has no Allow statement: a policy that only denies lets nothing through",
            'add {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"} beside the Deny',
        )
    for number, element in enumerate(elements, 1):
        name = element.get("Sid") or f"statement {number}"
        if gateway and element.get("Effect") == "Allow" and not _is_everybody(element.get("Principal")):
            yield (
                f"{name} names a Principal, and a gateway endpoint knows none but `*` (an account means its root user)",
                'write "Principal": "*" and narrow it with a condition on aws:PrincipalArn',
            )
        yield from _misdirected(name, element)
    if document.get("Version", "2008-10-17") == "2008-10-17" and "${" in text:
        yield ("has variables and no Version: they are taken literally", 'add "Version": "2012-10-17"')


def _is_everybody(principal: object) -> bool:
    everybody: tuple[object, ...] = ("*", {"AWS": "*"}, {"AWS": ["*"]})
    return principal in everybody


def _misdirected(name: str, element: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Actions whose resource types none of the statement's resources is of: the statement is never about them."""
    resources = texts_of(element, "Resource")
    for action in texts_of(element, "Action"):
        facts = action_facts(action) if "*" not in action and "?" not in action else None
        if facts is None or not resources or not facts.resource_types:
            continue
        formats = [kind.arn_format for kind in facts.resource_types]
        if not any(_may_be(resource, form) for resource in resources for form in formats):
            wanted = " or ".join(sorted({_kind(form) for form in formats}))
            yield (
                f"{name} allows {action} on {resources[0]}, which is no resource of that action (it is about {wanted})"
                if element.get("Effect") == "Allow"
                else f"{name} denies {action} on {resources[0]}, which is no resource of that action",
                f"name {formats[-1].replace('${', '<').replace('}', '>')}",
            )


def _may_be(resource: str, form: str) -> bool:
    """Whether some ARN of this format could match the pattern, as far as service and resource tell."""
    given, wanted = resource.split(":", 5), form.split(":", 5)
    if len(given) < 6 or len(wanted) < 6:
        return "*" in resource
    return _meet(_pattern(given[2]), _format(wanted[2])) and _meet(_pattern(given[5]), _format(wanted[5]))


# What stands for any text: a star (any), or a format's variable that is one name (no slash); else a character or `?`.
_ANY, _NAME, _ONE = "*", "name", "?"


def _pattern(text: str) -> tuple[str, ...]:
    """A resource as it is written; a policy variable may become anything."""
    return tuple(_VARIABLE.sub("*", text))


def _format(text: str) -> tuple[str, ...]:
    """A documented format. One that begins with a variable is of a name without slashes: a bucket's."""
    first, *others = _VARIABLE.split(text)
    tokens = [*first]
    for number, part in enumerate(others):
        tokens += [_NAME if not first and number == 0 else _ANY, *part]
    return tuple(tokens)


def _meet(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """Whether some text matches both: which ends of `right` go with each end of `left`."""
    reached = _past_wide(right, {0})
    for sign in left:
        reached = _past_wide(right, _step(right, reached, sign))
    return len(right) in reached


def _past_wide(right: tuple[str, ...], reached: set[int]) -> set[int]:
    """What stands for any text may stand for none."""
    found = set(reached)
    for at, sign in enumerate(right):
        if at in found and sign in (_ANY, _NAME):
            found.add(at + 1)
    return found


def _step(right: tuple[str, ...], reached: set[int], sign: str) -> set[int]:
    """The ends of `right` after one more sign of `left`."""
    if sign == _ANY:
        return set(range(min(reached), len(right) + 1)) if reached else set()
    found = set()
    for at in reached - {len(right)}:
        if right[at] == _ANY or (right[at] == _NAME and sign != "/"):
            found.add(at)
        elif sign in (right[at], _ONE):
            found.add(at + 1)
    return found


def _kind(form: str) -> str:
    parsed = parse_arn(form)
    return parsed.resource.partition("/")[0] if parsed else form


def reach(text: str, action: str, arn: str) -> str:
    """`yes`, `no`, `denied`, or `conditional`: whether the policy lets anybody do this, whoever it is."""
    about = [one for one in compile_policy(text, "endpoint").statements if _covers(one, action, arn)]
    denies = [one for one in about if one.effect == "Deny"]
    allows = [one for one in about if one.effect == "Allow"]
    if any(not one.conditions and _is_for_all(one) for one in denies):
        return "denied"
    if not allows:
        return "no"
    open_ones = [one for one in allows if not one.conditions and _is_for_all(one)]
    return "yes" if open_ones and not denies else "conditional"


def _is_for_all(statement: Statement) -> bool:
    principals = statement.principals
    return (
        principals is not None and not statement.not_principal and any(value == "*" for _, value in principals.entries)
    )


def _covers(statement: Statement, action: str, arn: str) -> bool:
    if not statement.covers_action(action.lower()):
        return False
    found = any(pattern.matches(arn, Context()) for pattern in statement.resources)
    return found != statement.not_resource
