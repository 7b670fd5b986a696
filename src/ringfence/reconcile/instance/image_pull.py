"""The image of an instance: pulled from ECR with the execution role, or one that was imported or is built in.

The platform pulls, not the instance: no subnet of the user's is crossed. Called before an instance is launched.
"""

import json
import logging
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ringfence.core.call import Principal, Result
from ringfence.core.errors import ServiceError
from ringfence.reconcile.instance.launch import Wish, assume_role
from ringfence.reconcile.parts import Parts
from ringfence.reconcile.ports import Caller
from ringfence.resources.ecr import Layer
from ringfence.runtime.driver import Image
from ringfence.services.ecr.manifest import INDEXES, read_manifest
from ringfence.services.ecr.reference import NamedImage, named_image

log = logging.getLogger("ringfence.reconcile")

# What the manifests of an index call the machine's architecture.
_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}


async def find_image(parts: Parts, wish: Wish, name: str) -> Image | None:
    """The image, on this machine; None if there is none or the role may not pull it. Raises LaunchFailed."""
    named = named_image(parts.store.snapshot(), name)
    if named is None:
        return parts.images.resolve(name)
    role = assume_role(parts, wish)
    try:
        return await _pull(parts, parts.caller.acting_for(f"SageMaker pulling `{name}`"), role.principal, named, name)
    except ServiceError as error:
        log.warning("pulling `%s` for `%s` failed: %s", name, wish.name, error)
        return None


async def _pull(parts: Parts, caller: Caller, who: Principal, named: NamedImage, name: str) -> Image | None:
    """As Docker does: a token, the manifest, the layers. Content that is here already is not unpacked again."""
    repository = {"registryId": named.repository.account, "repositoryName": named.repository.name}

    def ask(operation: str, **members: Any) -> Result:
        return caller.call(who, "ecr", operation, {**repository, **members})

    caller.call(who, "ecr", "GetAuthorizationToken", {})
    found = _manifest(ask, named.wanted)
    if found["imageManifestMediaType"] in INDEXES:
        found = _manifest(ask, {"imageDigest": _choose(found["imageManifest"])})
    digest, body = found["imageId"]["imageDigest"], found["imageManifest"]
    blobs = read_manifest(body, found["imageManifestMediaType"]).blobs
    ask("BatchCheckLayerAvailability", layerDigests=list(blobs))
    for blob in blobs:
        ask("GetDownloadUrlForLayer", layerDigest=blob)
    lay_out = partial(_lay_out, parts, named.repository.key, found, blobs)
    image = await parts.images.adopt(f"{named.repository.uri}:{digest.replace(':', '-')}", lay_out)
    return replace(image, name=name, digest=digest)


def _manifest(ask: Callable[..., Result], wanted: dict[str, str]) -> dict[str, Any]:
    """The Image of an ImageIdentifier, as BatchGetImage shows it."""
    result = ask("BatchGetImage", imageIds=[wanted])
    if not result["images"]:
        raise ServiceError("ImageNotFoundException", result["failures"][0]["failureReason"])
    image: dict[str, Any] = result["images"][0]
    return image


def _choose(index: str) -> str:
    """The digest of the index's image for this machine."""
    machine = platform.machine()
    wanted = ("linux", _ARCHITECTURE.get(machine, machine))
    for one in json.loads(index)["manifests"]:
        told = one.get("platform", {})
        if (told.get("os"), told.get("architecture")) == wanted:
            digest: str = one["digest"]
            return digest
    raise ServiceError("ImageNotFoundException", f"The index has no image for {'/'.join(wanted)}")


def _lay_out(parts: Parts, repository: str, image: dict[str, Any], blobs: Sequence[str], directory: Path) -> None:
    """An OCI layout of links to the blobs: whatever happens to the repository meanwhile, they stay."""
    place = directory / "blobs" / "sha256"
    place.mkdir(parents=True)
    for digest in blobs:
        layer = parts.store.load(Layer, f"{repository}\0{digest}")
        if layer is None:
            raise ServiceError("LayersNotFoundException", f"The layer {digest} is gone")
        os.link(parts.config.blobs / layer.blob, place / digest.removeprefix("sha256:"))
    body, digest = image["imageManifest"].encode(), image["imageId"]["imageDigest"]
    (place / digest.removeprefix("sha256:")).write_bytes(body)
    described = {"mediaType": image["imageManifestMediaType"], "digest": digest, "size": len(body)}
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
