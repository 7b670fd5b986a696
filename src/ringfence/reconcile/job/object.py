"""Which objects a source of a job means, in which order, and which of them are one host's.

A prefix is listed page by page and never held as a whole, unless its order is shuffled. Called by `input`,
`pipe`, `fast_file`.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ringfence.reconcile.instance.launch import LaunchFailed
from ringfence.reconcile.instance.s3_client import S3Client
from ringfence.services.sagemaker import job_failure
from ringfence.services.sagemaker.job_plan import JobPlan, bucket_and_key
from ringfence.services.sagemaker.job_source import Source

T = TypeVar("T")

_LARGEST_MANIFEST = 64 << 20


@dataclass(frozen=True, slots=True)
class Object:
    """`relative`: where it goes below the source's directory. `size`: -1 if it was not listed."""

    bucket: str
    key: str
    relative: str
    size: int = -1
    etag: str = ""

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


async def find_objects(
    s3: S3Client, plan: JobPlan, source: Source, share: tuple[int, int], epoch: int = 0
) -> AsyncIterator[Object]:
    """One host's; `share` is its number among how many. Raises Refused, LaunchFailed or one of UNREACHABLE."""
    if source.seed is not None:
        everything = [one async for one in _all(s3, plan, source)]
        for one in take_share(shuffle(everything, source.seed, epoch), source, share):
            yield one
        return
    number, count = share if source.sharded else (0, 1)
    position = 0
    async for one in _all(s3, plan, source):
        if position % count == number:
            yield one
        position += 1


def take_share(items: Sequence[T], source: Source, share: tuple[int, int]) -> Sequence[T]:
    number, count = share if source.sharded else (0, 1)
    return items[number::count]


def shuffle(items: Sequence[T], seed: int, epoch: int) -> list[T]:
    """The same order for the same seed and epoch on every host: so that shards are of one order.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ShuffleConfig.html ; the order itself is ours.
    """

    def rank(position: int) -> bytes:
        return hashlib.sha256(f"{seed}/{epoch}/{position}".encode()).digest()

    return [items[position] for position in sorted(range(len(items)), key=rank)]


async def read_lines(s3: S3Client, plan: JobPlan, source: Source) -> list[dict[str, object]]:
    """An augmented manifest: a JSON object a line, with every attribute that is asked for.

    https://docs.aws.amazon.com/sagemaker/latest/dg/augmented-manifest.html
    """
    text = await s3.read(*bucket_and_key(source.uri), _LARGEST_MANIFEST)
    try:
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        for line in lines:
            for name in source.attributes:
                line[name]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise LaunchFailed(job_failure.bad_augmented_manifest(source.uri, source.attributes)) from None
    return lines


def relative(key: str, prefix: str) -> str:
    """An object's place below the directory: after the prefix as a folder, or in a prefix that ends within a name,
    after the last slash."""
    if key == prefix:
        return key.rpartition("/")[2]
    if not prefix or prefix.endswith("/"):
        return key.removeprefix(prefix)
    if key.startswith(f"{prefix}/"):
        return key.removeprefix(f"{prefix}/")
    return key[prefix.rfind("/") + 1 :]


def parts_of(path: str) -> tuple[str, ...] | None:
    """The folders and the name of an object's file; None if no file can be called so, or if it would lead out."""
    parts = tuple(part for part in path.split("/") if part)
    odd = not parts or any(part in (".", "..") or "\0" in part or len(part.encode()) > 255 for part in parts)
    return None if odd else parts


async def _all(s3: S3Client, plan: JobPlan, source: Source) -> AsyncIterator[Object]:
    bucket, key = bucket_and_key(source.uri)
    if source.kind == "ManifestFile":
        for one in _read_manifest(await s3.read(bucket, key, _LARGEST_MANIFEST), plan, source):
            yield one
        return
    async for listed in s3.scan(bucket, key):
        yield Object(bucket, listed.key, relative(listed.key, key), listed.size, listed.etag)


def _read_manifest(text: bytes, plan: JobPlan, source: Source) -> list[Object]:
    """`[{"prefix": "s3://bucket/some/"}, "relative/key", …]`

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html
    """
    try:
        head, *keys = json.loads(text)
        bucket, prefix = bucket_and_key(head["prefix"])
        return [Object(bucket, prefix + key, key) for key in keys]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise LaunchFailed(job_failure.bad_manifest(plan.noun, source.uri)) from None
