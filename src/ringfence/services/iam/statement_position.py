"""Where the statements of a policy document stand in its text, by line and column, as the simulator shows them.

Called by simulation. AWS's positions are those of its JSON reader: a statement of a list begins behind the bracket or
the statement before it, a lone one behind its own brace; each ends behind its brace.
https://docs.aws.amazon.com/cli/latest/reference/iam/simulate-custom-policy.html
"""

import json
from functools import lru_cache
from typing import NamedTuple


class Position(NamedTuple):
    """Both count from 1."""

    line: int
    column: int


Span = tuple[Position, Position]
_BLANK = " \t\r\n"
_DECODER = json.JSONDecoder()


@lru_cache(maxsize=256)
def statement_spans(text: str) -> tuple[Span, ...]:
    """Start and end of each statement of a document that parses, in order."""
    at = _find_statements(text)
    if text[at] == "{":
        return (_span(text, at + 1, _behind(text, at)),)
    spans = []
    start = at + 1
    at = _skip(text, start)
    while text[at] != "]":
        end = _behind(text, at)
        spans.append(_span(text, start, end))
        start = end
        at = _skip(text, end, ",")
    return tuple(spans)


def _find_statements(text: str) -> int:
    """Where the value of the document's `Statement` begins."""
    at = _skip(text, _skip(text, 0) + 1)
    while True:
        name, end = _DECODER.raw_decode(text, at)
        at = _skip(text, end, ":")
        if name == "Statement":
            return at
        at = _skip(text, _behind(text, at), ",")


def _behind(text: str, at: int) -> int:
    _, end = _DECODER.raw_decode(text, at)
    return end


def _skip(text: str, at: int, more: str = "") -> int:
    while text[at] in _BLANK or text[at] in more:
        at += 1
    return at


def _span(text: str, start: int, end: int) -> Span:
    return _position(text, start), _position(text, end)


def _position(text: str, at: int) -> Position:
    return Position(text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
