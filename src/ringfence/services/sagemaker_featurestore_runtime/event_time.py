"""Event times: read in either of AWS's forms into nanoseconds since 1970, so that all of a group's compare. Pure.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateFeatureGroup.html#sagemaker-CreateFeatureGroup-request-EventTimeFeatureName
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{3}))?Z", re.ASCII)
_SECONDS = re.compile(r"\d{1,12}(\.\d{1,12})?(E\d{1,2})?", re.ASCII)
_SECOND, _MILLISECOND = 1_000_000_000, 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799 * _SECOND  # the last second of the year 9999


def read_event_time(text: str, feature_type: str) -> int | None:
    """None if the text is not an event time of that type, `String` or `Fractional`."""
    instant = _read_fractional(text) if feature_type == "Fractional" else _read_iso(text)
    return instant if instant is not None and 0 <= instant <= _LAST else None


def write_moment(instant: int) -> str:
    """ISO 8601 with milliseconds if there are any: ExpiresAt."""
    whole, rest = divmod(instant, _SECOND)
    milliseconds = rest // _MILLISECOND
    return f"{to_datetime(whole):%Y-%m-%dT%H:%M:%S}{f'.{milliseconds:03d}' if milliseconds else ''}Z"


def partition_of(instant: int) -> str:
    """The hour of the event, `2026010203`."""
    return f"{to_datetime(instant // _SECOND):%Y%m%d%H}"


def to_datetime(seconds: int) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)


def nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _read_iso(text: str) -> int | None:
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return nanoseconds(moment) + int(found[2] or 0) * _MILLISECOND


def _read_fractional(text: str) -> int | None:
    return int(Decimal(text) * _SECOND) if _SECONDS.fullmatch(text.upper()) else None
