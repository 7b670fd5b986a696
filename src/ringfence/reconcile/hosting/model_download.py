"""A model's data: from S3 into the instance's directory, with the execution role's credentials, through the
instance's own network. Called by `host` before the container starts.
"""

import asyncio
import errno
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from ringfence.reconcile.hosting.model_archive import TooLarge, unpack
from ringfence.reconcile.instance.s3_client import UNREACHABLE, Refused, S3Client
from ringfence.reconcile.instance.s3_read import fetch_object
from ringfence.services.sagemaker.container import ModelData
from ringfence.services.sagemaker.failure_reason import data_refused, data_unreachable


class DownloadFailed(Exception):
    """`reason` is what AWS says in the endpoint's FailureReason; the cause, what S3 or the archive said."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ModelDownload:
    """One model's data; `s3` sends its requests from inside the instance's namespace."""

    def __init__(self, s3: S3Client, data: ModelData, number: int = 1, limit: int | None = None) -> None:
        """`number`: which container of the instance it is for, as AWS counts them. `limit`: bytes of an archive's
        content."""
        self._s3 = s3
        self._data = data
        self._number = number
        self._limit = limit

    async def into(self, directory: Path) -> None:
        """Put the data into `directory`, made anew. Raises DownloadFailed with AWS's text."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        try:
            await self._fetch(directory)
        except Refused as refused:
            raise DownloadFailed(data_refused(self._data.url, self._number)) from refused
        except UNREACHABLE as error:
            if _is_full(error):
                raise self._too_large() from error
            raise DownloadFailed(data_unreachable(self._data.url)) from error

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
                    await self._get(item.key, inside(directory, item.key.removeprefix(key)), item.size, item.etag)
                if not found:
                    raise Refused(404, "NoSuchKey", "no object has the prefix")

    async def _get(self, key: str, path: Path, size: int = -1, etag: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        await fetch_object(self._s3, self._data.bucket, key, path, size, etag)

    async def _extract(self, archive: Path, directory: Path) -> None:
        try:
            await _unpack_whole(archive, directory, self._limit)
        except TooLarge as error:
            raise self._too_large() from error
        except (tarfile.TarError, EOFError, OSError) as error:
            if _is_full(error):
                raise self._too_large() from error
            raise DownloadFailed(
                f'Failed to extract model data archive for container "container_{self._number}" from URL '
                f'"{self._data.url}". Please ensure that the object located at the URL is a valid tar.gz archive.'
            ) from error
        finally:
            archive.unlink(missing_ok=True)

    def _too_large(self) -> DownloadFailed:
        """ours"""
        return DownloadFailed(
            f'The model data for container "container_{self._number}" from URL "{self._data.url}" does not fit into '
            "the storage volume of the instance."
        )


def _is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno == errno.ENOSPC


async def _unpack_whole(archive: Path, directory: Path, limit: int | None) -> None:
    """Not to be left half-way: a thread that goes on writing would bring a directory back that is being removed."""
    unpacking = asyncio.create_task(asyncio.to_thread(unpack, archive, directory, limit))
    try:
        await asyncio.shield(unpacking)
    except asyncio.CancelledError:
        await asyncio.gather(unpacking, return_exceptions=True)
        raise


def inside(directory: Path, relative: str) -> Path:
    """A key's path under the directory; keys may hold `..`, which would lead out."""
    path = directory.joinpath(*(part for part in relative.split("/") if part))
    if ".." in path.parts:
        raise Refused(400, "InvalidKey", f"`{relative}` leads out of the directory")
    return path
