"""Repositories: create, describe, delete, and how their tags behave."""

from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.listing import page
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, from_list, set_tags
from ringfence.resources.ecr import ImageManifest, ImageTag, Layer, LayerUpload, Repository
from ringfence.services.ecr.lookup import (
    NAME,
    find_repository,
    invalid_parameter,
    names_of,
    on_repository,
    registry_of,
    violates,
)
from ringfence.services.ecr.tag import checked_tags
from ringfence.store.blob_reference import drop

_MUTABILITY = ("MUTABLE", "IMMUTABLE")


def _tagged(call: Call, request: Request) -> list[str]:
    return on_repository(call, request) if request.get("tags") else []


@operation(
    "CreateRepository",
    takes="registryId repositoryName tags imageTagMutability imageScanningConfiguration encryptionConfiguration",
    on=on_repository,
    also=(("ecr:TagResource", _tagged),),
)
def create_repository(call: Call, request: Request) -> Result:
    registry = registry_of(call, request)
    if registry != call.account:
        raise not_implemented("creating repositories in another account's registry")
    name = request["repositoryName"]
    if not NAME.fullmatch(name) or not 2 <= len(name) <= 256:
        raise violates("repositoryName", f"must satisfy regular expression '{NAME.pattern}'")
    repository = Repository(
        account=registry,
        region=call.region,
        name=name,
        created=call.now,
        tag_mutability=_mutability(request.get("imageTagMutability", "MUTABLE")),
    )
    _check_scanning(request.get("imageScanningConfiguration", {}))
    encryption = request.get("encryptionConfiguration", {"encryptionType": "AES256"})
    if encryption["encryptionType"] != "AES256" or "kmsKey" in encryption:
        raise not_implemented("encryption of repositories with KMS")
    if call.records.get(Repository, repository.key) is not None:
        message = f"The repository with name '{name}' already exists in the registry with id '{registry}'"
        raise ServiceError("RepositoryAlreadyExistsException", message)
    call.records.put(repository)
    set_tags(call.records, repository.arn, checked_tags({}, from_list(request.get("tags", ()))))
    return {"repository": _show(repository)}


def _mutability(wanted: str) -> str:
    if wanted not in _MUTABILITY:
        raise not_implemented(f"the tag mutability {wanted}")
    return wanted


def _check_scanning(configuration: Request) -> None:
    if configuration.get("scanOnPush"):
        raise not_implemented("scanOnPush: images are not scanned")


def _named(call: Call, request: Request) -> list[str]:
    names = request.get("repositoryNames") or ["*"]
    return [arn for name in names for arn in on_repository(call, {**request, "repositoryName": name})]


@operation("DescribeRepositories", takes="registryId repositoryNames nextToken maxResults", on=_named)
def describe_repositories(call: Call, request: Request) -> Result:
    registry, names = registry_of(call, request), request.get("repositoryNames")
    if names is not None:
        if "maxResults" in request or "nextToken" in request:
            raise invalid_parameter("repositoryNames and paging cannot be combined")
        found = [find_repository(call, {**request, "repositoryName": name}) for name in names]
        return {"repositories": [_show(repository) for repository in found]}
    mine = [one for one in call.records.all(Repository) if (one.account, one.region) == (registry, call.region)]
    shown, token = page(
        sorted(mine, key=lambda one: one.name),
        key=lambda one: one.name,
        limit=request.get("maxResults", 100),
        token=request.get("nextToken"),
        error=invalid_parameter("The specified nextToken is invalid"),
    )
    result: dict[str, Any] = {"repositories": [_show(repository) for repository in shown]}
    return {**result, "nextToken": token} if token else result


@operation("DeleteRepository", takes="registryId repositoryName force", on=on_repository)
def delete_repository(call: Call, request: Request) -> Result:
    repository = find_repository(call, request)
    prefix = f"{repository.key}\0"
    manifests = list(call.records.scan(ImageManifest, prefix))
    if manifests and not request.get("force"):
        message = (
            f"The repository with name '{repository.name}' in registry with id '{repository.account}' cannot be "
            "deleted because it still contains images"
        )
        raise ServiceError("RepositoryNotEmptyException", message)
    for layer in list(call.records.scan(Layer, prefix)):
        drop(call.records, [layer.blob])
        call.records.delete(layer)
    for upload in [one for one in call.records.all(LayerUpload) if one.repository == repository.key]:
        drop(call.records, [part.blob for part in upload.parts])
        call.records.delete(upload)
    for record in (*manifests, *call.records.scan(ImageTag, prefix)):
        call.records.delete(record)
    drop_tags(call.records, repository.arn)
    call.records.delete(repository)
    return {"repository": _show(repository)}


@operation("PutImageTagMutability", takes="registryId repositoryName imageTagMutability", on=on_repository)
def put_image_tag_mutability(call: Call, request: Request) -> Result:
    repository = find_repository(call, request)
    wanted = _mutability(request["imageTagMutability"])
    call.records.put(msgspec.structs.replace(repository, tag_mutability=wanted))
    return {**names_of(repository), "imageTagMutability": wanted}


@operation(
    "PutImageScanningConfiguration", takes="registryId repositoryName imageScanningConfiguration", on=on_repository
)
def put_image_scanning_configuration(call: Call, request: Request) -> Result:
    repository = find_repository(call, request)
    _check_scanning(request["imageScanningConfiguration"])
    return {**names_of(repository), "imageScanningConfiguration": {"scanOnPush": False}}


def _show(repository: Repository) -> dict[str, Any]:
    return {
        "repositoryArn": repository.arn,
        "registryId": repository.account,
        "repositoryName": repository.name,
        "repositoryUri": repository.uri,
        "createdAt": repository.created,
        "imageTagMutability": repository.tag_mutability,
        "imageScanningConfiguration": {"scanOnPush": False},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }
