"""Routing: which service and bucket, from the host, the scope, the target and the path."""

from datetime import UTC, datetime

import pytest

from ringfence.core.call import Arrival
from ringfence.core.errors import ServiceError
from ringfence.gateway.route import Route, Scope, check_endpoint, endpoint_service, expected_region, route
from ringfence.protocol.message import HttpRequest
from ringfence.resources.ec2 import VpcEndpoint
from ringfence.store.database import open_store

PLAIN = "127.0.0.1:4566"


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path)
    yield opened
    opened.close()


FEATURES = "sagemaker-featurestore-runtime"


def endpoint(name):
    return VpcEndpoint(
        id=f"vpce-{name}",
        account="123456789012",
        region="us-west-2",
        vpc_id="vpc-1",
        service_name=f"com.amazonaws.us-west-2.sagemaker.{name}",
        type="Interface",
        policy="{}",
        created=datetime(2026, 1, 2, tzinfo=UTC),
    )


def request(host=PLAIN, *, scope=None, path="/", query="", method="POST", **headers):
    pairs = [("Host", host)] if host else []
    if scope:
        credential = f"AKIAX/20260102/us-west-2/{scope}/aws4_request"
        pairs.append(("Authorization", f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"))
    pairs += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return HttpRequest(method, path, query, tuple(pairs), b"")


@pytest.mark.parametrize(
    ("scope", "path", "target", "service"),
    [
        ("sts", "/", None, "sts"),
        ("ec2", "/", None, "ec2"),
        ("s3", "/bucket/key", None, "s3"),
        ("sagemaker", "/", "SageMaker.CreateModel", "sagemaker"),
        ("sagemaker", "/endpoints/e/invocations", None, "sagemaker-runtime"),
        ("sagemaker", "/FeatureGroup/f", None, "sagemaker-featurestore-runtime"),
        ("sagemaker", "/BatchPutMetrics", None, "sagemaker-metrics"),
        ("monitoring", "/service/GraniteServiceVersion20100801/operation/PutMetricData", None, "cloudwatch"),
    ],
)
def test_a_plain_endpoint_url_is_told_apart_by_scope_target_and_path(scope, path, target, service):
    headers = {"X_Amz_Target": target} if target else {}
    assert route(request(scope=scope, path=path, **headers)).service == service


@pytest.mark.parametrize(
    ("host", "service", "bucket"),
    [
        ("api.sagemaker.us-west-2.amazonaws.com", "sagemaker", None),
        ("api-fips.sagemaker.us-west-2.amazonaws.com", "sagemaker", None),
        ("api.sagemaker.us-west-2.api.aws", "sagemaker", None),
        ("runtime.sagemaker.us-west-2.amazonaws.com:443", "sagemaker-runtime", None),
        ("featurestore-runtime.sagemaker-fips.us-west-2.amazonaws.com", "sagemaker-featurestore-runtime", None),
        ("vpce-0a-abcdefgh.runtime.sagemaker.us-west-2.vpce.amazonaws.com", "sagemaker-runtime", None),
        ("vpce-0a-abcdefgh-us-west-2a.api.sagemaker.us-west-2.vpce.amazonaws.com", "sagemaker", None),
        ("bucket.vpce-0a-abcdefgh.s3.us-west-2.vpce.amazonaws.com", "s3", None),
        ("mine.bucket.vpce-0a-abcdefgh-us-west-2a.s3.us-west-2.vpce.amazonaws.com", "s3", "mine"),
        ("vpce-0a-abcdefgh.api.featurestore-runtime.sagemaker.us-west-2.vpce.amazonaws.com", FEATURES, None),
        ("vpce-0a-abcdefgh.featurestore-runtime.sagemaker.us-west-2.vpce.amazonaws.com", FEATURES, None),
        ("vpce-0a-abcdefgh.studio.us-west-2.vpce.sagemaker.aws", "sagemaker-studio", None),
        ("d-0123456789ab.studio.us-west-2.sagemaker.aws", "sagemaker-studio", None),
        ("mine.notebook.us-west-2.sagemaker.aws", "sagemaker-notebook", None),
        ("t-1.us-west-2.experiments.sagemaker.aws", "sagemaker-experiments", None),
        ("123456789012.dkr.ecr.us-west-2.amazonaws.com", "ecr.dkr", None),
        ("ap-123456789012.s3-accesspoint.us-west-2.amazonaws.com", "s3-accesspoint", None),
        ("ap-123456789012.accesspoint.vpce-0a-abcdefgh.s3.us-west-2.vpce.amazonaws.com", "s3-accesspoint", None),
        ("123456789012.control.vpce-0a-abcdefgh.s3.us-west-2.vpce.amazonaws.com", "s3control", None),
        ("amazonlinux.us-west-2.amazonaws.com", "s3", "amazonlinux.us-west-2.amazonaws.com"),
        ("dynamodb.us-west-2.amazonaws.com", "dynamodb", None),
        ("monitoring.us-west-2.amazonaws.com", "cloudwatch", None),
        ("sts.amazonaws.com", "sts", None),
        ("iam.amazonaws.com", "iam", None),
        ("s3.amazonaws.com", "s3", None),
        ("b.s3.amazonaws.com", "s3", "b"),
        ("s3.us-west-2.amazonaws.com", "s3", None),
        ("s3-us-west-2.amazonaws.com", "s3", None),
        ("b.s3-us-west-2.amazonaws.com", "s3", "b"),
        ("b.c.s3.us-west-2.amazonaws.com", "s3", "b.c"),
        ("B.S3.dualstack.us-west-2.amazonaws.com", "s3", "b"),
        ("b.s3-fips.us-west-2.amazonaws.com", "s3", "b"),
        ("s3.localhost:4566", "s3", None),
    ],
)
def test_an_aws_host_decides(host, service, bucket):
    found = route(request(host, scope="elsewhere"))
    assert (found.service, found.bucket) == (service, bucket)


def test_a_host_that_no_name_has_is_nobodys():
    """Before it is signed: what is longer than a name can be is not looked into."""
    host = "b." * 127 + ".s3.us-west-2.amazonaws.com"
    assert route(request(host, scope="elsewhere")).service == "elsewhere"


@pytest.mark.parametrize(
    ("host", "bucket"), [("b.localhost:4566", "b"), ("b.s3.localhost", "b"), ("localhost", None), ("[::1]:4566", None)]
)
def test_a_bucket_in_a_local_host_name(host, bucket):
    assert route(request(host, scope="s3")).bucket == bucket
    assert route(request(host, scope="sts")).bucket is None


def test_presigned_and_anonymous_requests():
    query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAX%2F20260102%2Fus-west-2%2Fs3%2Faws4_request"
    assert route(request(query=query, path="/b/k", method="GET")).scope == Scope("us-west-2", "s3")
    assert route(request(path="/b/k", method="GET")).service == "s3"
    assert route(request(X_Amz_Target="Logs_20140328.CreateLogGroup")).service == "logs"
    assert route(request(path="/endpoints/e/invocations")).service == "sagemaker-runtime"
    form = "application/x-www-form-urlencoded; charset=utf-8"
    assert route(request(Content_Type=form)).service == "sts"
    assert route(request(host=None)).scope is None
    for credential in ("////", "", "AKIAX", "a/b/c", "%"):
        header = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"
        assert route(request(Authorization=header)).service == "s3"


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("com.amazonaws.us-west-2.sagemaker.api", "sagemaker"),
        ("com.amazonaws.us-west-2.sagemaker.runtime", "sagemaker-runtime"),
        ("com.amazonaws.us-west-2.sagemaker.featurestore-runtime", "sagemaker-featurestore-runtime"),
        ("com.amazonaws.us-west-2.monitoring", "cloudwatch"),
        ("com.amazonaws.us-west-2.s3", "s3"),
        ("com.amazonaws.us-west-2.ecr.api", "ecr"),
        ("aws.sagemaker.us-west-2.studio", "sagemaker-studio"),
    ],
)
def test_the_service_behind_an_endpoint_service(name, service):
    assert endpoint_service(name) == service


def test_services_of_the_world_may_be_signed_for_us_east_1():
    def scoped(service, region):
        return Route(service, scope=Scope(region, service))

    assert expected_region(scoped("iam", "us-east-1"), "us-west-2") == "us-east-1"
    assert expected_region(scoped("sts", "us-west-2"), "us-west-2") == "us-west-2"
    assert expected_region(scoped("sts", "eu-west-1"), "us-west-2") == "us-west-2"
    assert expected_region(scoped("s3", "us-east-1"), "us-west-2") == "us-west-2"


@pytest.mark.parametrize(("vpce_id", "refused"), [(None, False), ("vpce-runtime", False), ("vpce-api", True)])
def test_an_endpoint_serves_its_own_service_only(store, vpce_id, refused):
    with store.transaction() as records:
        for name in ("api", "runtime"):
            records.put(endpoint(name))
        arrival = Arrival("10.0.0.7", vpc_id="vpc-1", vpce_id=vpce_id)
        found = route(request(scope="sagemaker", path="/endpoints/e/invocations"))
        if not refused:
            check_endpoint(found, arrival, records)
            return
        with pytest.raises(ServiceError, match=r"is for com.amazonaws.us-west-2.sagemaker.api: it does not serve"):
            check_endpoint(found, arrival, records)


def test_a_request_through_an_endpoint_that_is_gone_is_refused(store):
    with store.transaction() as records, pytest.raises(ServiceError, match="has been deleted"):
        check_endpoint(route(request(scope="s3")), Arrival("10.0.0.7", vpce_id="vpce-gone"), records)
