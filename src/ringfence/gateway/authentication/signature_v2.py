"""Signature Version 2 of presigned S3 URLs: what boto3 and version 1 of the AWS CLI still make by default. Pure.

Not the Authorization header of that version, which is refused. It signs neither the host nor every parameter: one
that it does not sign is refused unless it only says which part of a listing is wanted. Called by
gateway.authentication.
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
"""

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote_plus, unquote_to_bytes

from ringfence.gateway.authentication.signature import SignatureFault
from ringfence.protocol.message import HttpRequest

_MARKS = ("AWSAccessKeyId", "Signature", "Expires")
_SIGNED = frozenset(
    {"accelerate", "acl", "analytics", "cors", "delete", "inventory", "lifecycle", "location", "logging", "metrics"}
    | {"notification", "object-lock", "partNumber", "policy", "replication", "requestPayment", "restore", "select"}
    | {"select-type", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website"}
    | {f"response-{name}" for name in ("cache-control", "content-disposition", "content-encoding")}
    | {f"response-{name}" for name in ("content-language", "content-type", "expires")}
)
_LISTING = frozenset(
    {"prefix", "delimiter", "marker", "max-keys", "list-type", "continuation-token", "start-after", "encoding-type"}
    | {"fetch-owner", "key-marker", "version-id-marker", "upload-id-marker", "max-uploads", "max-parts"}
    | {"part-number-marker"}
)


@dataclass(frozen=True, slots=True)
class PresignedV2:
    """What a URL says about its signature; nothing in it is believed before `verify`. `query`: its decoded pairs."""

    access_key_id: str
    expires: int
    signature: str
    token: str | None
    headers: Mapping[str, list[str]]
    query: dict[str, str]


def read_presigned_v2(request: HttpRequest) -> PresignedV2 | None:
    """The signature of a URL, or None if it carries none of this kind. SignatureFault if it is malformed."""
    if any(f"{mark}=" not in request.query for mark in _MARKS):
        return None
    query: dict[str, str] = {}
    for pair in request.query.split("&"):
        name, _, value = pair.partition("=")
        if name in query:
            raise SignatureFault("duplicate", name)
        query[name] = unquote_plus(value)
    headers = request.by_name
    if any(mark not in query for mark in _MARKS):
        return None
    if "authorization" in headers or any(name.startswith("X-Amz-") for name in query):
        raise SignatureFault("several")
    if not re.fullmatch(r"[0-9]{1,11}", query["Expires"]):
        raise SignatureFault("expires", "Invalid date (should be seconds since epoch): " + query["Expires"])
    token = query.get("x-amz-security-token")
    return PresignedV2(query["AWSAccessKeyId"], int(query["Expires"]), query["Signature"], token, headers, query)


def verify(request: HttpRequest, claim: PresignedV2, secret: str, bucket: str | None, now: datetime) -> None:
    """SignatureFault unless `secret` made the URL and it is still good. `bucket`: the one that the host names."""
    if now > datetime.fromtimestamp(claim.expires, UTC):
        raise SignatureFault("expired")
    for name in claim.query:
        if not (name in _MARKS or name in _SIGNED or name in _LISTING or _is_header(name)):
            raise SignatureFault("unsigned", name)
    given = claim.signature.encode("utf-8", "surrogateescape")
    start = f"/{bucket}" if bucket else ""
    sent = request.path.encode("utf-8", "surrogateescape")
    for path in dict.fromkeys((request.path, quote(unquote_to_bytes(sent), safe="/-_.~"))):
        text = _string_to_sign(request.method, claim, start + path).encode("utf-8", "surrogateescape")
        digest = hmac.digest(secret.encode(), text, "sha1")
        if hmac.compare_digest(base64.b64encode(digest), given):
            return
    raise SignatureFault("mismatch")


def _is_header(name: str) -> bool:
    return name.startswith("x-amz-") or name in ("content-md5", "content-type")


def _string_to_sign(method: str, claim: PresignedV2, path: str) -> str:
    """Headers count wherever they are: clients put those that they signed into the URL."""
    headers = {name: ",".join(value.strip() for value in values) for name, values in claim.headers.items()}
    told = {name: value for name, value in claim.query.items() if _is_header(name)} | headers
    custom = "".join(f"{name}:{told[name]}\n" for name in sorted(told) if name.startswith("x-amz-"))
    parts = sorted(name for name in claim.query if name in _SIGNED)
    resource = "&".join(f"{name}={claim.query[name]}" if claim.query[name] else name for name in parts)
    lines = (method, told.get("content-md5", ""), told.get("content-type", ""), str(claim.expires), custom + path)
    return "\n".join(lines) + (f"?{resource}" if resource else "")
