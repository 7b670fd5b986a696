"""The registry of images: `docker push`, `docker pull`, skopeo and containerd speak this protocol, not AWS's.

Each request becomes the operations of `ecr` that AWS asks permission for, performed as whoever the password of
GetAuthorizationToken is, by the path that the packets took. Called by `gateway.serve`.
https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from ringfence.core.call import Arrival, Principal, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.results import Blob, Forward, Stream
from ringfence.explain.logged_call import LoggedCall
from ringfence.gateway.body import Body, read
from ringfence.gateway.perform import Caller, Gateway, check_allowed, find_operation, perform
from ringfence.gateway.route import Route, check_endpoint
from ringfence.iam.session_token import open_bearer, sealing_key
from ringfence.protocol.message import HttpRequest, HttpResponse
from ringfence.resources.ecr import Layer, LayerUpload
from ringfence.services.ecr.layer import join_parts
from ringfence.store.blob_reference import is_kept

SERVICE = "ecr.dkr"
_LARGEST_MANIFEST = 4 * 2**20
_ACCOUNT = re.compile(r"(\d{12})\.dkr\.ecr\.")
_NAME = r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
_JSON = ("Content-Type", "application/json; charset=utf-8")
_VERSION = ("Docker-Distribution-Api-Version", "registry/2.0")
# ECR's errors as registries name them, and their statuses.
_CODES = {
    "RepositoryNotFoundException": ("NAME_UNKNOWN", 404),
    "LayersNotFoundException": ("BLOB_UNKNOWN", 404),
    "ReferencedImagesNotFoundException": ("MANIFEST_BLOB_UNKNOWN", 404),
    "ImageNotFoundException": ("MANIFEST_UNKNOWN", 404),
    "UploadNotFoundException": ("BLOB_UPLOAD_UNKNOWN", 404),
    "InvalidLayerException": ("DIGEST_INVALID", 400),
    "EmptyUploadException": ("DIGEST_INVALID", 400),
    "InvalidLayerPartException": ("BLOB_UPLOAD_INVALID", 416),
    "ImageDigestDoesNotMatchException": ("DIGEST_INVALID", 400),
    "ImageTagAlreadyExistsException": ("TAG_INVALID", 400),
    "InvalidParameterException": ("MANIFEST_INVALID", 400),
    "AccessDeniedException": ("DENIED", 403),
    "NotImplemented": ("UNSUPPORTED", 501),
}


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request, authenticated. `repository`: the members that name it in ECR's operations."""

    gateway: Gateway
    request: HttpRequest
    body: Body
    caller: Caller
    logged: LoggedCall
    name: str = ""
    reference: str = ""
    registry: str = ""

    @property
    def repository(self) -> Request:
        return {"registryId": self.registry, "repositoryName": self.name}

    @property
    def image_id(self) -> dict[str, str]:
        """The ImageIdentifier that the reference is: a digest or a tag."""
        return {"imageDigest" if self.reference.startswith("sha256:") else "imageTag": self.reference}

    def query(self, name: str) -> str | None:
        return next(iter(parse_qs(self.request.query).get(name, ())), None)

    def perform(self, operation: str, **members: object) -> Result:
        found = find_operation("ecr", operation)
        result = perform(self.gateway, found, {**self.repository, **members}, self.caller, self.logged)
        assert not isinstance(result, Forward)
        return result


async def serve_registry(
    gateway: Gateway, request: HttpRequest, body: Body, arrival: Arrival, logged: LoggedCall
) -> HttpResponse:
    """Answer one request; refusals come as the registry protocol has them."""
    logged.service = "ecr"
    try:
        with gateway.store.transaction() as records:
            check_endpoint(Route(SERVICE), arrival, records)
    except ServiceError as error:
        return _refuse(error)
    try:
        principal = _authenticate(gateway, request)
    except ServiceError as error:
        logged.authentic = False
        gateway.decisions.refuse(logged, error)
        return _challenge(request)
    logged.authentic, logged.principal = True, principal
    exchange = _Exchange(gateway, request, body, Caller(principal, arrival, {}), logged)
    try:
        return await _answer(exchange)
    except ServiceError as error:
        gateway.decisions.refuse(logged, error)
        return _refuse(error)


async def _answer(exchange: _Exchange) -> HttpResponse:
    method, path = exchange.request.method, exchange.request.path.rstrip("/")
    if path == "/v2":
        return HttpResponse(200, (_VERSION, _JSON), b"{}")
    for pattern, methods in _ROUTES:
        if found := pattern.fullmatch(path):
            answer = methods.get(method)
            if answer is None:
                break
            account = _ACCOUNT.match(exchange.request.header("host") or "")
            registry = account[1] if account else exchange.caller.principal.account
            parts = found.groupdict()
            named = replace(exchange, name=parts["name"], reference=parts.get("reference", ""), registry=registry)
            return await answer(named)
    raise ServiceError("NotImplemented", "The operation is unsupported.", 405)


def _authenticate(gateway: Gateway, request: HttpRequest) -> Principal:
    scheme, _, given = (request.header("authorization") or "").partition(" ")
    try:
        user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        user, password = "", ""
    with gateway.store.transaction() as records:
        session = open_bearer(sealing_key(records), password) if scheme.lower() == "basic" and user == "AWS" else None
    if session is None:
        raise ServiceError("AuthorizationHeaderMalformed", "Not Authorized", 401)
    if session.expires <= gateway.now():
        raise ServiceError("ExpiredToken", "Your authorization token has expired. Reauthenticate and try again.", 401)
    return session.principal


def _challenge(request: HttpRequest) -> HttpResponse:
    host = request.header("host") or "ecr.amazonaws.com"
    wanted = ("WWW-Authenticate", f'Basic realm="https://{host}/",service="ecr.amazonaws.com"')
    return HttpResponse(401, (wanted, _VERSION, ("Content-Type", "text/plain")), b"Not Authorized\n")


def _refuse(error: ServiceError) -> HttpResponse:
    code, status = _CODES.get(error.code, (error.code, error.status))
    if error.code == "NotImplemented":
        status = error.status
    document = {"errors": [{"code": code, "message": error.message}]}
    return HttpResponse(status, (_VERSION, _JSON), json.dumps(document).encode())


# Manifests


async def _get_manifest(exchange: _Exchange) -> HttpResponse:
    result = exchange.perform("BatchGetImage", imageIds=[exchange.image_id])
    if not result["images"]:
        raise ServiceError("ImageNotFoundException", result["failures"][0]["failureReason"])
    (image,) = result["images"]
    body = image["imageManifest"].encode()
    headers = (
        _VERSION,
        ("Content-Type", image["imageManifestMediaType"]),
        ("Docker-Content-Digest", image["imageId"]["imageDigest"]),
    )
    return _headed(exchange, headers, body)


async def _put_manifest(exchange: _Exchange) -> HttpResponse:
    body = await read(exchange.body, _LARGEST_MANIFEST)
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ServiceError("InvalidParameterException", "The manifest is not UTF-8.") from None
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    kind = (exchange.request.header("content-type") or "").partition(";")[0]
    try:
        exchange.perform("PutImage", imageManifest=text, imageManifestMediaType=kind or None, **exchange.image_id)
    except ServiceError as error:
        if error.code != "ImageAlreadyExistsException":
            raise
    location = ("Location", f"/v2/{exchange.name}/manifests/{digest}")
    return HttpResponse(201, (_VERSION, location, ("Docker-Content-Digest", digest)), b"")


async def _delete_manifest(exchange: _Exchange) -> HttpResponse:
    result = exchange.perform("BatchDeleteImage", imageIds=[exchange.image_id])
    if result["failures"]:
        raise ServiceError("ImageNotFoundException", result["failures"][0]["failureReason"])
    return HttpResponse(202, (_VERSION,), b"")


async def _list_tags(exchange: _Exchange) -> HttpResponse:
    tags: set[str] = set()
    token: dict[str, str] = {}
    while True:
        result = exchange.perform("ListImages", **token)
        tags |= {one["imageTag"] for one in result["imageIds"] if "imageTag" in one}
        if "nextToken" not in result:
            break
        token = {"nextToken": result["nextToken"]}
    body = json.dumps({"name": exchange.name, "tags": sorted(tags)}).encode()
    return HttpResponse(200, (_VERSION, _JSON), body)


# Blobs


async def _get_blob(exchange: _Exchange) -> HttpResponse:
    head = exchange.request.method == "HEAD"
    if head:
        result = exchange.perform("BatchCheckLayerAvailability", layerDigests=[exchange.reference])
        found = [one for one in result["layers"] if one["layerAvailability"] == "AVAILABLE"]
        if not found:
            raise ServiceError("LayersNotFoundException", "blob unknown to registry")
        size, content = found[0]["layerSize"], Stream(())
    else:
        exchange.perform("GetDownloadUrlForLayer", layerDigest=exchange.reference)
        layer = _layer(exchange)
        size, content = layer.size, Stream(((layer.blob, 0, layer.size),))
    headers = (
        _VERSION,
        ("Content-Type", "application/octet-stream"),
        ("Docker-Content-Digest", exchange.reference),
        ("Content-Length", str(size)),
    )
    return HttpResponse(200, headers, b"" if head else content)


def _layer(exchange: _Exchange) -> Layer:
    key = f"{exchange.registry}/{exchange.gateway.region}/{exchange.name}\0{exchange.reference}"
    layer = exchange.gateway.store.load(Layer, key)
    if layer is None:
        raise ServiceError("LayersNotFoundException", "blob unknown to registry")
    return layer


async def _begin_upload(exchange: _Exchange) -> HttpResponse:
    """A blob of another repository is not mounted: the client sends it, which the protocol allows for."""
    upload = exchange.perform("InitiateLayerUpload")["uploadId"]
    begun = replace(exchange, reference=upload)
    if exchange.query("digest") is not None:
        return await _finish_upload(begun)
    return _uploaded(begun, 0)


async def _continue_upload(exchange: _Exchange) -> HttpResponse:
    return _uploaded(exchange, await _add_part(exchange))


async def _finish_upload(exchange: _Exchange) -> HttpResponse:
    digest = exchange.query("digest") or ""
    await _add_part(exchange)
    await _join(exchange)
    exchange.perform("CompleteLayerUpload", uploadId=exchange.reference, layerDigests=[digest])
    location = ("Location", f"/v2/{exchange.name}/blobs/{digest}")
    return HttpResponse(201, (_VERSION, location, ("Docker-Content-Digest", digest)), b"")


async def _show_upload(exchange: _Exchange) -> HttpResponse:
    with exchange.gateway.store.transaction() as records:
        upload = records.get(LayerUpload, exchange.reference)
    if upload is None:
        raise ServiceError("UploadNotFoundException", "blob upload unknown to registry")
    _check_may_push(exchange)
    return replace(_uploaded(exchange, upload.size), status=204)


async def _add_part(exchange: _Exchange) -> int:
    """What the body holds is on disk and counted before the answer; returns the upload's size so far.

    Who may not push is refused before the first byte.
    """
    gateway = exchange.gateway
    _check_may_push(exchange)
    upload = gateway.store.load(LayerUpload, exchange.reference)
    before = upload.size if upload is not None else 0
    empty = upload is not None and exchange.body.length == 0 and bool(upload.parts)
    if empty:
        return before
    blob = await gateway.blobs.receive(exchange.body.chunks())
    try:
        if blob.size or not (upload and upload.parts):
            exchange.perform(
                "UploadLayerPart",
                uploadId=exchange.reference,
                partFirstByte=before,
                partLastByte=before + blob.size - 1,
                layerPartBlob=blob,
            )
    finally:
        if not is_kept(gateway.store, blob.id):
            gateway.blobs.delete(blob.id)
    return before + blob.size


def _check_may_push(exchange: _Exchange) -> None:
    operation = find_operation("ecr", "UploadLayerPart")
    check_allowed(exchange.gateway, operation, exchange.repository, exchange.caller, exchange.logged)


async def _join(exchange: _Exchange) -> None:
    """Several parts become one blob, whose digest is then known."""
    gateway = exchange.gateway
    upload = gateway.store.load(LayerUpload, exchange.reference)
    if upload is None or len(upload.parts) < 2:
        return
    parts = Stream(tuple((part.blob, 0, part.size) for part in upload.parts))
    whole = await _received(gateway, parts)
    with gateway.store.transaction() as records:
        current = records.get(LayerUpload, upload.id)
        if current == upload:
            join_parts(records, upload, whole)
    if not is_kept(gateway.store, whole.id):
        gateway.blobs.delete(whole.id)


async def _received(gateway: Gateway, parts: Stream) -> Blob:
    with gateway.blobs.read(parts) as chunks:
        return await gateway.blobs.receive(chunks)


def _uploaded(exchange: _Exchange, size: int) -> HttpResponse:
    headers = (
        _VERSION,
        ("Location", f"/v2/{exchange.name}/blobs/uploads/{exchange.reference}"),
        ("Docker-Upload-UUID", exchange.reference),
        ("Range", f"0-{max(size - 1, 0)}"),
    )
    return HttpResponse(202, headers, b"")


def _headed(exchange: _Exchange, headers: tuple[tuple[str, str], ...], body: bytes) -> HttpResponse:
    """The answer to GET, or to HEAD the same without its body."""
    if exchange.request.method == "HEAD":
        return HttpResponse(200, (*headers, ("Content-Length", str(len(body)))), b"")
    return HttpResponse(200, headers, body)


_Answer = Callable[[_Exchange], Coroutine[Any, Any, HttpResponse]]

_ROUTES: tuple[tuple[re.Pattern[str], dict[str, _Answer]], ...] = (
    (re.compile(f"/v2/{_NAME}/blobs/uploads"), {"POST": _begin_upload}),
    (
        re.compile(f"/v2/{_NAME}/blobs/uploads/(?P<reference>[0-9a-f-]+)"),
        {"PATCH": _continue_upload, "PUT": _finish_upload, "GET": _show_upload},
    ),
    (re.compile(f"/v2/{_NAME}/blobs/(?P<reference>sha256:[0-9a-f]{{64}})"), {"GET": _get_blob, "HEAD": _get_blob}),
    (
        re.compile(f"/v2/{_NAME}/manifests/(?P<reference>[A-Za-z0-9_][A-Za-z0-9._:-]*)"),
        {"GET": _get_manifest, "HEAD": _get_manifest, "PUT": _put_manifest, "DELETE": _delete_manifest},
    ),
    (re.compile(f"/v2/{_NAME}/tags/list"), {"GET": _list_tags}),
)
