"""Policy variables: `${aws:username}`, `${aws:PrincipalTag/team, 'none'}`, and `${*} ${?} ${$}` for the characters.

Only policies of Version 2012-10-17 have them. Used by policy (Resource) and conditions (String and Arn operators).
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import re
from typing import NamedTuple

from ringfence.iam.context import Context
from ringfence.iam.match import Token, tokens_of


class Variable(NamedTuple):
    """A key in lower case, and what stands in when it has no single value."""

    key: str
    default: str | None


Template = tuple[Token | Variable, ...]
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_KEY = re.compile(r"\s*([^\s,']+)(?:\s*,\s*'([^']*)')?\s*")


def parse_template(text: str, *, variables: bool) -> Template:
    """The literals, wildcards and variables of a policy value."""
    if not variables or "${" not in text:
        return tokens_of(text)
    parts: list[Token | Variable] = []
    at = 0
    for found in _VARIABLE.finditer(text):
        parts += tokens_of(text[at : found.start()])
        parts.append(_read_variable(found))
        at = found.end()
    return (*parts, *tokens_of(text[at:]))


def _read_variable(found: re.Match[str]) -> str | Variable:
    inside = found[1]
    if inside in ("*", "?", "$"):
        return inside
    named = _KEY.fullmatch(inside)
    # what is no variable is text, which no name of anything can equal
    return Variable(named[1].lower(), named[2]) if named else found[0]


def has_variables(template: Template) -> bool:
    return any(isinstance(part, Variable) for part in template)


def expand(template: Template, context: Context) -> tuple[Token, ...] | None:
    """The template with the request's values in it, which are literal text; None if a variable has no value."""
    tokens: list[Token] = []
    for part in template:
        if isinstance(part, Variable):
            value = context.single(part.key)
            if value is None:
                value = part.default
            if value is None:
                return None
            tokens.append(value)
        else:
            tokens.append(part)
    return tuple(tokens)
