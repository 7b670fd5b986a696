"""A record's value, judged by its type in Route 53's words. What passes can be answered.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/ResourceRecordTypes.html
"""

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import dns.exception

from ringfence.dns.rdata import make_rdata
from ringfence.services.route53.domain_name import BadName, normalize

TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
_STRING = re.compile(r'"((?:[^"\\]|\\[0-3][0-7]{2}|\\.)*)"')
_PIECE = re.compile(r"\\[0-3][0-7]{2}|\\.|.")
_LONGEST_STRING = 255


def fault_of(kind: str, value: str) -> str | None:
    """`Invalid Resource Record: 'FATAL problem: …'`, or None if the value is as its type wants it."""
    try:
        problem = _CHECKS[kind](value)
        if problem is None:
            make_rdata(kind, value)
            return None
    except BadName as error:
        problem = str(error)
    except (dns.exception.DNSException, ValueError):
        problem = f"{kind}RRDATAInvalid (Value is not a valid {kind} record)"
    return f"Invalid Resource Record: 'FATAL problem: {problem} encountered with '{value}''"


def same_values(kind: str, given: tuple[str, ...], kept: tuple[str, ...]) -> bool:
    """Whether they are the same records, in any order and spelling."""
    return {make_rdata(kind, value) for value in given} == {make_rdata(kind, value) for value in kept}


def _a(value: str) -> str | None:
    try:
        IPv4Address(value)
    except ValueError:
        return "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"
    return None


def _aaaa(value: str) -> str | None:
    try:
        IPv6Address(value)
    except ValueError:
        return "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"
    return None


def _name(value: str) -> str | None:
    normalize(value)
    return None


def _txt(value: str) -> str | None:
    rest = value.strip()
    if not rest:
        return "InvalidCharacterString (Value should be enclosed in quotation marks)"
    while rest:
        found = _STRING.match(rest)
        if found is None:
            return "InvalidCharacterString (Value should be enclosed in quotation marks)"
        if len(_PIECE.findall(found[1])) > _LONGEST_STRING:
            return "CharacterStringTooLong (Value is too long)"
        rest = rest[found.end() :].lstrip()
    return None


def _numbers_then_name(kind: str, numbers: int) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        fields = value.split()
        if len(fields) != numbers + 1:
            return f"{kind}RRDATANot{_COUNTS[numbers]}Fields ({kind} record doesn't have {numbers + 1} fields)"
        for field in fields[:numbers]:
            if not re.fullmatch(r"[0-9]{1,5}", field) or int(field) > 65535:
                return f"{kind}RRDATAInvalidNumber (Value is not a number from 0 to 65535)"
        return None if kind == "SRV" and fields[-1] == "." else _name(fields[-1])

    return check


_COUNTS = {1: "Two", 3: "Four"}


def _soa(value: str) -> str | None:
    fields = value.split()
    if len(fields) != 7:
        return "SOARRDATANotSevenFields (SOA record doesn't have 7 fields)"
    if any(not re.fullmatch(r"[0-9]{1,10}", field) or int(field) >= 2**31 for field in fields[2:]):
        return "SOARRDATAInvalidNumber (Value is not a number from 0 to 2147483647)"
    return _name(fields[0]) or _name(fields[1])


_CHECKS: dict[str, Callable[[str], str | None]] = {
    "A": _a,
    "AAAA": _aaaa,
    "CNAME": _name,
    "MX": _numbers_then_name("MX", 1),
    "NS": _name,
    "PTR": _name,
    "SOA": _soa,
    "SRV": _numbers_then_name("SRV", 3),
    "TXT": _txt,
}
