"""Filter patterns of terms."""

import pytest

from ringfence.core.errors import ServiceError
from ringfence.services.logs.filter_pattern import parse_pattern


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR memory", "memory ERROR", True),
        ("ERROR memory", "ERROR only", False),
        ('"out of memory"', "is out of memory now", True),
        ('"out of memory"', "memory out of", False),
        (r'"say \"hi\""', 'they say "hi"', True),
        ("?ERROR ?WARN", "WARN: x", True),
        ("?ERROR ?WARN", "INFO: x", False),
        ("ERROR -404", "ERROR 500", True),
        ("ERROR -404", "ERROR 404", False),
        ('-"GET /ping"', "GET /ping 200", False),
        ('-"GET /ping"', "POST /invocations", True),
        ("?WARN ERROR", "ERROR", True),
        ("?WARN ERROR", "WARN", False),
    ],
)
def test_patterns(pattern: str, message: str, matches: bool) -> None:
    assert parse_pattern(pattern)(message) is matches


@pytest.mark.parametrize(
    ("pattern", "code"),
    [
        ('{ $.level = "error" }', "NotImplemented"),
        ("[ip, user, ...]", "NotImplemented"),
        ("%ERR.*%", "NotImplemented"),
        ("user@host", "InvalidParameterException"),
        ('"open', "InvalidParameterException"),
        ("-", "InvalidParameterException"),
        ('a"b"', "InvalidParameterException"),
    ],
)
def test_what_is_refused(pattern: str, code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        parse_pattern(pattern)
    assert caught.value.code == code
