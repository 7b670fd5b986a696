"""Images: put, get, list, describe, delete. An image is a manifest; tags are names for one."""

import re
from collections.abc import Mapping
from typing import Any

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.listing import page
from ringfence.core.operation import operation
from ringfence.core.record import Reader
from ringfence.resources.ecr import ImageManifest, ImageTag, Layer, Repository
from ringfence.services.ecr.lookup import DIGEST, find_repository, invalid_parameter, on_repository, violates
from ringfence.services.ecr.manifest import ManifestFacts, read_manifest
from ringfence.store.blob_reference import drop

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@operation(
    "PutImage",
    takes="registryId repositoryName imageManifest imageManifestMediaType imageTag imageDigest",
    on=on_repository,
)
def put_image(call: Call, request: Request) -> Result:
    repository, body = find_repository(call, request), request["imageManifest"]
    facts = read_manifest(body, request.get("imageManifestMediaType"))
    if request.get("imageDigest", facts.digest) != facts.digest:
        message = f"The image digest '{request['imageDigest']}' does not match the calculated digest '{facts.digest}'"
        raise ServiceError("ImageDigestDoesNotMatchException", message)
    _check_whole(call.records, repository, facts)
    tag = request.get("imageTag")
    if tag is not None:
        _check_tag(call.records, repository, tag, facts)
    manifest = ImageManifest(
        repository=repository.key,
        digest=facts.digest,
        media_type=facts.media_type,
        body=body,
        pushed=call.now,
        size=facts.size,
    )
    if call.records.get(ImageManifest, manifest.key) is None:
        call.records.put(manifest)
    if tag is not None:
        call.records.put(ImageTag(repository=repository.key, tag=tag, digest=facts.digest))
    return {"image": _show(repository, manifest, tag)}


def _check_whole(records: Reader, repository: Repository, facts: ManifestFacts) -> None:
    """Nothing that the manifest names may be missing."""
    missing = [digest for digest in facts.blobs if records.get(Layer, f"{repository.key}\0{digest}") is None]
    if missing:
        message = (
            f"Layers with digests '[{', '.join(missing)}]' required for pushing image into repository with name "
            f"'{repository.name}' in the registry with id '{repository.account}' do not exist"
        )
        raise ServiceError("LayersNotFoundException", message)
    absent = [one for one in facts.manifests if records.get(ImageManifest, f"{repository.key}\0{one}") is None]
    if absent:
        message = (
            f"Images with digests '[{', '.join(absent)}]' required for pushing image into repository with name "
            f"'{repository.name}' in the registry with id '{repository.account}' do not exist"
        )
        raise ServiceError("ReferencedImagesNotFoundException", message)


def _check_tag(records: Reader, repository: Repository, tag: str, facts: ManifestFacts) -> None:
    if not _TAG.fullmatch(tag):
        raise violates("imageTag", f"must satisfy regular expression '{_TAG.pattern}'")
    known = records.get(ImageTag, f"{repository.key}\0{tag}")
    if known is None:
        return
    where = f"in the '{repository.name}' repository"
    if known.digest == facts.digest:
        message = f"Image with digest '{facts.digest}' and tag '{tag}' already exists {where}"
        raise ServiceError("ImageAlreadyExistsException", message)
    if repository.tag_mutability == "IMMUTABLE":
        message = (
            f"The image tag '{tag}' already exists {where} and cannot be overwritten because the repository is "
            "immutable."
        )
        raise ServiceError("ImageTagAlreadyExistsException", message)


@operation("BatchGetImage", takes="registryId repositoryName imageIds acceptedMediaTypes", on=on_repository)
def batch_get_image(call: Call, request: Request) -> Result:
    """An image whose media type is not accepted is shown all the same, as AWS does where it cannot convert it."""
    repository = find_repository(call, request)
    request.get("acceptedMediaTypes")
    images: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    for wanted in request["imageIds"]:
        found = find_image(call.records, repository, wanted)
        if isinstance(found, ImageManifest):
            images.append(_show(repository, found, wanted.get("imageTag")))
        else:
            failures.append(found)
    return {"images": images, "failures": failures}


def find_image(records: Reader, repository: Repository, wanted: Mapping[str, str]) -> ImageManifest | dict[str, Any]:
    """The image of an ImageIdentifier, or the ImageFailure that says why there is none."""
    tag, digest = wanted.get("imageTag"), wanted.get("imageDigest")
    if tag is None and digest is None:
        return _failure(wanted, "MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null")
    if digest is not None and not DIGEST.fullmatch(digest):
        return _failure(wanted, "InvalidImageDigest", "Invalid request parameters: image digest is not valid")
    if tag is not None:
        named = records.get(ImageTag, f"{repository.key}\0{tag}")
        if named is None:
            return _failure(wanted, "ImageNotFound", "Requested image not found")
        if digest not in (None, named.digest):
            return _failure(wanted, "ImageTagDoesNotMatchDigest", "The tag and the digest are of different images")
        digest = named.digest
    found = records.get(ImageManifest, f"{repository.key}\0{digest}")
    return found or _failure(wanted, "ImageNotFound", "Requested image not found")


def _failure(wanted: Mapping[str, str], code: str, reason: str) -> dict[str, Any]:
    return {"imageId": dict(wanted), "failureCode": code, "failureReason": reason}


@operation("ListImages", takes="registryId repositoryName nextToken maxResults filter", on=on_repository)
def list_images(call: Call, request: Request) -> Result:
    repository = find_repository(call, request)
    status = _status(request)
    tags = _tags(call.records, repository)
    ids = [
        {"imageDigest": manifest.digest, **({"imageTag": tag} if tag else {})}
        for manifest in _manifests(call.records, repository)
        for tag in tags.get(manifest.digest, [""])
        if status in (None, "TAGGED" if tag else "UNTAGGED")
    ]
    shown, token = page(
        ids,
        key=lambda one: f"{one['imageDigest']} {one.get('imageTag', '')}",
        limit=request.get("maxResults", 100),
        token=request.get("nextToken"),
        error=invalid_parameter("The specified nextToken is invalid"),
    )
    return {"imageIds": shown, "nextToken": token} if token else {"imageIds": shown}


@operation("DescribeImages", takes="registryId repositoryName imageIds nextToken maxResults filter", on=on_repository)
def describe_images(call: Call, request: Request) -> Result:
    repository = find_repository(call, request)
    status, wanted = _status(request), request.get("imageIds")
    tags = _tags(call.records, repository)
    if wanted is not None:
        found = [_described(call.records, repository, one) for one in wanted]
    else:
        found = [
            manifest
            for manifest in _manifests(call.records, repository)
            if status in (None, "TAGGED" if manifest.digest in tags else "UNTAGGED")
        ]
    shown, token = page(
        found,
        key=lambda manifest: manifest.digest,
        limit=request.get("maxResults", 100),
        token=request.get("nextToken"),
        error=invalid_parameter("The specified nextToken is invalid"),
    )
    details = [_detail(repository, manifest, tags.get(manifest.digest, [])) for manifest in shown]
    return {"imageDetails": details, "nextToken": token} if token else {"imageDetails": details}


def _described(records: Reader, repository: Repository, wanted: Mapping[str, str]) -> ImageManifest:
    found = find_image(records, repository, wanted)
    if isinstance(found, ImageManifest):
        return found
    tag, digest = (f"'{wanted[member]}'" if member in wanted else "'null'" for member in ("imageTag", "imageDigest"))
    message = (
        f"The image with imageId {{imageDigest:{digest}, imageTag:{tag}}} does not exist within the repository with "
        f"name '{repository.name}' in the registry with id '{repository.account}'"
    )
    raise ServiceError("ImageNotFoundException", message)


@operation("BatchDeleteImage", takes="registryId repositoryName imageIds", on=on_repository)
def batch_delete_image(call: Call, request: Request) -> Result:
    """By tag: the tag goes, and the image with its last one. By digest: the image with all its tags."""
    repository = find_repository(call, request)
    deleted: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    for wanted in request["imageIds"]:
        found = find_image(call.records, repository, wanted)
        if not isinstance(found, ImageManifest):
            failures.append(found)
            continue
        tags = _tags(call.records, repository).get(found.digest, [])
        going = [wanted["imageTag"]] if "imageTag" in wanted else tags
        last = set(going) == set(tags)
        if last and _is_named(call.records, repository, found.digest):
            reason = "Requested image is referenced by a manifest list"
            failures.append(_failure(wanted, "ImageReferencedByManifestList", reason))
            continue
        for tag in going:
            call.records.delete(ImageTag(repository=repository.key, tag=tag, digest=found.digest))
            deleted.append({"imageDigest": found.digest, "imageTag": tag})
        if not going:
            deleted.append({"imageDigest": found.digest})
        if last:
            call.records.delete(found)
    _drop_unnamed_layers(call, repository)
    return {"imageIds": deleted, "failures": failures}


def _is_named(records: Reader, repository: Repository, digest: str) -> bool:
    return any(
        digest in read_manifest(manifest.body, manifest.media_type).manifests
        for manifest in _manifests(records, repository)
    )


def _drop_unnamed_layers(call: Call, repository: Repository) -> None:
    named = {
        digest
        for manifest in _manifests(call.records, repository)
        for digest in read_manifest(manifest.body, manifest.media_type).blobs
    }
    for layer in list(call.records.scan(Layer, f"{repository.key}\0")):
        if layer.digest not in named:
            drop(call.records, [layer.blob])
            call.records.delete(layer)


def _manifests(records: Reader, repository: Repository) -> list[ImageManifest]:
    return list(records.scan(ImageManifest, f"{repository.key}\0"))


def _tags(records: Reader, repository: Repository) -> dict[str, list[str]]:
    """digest -> its tags"""
    found: dict[str, list[str]] = {}
    for tag in records.scan(ImageTag, f"{repository.key}\0"):
        found.setdefault(tag.digest, []).append(tag.tag)
    return found


def _status(request: Request) -> str | None:
    wanted = request.get("filter", {})
    if wanted.get("imageStatus", "ACTIVE") != "ACTIVE":
        raise not_implemented("archived images")
    status: str | None = wanted.get("tagStatus")
    return None if status == "ANY" else status


def _show(repository: Repository, manifest: ImageManifest, tag: str | None) -> dict[str, Any]:
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageId": {"imageDigest": manifest.digest, **({"imageTag": tag} if tag else {})},
        "imageManifest": manifest.body,
        "imageManifestMediaType": manifest.media_type,
    }


def _detail(repository: Repository, manifest: ImageManifest, tags: list[str]) -> dict[str, Any]:
    return {
        "registryId": repository.account,
        "repositoryName": repository.name,
        "imageDigest": manifest.digest,
        **({"imageTags": tags} if tags else {}),
        "imageSizeInBytes": manifest.size,
        "imagePushedAt": manifest.pushed,
        "imageManifestMediaType": manifest.media_type,
    }
