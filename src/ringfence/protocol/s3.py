"""S3's restXml: buckets in the host, subresources, its error document, names of root elements that no model holds."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import quote

from ringfence.core.errors import ServiceError
from ringfence.core.results import Blob
from ringfence.protocol import uri, xml_read, xml_write
from ringfence.protocol.errors import ErrorReply, Malformed
from ringfence.protocol.message import HttpRequest, HttpResponse
from ringfence.protocol.model import ServiceModel, Shape
from ringfence.protocol.query import error_fields
from ringfence.protocol.rest_xml import RestXmlWire, body_members

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

# Root elements of answers, where the shape's name is not it: https://docs.aws.amazon.com/AmazonS3/latest/API/
_ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CreateSession": "CreateSessionResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotification": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListParts": "ListPartsResult",
}


class S3Wire(RestXmlWire):
    """`s3`. `bucket`: the bucket that the host names, else None."""

    def __init__(self, model: ServiceModel, *, bodiless: bool = False, bucket: str | None = None) -> None:
        super().__init__(model, bodiless=bodiless)
        self._bucket = bucket
        self._reader = xml_read.XmlReader(strict=True)

    def _path(self, request: HttpRequest) -> str:
        if self._bucket is None:
            return request.path
        return f"/{quote(self._bucket, safe='')}{request.path}"

    def _admits(self, route: uri.Route, query: uri.Query) -> bool:
        # Without this, PUT of a key with a subresource that the method does not have would write the object.
        own = _parameters(self.model, route.operation)
        selectors = _selectors(self.model)
        return not any(key in selectors and key not in own for key, _ in query)

    def _unknown(self, request: HttpRequest) -> ServiceError:
        text = "The specified method is not allowed against this resource."
        return ServiceError("MethodNotAllowed", text, 405, {"Method": request.method, "ResourceType": "SERVICE"})

    def _refuse(self, error: Malformed) -> ServiceError:
        if error.reason == xml_read.NOT_WELL_FORMED:
            return ServiceError("MalformedXML", error.reason)
        if error.reason.startswith("Couldn't parse the specified URI"):
            return ServiceError("InvalidURI", error.reason, fields={"URI": error.value})
        fields = {"ArgumentName": error.member, "ArgumentValue": error.value} if error.member else {}
        if "an Integer" in error.reason or "a Long" in error.reason:
            text = f"Provided {error.member} not an integer or within integer range"
            return ServiceError("InvalidArgument", text, fields=fields)
        return ServiceError("InvalidArgument", error.reason, fields=fields)

    def read(self, operation: str, request: HttpRequest) -> dict[str, Any]:
        params = super().read(operation, request)
        if "Metadata" in params:
            # user metadata is stored in lower case, whatever the client's HTTP library makes of header names
            params["Metadata"] = {key.lower(): value for key, value in params["Metadata"].items()}
        if isinstance(request.body, Blob):
            # the header counts the chunks' framing too
            params["ContentLength"] = request.body.size
        if "ContentEncoding" in params:
            # the signature's framing is not part of the object
            codings = [coding.strip() for coding in params["ContentEncoding"].split(",")]
            params["ContentEncoding"] = ",".join(coding for coding in codings if coding and coding != "aws-chunked")
            if not params["ContentEncoding"]:
                del params["ContentEncoding"]
        return params

    def write_result(self, operation: str, result: Mapping[str, Any], request_id: str) -> HttpResponse:
        response = super().write_result(operation, result, request_id)
        # the one status that depends on the result, and that no model holds
        return replace(response, status=206) if result.get("ContentRange") else response

    def write_error(self, operation: str | None, error: ServiceError, request_id: str) -> HttpResponse:
        if error.status != 304:
            return super().write_error(operation, error, request_id)
        # not an error on the wire: no document, and the ETag that the client's copy still has
        etag = error.fields.get("ETag")
        return HttpResponse(304, (*self._identification(request_id), *([("ETag", etag)] if etag else [])), b"")

    def _read_body(self, shape: Shape, body: bytes) -> dict[str, Any]:
        try:
            return super()._read_body(shape, body)
        except Malformed:
            raise Malformed(xml_read.NOT_WELL_FORMED) from None

    def _document(self, operation: str, shape: Shape, value: Any, name: str) -> str:
        namespace = f' xmlns="{_NAMESPACE}"'
        if operation == "GetBucketLocation":
            # the one answer whose root is its only member; us-east-1 is the empty one
            return f"<LocationConstraint{namespace}>{value.get('LocationConstraint') or ''}</LocationConstraint>"
        root = _ROOTS.get(operation, name)
        return self._writer.element(shape, value, root, default_namespace=namespace)

    def _identification(self, request_id: str) -> tuple[tuple[str, str], ...]:
        return (("x-amz-request-id", request_id), ("x-amz-id-2", _host_id(request_id)), ("Server", "AmazonS3"))

    def _error(self, reply: ErrorReply, request_id: str) -> str:
        parts = (
            xml_write.element("Code", reply.code),
            xml_write.element("Message", reply.message),
            error_fields(self._writer, body_members(reply)),
            xml_write.element("RequestId", request_id),
            xml_write.element("HostId", _host_id(request_id)),
        )
        return f"<Error>{''.join(parts)}</Error>"


def _host_id(request_id: str) -> str:
    """S3's second id: opaque, here of the first."""
    return base64.b64encode(hashlib.sha384(request_id.encode()).digest()).decode()


@cache
def _selectors(model: ServiceModel) -> frozenset[str]:
    """Query keys that choose an operation somewhere in S3: `acl`, `uploads`, `uploadId`."""
    routes = [route for found in uri.patterns(model).values() for pattern in found for route in pattern.routes]
    literals = {key for route in routes for key, value in route.literals}
    return frozenset(literals.union(*(route.required_query for route in routes)) - {"id", "x-id"})


@cache
def _parameters(model: ServiceModel, operation: str) -> frozenset[str]:
    described = model.operation_model(operation)
    literals = {part.partition("=")[0] for part in described.http["requestUri"].partition("?")[2].split("&")}
    members: Mapping[str, Shape] = described.input_shape.members if described.input_shape is not None else {}
    query = {
        member.serialization.get("name", name)
        for name, member in members.items()
        if member.serialization.get("location") == "querystring"
    }
    return frozenset(literals | query)
