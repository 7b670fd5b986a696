"""A model's data: from S3 into the instance's directory, with the execution role's credentials, through the
instance's own network. Called by `host` before the container starts.
"""

import asyncio
import shutil
import tarfile
from pathlib import Path, PurePosixPath

import aiohttp

from ringfence.reconcile.hosting.model_archive import unpack
from ringfence.reconcile.instance.s3_client import UNREACHABLE, Refused, S3Client
from ringfence.reconcile.instance.s3_read import fetch_object
from ringfence.reconcile.ports import RoleSession
from ringfence.services.sagemaker.container import ModelData
from ringfence.services.sagemaker.failure_reason import data_refused, data_unreachable


class DownloadFailed(Exception):
    """`reason` is what AWS says in the endpoint's FailureReason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ModelDownload:
    """One model's data; `session` sends its requests from inside the instance's namespace."""

    def __init__(
        self, session: aiohttp.ClientSession, role: RoleSession, region: str, data: ModelData, number: int = 1
    ) -> None:
        """`number`: which container of the instance it is for, as AWS counts them."""
        self._s3 = S3Client(session, lambda: role, region)
        self._data = data
        self._number = number

    async def into(self, directory: Path) -> None:
        """Put the data into `directory`, made anew. Raises DownloadFailed with AWS's text."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        try:
            await self._fetch(directory)
        except Refused:
            raise DownloadFailed(data_refused(self._data.url, self._number)) from None
        except UNREACHABLE:
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
                found = False
                async for item in self._s3.scan(self._data.bucket, key):
                    found = True
                    await self._get(item.key, inside(directory, item.key.removeprefix(key)))
                if not found:
                    raise Refused(404, "NoSuchKey", "no object has the prefix")

    async def _get(self, key: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        await fetch_object(self._s3, self._data.bucket, key, path)

    async def _extract(self, archive: Path, directory: Path) -> None:
        try:
            await asyncio.to_thread(unpack, archive, directory)
        except (tarfile.TarError, EOFError, OSError):
            raise DownloadFailed(
                f'Failed to extract model data archive for container "container_{self._number}" from URL '
                f'"{self._data.url}". Please ensure that the object located at the URL is a valid tar.gz archive.'
            ) from None
        finally:
            archive.unlink(missing_ok=True)


def inside(directory: Path, relative: str) -> Path:
    """A key's path under the directory; keys may hold `..`, which would lead out."""
    path = directory.joinpath(*(part for part in relative.split("/") if part))
    if ".." in path.parts:
        raise Refused(400, "InvalidKey", f"`{relative}` leads out of the directory")
    return path
