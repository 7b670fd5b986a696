"""The condition operators, each as what it makes of a policy's value: a predicate on a value of the request.

Not absent keys, several values or negation: `condition` does these for all operators alike.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

import base64
import binascii
import functools
import ipaddress
import operator as compare
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from ringfence.iam.match import Predicate, Token, compile_fields, compile_glob, split_fields, text_of

# Makes a predicate of a policy's value; ValueError if the value cannot be read as this operator's type.
Prepare = Callable[[Sequence[Token]], Predicate]

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")


class Operator(NamedTuple):
    """`negated`: satisfied where `prepare`'s predicate is false. `templated`: values may hold policy variables."""

    name: str
    prepare: Prepare
    negated: bool = False
    templated: bool = False


def _equals(tokens: Sequence[Token]) -> Predicate:
    return text_of(tokens).__eq__


def _equals_ignoring_case(tokens: Sequence[Token]) -> Predicate:
    wanted = text_of(tokens).casefold()
    return lambda value: value.casefold() == wanted


def _arn_like(tokens: Sequence[Token]) -> Predicate:
    fields = split_fields(tokens)
    if text_of(tokens) == "*":
        return lambda value: value.startswith("arn:")
    if len(fields) != 6:
        raise ValueError("not an ARN")
    return compile_fields(fields)


def _ordered(read: Callable[[str], Any], holds: Callable[[Any, Any], bool]) -> Prepare:
    """An operator on values that `read` understands; a request's value that it does not satisfies nothing."""

    def prepare(tokens: Sequence[Token]) -> Predicate:
        wanted = read(text_of(tokens))

        def matches(value: str) -> bool:
            try:
                return holds(read(value), wanted)
            except ValueError:
                return False

        return matches

    return prepare


def _read_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text.lower() == "true"


def _read_bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _read_number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):  # Decimal would read `1_0`, `NaN` and other alphabets' digits too
        raise ValueError(f"{text!r} is not a number")
    return Decimal(text)


@functools.lru_cache(maxsize=512)
def read_date(text: str) -> datetime:
    """An instant from seconds since 1970 or from ISO 8601, a month alone (W3C's `2026-03`) being its beginning."""
    if _NUMBER.fullmatch(text):
        try:
            return datetime.fromtimestamp(float(text), UTC)
        except (OverflowError, OSError):
            raise ValueError(f"{text!r} is no time") from None
    moment = datetime.fromisoformat(f"{text}-01" if _MONTH.fullmatch(text) else text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@functools.lru_cache(maxsize=2048)
def _read_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


def _in_network(tokens: Sequence[Token]) -> Predicate:
    """A bare address is a network of its own; an IPv4 address is in no IPv6 network."""
    network = _read_network(text_of(tokens))

    def matches(value: str) -> bool:
        try:
            inner = _read_network(value)
        except ValueError:
            return False
        return inner.version == network.version and inner.subnet_of(network)  # type: ignore[arg-type]

    return matches


def _pair(name: str, prepare: Prepare, templated: bool = False) -> list[Operator]:
    """The operator and its negation: `StringEquals`, `StringNotEquals`; `IpAddress`, `NotIpAddress`."""
    if name.startswith("Ip"):
        negation = f"Not{name}"
    else:
        stem = next(stem for stem in ("String", "Numeric", "Date", "Arn") if name.startswith(stem))
        negation = f"{stem}Not{name.removeprefix(stem)}"
    return [Operator(name, prepare, False, templated), Operator(negation, prepare, True, templated)]


def _limits(stem: str, read: Callable[[str], Any]) -> list[Operator]:
    return [
        *_pair(f"{stem}Equals", _ordered(read, compare.eq)),
        Operator(f"{stem}LessThan", _ordered(read, compare.lt)),
        Operator(f"{stem}LessThanEquals", _ordered(read, compare.le)),
        Operator(f"{stem}GreaterThan", _ordered(read, compare.gt)),
        Operator(f"{stem}GreaterThanEquals", _ordered(read, compare.ge)),
    ]


_ALL = [
    *_pair("StringEquals", _equals, templated=True),
    *_pair("StringEqualsIgnoreCase", _equals_ignoring_case, templated=True),
    *_pair("StringLike", compile_glob, templated=True),
    *_pair("ArnEquals", _arn_like, templated=True),
    *_pair("ArnLike", _arn_like, templated=True),
    *_pair("IpAddress", _in_network),
    *_limits("Numeric", _read_number),
    *_limits("Date", read_date),
    Operator("Bool", _ordered(_read_bool, compare.eq)),
    Operator("BinaryEquals", _ordered(_read_bytes, compare.eq)),
]

# By lower-case name. `Null` is not one of them: it asks about the key, not about values.
OPERATORS = {operator.name.lower(): operator for operator in _ALL}
