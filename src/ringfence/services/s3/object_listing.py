"""ListObjects and ListObjectsV2: keys in the order of their UTF-8 bytes, rolled up at a delimiter."""

import base64
import binascii
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.resources.s3 import Bucket, ObjectVersion, S3Object
from ringfence.services.s3 import policy_keys
from ringfence.services.s3.find import find_bucket, owner
from ringfence.services.s3.parameter import invalid_argument, page_size, with_shared

# Sorts after every key that a prefix has, but for keys that go on with this character itself.
_LAST = "\U0010ffff"


Listed = TypeVar("Listed", S3Object, S3Object | ObjectVersion)
Scan = Callable[[str, str], Iterator[Listed]]


def walk(
    scan: Scan[Listed], bucket: str, prefix: str, delimiter: str, marker: str, after: str
) -> Iterator[Listed | str]:
    """What `scan` finds after the record key `after`; for keys that share a prefix up to `delimiter` that prefix once.

    A common prefix equal to `marker` has been listed already. The keys below one are skipped, not read.
    """
    start = f"{bucket}\0"
    shown = marker
    while True:
        for found in scan(start + prefix, after):
            cut = found.name.find(delimiter, len(prefix)) if delimiter else -1
            if cut < 0:
                yield found
                continue
            common = found.name[: cut + len(delimiter)]
            if common != shown:
                yield common
            elif found.name > common + _LAST:
                continue
            shown, after = common, start + common + _LAST
            break
        else:
            return


class Page(NamedTuple, Generic[Listed]):
    """The entries of a page, the last one if there are more, and what all listings show of the request."""

    entries: list[Listed | str]
    last: Listed | str | None
    shown: dict[str, Any]


def read_page(bucket: Bucket, request: Request, scan: Scan[Listed], marker: str, after: str) -> Page[Listed]:
    limit = page_size(request, "MaxKeys", "maxKeys")
    prefix, delimiter = request.get("Prefix", ""), request.get("Delimiter", "")
    encode = key_encoder(request)
    entries = list(islice(walk(scan, bucket.name, prefix, delimiter, marker, after), limit + 1)) if limit else []
    chosen, more = entries[:limit], len(entries) > limit
    shown: dict[str, Any] = {"Name": bucket.name, "Prefix": encode(prefix), "MaxKeys": limit, "IsTruncated": more}
    if prefixes := [{"Prefix": encode(entry)} for entry in chosen if isinstance(entry, str)]:
        shown["CommonPrefixes"] = prefixes
    if delimiter:
        shown["Delimiter"] = encode(delimiter)
    if "EncodingType" in request:
        shown["EncodingType"] = request["EncodingType"]
    return Page(chosen, chosen[-1] if more else None, shown)


def list_page(call: Call, request: Request, after: str) -> tuple[dict[str, Any], str | None]:
    """What both versions of the listing show, and the last key or prefix of a page that is not the last one."""
    bucket = find_bucket(call, request)
    scan = partial(call.records.scan, S3Object)
    page = read_page(bucket, request, scan, after, f"{bucket.name}\0{after}" if after else "")
    encode = key_encoder(request)
    owned = {"Owner": owner(bucket.account)} if request.get("FetchOwner", True) else {}
    contents = [{**describe(entry, encode), **owned} for entry in page.entries if isinstance(entry, S3Object)]
    result = {**page.shown, "Contents": contents} if contents else page.shown
    return result, page.last.name if isinstance(page.last, S3Object) else page.last


def key_encoder(request: Request) -> Any:
    """How keys are written: percent-encoded with EncodingType=url, for keys that XML cannot hold."""
    encoding = request.get("EncodingType")
    if encoding not in (None, "url"):
        raise invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", encoding)
    return (lambda key: quote(key, safe="/*")) if encoding else (lambda key: key)


def describe(found: S3Object, encode: Any) -> dict[str, Any]:
    """An object as listings show it, but for its owner."""
    shown: dict[str, Any] = {
        "Key": encode(found.name),
        "LastModified": found.last_modified,
        "ETag": f'"{found.etag}"',
        "Size": found.size,
        "StorageClass": found.storage_class,
    }
    if found.checksums:
        shown |= {"ChecksumAlgorithm": list(found.checksums), "ChecksumType": found.checksum_type}
    return shown


_V1 = ("Delimiter", "EncodingType", "Marker", "MaxKeys", "Prefix", "OptionalObjectAttributes")


@operation("ListObjects", takes=with_shared(*_V1), action="ListBucket", on=("{Bucket}",), keys=policy_keys.LISTING)
def list_objects(call: Call, request: Request) -> Result:
    marker = request.get("Marker", "")
    result, last = list_page(call, request, marker)
    encode = key_encoder(request)
    result["Marker"] = encode(marker)
    if last is not None and request.get("Delimiter"):
        result["NextMarker"] = encode(last)
    return result


_V2 = (
    "Delimiter",
    "EncodingType",
    "MaxKeys",
    "Prefix",
    "ContinuationToken",
    "FetchOwner",
    "StartAfter",
    "OptionalObjectAttributes",
)


@operation("ListObjectsV2", takes=with_shared(*_V2), action="ListBucket", on=("{Bucket}",), keys=policy_keys.LISTING)
def list_objects_v2(call: Call, request: Request) -> Result:
    token, start_after = request.get("ContinuationToken"), request.get("StartAfter", "")
    after = start_after if token is None else _read_token(token)
    result, last = list_page(call, {"FetchOwner": False, **request}, after)
    result["KeyCount"] = len(result.get("Contents", ())) + len(result.get("CommonPrefixes", ()))
    if token is not None:
        result["ContinuationToken"] = token
    if start_after:
        result["StartAfter"] = key_encoder(request)(start_after)
    if last is not None:
        result["NextContinuationToken"] = base64.urlsafe_b64encode(b"rf1:" + last.encode()).decode()
    return result


def _read_token(token: str) -> str:
    try:
        raw = base64.urlsafe_b64decode(token.encode())
        if raw.startswith(b"rf1:"):
            return raw[4:].decode()
    except (binascii.Error, ValueError):
        pass
    raise invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
