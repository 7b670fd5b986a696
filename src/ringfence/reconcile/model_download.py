"""A model's data: from S3 into the instance's directory, with the execution role's credentials, through the
instance's own network. Called by `host` before the container starts.
"""

import asyncio
import shutil
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import quote
from xml.etree import ElementTree

import aiohttp
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

from ringfence.reconcile.model_archive import unpack
from ringfence.reconcile.ports import RoleSession
from ringfence.services.sagemaker.container import ModelData
from ringfence.services.sagemaker.failure_reason import data_refused, data_unreachable

T = TypeVar("T")

_TRIES, _PAUSE = 3, 0.2  # seconds, growing
_CHUNK = 1 << 20
_S3 = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class DownloadFailed(Exception):
    """`reason` is what AWS says in the endpoint's FailureReason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Refused(Exception):
    """S3 answered, and not with the data: a status other than 200."""


class ModelDownload:
    """One model's data; `session` sends its requests from inside the instance's namespace."""

    def __init__(self, session: aiohttp.ClientSession, role: RoleSession, region: str, data: ModelData) -> None:
        self._session = session
        self._credentials = Credentials(role.access_key_id, role.secret_access_key, role.session_token)
        self._region = region
        self._data = data

    async def into(self, directory: Path) -> None:
        """Put the data into `directory`, made anew. Raises DownloadFailed with AWS's text."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        try:
            await self._fetch(directory)
        except _Refused:
            raise DownloadFailed(data_refused(self._data.url)) from None
        except (aiohttp.ClientError, OSError, TimeoutError):
            raise DownloadFailed(data_unreachable(self._data.url)) from None

    async def _fetch(self, directory: Path) -> None:
        key = self._data.key
        match self._data.form:
            case "tar":
                archive = directory.with_name("model.tar.gz")
                await self._get(key, archive)
                await self._extract(archive, directory)
            case "object":
                await self._get(key, directory / PurePosixPath(key).name)
            case "prefix":
                keys = await self._list(key)
                if not keys:
                    raise _Refused
                for found in keys:
                    await self._get(found, _inside(directory, found.removeprefix(key)))

    async def _get(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)

        async def attempt() -> None:
            async with self._request(key) as response:
                with path.open("wb") as file:
                    async for chunk in response.content.iter_chunked(_CHUNK):
                        file.write(chunk)

        await _retried(attempt)

    async def _list(self, prefix: str) -> list[str]:
        """Every key under the prefix but those that stand for folders."""
        keys: list[str] = []
        token: str | None = None
        while True:
            query = {"list-type": "2", "prefix": prefix} | ({"continuation-token": token} if token else {})

            async def attempt(query: dict[str, str] = query) -> bytes:
                async with self._request("", query) as response:
                    return await response.read()

            tree = ElementTree.fromstring(await _retried(attempt))  # noqa: S314  our own S3 wrote it
            keys += [key for item in tree.iter(f"{_S3}Key") if (key := item.text or "") and not key.endswith("/")]
            token = tree.findtext(f"{_S3}NextContinuationToken")
            if token is None:
                return keys

    @asynccontextmanager
    async def _request(self, key: str, query: dict[str, str] | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        url = self._url(key)
        if query:
            url += "?" + "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))
        request = AWSRequest("GET", url)
        S3SigV4Auth(self._credentials, "s3", self._region).add_auth(request)
        headers = {name: str(value) for name, value in request.headers.items()}
        async with self._session.get(URL(url, encoded=True), headers=headers, allow_redirects=False) as response:
            if response.status >= 500:
                raise aiohttp.ClientPayloadError(f"S3 answered {response.status}")
            if response.status != 200:
                raise _Refused
            yield response

    def _url(self, key: str) -> str:
        """Virtual-host style as the SDKs do; path style where the wildcard certificate does not reach."""
        bucket, path = self._data.bucket, quote(key, safe="/-_.~")
        host = f"s3.{self._region}.amazonaws.com"
        return f"https://{host}/{bucket}/{path}" if "." in bucket else f"https://{bucket}.{host}/{path}"

    async def _extract(self, archive: Path, directory: Path) -> None:
        try:
            await asyncio.to_thread(unpack, archive, directory)
        except (tarfile.TarError, EOFError, OSError):
            raise DownloadFailed(
                f'Failed to extract model data archive for container "container_1" from URL "{self._data.url}". '
                "Please ensure that the object located at the URL is a valid tar.gz archive."
            ) from None
        finally:
            archive.unlink(missing_ok=True)


async def _retried(attempt: Callable[[], Awaitable[T]]) -> T:
    """Again after a connection that failed or an answer of 5xx; a refusal is final."""
    for count in range(1, _TRIES):
        try:
            return await attempt()
        except (aiohttp.ClientError, OSError, TimeoutError):
            await asyncio.sleep(_PAUSE * count)
    return await attempt()


def _inside(directory: Path, relative: str) -> Path:
    """A key's path under the directory; keys may hold `..`, which would lead out."""
    path = directory.joinpath(*(part for part in relative.split("/") if part))
    if ".." in path.parts:
        raise _Refused
    return path
