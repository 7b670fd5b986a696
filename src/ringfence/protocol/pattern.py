"""Java's regular expressions, which the models are written in, as Python's.

A pattern that cannot be translated is not enforced: a test lists those that there are.
"""

import re
import unicodedata
from functools import cache

_POSIX = {
    "ASCII": r"\x00-\x7f",
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Digit": "0-9",
    "Lower": "a-z",
    "Upper": "A-Z",
    "Print": r"\x20-\x7e",
    "Graph": r"\x21-\x7e",
    "Punct": r"!-/:-@\[-`{-~",
    "Space": r" \t\n\x0b\f\r",
}
# a property, an escape, a class's bracket
_TOKEN = re.compile(r"\\p\{(\w+)\}|\\.|\[|\]", re.DOTALL)
# Java's strings are UTF-16: this is how they spell everything beyond the first plane
_SURROGATES = re.compile(r"\\u[dD]800\\u[dD][cC]00-\\u[dD][bB][fF]{2}\\u[dD][fF]{3}")
_SHORTHAND_RANGE = re.compile(r"(\\[wdsWDS])-(?!\])")
# Patterns of AWS's models that a backtracking engine needs for ever to refuse some short text with, as the same ones
# without a choice: the bounds on repetitions that may each be of any length say nothing.
EQUIVALENT = {
    r"https://([.\-_a-zA-Z0-9]+/?){3,1016}": r"https://(?:[.\-_a-zA-Z0-9]/?){3,}",
    r"[a-z0-9]([-a-z0-9]*[a-z0-9]){0,39}?": r"[a-z0-9](?:-*[a-z0-9])*",
    r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$": r"^[a-z0-9*](?:[._\-/]?[a-z0-9*])*$",
}
# What S3 Control's model asks of an ARN has not followed its operations: since they know buckets, AWS takes a bucket's.
_WIDENED = {r"arn:[^:]+:s3(express)?:[^:].*": r"arn:[^:]+:s3(express)?:.*"}
# the last plane with letters, and the variation selectors
_BLOCKS = (range(0x323B0), range(0xE0100, 0xE01F0))


@cache
def compile_pattern(java: str) -> re.Pattern[str] | None:
    """The pattern in Python, to be used with `fullmatch` as Java's `matches`; None if it has no translation."""
    try:
        return re.compile(_translate(EQUIVALENT.get(java) or _WIDENED.get(java, java)), re.ASCII)
    except (re.error, OverflowError, KeyError):
        return None


def _translate(java: str) -> str:
    text = _SURROGATES.sub(r"\\U00010000-\\U0010FFFF", java)
    text = _SHORTHAND_RANGE.sub(r"\1\\-", text)
    depth = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal depth
        part = match[0]
        if match[1]:
            ranges = _POSIX.get(match[1]) or _category(match[1])
            return ranges if depth else f"[{ranges}]"
        if part == "[":
            depth += 1
        elif part == "]":
            depth = max(0, depth - 1)
        return r"\Z" if part == r"\z" else part

    return _TOKEN.sub(replace, text)


@cache
def _category(name: str) -> str:
    """A Unicode category (`L`, `Zs`) as the inside of a character class."""
    ranges = [found for category, found in _categories().items() if category.startswith(name)]
    if not ranges:
        raise KeyError(name)
    return "".join(ranges)


@cache
def _categories() -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for block in _BLOCKS:
        start, current = block.start, unicodedata.category(chr(block.start))
        for code in range(block.start, block.stop + 1):
            category = unicodedata.category(chr(code)) if code < block.stop else ""
            if category != current:
                found.setdefault(current, []).append(f"\\U{start:08x}-\\U{code - 1:08x}")
                start, current = code, category
    return {category: "".join(ranges) for category, ranges in found.items()}
