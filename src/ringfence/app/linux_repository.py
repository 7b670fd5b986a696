"""The Amazon Linux 1 and 2 repositories: S3 buckets of AWS's own, one small package in them, open to everybody.

They are buckets like all others, so that routes, endpoint policies and bucket names decide on a download as on AWS. Not
a mirror: what they hold is in `amazon_linux` beside this file. Called by `app.daemon` at each start.
https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html#edit-vpc-endpoint-policy-s3
"""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from importlib import resources
from importlib.resources.abc import Traversable

from ringfence.core.record import Writer
from ringfence.network.service import LINUX_REPOSITORIES
from ringfence.resources.s3 import Bucket, S3Object
from ringfence.store.blob_reference import drop, keep
from ringfence.store.blobs import BlobStore
from ringfence.store.database import Store

_OWNER = "137112412989"  # the account that Amazon Linux is published by
_TYPES = {".rpm": "application/x-rpm", ".xml": "text/xml", ".gz": "application/x-gzip", ".list": "text/plain"}


async def provide_repositories(store: Store, blobs: BlobStore, region: str, now: datetime) -> None:
    """Make the region's repositories, or make them anew when Ringfence brings other packages than they hold."""
    with store.transaction() as records:
        wanted = {name: held for name, held in _objects(region).items() if _is_ours(records, name)}
        newest = sorted((bucket, key) for bucket, held in wanted.items() for key in held)
        if all(records.get(S3Object, f"{bucket}\0{key}") is not None for bucket, key in newest):
            return
    everything = b"".join(wanted[bucket][key] for bucket, key in newest)
    blob = await blobs.receive(_once(everything))
    with store.transaction() as records:
        _remove_old(records, wanted)
        offset = 0
        for bucket, key in newest:
            content = wanted[bucket][key]
            keep(records, [blob.id])
            records.put(_object(bucket, key, content, (blob.id, offset, len(content)), now))
            offset += len(content)
        for name in wanted:
            records.put(_bucket(name, region, now))


def _objects(region: str) -> dict[str, dict[str, bytes]]:
    """Bucket -> key -> content. Where the packages are is in the mirror list, as yum's variables lead to it."""
    packages, lists, second = (name.format(r=region) for name in LINUX_REPOSITORIES)
    files = dict(_files(resources.files(__package__) / "amazon_linux", ""))
    digest = hashlib.sha256(files["repodata/repomd.xml"]).hexdigest()
    first_place, second_place = f"latest/main/{digest}/x86_64", f"2/core/2.0/x86_64/{digest}"
    return {
        lists: {"latest/main/mirror.list": f"http://{packages}/{first_place}\n".encode()},
        packages: {f"{first_place}/{name}": content for name, content in files.items()},
        second: {f"{second_place}/{name}": content for name, content in files.items()}
        | {"2/core/latest/x86_64/mirror.list": f"https://{second}/{second_place}\n".encode()},
    }


def _files(directory: Traversable, prefix: str) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    for entry in directory.iterdir():
        if entry.is_dir():
            found |= _files(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(tuple(_TYPES)):
            found[prefix + entry.name] = entry.read_bytes()
    return found


def _object(bucket: str, key: str, content: bytes, extent: tuple[str, int, int], now: datetime) -> S3Object:
    return S3Object(
        bucket=bucket,
        name=key,
        etag=hashlib.md5(content, usedforsecurity=False).hexdigest(),
        size=len(content),
        extents=(extent,),
        last_modified=now.replace(microsecond=0),
        headers={"ContentType": _TYPES[key[key.rindex(".") :]]},
    )


def _bucket(name: str, region: str, now: datetime) -> Bucket:
    """Everybody may read it, nobody may list it."""
    read = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    return Bucket(
        name=name,
        account=_OWNER,
        region=region,
        created=now.replace(microsecond=0),
        policy=json.dumps({"Version": "2012-10-17", "Statement": [read]}),
    )


def _remove_old(records: Writer, wanted: Mapping[str, Mapping[str, bytes]]) -> None:
    """What an earlier version of Ringfence put there."""
    for name in wanted:
        for found in list(records.scan(S3Object, f"{name}\0")):
            drop(records, (blob_id for blob_id, _, _ in found.extents))
            records.delete(found)


def _is_ours(records: Writer, name: str) -> bool:
    """Unless a user made a bucket of that name before these came: it stays as it is."""
    found = records.get(Bucket, name)
    return found is None or found.account == _OWNER


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
