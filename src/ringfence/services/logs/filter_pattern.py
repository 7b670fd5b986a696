"""Filter patterns of terms: `ERROR "out of memory" -healthcheck`, `?ERROR ?WARN`. Pure.

Patterns for JSON events (`{ … }`), for space-delimited events (`[ … ]`) and regular expressions (`%…%`) are refused.
That a term matches anywhere in a message, also inside a word, is ours: AWS does not say what separates terms.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import re
from collections.abc import Callable

from ringfence.core.errors import not_implemented
from ringfence.services.logs.parameter import invalid_parameter

_TERM = re.compile(r'\s*(?P<sign>[-?]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"]+))(?=\s|$)')
# Terms with other characters must be quoted.
_WORD = re.compile(r"\w+")


def parse_pattern(pattern: str) -> Callable[[str], bool]:
    """Whether a message matches. The empty pattern matches all."""
    text = pattern.strip()
    if text[:1] in ("{", "["):
        raise not_implemented("filter patterns for JSON and space-delimited log events")
    if text[:1] == "%":
        raise not_implemented("regular expressions in filter patterns")
    required: list[str] = []
    optional: list[str] = []
    excluded: list[str] = []
    for sign, term in _split(text):
        {"": required, "?": optional, "-": excluded}[sign].append(term)

    def matches(message: str) -> bool:
        if any(term in message for term in excluded):
            return False
        if required:  # next to a term that must be there, AWS ignores those that may
            return all(term in message for term in required)
        return not optional or any(term in message for term in optional)

    return matches


def _split(text: str) -> list[tuple[str, str]]:
    terms = []
    position = 0
    while position < len(text):
        found = _TERM.match(text, position)
        if found is None:
            raise invalid_parameter("Invalid filter pattern")
        word, phrase = found["word"], found["phrase"]
        if word is not None and not _WORD.fullmatch(word):
            raise invalid_parameter("Invalid filter pattern")
        terms.append((found["sign"], word if word is not None else re.sub(r"\\(.)", r"\1", phrase)))
        position = found.end()
    return terms
