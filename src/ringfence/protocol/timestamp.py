"""Timestamps on the wire: epoch seconds, ISO 8601 and RFC 822, to and from aware datetimes in UTC."""

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from ringfence.protocol.errors import Malformed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt].*)?")
_FRACTION = re.compile(r"(:[0-9]{2})(\.[0-9]+)")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def from_epoch(seconds: float) -> datetime:
    """Seconds since 1970, microseconds kept."""
    if not math.isfinite(seconds):
        raise Malformed("Timestamp is out of range", value=str(seconds))
    try:
        return _EPOCH + timedelta(microseconds=round(seconds * 1_000_000))
    except OverflowError:
        raise Malformed("Timestamp is out of range", value=str(seconds)) from None


def from_text(text: str) -> datetime:
    """Any of the three formats: services accept each of them where text stands."""
    try:
        if _NUMBER.fullmatch(text):
            return from_epoch(float(text))
        if _ISO.fullmatch(text):
            return _aware(datetime.fromisoformat(text))
        # HTTP dates have no fractions, but Smithy's tests do
        fraction = _FRACTION.search(text)
        parsed = _aware(parsedate_to_datetime(_FRACTION.sub(r"\1", text)))
        return parsed + timedelta(seconds=float(fraction.group(2))) if fraction else parsed
    except (ValueError, TypeError, IndexError, OverflowError):
        raise Malformed("Timestamp must be in ISO8601 format", value=text) from None


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def to_epoch(moment: datetime) -> int | float:
    """A whole number where it is one, else with the fraction."""
    microseconds = (moment - _EPOCH) // timedelta(microseconds=1)
    whole, rest = divmod(microseconds, 1_000_000)
    return microseconds / 1_000_000 if rest else whole


def to_iso(moment: datetime, *, milliseconds: bool) -> str:
    """`2014-04-29T18:30:38Z`; EC2 and S3 always write three digits of a second, other services only when not zero."""
    moment = moment.astimezone(UTC)
    precision = "milliseconds" if milliseconds or moment.microsecond else "seconds"
    return moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def to_http_date(moment: datetime) -> str:
    """`Tue, 29 Apr 2014 18:30:38 GMT`; strftime would follow the locale."""
    moment = moment.astimezone(UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02d} {month} {moment.year:04d} {moment:%H:%M:%S} GMT"


def to_text(moment: datetime, form: str, *, milliseconds: bool = False) -> str:
    """`form` is the model's timestampFormat."""
    match form.lower():
        case "iso8601":
            return to_iso(moment, milliseconds=milliseconds)
        case "rfc822":
            return to_http_date(moment)
        case "unixtimestamp":
            return str(to_epoch(moment))
    raise ValueError(f"unknown timestamp format `{form}`")
