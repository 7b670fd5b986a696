"""Who is calling: the principal that a request's signature proves, or AWS's refusal in the words of its protocol.

Not what the caller may do (gateway.authorization). Called by gateway.serve before anything is parsed or decided.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ringfence.core.call import Arrival, Principal
from ringfence.core.record import Reader
from ringfence.core.tags import tags_of
from ringfence.gateway.authentication import signature, signature_v2
from ringfence.gateway.authentication.body_verifier import BodyVerifier, body_verifier
from ringfence.gateway.authentication.hoisted import lower_hoisted
from ringfence.gateway.authentication.refusal import KeyFault, family_of, refuse
from ringfence.gateway.authentication.signature import Claim, SignatureFault
from ringfence.gateway.authentication.signature_v2 import PresignedV2
from ringfence.iam.session_token import open_session, sealing_key
from ringfence.protocol.message import HttpRequest
from ringfence.resources.iam import AccessKey, User

# Services that sign under another name than botocore's.
SIGNING_NAME = {
    "sagemaker-runtime": "sagemaker",
    "sagemaker-featurestore-runtime": "sagemaker",
    "sagemaker-metrics": "sagemaker",
    "cloudwatch": "monitoring",
    "s3control": "s3",
}

ANONYMOUS = Principal(kind="anonymous", account="anonymous", arn="anonymous", id="anonymous")


@dataclass(frozen=True, slots=True)
class Authenticated:
    """`payload` must be fed the body, and finished, before a byte of it is believed; only S3's can still refuse then.
    `facts` are condition keys for `Call.facts`. `request`: the request with the headers that its URL carried.
    """

    principal: Principal
    payload: BodyVerifier
    facts: Mapping[str, str]
    request: HttpRequest


class _KeyFault(Exception):
    def __init__(self, fault: KeyFault, detail: str = "") -> None:
        super().__init__(fault)
        self.fault: KeyFault = fault
        self.detail = detail


def authenticate(
    request: HttpRequest,
    records: Reader,
    arrival: Arrival,
    now: datetime,
    *,
    service: str | None = None,
    region: str | None = None,
    bucket: str | None = None,
) -> Authenticated:
    """The proven caller. `service` (botocore's name) and `region`: what the host said, if it did; the scope must agree.

    `bucket`: the one that the host names, for the older signature, which signs it and not the host.

    For S3 the body may still be on the wire; for every other service `request.body` must be whole. `arrival` is not
    read: no address proves anything about who calls.
    """
    try:
        older = signature_v2.read_presigned_v2(request) if service == "s3" else None
        if older is not None:
            return _prove_older(request, older, records, now, bucket)
        claim = signature.read_claim(request)
    except SignatureFault as fault:
        raise refuse(fault.fault, fault.detail, family_of(service or _guess(request))) from None
    if claim is None:
        return _anonymous(request, service)
    family = family_of(service or claim.service)
    try:
        _check_scope(claim, service, region)
        secret, principal = _find_key(claim, records, now)
        signature.check_time(claim, now)
        signature.verify(request, claim, secret)
    except (SignatureFault, _KeyFault) as fault:
        raise refuse(fault.fault, fault.detail, family) from None
    if claim.service != "s3":
        return Authenticated(principal, BodyVerifier(), _facts(claim.headers), request)
    key = signature.signing_key(secret, claim.date, claim.region, claim.service)
    request = lower_hoisted(request) if claim.presigned else request
    payload = body_verifier(claim, key, request.by_name, _uploads(request))
    facts = _facts(claim.headers) | _s3_facts(claim, now)
    return Authenticated(principal, payload, facts, request)


def _prove_older(
    request: HttpRequest, claim: PresignedV2, records: Reader, now: datetime, bucket: str | None
) -> Authenticated:
    """A URL presigned with Signature Version 2: S3's alone."""
    try:
        secret, principal = _find_key(claim, records, now)
    except _KeyFault as fault:
        raise refuse(fault.fault, fault.detail, "s3") from None
    signature_v2.verify(request, claim, secret, bucket, now)
    request = lower_hoisted(request)
    payload = body_verifier(None, None, request.by_name, _uploads(request))
    facts = _facts(claim.headers) | {"s3:authType": "REST-QUERY-STRING", "s3:signatureversion": "AWS"}
    return Authenticated(principal, payload, facts, request)


def _anonymous(request: HttpRequest, service: str | None) -> Authenticated:
    """Only S3 answers callers without a name, and only where a bucket policy says so."""
    if service != "s3":
        raise refuse("missing", "", family_of(service or _guess(request)))
    headers = request.by_name
    payload = body_verifier(None, None, headers, _uploads(request))
    return Authenticated(ANONYMOUS, payload, _facts(headers), request)


def _guess(request: HttpRequest) -> str:
    """The service whose way of refusing fits a request that names none: by its target, form, or neither (S3)."""
    if request.header("x-amz-target"):
        return "json"
    if "x-www-form-urlencoded" in (request.header("content-type") or ""):
        return "sts"
    return "s3"


def _check_scope(claim: Claim, service: str | None, region: str | None) -> None:
    if service is not None and claim.service != (expected := SIGNING_NAME.get(service, service)):
        raise _KeyFault("service", expected)
    if region is not None and claim.region != region:
        s3 = claim.service == "s3"
        raise _KeyFault("region", region if s3 else claim.region)


def _find_key(claim: Claim | PresignedV2, records: Reader, now: datetime) -> tuple[str, Principal]:
    """The secret behind the claimed key, and who holds it."""
    if claim.access_key_id.startswith("ASIA"):
        return _find_session(claim, records, now)
    key = records.get(AccessKey, claim.access_key_id)
    if key is None or key.status != "Active":
        raise _KeyFault("key")
    if claim.token is not None:
        raise _KeyFault("token")
    if key.user_name is None:
        root = Principal(
            kind="root",
            account=key.account,
            arn=f"arn:aws:iam::{key.account}:root",
            id=key.account,
            access_key_id=key.id,
        )
        return key.secret, root
    user = records.get(User, f"{key.account}/{key.user_name.lower()}")
    if user is None:
        raise _KeyFault("key")
    principal = Principal(
        kind="user",
        account=user.account,
        arn=user.arn,
        id=user.id,
        access_key_id=key.id,
        tags=tags_of(records, user.arn),
    )
    return key.secret, principal


def _find_session(claim: Claim | PresignedV2, records: Reader, now: datetime) -> tuple[str, Principal]:
    if not claim.token:
        raise _KeyFault("key")
    session = open_session(sealing_key(records), claim.token)
    if session is None or session.access_key_id != claim.access_key_id:
        raise _KeyFault("token")
    if now >= session.expires:
        raise _KeyFault("token-expired")
    principal = session.principal
    own = tags_of(records, session.role_arn or session.user_arn or session.arn)
    if own:
        principal = dataclasses.replace(principal, tags=own | principal.tags)
    return session.secret_access_key, principal


def _uploads(request: HttpRequest) -> bool:
    """False for CompleteMultipartUpload, whose checksum headers speak of the finished object."""
    return request.method in ("PUT", "POST") and not (request.method == "POST" and "uploadId=" in request.query)


def _facts(headers: Mapping[str, list[str]]) -> dict[str, str]:
    facts = {}
    if "user-agent" in headers:
        facts["aws:UserAgent"] = headers["user-agent"][0]
    if "referer" in headers:
        facts["aws:Referer"] = headers["referer"][0]
    return facts


def _s3_facts(claim: Claim, now: datetime) -> dict[str, str]:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/bucket-policy-s3-sigv4-conditions.html"""
    facts = {
        "s3:authType": "REST-QUERY-STRING" if claim.presigned else "REST-HEADER",
        "s3:signatureversion": signature.ALGORITHM,
    }
    if claim.presigned:
        facts["s3:signatureAge"] = str(max(0, int((now - claim.moment).total_seconds() * 1000)))
    if "x-amz-content-sha256" in claim.headers:
        facts["s3:x-amz-content-sha256"] = claim.headers["x-amz-content-sha256"][0]
    return facts
