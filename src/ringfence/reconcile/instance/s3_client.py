"""S3 as the platform uses it for an endpoint or a job: with the execution role, through the instance's own network.

One way of moving data: `model_download` and what moves a job's are made of it; reading an object from its beginning to
its end is `s3_read`. An object is put whole or not at all: one PUT up to S3's limit of 5 GiB, an upload in parts above
it that is aborted if it fails.
"""

import asyncio
import io
import mmap
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, TypeVar
from urllib.parse import quote
from xml.etree import ElementTree

import aiohttp
from aiohttp.http import SERVER_SOFTWARE
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from yarl import URL

from ringfence.reconcile.instance.transfer import Answer, Broken, Move, Transfers
from ringfence.reconcile.ports import RoleSession

T = TypeVar("T")

_TRIES, _PAUSE = 3, 0.2  # seconds, growing
# of answers of 5xx, SlowDown among them: with ever longer pauses, as the SDKs do
_BUSY_TRIES, _LONGEST_PAUSE = 6, 5.0
CHUNK = 1 << 20
INLINE = 8 << 20  # bytes: what is larger is moved by `transfer`
_FEW = 256 << 10  # bytes of a range that are sooner here than told to another process
_S3 = "{http://s3.amazonaws.com/doc/2006-03-01/}"
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
_LARGEST_PUT = 5 << 30
_PART = 512 << 20
# as the SDKs over https: TLS protects the body, which is so read once only
_UNSIGNED = Config(s3={"payload_signing_enabled": False})
# S3 was not reached, or broke off
UNREACHABLE = (aiohttp.ClientError, OSError, TimeoutError)


class Refused(Exception):
    """S3 answered, and not with success: its HTTP status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


class Busy(Exception):
    """S3 answered with 5xx: worth another try. `refused` is what to say if it never helps."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(str(refused))
        self.refused = refused


class Tries:
    """How often something was tried in vain."""

    def __init__(self) -> None:
        self._busy = 0
        self._unreached = 0

    async def pause(self, failure: Exception) -> None:
        """Before the next try; raises instead, Refused or the failure itself, after enough of them."""
        if isinstance(failure, Busy):
            self._busy += 1
            if self._busy == _BUSY_TRIES:
                raise failure.refused from None
            await asyncio.sleep(min(_PAUSE * 2**self._busy, _LONGEST_PAUSE))
        else:
            self._unreached += 1
            if self._unreached == _TRIES:
                raise failure
            await asyncio.sleep(_PAUSE * self._unreached)


@dataclass(frozen=True, slots=True)
class Listed:
    key: str
    size: int
    etag: str = ""


class S3Client:
    """`session` sends the requests from inside the instance's namespace; `role` gives credentials that are valid.

    `transfers` move large bodies, between S3 and files: a process of their own.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        role: Callable[[], RoleSession],
        region: str,
        transfers: Transfers,
    ) -> None:
        self._session = session
        self._transfers = transfers
        self._role = role
        self._region = region

    @property
    def at_once(self) -> int:
        """How many large bodies can be under way."""
        return self._transfers.at_once

    @asynccontextmanager
    async def open(
        self, bucket: str, key: str, offset: int = 0, length: int | None = None, etag: str = ""
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The object, or these bytes of it; one try. `etag`: refused with 412 if it is not this object any more.

        Raises Refused, Busy or one of UNREACHABLE.
        """
        end = "" if length is None else str(offset + length - 1)
        headers = {"Range": f"bytes={offset}-{end}"} if offset or length is not None else {}
        async with self._request("GET", bucket, key, headers=headers | ({"If-Match": etag} if etag else {})) as answer:
            yield answer

    async def read(self, bucket: str, key: str, limit: int) -> bytes:
        """A small object, at most `limit` bytes of it."""
        return (await self.read_typed(bucket, key, limit))[0]

    async def read_typed(self, bucket: str, key: str, limit: int) -> tuple[bytes, str]:
        """As `read`, with the object's Content-Type."""

        async def attempt() -> tuple[bytes, str]:
            async with self.open(bucket, key) as response:
                return await response.content.read(limit), response.headers.get("Content-Type", "")

        return await retried(attempt)

    async def read_range(self, bucket: str, key: str, offset: int, length: int, etag: str) -> memoryview:
        """Bytes of the object that has this ETag; Refused with 412 if another has taken its place.

        Many of them by the process of transfers, into memory that it and the daemon share.
        """

        async def attempt() -> memoryview:
            async with self.open(bucket, key, offset, length, etag) as response:
                return memoryview(await response.read())

        if length <= _FEW:
            return await retried(attempt)
        descriptor = os.memfd_create("range", os.MFD_CLOEXEC)
        try:
            os.truncate(descriptor, length)
            await retried(lambda: self.fetch(bucket, key, etag, offset, length, descriptor, 0))
            return memoryview(mmap.mmap(descriptor, length, prot=mmap.PROT_READ))
        finally:
            os.close(descriptor)

    async def fetch(self, bucket: str, key: str, etag: str, offset: int, length: int, file: int, place: int) -> None:
        """These bytes of the object into the open file at that place; one try.

        Raises Refused, Busy, Broken, or the OSError of the file.
        """
        headers = {"Range": f"bytes={offset}-{offset + length - 1}", "If-Match": etag}
        answer = await self._move("GET", self._url(bucket, key), headers, file, place, length)
        if int(answer.headers["content-length"]) != length:
            raise Broken("the answer is shorter than what was asked for")

    async def scan(self, bucket: str, prefix: str) -> AsyncIterator[Listed]:
        """Every object under the prefix, in the order of the keys, but those that stand for folders; page by page."""
        token: str | None = None
        while True:
            query = {"list-type": "2", "prefix": prefix} | ({"continuation-token": token} if token else {})
            tree = ElementTree.fromstring(await self._answer("GET", bucket, "", query))  # noqa: S314  our own S3's
            for item in tree.iter(f"{_S3}Contents"):
                key = item.findtext(f"{_S3}Key") or ""
                if key and not key.endswith("/"):
                    yield Listed(key, int(item.findtext(f"{_S3}Size") or 0), item.findtext(f"{_S3}ETag") or "")
            token = tree.findtext(f"{_S3}NextContinuationToken")
            if token is None:
                return

    async def put(self, bucket: str, key: str, file: BinaryIO, size: int) -> None:
        """The first `size` bytes of the file; a file that is shorter by now fails, and nothing is kept of it."""
        if size <= _LARGEST_PUT:
            await self._send(bucket, key, file, 0, size, {})
        else:
            await self._put_in_parts(bucket, key, file, size)

    async def put_typed(self, bucket: str, key: str, data: bytes, content_type: str) -> None:
        """Bytes at hand, in one request."""

        async def attempt() -> None:
            headers = {"Content-Type": content_type} if content_type else {}
            async with self._request("PUT", bucket, key, None, data, len(data), headers):
                pass

        await retried(attempt)

    async def _put_in_parts(self, bucket: str, key: str, file: BinaryIO, size: int) -> None:
        begun = ElementTree.fromstring(await self._answer("POST", bucket, key, {"uploads": ""}))  # noqa: S314
        upload = begun.findtext(f"{_S3}UploadId") or ""
        try:
            parts = []
            for number, offset in enumerate(range(0, size, _PART), 1):
                query = {"partNumber": str(number), "uploadId": upload}
                tag = await self._send(bucket, key, file, offset, min(_PART, size - offset), query)
                parts.append(f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>")
            body = f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>".encode()
            await self._answer("POST", bucket, key, {"uploadId": upload}, body)
        except BaseException:
            await self._answer("DELETE", bucket, key, {"uploadId": upload})
            raise

    async def _send(
        self, bucket: str, key: str, file: BinaryIO, offset: int, size: int, query: Mapping[str, str]
    ) -> str:
        """The ETag of what was sent."""

        async def body() -> AsyncIterator[bytes]:
            file.seek(offset)
            left = size
            while left:
                chunk = await asyncio.to_thread(file.read, min(CHUNK, left))
                if not chunk:
                    raise OSError("the file became shorter while it was uploaded")
                left -= len(chunk)
                yield chunk

        async def attempt() -> str:
            if size > INLINE and (descriptor := _descriptor(file)) is not None:
                url, headers = self._url(bucket, key, query), {"Content-Length": str(size)}
                return (await self._move("PUT", url, headers, descriptor, offset, size)).headers.get("etag", "")
            async with self._request("PUT", bucket, key, query, body(), size) as response:
                return response.headers.get("ETag", "")

        return await retried(attempt)

    async def _answer(
        self, method: str, bucket: str, key: str, query: Mapping[str, str], body: bytes | None = None
    ) -> bytes:
        async def attempt() -> bytes:
            async with self._request(method, bucket, key, query, body, len(body or b"")) as response:
                return await response.read()

        return await retried(attempt)

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        bucket: str,
        key: str,
        query: Mapping[str, str] | None = None,
        body: AsyncIterator[bytes] | bytes | None = None,
        size: int = 0,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = self._url(bucket, key, query)
        length = {"Content-Length": str(size)} if method in ("PUT", "POST") else {}
        sent = {**self._sign(method, url), **length, **(headers or {})}
        async with self._session.request(
            method, URL(url, encoded=True), headers=sent, data=body, allow_redirects=False
        ) as response:
            if response.status >= 300:
                refused = _refusal(response.status, await response.read())
                raise Busy(refused) if response.status >= 500 else refused
            yield response

    async def _move(
        self, method: str, url: str, headers: Mapping[str, str], file: int, offset: int, length: int
    ) -> Answer:
        """As `_request`, by the process of transfers."""
        target = URL(url, encoded=True)
        host = target.host or ""

        def prepare() -> Move:
            sent = {"Host": host, "User-Agent": SERVER_SOFTWARE, **self._sign(method, url), **headers}
            lines = [f"{method} {target.raw_path_qs} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
            return Move(method, host, "\r\n".join((*lines, "", "")), file, offset, length)

        answer = await self._transfers.move(prepare)
        if answer.status >= 300:
            refused = _refusal(answer.status, answer.refusal.encode())
            raise Busy(refused) if answer.status >= 500 else refused
        return answer

    def _sign(self, method: str, url: str) -> dict[str, str]:
        role = self._role()
        request = AWSRequest(method, url)
        request.context["client_config"] = _UNSIGNED
        credentials = Credentials(role.access_key_id, role.secret_access_key, role.session_token)
        S3SigV4Auth(credentials, "s3", self._region).add_auth(request)
        return {name: str(value) for name, value in request.headers.items()}

    def _url(self, bucket: str, key: str, query: Mapping[str, str] | None = None) -> str:
        return self._place(bucket, key) + _query(query or {})

    def _place(self, bucket: str, key: str) -> str:
        """Virtual-host style as the SDKs do; path style where the wildcard certificate does not reach."""
        path, host = quote(key, safe="/-_.~"), f"s3.{self._region}.amazonaws.com"
        return f"https://{host}/{bucket}/{path}" if "." in bucket else f"https://{bucket}.{host}/{path}"


def _query(query: Mapping[str, str]) -> str:
    pairs = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))
    return f"?{pairs}" if pairs else ""


def _descriptor(file: BinaryIO) -> int | None:
    """Of a file on the disk, all that was written to it in it; None for one in memory."""
    try:
        descriptor = file.fileno()
    except io.UnsupportedOperation:
        return None
    file.flush()
    return descriptor


def _refusal(status: int, body: bytes) -> Refused:
    try:
        tree = ElementTree.fromstring(body)  # noqa: S314  our own S3 wrote it
    except ElementTree.ParseError:
        return Refused(status, str(status), "")
    return Refused(status, tree.findtext("Code") or str(status), tree.findtext("Message") or "")


async def retried(attempt: Callable[[], Awaitable[T]]) -> T:
    """Again after a connection that failed or an answer of 5xx; a refusal is final."""
    tries = Tries()
    while True:
        try:
            return await attempt()
        except (Busy, *UNREACHABLE) as failure:
            await tries.pause(failure)
