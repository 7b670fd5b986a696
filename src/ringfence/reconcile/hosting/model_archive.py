"""A model archive unpacked as the platform does it: files and directories, and nothing that leads elsewhere.

Not tarfile's own `data` filter: Debian 12's Python 3.11.2 does not have it. Called by model_download.
"""

import gzip
import shutil
import tarfile
from pathlib import Path, PurePosixPath

# ours: each costs a little of the daemon's time, and a few bytes of a gzip can be many
_MOST_MEMBERS = 1_000_000
# what is read at once: a member's content comes in smaller pieces, its extended headers whole
_LARGEST_HEADER = 1 << 20


class TooLarge(Exception):
    """What the archive holds is more than the limit."""


def unpack(archive: Path, directory: Path, limit: int | None = None) -> None:
    """Unpack a .tar.gz; tarfile.TarError for what is none, or holds links, devices or names that lead out.

    `limit`: bytes that it may hold; TooLarge before the first one beyond.

    SageMaker wants no symbolic links in a model archive:
    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
    """
    with _Bounded(archive) as unzipped, tarfile.open(fileobj=unzipped) as tar:
        for number, member in enumerate(tar):
            tar.members.clear()  # type: ignore[attr-defined]  # it would keep them all
            if number == _MOST_MEMBERS:
                raise tarfile.ReadError(f"more than {_MOST_MEMBERS} members")
            if limit is not None:
                limit -= member.size
                if limit < 0:
                    raise TooLarge
            _place(tar, member, directory)


class _Bounded(gzip.GzipFile):
    """Does not put into memory what an archive says that a name is long."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size)


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, directory: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise tarfile.ExtractError(f"`{member.name}` leads out of the archive")
    target = directory.joinpath(*name.parts)
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        raise tarfile.ExtractError(f"`{member.name}` is neither a file nor a directory")
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as written:
        shutil.copyfileobj(content, written)
    target.chmod(0o755 if member.mode & 0o100 else 0o644)
