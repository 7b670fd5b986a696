"""Routing: which service and bucket, from the host, the scope, the target and the path."""

import pytest

from ringfence.core.errors import ServiceError
from ringfence.gateway.route import Scope, check_scope, endpoint_service, route
from ringfence.protocol.message import HttpRequest

PLAIN = "127.0.0.1:4566"


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


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("com.amazonaws.us-west-2.sagemaker.api", "sagemaker"),
        ("com.amazonaws.us-west-2.sagemaker.runtime", "sagemaker-runtime"),
        ("com.amazonaws.us-west-2.sagemaker.featurestore-runtime", "sagemaker-featurestore-runtime"),
        ("com.amazonaws.us-west-2.monitoring", "cloudwatch"),
        ("com.amazonaws.us-west-2.s3", "s3"),
        ("com.amazonaws.us-west-2.ecr.api", "ecr"),
    ],
)
def test_the_service_behind_an_endpoint_service(name, service):
    assert endpoint_service(name) == service


def test_a_wrong_service_or_region_in_the_scope_is_refused():
    check_scope(route(request(scope="sts")), "us-west-2")
    with pytest.raises(ServiceError, match="correct service: 'sagemaker'") as refusal:
        check_scope(route(request("api.sagemaker.us-west-2.amazonaws.com", scope="sts")), "us-west-2")
    assert refusal.value.code == "InvalidSignatureException"
    with pytest.raises(ServiceError, match="valid region, not 'us-west-2'") as refusal:
        check_scope(route(request(scope="ec2")), "eu-west-1")
    assert refusal.value.code == "AuthFailure"
    with pytest.raises(ServiceError, match="expecting 'eu-west-1'") as refusal:
        check_scope(route(request(scope="s3")), "eu-west-1")
    assert refusal.value.fields == {"Region": "eu-west-1"}
