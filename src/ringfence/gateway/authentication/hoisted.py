"""Headers that a presigned S3 URL carries in its query: `x-amz-acl=private` there means what the header would.

Some SDKs put every header that they can into the URL, so that whoever uses it need not send them. Called by
gateway.authentication, once the URL's signature, which covers them, is believed.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from dataclasses import replace
from urllib.parse import unquote_plus

from ringfence.protocol.message import HttpRequest

# of the signature itself
_OWN = frozenset({"x-amz-security-token", "x-amz-user-agent", "x-amz-content-sha256"})


def lower_hoisted(request: HttpRequest) -> HttpRequest:
    """The request with those headers among its headers; one that was sent as a header too stays as sent."""
    have = {name.lower() for name, _ in request.headers}
    found = []
    for pair in request.query.split("&"):
        name, _, value = pair.partition("=")
        name = unquote_plus(name)
        if name.startswith("x-amz-") and name not in _OWN and name not in have:
            found.append((name, unquote_plus(value)))
    return replace(request, headers=(*request.headers, *found)) if found else request
