"""Conditional requests: If-Match and its like, on reads, on a copy's source, and on writes. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

from datetime import datetime

from ringfence.core.call import Request
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.resources.s3 import S3Object


def check_read(request: Request, found: S3Object) -> None:
    """304 or 412 for GetObject and HeadObject, in the order of RFC 9110, section 13.2.2."""
    if (etags := request.get("IfMatch")) is not None:
        if not names_etag(etags, found.etag):
            raise precondition_failed("If-Match")
    elif _changed_since(request.get("IfUnmodifiedSince"), found):
        raise precondition_failed("If-Unmodified-Since")
    if (etags := request.get("IfNoneMatch")) is not None:
        if names_etag(etags, found.etag):
            raise _not_modified(found)
    elif (since := request.get("IfModifiedSince")) is not None and not _changed_since(since, found):
        raise _not_modified(found)


def check_source(request: Request, found: S3Object) -> None:
    """412 for a copy whose source is not as the client expects."""
    if (etags := request.get("CopySourceIfMatch")) is not None:
        if not names_etag(etags, found.etag):
            raise precondition_failed("x-amz-copy-source-If-Match")
    elif _changed_since(request.get("CopySourceIfUnmodifiedSince"), found):
        raise precondition_failed("x-amz-copy-source-If-Unmodified-Since")
    if (etags := request.get("CopySourceIfNoneMatch")) is not None:
        if names_etag(etags, found.etag):
            raise precondition_failed("x-amz-copy-source-If-None-Match")
    elif (since := request.get("CopySourceIfModifiedSince")) is not None and not _changed_since(since, found):
        raise precondition_failed("x-amz-copy-source-If-Modified-Since")


def check_write(request: Request, existing: S3Object | None, name: str) -> None:
    """412 or 404 for a write that expects an object to be absent (If-None-Match: *) or unchanged (If-Match)."""
    if (absent := request.get("IfNoneMatch")) is not None:
        if absent.strip() != "*":
            raise not_implemented("If-None-Match with an ETag on a write")
        if existing is not None:
            raise precondition_failed("If-None-Match")
    if (etags := request.get("IfMatch")) is not None:
        if existing is None:
            raise ServiceError("NoSuchKey", "The specified key does not exist.", 404, {"Key": name})
        if not names_etag(etags, existing.etag):
            raise precondition_failed("If-Match")


def names_etag(header: str, etag: str) -> bool:
    """Whether a list of ETags, quoted or not, weak or not, or `*`, names this one."""
    return any(item.strip().removeprefix("W/").strip('"') in (etag, "*") for item in header.split(","))


def precondition_failed(condition: str) -> ServiceError:
    message = "At least one of the pre-conditions you specified did not hold"
    return ServiceError("PreconditionFailed", message, 412, {"Condition": condition})


def _changed_since(moment: datetime | None, found: S3Object) -> bool:
    return moment is not None and found.last_modified > moment


def _not_modified(found: S3Object) -> ServiceError:
    return ServiceError("NotModified", "Not Modified", 304, {"ETag": f'"{found.etag}"'})
