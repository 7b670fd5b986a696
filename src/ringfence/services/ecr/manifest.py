"""Image manifests as they are pushed: read, and checked. Pure.

https://github.com/opencontainers/image-spec/blob/main/manifest.md
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from ringfence.services.ecr.lookup import DIGEST, violates

MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
INDEXES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
_LARGEST = 4 * 2**20


@dataclass(frozen=True, slots=True)
class ManifestFacts:
    """`blobs`: digests of the configuration and the layers; `manifests`: of what an index names. `size`: in bytes."""

    digest: str
    media_type: str
    blobs: tuple[str, ...]
    manifests: tuple[str, ...]
    size: int


def read_manifest(body: str, media_type: str | None) -> ManifestFacts:
    """What a manifest names; InvalidParameterException if it is not one."""
    if len(body) > _LARGEST:
        raise _invalid("it is larger than 4 MiB")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise _invalid("it is not JSON") from None
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:
        raise _invalid("its schema version is not 2")
    kind = media_type or document.get("mediaType") or _guess(document)
    digest = f"sha256:{hashlib.sha256(body.encode()).hexdigest()}"
    if kind in INDEXES:
        return ManifestFacts(digest, kind, (), _digests(document, "manifests"), 0)
    if kind not in MANIFESTS:
        raise _invalid(f"its media type `{kind}` is unknown")
    layers = _list(document, "layers")
    config = document.get("config")
    blobs = tuple(dict.fromkeys(_digest(item) for item in (config, *layers)))
    return ManifestFacts(digest, kind, blobs, (), sum(_size(item) for item in (config, *layers)))


def _guess(document: dict[str, Any]) -> str:
    return INDEXES[1] if "manifests" in document else MANIFESTS[1]


def _digests(document: dict[str, Any], member: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_digest(item) for item in _list(document, member)))


def _list(document: dict[str, Any], member: str) -> list[Any]:
    found = document.get(member)
    if not isinstance(found, list):
        raise _invalid(f"it has no list `{member}`")
    return found


def _digest(descriptor: Any) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        raise _invalid("a descriptor has no sha256 digest")
    return digest


def _size(descriptor: Any) -> int:
    size = descriptor.get("size")
    if not isinstance(size, int) or size < 0:
        raise _invalid("a descriptor has no size")
    return size


def _invalid(why: str) -> Exception:
    return violates("ImageManifest", f"Invalid JSON syntax or manifest: {why}")
