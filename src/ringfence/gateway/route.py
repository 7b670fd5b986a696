"""Which service, region and bucket a request is for: from its host, its credential scope, its target and path.

Not authentication: a scope is only read here, believed by `gateway.authentication`. Called by `gateway.serve`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from ringfence.core.call import Arrival
from ringfence.core.errors import ServiceError
from ringfence.core.record import Reader
from ringfence.network.addresses import service_of
from ringfence.network.service import SERVICES
from ringfence.protocol.message import HttpRequest
from ringfence.resources.ec2 import VpcEndpoint

_REGION = r"[a-z]{2,}(?:-[a-z]+)+-\d+"

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html: the dash form is the legacy one
_S3_HOST = re.compile(
    rf"(?:(?P<bucket>.+)\.)?s3(?:-fips)?(?:\.dualstack)?(?:[.-](?P<region>{_REGION}))?\.amazonaws\.com"
)
_VPCE_HOST = re.compile(
    rf"(?:(?P<bucket>.+?)\.)??(?:(?P<kind>bucket|accesspoint|control)\.)?vpce-[0-9a-z]+-[0-9a-z]+(?:-{_REGION}[a-z])?"
    rf"\.(?P<name>[a-z0-9.-]+)\.(?P<region>{_REGION})\.vpce\.amazonaws\.com"
)
_APPLICATION_HOST = re.compile(
    rf"(?:.+\.)?(?:(?P<name>studio|notebook|partner-app|experiments)\.{_REGION}|{_REGION}\.(?P<other>experiments))\.(?:vpce\.)?sagemaker\.aws"
)
_LINUX_HOST = re.compile(rf"(?P<bucket>(?:packages|repo|amazonlinux)\.{_REGION}\.amazonaws\.com)")
_AWS_HOST = re.compile(rf"(?P<name>[a-z0-9.-]+?)(?:\.(?P<region>{_REGION}))?\.(?:amazonaws\.com|api\.aws)")
_LONGEST_HOST = 255
_LOCAL_BUCKET = re.compile(r"(?P<bucket>.+?)(?:\.s3)?\.localhost")


def _services_by_host() -> dict[str, str]:
    """The first labels of a host -> botocore's name of the service; `*.` starts those below which it answers too."""
    found = {"api.sagemaker-fips": "sagemaker", "*.s3-accesspoint": "s3-accesspoint", "*.s3-control": "s3control"}
    for facts in SERVICES:
        for name in (*facts.names, *facts.vpce_tails):
            label, known = re.subn(r"(\.{r})?(\.vpce)?\.(amazonaws\.com|api\.aws)$", "", name)
            if known:
                found.setdefault(label, facts.api)
    return found


_BY_HOST: Mapping[str, str] = _services_by_host()

_BY_TARGET: Mapping[str, str] = {
    "SageMaker": "sagemaker",
    "Logs_20140328": "logs",
    "GraniteServiceVersion20100801": "cloudwatch",
    "TrentService": "kms",
    "AWSOrganizationsV20161128": "organizations",
    "secretsmanager": "secretsmanager",
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "OvertureService": "directconnect",
    "AnyScaleFrontendService": "application-autoscaling",
}

# Four services sign as "sagemaker": where the host does not tell, their paths do.
_BY_PATH: tuple[tuple[str, str], ...] = (
    ("/endpoints/", "sagemaker-runtime"),
    ("/FeatureGroup/", "sagemaker-featurestore-runtime"),
    ("/BatchGetRecord", "sagemaker-featurestore-runtime"),
    ("/BatchWriteRecord", "sagemaker-featurestore-runtime"),
    ("/BatchPutMetrics", "sagemaker-metrics"),
    ("/BatchGetMetrics", "sagemaker-metrics"),
)

# S3 Control signs as S3, and its paths could be a bucket's; each of its requests says whose account it is about.
_S3_CONTROL_PATH, _S3_CONTROL_HEADER = "/v20180820/", "x-amz-account-id"

_BY_SIGNING_NAME = {"monitoring": "cloudwatch"}

# Whose endpoints a service shares.
_SHARES = {"s3control": "s3"}

# Services whose one endpoint for the world signs for us-east-1.
_GLOBAL = frozenset({"iam", "organizations", "sts", "route53"})
_GLOBAL_REGION = "us-east-1"


_CREDENTIAL = re.compile(r"Credential=([^,\s]+)")
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Scope:
    """The credential scope of a signed request: what the client thinks that it talks to."""

    region: str
    service: str


@dataclass(frozen=True, slots=True)
class Route:
    """`service` as botocore names it; `bucket` if the host name holds it; `scope` None for an unsigned request."""

    service: str
    bucket: str | None = None
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """What a host name says: nothing for an address, `localhost` or a name that is not AWS's."""

    service: str | None = None
    bucket: str | None = None


def route(request: HttpRequest) -> Route:
    """The service that the request is for. The host decides, as at AWS; on a plain endpoint URL the scope does."""
    scope = read_scope(request)
    place = _read_host(request.header("host") or "")
    service = place.service or (_from_scope(scope, request) if scope else _from_shape(request))
    return Route(service, place.bucket if service == "s3" else None, scope)


def endpoint_service(service_name: str) -> str:
    """The service behind a VPC endpoint service: `com.amazonaws.us-west-2.sagemaker.runtime` is sagemaker-runtime."""
    region = service_name.split(".")[2]
    facts = service_of(service_name, region)
    return facts.api if facts else ".".join(service_name.split(".")[3:])


def check_endpoint(found: Route, arrival: Arrival, records: Reader) -> None:
    """Raise unless the VPC endpoint that the request came through, if any, serves this service."""
    if arrival.vpce_id is None:
        return
    endpoint = records.get(VpcEndpoint, arrival.vpce_id)
    if endpoint is None:
        raise ServiceError("ServiceUnavailable", f"The VPC endpoint {arrival.vpce_id} has been deleted.", 503)
    if endpoint_service(endpoint.service_name) != _SHARES.get(found.service, found.service):
        message = f"The VPC endpoint {endpoint.id} is for {endpoint.service_name}: it does not serve {found.service}."
        raise ServiceError("UnknownOperationException", message, 404)


def expected_region(found: Route, region: str) -> str:
    """The region that the scope must name: the daemon's, or us-east-1 for what AWS has once for the world."""
    if found.service in _GLOBAL and found.scope is not None and found.scope.region == _GLOBAL_REGION:
        return _GLOBAL_REGION
    return region


def read_scope(request: HttpRequest) -> Scope | None:
    """The credential scope of the Authorization header or of a presigned URL, None if there is none."""
    credential = _credential(request)
    return _scope_of(credential) if credential is not None else None


@lru_cache(maxsize=_REMEMBERED)
def _scope_of(credential: str) -> Scope | None:
    fields = credential.rsplit("/", 4)
    return Scope(fields[2], fields[3]) if len(fields) == 5 and fields[3] else None


def _credential(request: HttpRequest) -> str | None:
    header = request.header("authorization")
    if header is not None:
        found = _CREDENTIAL.search(header)
        return found[1] if found else None
    if "X-Amz-Credential=" not in request.query:
        return None
    for pair in request.query.split("&"):
        name, _, value = pair.partition("=")
        if name == "X-Amz-Credential":
            return unquote(value)
    return None


@lru_cache(maxsize=256)
def _read_host(header: str) -> _Place:
    host = header.rsplit(":", 1)[0] if not header.endswith("]") else header
    host = host.lower().rstrip(".")
    if len(host) > _LONGEST_HOST:  # before the patterns, some of which take the square of it
        return _Place()
    if found := _VPCE_HOST.fullmatch(host):
        kind = found["kind"] if found["name"] == "s3" else None
        other = {"accesspoint": "s3-accesspoint", "control": "s3control"}.get(kind or "")
        return _Place(other or _named(found["name"]), found["bucket"])
    if found := _S3_HOST.fullmatch(host) or _LINUX_HOST.fullmatch(host):
        return _Place("s3", found["bucket"])
    if found := _AWS_HOST.fullmatch(host):
        return _Place(_named(found["name"]))
    if found := _APPLICATION_HOST.fullmatch(host):
        return _Place(f"sagemaker-{found['name'] or found['other']}")
    if host == "s3.localhost":
        return _Place("s3")
    if found := _LOCAL_BUCKET.fullmatch(host):
        return _Place(None, found["bucket"])
    return _Place()


def _named(labels: str) -> str:
    """Botocore's name of the service whose hosts start so, else the labels themselves."""
    return _BY_HOST.get(labels) or _BY_HOST.get(f"*.{labels.partition('.')[2]}") or labels


def _from_scope(scope: Scope, request: HttpRequest) -> str:
    if scope.service == "sagemaker" and request.header("x-amz-target") is None:
        return next((service for start, service in _BY_PATH if request.path.startswith(start)), "sagemaker")
    if scope.service == "s3" and request.path.startswith(_S3_CONTROL_PATH) and request.header(_S3_CONTROL_HEADER):
        return "s3control"
    return _BY_SIGNING_NAME.get(scope.service, scope.service)


def _from_shape(request: HttpRequest) -> str:
    """The service of an unsigned request to a plain endpoint URL: what is not plainly another one's is S3's."""
    target = request.header("x-amz-target")
    if target is not None:
        return _BY_TARGET.get(target.split(".")[0], target.split(".")[0])
    if request.path == "/v2" or request.path.startswith("/v2/"):
        return "ecr.dkr"  # what registries' clients ask for; no bucket's name is so short
    if request.path.startswith("/service/GraniteServiceVersion20100801/"):
        return "cloudwatch"
    if request.method == "POST" and re.fullmatch(r"/endpoints/[^/]+/(async-)?invocations[a-z-]*", request.path):
        return "sagemaker-runtime"
    form = (request.header("content-type") or "").startswith("application/x-www-form-urlencoded")
    if (form and request.method == "POST" and request.path == "/") or request.query.startswith("Action="):
        return "sts"  # the one service of the query protocol that has unsigned operations
    return "s3"
