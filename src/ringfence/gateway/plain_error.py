"""Errors that no protocol writes: the service is unknown, or Ringfence does not have it; and our own faults.

Called by `gateway.serve`; everything else is written by the request's `protocol.wire.Wire`.
"""

import json
from xml.sax.saxutils import escape

from ringfence.core.errors import ServiceError
from ringfence.network.service import SERVICES
from ringfence.protocol.message import HttpRequest, HttpResponse

_XML = {
    *("s3", "ec2", "sts", "sts.global", "iam", "route53", "cloudwatch", "monitoring", "sns", "cloudformation"),
    *("autoscaling", "elasticloadbalancing", "elbv2", "rds", "redshift"),
}
# Services with endpoints here whose clients read JSON, whatever they send; not those of the query protocol and S3's. By
# both their names: a plain endpoint URL tells only what they sign for.
_JSON = frozenset(name for facts in SERVICES for name in (facts.api, facts.service)) - _XML


def write_plain_error(error: ServiceError, request: HttpRequest, request_id: str, service: str | None) -> HttpResponse:
    """JSON for a client that sends or reads JSON, else the XML that query and rest-xml clients read."""
    stamp = (("x-amzn-RequestId", request_id),)
    kind = request.header("content-type") or ""
    if request.header("x-amz-target") or "json" in kind or "cbor" in kind or service in _JSON:
        body = json.dumps({"__type": error.code, "message": error.message}).encode()
        headers = (*stamp, ("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", error.code))
        return HttpResponse(error.status, headers, body)
    fault = "Receiver" if error.status >= 500 else "Sender"
    text = (
        f"<ErrorResponse><Error><Type>{fault}</Type><Code>{escape(error.code)}</Code>"
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return HttpResponse(error.status, (*stamp, ("Content-Type", "text/xml")), text.encode())


def internal_failure(service: str | None) -> ServiceError:
    """A fault of ours, as the service words it; the log has the rest under the request's id."""
    if service in ("s3", "ec2"):
        return ServiceError("InternalError", "We encountered an internal error. Please try again.", 500)
    message = "The request processing has failed because of an unknown error, exception or failure."
    return ServiceError("InternalFailure", message, 500)
