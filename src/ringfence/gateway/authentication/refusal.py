"""What AWS says when it does not believe who is calling: one fault, one error per protocol family.

Not authorization (gateway.authorization). Called by gateway.authentication.
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and, for the others,
https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
"""

from typing import Literal

from ringfence.core.errors import ServiceError
from ringfence.gateway.authentication.signature import Fault

Family = Literal["json", "rest-json", "query", "ec2", "s3"]
# What authenticate finds out beyond the signature itself.
KeyFault = Literal["key", "token", "token-expired", "service", "region"]

_FAMILIES: dict[str, Family] = {
    "s3": "s3",
    "s3control": "s3",
    "ec2": "ec2",
    "iam": "query",
    "sts": "query",
    "route53": "query",
    "cloudwatch": "query",
    "monitoring": "query",
    "sagemaker-runtime": "rest-json",
    "sagemaker-featurestore-runtime": "rest-json",
    "sagemaker-metrics": "rest-json",
}


def family_of(service: str) -> Family:
    """The protocol family of a service, by botocore's name or signing name."""
    return _FAMILIES.get(service, "json")


_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_EXPIRED_TOKEN = "The security token included in the request is expired"  # noqa: S105


def refuse(fault: Fault | KeyFault, detail: str, family: Family) -> ServiceError:
    """The error of this fault as the family's services word it."""
    match family:
        case "s3":
            return _refuse_s3(fault, detail)
        case "ec2":
            return _refuse_ec2(fault, detail)
        case "query":
            return _refuse_query(fault, detail)
        case "json":
            return _refuse_json(fault, detail, 400)
        case "rest-json":
            return _refuse_json(fault, detail, 403)


def _refuse_json(fault: str, detail: str, status: int) -> ServiceError:
    if fault == "missing":
        return ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token", status)
    if fault in ("key", "token"):
        return ServiceError(
            "UnrecognizedClientException", "The security token included in the request is invalid.", status
        )
    if fault == "token-expired":
        return ServiceError("ExpiredTokenException", _EXPIRED_TOKEN, status)
    if fault in _INCOMPLETE:
        return ServiceError("IncompleteSignatureException", _incomplete(fault, detail), status)
    return ServiceError("InvalidSignatureException", _signature_text(fault, detail), status)


def _refuse_query(fault: str, detail: str) -> ServiceError:
    if fault == "missing":
        return ServiceError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    if fault in ("key", "token"):
        return ServiceError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
    if fault == "token-expired":
        return ServiceError("ExpiredToken", _EXPIRED_TOKEN, 403)
    if fault in _INCOMPLETE:
        return ServiceError("IncompleteSignature", _incomplete(fault, detail), 400)
    return ServiceError("SignatureDoesNotMatch", _signature_text(fault, detail), 403)


def _refuse_ec2(fault: str, detail: str) -> ServiceError:
    if fault in ("past", "future", "expired", "early", "token-expired"):
        return ServiceError("RequestExpired", "Request has expired.", 400)
    if fault == "missing":
        return ServiceError(
            "AuthFailure", "AWS was not able to authenticate the request: access credentials are missing", 401
        )
    if fault in ("region", "service"):
        return ServiceError("AuthFailure", _signature_text(fault, detail).strip(), 401)
    return ServiceError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)


_INCOMPLETE = frozenset({"incomplete", "query", "mechanism", "several", "duplicate", "expires"})


def _incomplete(fault: str, detail: str) -> str:
    match fault:
        case "mechanism":
            return f"Unsupported AWS 'algorithm': '{detail}'. "
        case "several":
            return "Request must not carry both an Authorization header and X-Amz-Algorithm query parameters."
        case "duplicate":
            return f"Request must not carry more than one '{detail}'."
        case "query":
            return (
                "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', "
                "'X-Amz-SignedHeaders' and 'X-Amz-Date'. Re-examine the query-string parameters."
            )
        case _:
            return detail


def _signature_text(fault: str, detail: str) -> str:
    match fault:
        case "past" | "future" | "date" | "host":
            return detail
        case "expired":
            return "Signature expired: the presigned request is no longer valid."
        case "early":
            return "Signature not yet current: the presigned request is not valid yet."
        case "terminator":
            return f"Credential should be scoped with a valid terminator: 'aws4_request', not '{detail}'. "
        case "service":
            return f"Credential should be scoped to correct service: '{detail}'. "
        case "region":
            return f"Credential should be scoped to a valid region, not '{detail}'. "
        case _:
            return _MISMATCH


_S3: dict[str, tuple[str, str, int]] = {
    "missing": ("AccessDenied", "Access Denied", 403),
    "key": ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", 403),
    "token": ("InvalidToken", "The provided token is malformed or otherwise invalid.", 400),
    "token-expired": ("ExpiredToken", "The provided token has expired.", 400),
    "mismatch": (
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing "
        "method.",
        403,
    ),
    "past": ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", 403),
    "expired": ("AccessDenied", "Request has expired", 403),
    "early": ("AccessDenied", "Request is not yet valid", 403),
    "unsigned": ("AccessDenied", "There were headers present in the request which were not signed", 403),
    "mechanism": (
        "InvalidRequest",
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
        400,
    ),
    "several": (
        "InvalidArgument",
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter "
        "or the Authorization header should be specified",
        400,
    ),
    "query": (
        "AuthorizationQueryParametersError",
        "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
        "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        400,
    ),
    "content-hash": ("InvalidRequest", "Missing required header for this request: x-amz-content-sha256", 400),
}
_S3["future"] = _S3["past"]


def _refuse_s3(fault: str, detail: str) -> ServiceError:
    if fault in _S3:
        return ServiceError(*_S3[fault])
    match fault:
        case "expires":
            return ServiceError("AuthorizationQueryParametersError", detail)
        case "duplicate":
            return ServiceError("InvalidRequest", f"Request must not carry more than one {detail}.")
        case "region" | "service":
            text = f"the {fault} is wrong; expecting '{detail}'"
        case "terminator":
            text = f'incorrect terminator {detail}. This endpoint belongs to "aws4_request"'
        case _:
            text = detail
    # boto3 follows the Region member to the right region
    fields = {"Region": detail} if fault == "region" else {}
    return ServiceError("AuthorizationHeaderMalformed", f"The authorization header is malformed; {text}", 400, fields)
