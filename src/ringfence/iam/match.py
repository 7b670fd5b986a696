"""Wildcards: `*` and `?` in actions, resources and condition values. Patterns compile once to a predicate on text.

Not what a pattern is about: `policy` and `conditions` say which text is matched. Literal text that came out of a policy
variable stays literal, so a user named `*` matches only himself.
"""

import enum
import re
from collections.abc import Callable, Sequence

Predicate = Callable[[str], bool]


class Wild(enum.Enum):
    """A wildcard in a pattern: any text, or any one character."""

    STAR = "*"
    ANY = "?"


Token = str | Wild
_SPLIT = re.compile(r"([*?])")


def tokens_of(pattern: str) -> tuple[Token, ...]:
    """The literals and wildcards of a pattern."""
    parts = _SPLIT.split(pattern) if "*" in pattern or "?" in pattern else [pattern]
    return tuple(Wild(part) if part in ("*", "?") else part for part in parts if part)


def text_of(tokens: Sequence[Token]) -> str:
    """The pattern that these tokens spell."""
    return "".join(token.value if isinstance(token, Wild) else token for token in tokens)


def compile_glob(tokens: Sequence[Token]) -> Predicate:
    """A predicate that is true for whole texts that the tokens match; case counts."""
    if not any(isinstance(token, Wild) for token in tokens):
        return text_of(tokens).__eq__
    if all(token is Wild.STAR for token in tokens):
        return _always
    if tokens[-1] is Wild.STAR and not any(isinstance(token, Wild) for token in tokens[:-1]):
        prefix = text_of(tokens[:-1])
        return lambda text: text.startswith(prefix)
    return _compile_general(tokens)


def _always(_: str) -> bool:
    return True


def _compile_general(tokens: Sequence[Token]) -> Predicate:
    """Split at the stars; the pieces between them must come in order, the first match of each is as good as any.

    So the cost is the text's length times the pattern's at most: no backtracking for a hostile policy to drive.
    """
    pieces: list[list[Token]] = [[]]
    for token in tokens:
        if token is Wild.STAR:
            pieces.append([])
        else:
            pieces[-1].append(token)
    searches = [_compile_piece(piece) for piece in pieces]
    sizes = [sum(1 if isinstance(token, Wild) else len(token) for token in piece) for piece in pieces]
    if len(pieces) == 1:
        only = searches[0]
        return lambda text: only.fullmatch(text) is not None
    first, *middle, last = searches

    def matches(text: str) -> bool:
        end = len(text) - sizes[-1]
        if end < sizes[0] or first.match(text) is None or last.match(text, end) is None:
            return False
        at = sizes[0]
        for search in middle:
            found = search.search(text, at, end)
            if found is None:
                return False
            at = found.end()
        return True

    return matches


def _compile_piece(piece: Sequence[Token]) -> re.Pattern[str]:
    return re.compile("".join("." if isinstance(token, Wild) else re.escape(token) for token in piece), re.DOTALL)


def compile_arn(tokens: Sequence[Token]) -> Predicate:
    """A predicate on ARNs as Resource elements match them: wildcards stay within one of the first five fields.

    A star that ends one of them may run on past the colon.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    fields = split_fields(tokens)
    if len(fields) < 6 or not any(_confined(field) for field in fields[:5]):
        return compile_glob(tokens)
    return compile_fields(fields)


def _confined(field: Sequence[Token]) -> bool:
    """Whether a field has a wildcard that must not cross a colon."""
    return any(token is Wild.ANY or (token is Wild.STAR and at < len(field) - 1) for at, token in enumerate(field))


def compile_fields(fields: Sequence[Sequence[Token]]) -> Predicate:
    """A predicate that compares the six fields of an ARN one by one, as ArnLike does."""
    predicates = [compile_glob(field) for field in fields]

    def matches(text: str) -> bool:
        parts = text.split(":", 5)
        return len(parts) == len(predicates) and all(
            predicate(part) for predicate, part in zip(predicates, parts, strict=True)
        )

    return matches


def split_fields(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens between the first five colons, and all that follows these."""
    fields: list[list[Token]] = [[]]
    for token in tokens:
        if isinstance(token, Wild):
            fields[-1].append(token)
            continue
        first, *others = token.split(":", 6 - len(fields))
        fields[-1] += [first] if first else []
        fields += [[part] if part else [] for part in others]
    return fields
