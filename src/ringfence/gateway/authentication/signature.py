"""AWS Signature Version 4, verified: header and presigned query. Pure: the caller gives the secret and the time.

Not the body (gateway.authentication.body_verifier) and not whose key it is (gateway.authentication, the only caller).
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import functools
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import quote, unquote_to_bytes

import msgspec

from ringfence.core.results import Blob
from ringfence.protocol.message import HttpRequest

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
MAX_EXPIRES = 604800
CLOCK_SKEW = timedelta(minutes=15)
# What follows from a text alone that many requests share is read once. Texts of anybody's: not too many.
_REMEMBERED = 256

# What is wrong with a signature; gateway.authentication.refusal says it in the words of each protocol family.
Fault = Literal[
    "missing", "incomplete", "several", "mechanism", "query", "expires", "terminator", "date", "host", "unsigned",
    "past", "future", "expired", "early", "mismatch", "duplicate", "content-hash", "body-hash",
]  # fmt: skip


class SignatureFault(Exception):
    """Why a request's signature is not believed. `detail` is what the message quotes."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault: Fault = fault
        self.detail = detail


class Claim(msgspec.Struct, frozen=True):
    """What a request says about its signature; nothing in it is believed before `verify`.

    `timestamp` is the text that was signed, `moment` what it means. `expires`: seconds, of presigned queries only.
    `headers`: all headers by lower-case name.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    moment: datetime
    token: str | None
    expires: int | None
    headers: Mapping[str, list[str]]

    @property
    def presigned(self) -> bool:
        return self.expires is not None

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def read_claim(request: HttpRequest) -> Claim | None:
    """The signature that a request carries, or None if it carries none. Raises SignatureFault on a malformed one."""
    headers = request.by_name
    if len(headers) < len(request.headers):
        for name in _SINGLE.intersection(headers):
            if len(headers[name]) > 1:
                raise SignatureFault("duplicate", name)
    in_header = "authorization" in headers
    in_query = "X-Amz-" in request.query and any(f"{name}=" in request.query for name in _QUERY_MARKS)
    if in_header and in_query:
        raise SignatureFault("several")
    if in_header:
        return _from_header(headers)
    if in_query:
        return _from_query(request.query, headers)
    if "AWSAccessKeyId=" in request.query and "Signature=" in request.query:
        raise SignatureFault("mechanism")
    return None


# Headers that decide what a request means: a second one would leave it open which of them was meant.
_SINGLE = frozenset(
    {"authorization", "host", "content-length", "content-type", "transfer-encoding", "x-amz-date", "date"}
    | {"x-amz-content-sha256", "x-amz-security-token", "x-amz-target", "x-amz-decoded-content-length", "content-md5"}
)
_QUERY_MARKS = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature")


def _from_header(headers: Mapping[str, list[str]]) -> Claim:
    scheme, _, rest = headers["authorization"][0].strip().partition(" ")
    if scheme != ALGORITHM:
        raise SignatureFault("mechanism", scheme)
    fields = _read_fields(rest)
    absent = [name for name in ("Credential", "Signature", "SignedHeaders") if not fields.get(name)]
    timestamp = (headers.get("x-amz-date") or headers.get("date") or [""])[0].strip()
    faults = [f"Authorization header requires '{name}' parameter." for name in absent]
    if not timestamp:
        faults.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if faults:
        raise SignatureFault("incomplete", " ".join(faults))
    key_id, date, region, service = _read_credential(fields["Credential"])
    moment, basic = _read_moment(timestamp)
    _check_date(date, basic)
    token = headers.get("x-amz-security-token")
    return Claim(
        key_id, date, region, service, _read_names(fields["SignedHeaders"]), fields["Signature"], basic, moment,
        token[0] if token else None, None, headers,
    )  # fmt: skip


def _read_fields(text: str) -> dict[str, str]:
    """The signature comes last: what is before it is the same in a day's requests of a client, and read once."""
    start, comma, last = text.rpartition(",")
    fields = dict(_read_first_fields(start)) if comma else {}
    _read_field(last, fields)
    return fields


@functools.lru_cache(maxsize=_REMEMBERED)
def _read_first_fields(text: str) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    for part in text.split(","):
        _read_field(part, fields)
    return fields


def _read_field(part: str, fields: dict[str, str]) -> None:
    name, equals, value = part.strip().partition("=")
    if not equals or name in fields:
        raise SignatureFault("incomplete", f"'{part.strip()}' not a valid key=value pair (missing equal-sign) in "
                             f"Authorization header: '{ALGORITHM}'.")  # fmt: skip
    fields[name] = value


def _from_query(query: str, headers: Mapping[str, list[str]]) -> Claim:
    fields: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name.startswith("X-Amz-"):
            if name in fields:
                raise SignatureFault("duplicate", name)
            fields[name] = unquote_to_bytes(value).decode("utf-8", "replace")
    needed = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders")
    if any(not fields.get(name) for name in needed):
        raise SignatureFault("query")
    if fields["X-Amz-Algorithm"] != ALGORITHM:
        raise SignatureFault("mechanism", fields["X-Amz-Algorithm"])
    key_id, date, region, service = _read_credential(fields["X-Amz-Credential"])
    if service == "s3" and "X-Amz-Expires" not in fields:
        raise SignatureFault("query")
    moment, basic = _read_moment(fields["X-Amz-Date"])
    _check_date(date, basic)
    return Claim(
        key_id, date, region, service, _read_names(fields["X-Amz-SignedHeaders"]),
        fields["X-Amz-Signature"], basic, moment, fields.get("X-Amz-Security-Token"),
        _read_expires(fields.get("X-Amz-Expires", "900")), headers,
    )  # fmt: skip


@functools.lru_cache(maxsize=_REMEMBERED)
def _read_names(signed: str) -> tuple[str, ...]:
    return tuple(signed.lower().split(";"))


@functools.lru_cache(maxsize=_REMEMBERED)
def _read_credential(text: str) -> tuple[str, str, str, str]:
    parts = text.split("/")
    if len(parts) != 5 or not all(parts):
        raise SignatureFault(
            "incomplete",
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{text}'",
        )
    if parts[4] != "aws4_request":
        raise SignatureFault("terminator", parts[4])
    return parts[0], parts[1], parts[2], parts[3]


def _read_expires(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise SignatureFault("expires", "X-Amz-Expires should be a number")
    seconds = int(text)
    if seconds < 0:
        raise SignatureFault("expires", "X-Amz-Expires must be non-negative")
    if not 1 <= seconds <= MAX_EXPIRES:
        raise SignatureFault(
            "expires",
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            "604800 seconds",
        )
    return seconds


@functools.lru_cache(maxsize=64)
def _read_moment(text: str) -> tuple[datetime, str]:
    """The instant of an `X-Amz-Date` or `Date`, and how the string to sign spells it: `20150830T123600Z`."""
    try:
        if re.fullmatch(r"\d{8}T\d{6}Z", text, re.ASCII):
            return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC), text
        moment = parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        raise SignatureFault(
            "incomplete",
            f"Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601",
        ) from None
    return moment, moment.strftime("%Y%m%dT%H%M%SZ")


def _check_date(date: str, basic: str) -> None:
    if date != basic[:8]:
        raise SignatureFault(
            "date",
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{date}' != '{basic[:8]}', from '{basic}'.",
        )


def check_time(claim: Claim, now: datetime) -> None:
    """Fifteen minutes either way for a header; for a presigned query until it expires."""
    if claim.expires is not None:
        if now - claim.moment > timedelta(seconds=claim.expires):
            raise SignatureFault("expired")
        if claim.moment > now + CLOCK_SKEW:
            raise SignatureFault("early")
        return
    if claim.moment < now - CLOCK_SKEW:
        raise SignatureFault("past", f"Signature expired: {claim.timestamp} is now earlier than "
                             f"{_basic(now - CLOCK_SKEW)} ({_basic(now)} - 15 min.)")  # fmt: skip
    if claim.moment > now + CLOCK_SKEW:
        raise SignatureFault("future", f"Signature not yet current: {claim.timestamp} is still later than "
                             f"{_basic(now + CLOCK_SKEW)} ({_basic(now)} + 15 min.)")  # fmt: skip


def _basic(moment: datetime) -> str:
    return moment.strftime("%Y%m%dT%H%M%SZ")


def check_signed_headers(claim: Claim) -> None:
    """The host must be signed, and every `x-amz-` header: an unsigned x-amz-target could be swapped on the way."""
    _check_names(tuple(claim.headers), claim.signed_headers, claim.presigned)


@functools.lru_cache(maxsize=_REMEMBERED)
def _check_names(given: tuple[str, ...], signed: tuple[str, ...], presigned: bool) -> None:
    if "host" not in signed:
        raise SignatureFault("host", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    if not presigned and "x-amz-date" not in signed and "date" not in signed:
        raise SignatureFault("host", "'X-Amz-Date' or 'Date' must be a 'SignedHeader' in the AWS Authorization.")
    for name in given:
        if name.startswith("x-amz-") and name not in signed and name not in _MAY_BE_UNSIGNED:
            raise SignatureFault("unsigned", name)
    if any(name not in given for name in signed):
        raise SignatureFault("mismatch")


# The token is bound to the key that signs, the content's hash is a line of what is signed, and the user agent decides
# nothing here.
_MAY_BE_UNSIGNED = frozenset({"x-amz-security-token", "x-amz-content-sha256", "x-amz-user-agent"})


def payload_hash(request: HttpRequest, claim: Claim) -> str:
    """The last line of the canonical request. Only S3 may sign without the body's hash, or ahead of the body."""
    told = claim.headers.get("x-amz-content-sha256")
    if claim.service == "s3":
        if told is None and not claim.presigned:
            raise SignatureFault("content-hash")
        return told[0] if told else UNSIGNED
    actual = request.body.sha256 if isinstance(request.body, Blob) else hashlib.sha256(request.body).hexdigest()
    if told is not None and told[0] != actual:
        raise SignatureFault("body-hash")
    return actual


def verify(request: HttpRequest, claim: Claim, secret: str) -> None:
    """Raise SignatureFault unless the claim's signature is what `secret` makes of the request."""
    check_signed_headers(claim)
    given = claim.signature.encode("utf-8", "surrogateescape")
    key = signing_key(secret, claim.date, claim.region, claim.service)
    tail = "\n".join((*_canonical_headers(claim), "", ";".join(claim.signed_headers), payload_hash(request, claim)))
    for path in _canonical_paths(request.path, claim.service):
        for query in _canonical_queries(request.query, claim.presigned):
            canonical = f"{request.method}\n{path}\n{query}\n{tail}"
            digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
            if hmac.compare_digest(sign(key, f"{ALGORITHM}\n{claim.timestamp}\n{claim.scope}\n{digest}"), given):
                return
    raise SignatureFault("mismatch")


def sign(key: bytes, text: str) -> bytes:
    """The signature of a string to sign, in lower-case hexadecimal digits."""
    made = _begin(key).copy()
    made.update(text.encode())
    return made.hexdigest().encode()


@functools.lru_cache(maxsize=4096)
def _begin(key: bytes) -> hmac.HMAC:
    """Of two plain hashes, as the standard library has it: OpenSSL's own HMAC is looked up and set up for each text."""
    return hmac.new(key, digestmod=_plain_hash)


def _plain_hash(data: bytes = b"") -> Any:
    """A function, and not hashlib's own, which `hmac` would take for OpenSSL's."""
    return hashlib.sha256(data)


@functools.lru_cache(maxsize=4096)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key derived for one day, region and service."""
    key = hmac.digest(f"AWS4{secret}".encode(), date.encode(), "sha256")
    for part in (region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _canonical_headers(claim: Claim) -> list[str]:
    """Values lose outer blanks and runs of blanks; several values of a name are joined in their order."""
    return [f"{name}:{','.join(' '.join(v.split()) for v in claim.headers[name])}" for name in claim.signed_headers]


_PLAIN_PATH = re.compile(r"/[A-Za-z0-9_.~/-]*")
_PLAIN_QUERY = re.compile(r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2}|[=&])*")


def _canonical_paths(path: str, service: str) -> tuple[str, ...]:
    """S3 encodes once and keeps the path as it is; the others normalise it and encode what is encoded already.

    S3's clients sign either the path they send or its canonical spelling; both mean the same object.
    """
    if service == "s3":
        canonical = quote(_decoded(path), safe="/-_.~")
        return (path,) if canonical == path else (canonical, path)
    if "//" not in path and "/." not in path and _PLAIN_PATH.fullmatch(path):
        return (path,)
    return (quote(_normalised(path).encode("utf-8", "surrogateescape"), safe="/-_.~"),)


def _normalised(path: str) -> str:
    """RFC 3986's dot segments resolved, empty segments dropped, a final slash kept."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    final = "/" if kept and path.endswith("/") else ""
    return "/" + "/".join(kept) + final


def _canonical_queries(query: str, presigned: bool) -> tuple[str, ...]:
    """Pairs sorted by name, then value, without the signature itself; as sent, and as canonically encoded."""
    if not query:
        return ("",)
    pairs: list[tuple[str, str]] = []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if pair and not (presigned and name == "X-Amz-Signature"):
            pairs.append((name, value))
    sent = _join(pairs)
    if _PLAIN_QUERY.fullmatch(query) and not any("=" in value for _, value in pairs):
        return (sent,)
    encoded = _join([(_encoded(name), _encoded(value)) for name, value in pairs])
    return (encoded,) if encoded == sent else (encoded, sent)


def _join(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _encoded(text: str) -> str:
    return quote(_decoded(text), safe="-_.~")


def _decoded(text: str) -> bytes:
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
