"""Layers: what a push sends piece by piece and a pull fetches. Their bytes are blobs that gateway.registry receives."""

from datetime import timedelta
from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.ids import uuid4
from ringfence.core.operation import operation
from ringfence.core.record import Writer
from ringfence.core.results import Blob
from ringfence.resources.ecr import Layer, LayerPart, LayerUpload, Repository
from ringfence.services.ecr.lookup import DIGEST, find_repository, names_of, on_repository
from ringfence.store.blob_reference import drop, keep

_PART_SIZE = 10 * 2**20
_FORGOTTEN = timedelta(days=1)


@operation("BatchCheckLayerAvailability", takes="registryId repositoryName layerDigests", on=on_repository)
def batch_check_layer_availability(call: Call, request: Request) -> Result:
    repository = find_repository(call, request)
    layers: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    for digest in request["layerDigests"]:
        if not DIGEST.fullmatch(digest):
            failures.append(
                {
                    "layerDigest": digest,
                    "failureCode": "InvalidLayerDigest",
                    "failureReason": "The layer digest is not valid",
                }
            )
            continue
        found = call.records.get(Layer, f"{repository.key}\0{digest}")
        shown = {"layerDigest": digest, "layerAvailability": "AVAILABLE" if found else "UNAVAILABLE"}
        layers.append({**shown, "layerSize": found.size} if found else shown)
    return {"layers": layers, "failures": failures}


@operation("InitiateLayerUpload", takes="registryId repositoryName", on=on_repository)
def initiate_layer_upload(call: Call, request: Request) -> Result:
    repository = find_repository(call, request)
    for old in [one for one in call.records.all(LayerUpload) if one.begun < call.now - _FORGOTTEN]:
        _forget(call.records, old)
    upload = LayerUpload(id=uuid4(call.entropy), repository=repository.key, begun=call.now)
    call.records.put(upload)
    return {"uploadId": upload.id, "partSize": _PART_SIZE}


@operation(
    "UploadLayerPart",
    takes="registryId repositoryName uploadId partFirstByte partLastByte layerPartBlob",
    on=on_repository,
)
def upload_layer_part(call: Call, request: Request) -> Result:
    """The part is on disk already: it came as the body of a registry's request."""
    repository = find_repository(call, request)
    upload, blob = _find_upload(call, repository, request), request["layerPartBlob"]
    if not isinstance(blob, Blob):
        raise not_implemented("layer parts in the body of UploadLayerPart: push with docker or skopeo")
    if request["partFirstByte"] != upload.size or request["partLastByte"] != upload.size + blob.size - 1:
        message = f"Layer parts must be sent in order: expected first byte {upload.size}"
        raise ServiceError("InvalidLayerPartException", message, 400, {"lastValidByteReceived": upload.size - 1})
    keep(call.records, [blob.id])
    part = LayerPart(blob=blob.id, size=blob.size, sha256=blob.sha256)
    call.records.put(msgspec.structs.replace(upload, parts=(*upload.parts, part)))
    return {**names_of(repository), "uploadId": upload.id, "lastByteReceived": upload.size + blob.size - 1}


def join_parts(records: Writer, upload: LayerUpload, whole: Blob) -> None:
    """Replace the parts of an upload by one blob of the same bytes."""
    keep(records, [whole.id])
    drop(records, [part.blob for part in upload.parts])
    joined = LayerPart(blob=whole.id, size=whole.size, sha256=whole.sha256)
    records.put(msgspec.structs.replace(upload, parts=(joined,)))


@operation("CompleteLayerUpload", takes="registryId repositoryName uploadId layerDigests", on=on_repository)
def complete_layer_upload(call: Call, request: Request) -> Result:
    repository = find_repository(call, request)
    upload = _find_upload(call, repository, request)
    if not upload.parts:
        raise ServiceError("EmptyUploadException", "The layer upload has no parts")
    if len(upload.parts) > 1:
        raise not_implemented("completing an upload of several parts by the API: push with docker or skopeo")
    (part,) = upload.parts
    digest = f"sha256:{part.sha256}"
    if digest not in request["layerDigests"]:
        raise ServiceError("InvalidLayerException", f"The layer's digest is {digest}")
    layer = Layer(repository=repository.key, digest=digest, blob=part.blob, size=part.size)
    call.records.delete(upload)
    if call.records.get(Layer, layer.key) is None:
        call.records.put(layer)
    else:
        drop(call.records, [part.blob])
    return {**names_of(repository), "uploadId": upload.id, "layerDigest": digest}


@operation("GetDownloadUrlForLayer", takes="registryId repositoryName layerDigest", on=on_repository)
def get_download_url_for_layer(call: Call, request: Request) -> Result:
    """The layer's URL in the registry; AWS gives one in a bucket of its own."""
    repository = find_repository(call, request)
    layer = find_layer(call, repository, request["layerDigest"])
    host, _, path = repository.uri.partition("/")
    return {"downloadUrl": f"https://{host}/v2/{path}/blobs/{layer.digest}", "layerDigest": layer.digest}


def find_layer(call: Call, repository: Repository, digest: str) -> Layer:
    """The layer of this digest; LayersNotFoundException."""
    layer = call.records.get(Layer, f"{repository.key}\0{digest}")
    if layer is None:
        message = (
            f"The layer with digest '{digest}' does not exist in the repository with name '{repository.name}' in the "
            f"registry with id '{repository.account}'"
        )
        raise ServiceError("LayersNotFoundException", message)
    return layer


def _find_upload(call: Call, repository: Repository, request: Request) -> LayerUpload:
    upload = call.records.get(LayerUpload, request["uploadId"])
    if upload is None or upload.repository != repository.key:
        message = f"The upload with id '{request['uploadId']}' does not exist in the repository '{repository.name}'"
        raise ServiceError("UploadNotFoundException", message)
    return upload


def _forget(records: Writer, upload: LayerUpload) -> None:
    drop(records, [part.blob for part in upload.parts])
    records.delete(upload)
