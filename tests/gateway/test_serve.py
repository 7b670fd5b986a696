"""The life of a request through the whole daemon, but for namespaces and containers: boto3 and raw HTTP in."""

import base64
import dataclasses
import hashlib
import http.client
import json
import urllib.parse

import botocore.auth
import botocore.awsrequest
import pytest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from daemon import ACCOUNT, aws, local_daemon

from ringfence.core.operation import REGISTRY
from ringfence.core.tags import set_tags

FORM = "application/x-www-form-urlencoded; charset=utf-8"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture(scope="module")
def s3(daemon):
    client = daemon.client("s3")
    client.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    return client


def blobs(daemon):
    return sorted(path.name for path in (daemon.state / "blobs").rglob("*") if path.is_file())


def send(daemon, service, body, headers, *, method="POST", path="/", host=None, region="us-west-2"):
    """One signed request of our own making: (status, headers, body)."""
    request = botocore.awsrequest.AWSRequest(method, daemon.url + path, headers=dict(headers), data=body)
    key = Credentials(daemon.env["AWS_ACCESS_KEY_ID"], daemon.env["AWS_SECRET_ACCESS_KEY"])
    if host:
        request.headers["Host"] = host
    signer = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    signer(key, service, region).add_auth(request)
    return exchange(daemon, method, path, body, dict(request.headers))


def exchange(daemon, method, path, body, headers):
    connection = http.client.HTTPConnection(daemon.url.removeprefix("http://"), timeout=60)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def test_who_am_i(daemon):
    told = daemon.client("sts").get_caller_identity()
    assert (told["Account"], told["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
    assert len(told["ResponseMetadata"]["RequestId"]) == 36


def test_the_aws_command_line(daemon, tmp_path, s3):
    assert json.loads(aws(daemon, "sts", "get-caller-identity").stdout)["Account"] == ACCOUNT
    (tmp_path / "file").write_bytes(b"by the command line")
    aws(daemon, "s3", "cp", str(tmp_path / "file"), "s3://bucket/from/cli")
    assert s3.get_object(Bucket="bucket", Key="from/cli")["Body"].read() == b"by the command line"


@pytest.mark.parametrize(
    ("service", "headers", "body", "status", "code"),
    [
        ("sts", {"Content-Type": FORM}, b"Action=Fly&Version=2011-06-15", 400, b"InvalidAction"),
        ("ec2", {"Content-Type": FORM}, b"Action=Fly&Version=2016-11-15", 400, b"InvalidAction"),
        (
            "sagemaker",
            {"X-Amz-Target": "SageMaker.Fly", "Content-Type": "application/x-amz-json-1.1"},
            b"{}",
            404,
            b"UnknownOperationException",
        ),
        (
            "sagemaker",
            {"X-Amz-Target": "SageMaker.DescribeModel", "Content-Type": "application/x-amz-json-1.1"},
            b'{"ModelName": ',
            400,
            b"SerializationException",
        ),
        (
            "sagemaker",
            {"X-Amz-Target": "SageMaker.DescribeModel", "Content-Type": "application/x-amz-json-1.1"},
            b"{}",
            400,
            b"ValidationException",
        ),
    ],
)
def test_bad_input_gets_awss_error_and_an_id(daemon, service, headers, body, status, code):
    revision = daemon.app.store.revision
    got, answered, text = send(daemon, service, body, headers)
    assert code in text
    assert 400 <= got < 500, (got, status)
    assert len(answered["x-amzn-RequestId"]) == 36
    assert daemon.app.store.revision == revision


def test_what_ringfence_lacks_is_refused_by_name(daemon):
    with pytest.raises(ClientError, match="does not implement the service 'dynamodb'"):
        daemon.client("dynamodb").list_tables()
    with pytest.raises(ClientError, match="does not implement the service 'sqs'"):
        daemon.client("sqs").list_queues()
    with pytest.raises(ClientError, match="does not implement the operation ec2:DescribeInstances"):
        daemon.client("ec2").describe_instances()


@pytest.mark.parametrize(
    ("service", "call", "given"),
    [
        ("kms", "list_keys", {}),
        ("glue", "get_databases", {}),
        ("athena", "list_work_groups", {}),
        ("stepfunctions", "list_state_machines", {}),
        ("lambda", "list_functions", {}),
        ("efs", "describe_file_systems", {}),
        ("bedrock-runtime", "converse", {"modelId": "m"}),
        ("codeartifact", "list_domains", {}),
        ("sns", "list_topics", {}),
        ("cloudformation", "list_stacks", {}),
        ("autoscaling", "describe_auto_scaling_groups", {}),
        ("elbv2", "describe_load_balancers", {}),
        ("rds", "describe_db_instances", {}),
    ],
)
def test_its_client_reads_the_refusal(daemon, service, call, given):
    """Each in its own protocol, of services whose endpoints a VPC may have."""
    with pytest.raises(ClientError, match="Ringfence does not implement the service") as refusal:
        getattr(daemon.client(service), call)(**given)
    assert refusal.value.response["Error"]["Code"] == "NotImplemented"


def test_another_region_is_refused(daemon):
    for service, call in (("sts", "get_caller_identity"), ("ec2", "describe_vpcs"), ("logs", "describe_log_groups")):
        with pytest.raises(ClientError) as refusal:
            getattr(daemon.client(service, region_name="eu-west-1"), call)()
        assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 401, 403)
        assert "region" in str(refusal.value).lower(), service


def test_services_of_the_world_may_be_called_from_us_east_1(daemon):
    assert daemon.client("sts", region_name="us-east-1").get_caller_identity()
    assert daemon.client("iam", region_name="us-east-1").list_users()


def test_a_dry_run_changes_nothing(daemon):
    ec2 = daemon.client("ec2")
    revision = daemon.app.store.revision
    with pytest.raises(ClientError, match="Request would have succeeded") as refusal:
        ec2.create_vpc(CidrBlock="10.9.0.0/16", DryRun=True)
    assert refusal.value.response["Error"]["Code"] == "DryRunOperation"
    with pytest.raises(ClientError) as refusal:
        ec2.create_subnet(VpcId="vpc-0123456789abcdef0", CidrBlock="10.9.1.0/24", DryRun=True)
    assert refusal.value.response["Error"]["Code"] == "InvalidVpcID.NotFound"
    assert daemon.app.store.revision == revision


@pytest.mark.parametrize(
    ("service", "name", "call", "code"),
    [
        ("sts", "GetCallerIdentity", "get_caller_identity", "InternalFailure"),
        ("s3", "ListBuckets", "list_buckets", "InternalError"),
    ],
)
def test_a_fault_of_ours_changes_nothing_and_is_logged_under_its_id(
    daemon, monkeypatch, caplog, service, name, call, code
):
    def fail(call, request):
        set_tags(call.records, "arn:aws:s3:::bucket", {"half": "done"})
        raise RuntimeError("a secret of ours")

    broken = dataclasses.replace(REGISTRY[service, name], handler=fail)
    monkeypatch.setitem(REGISTRY, (service, name), broken)
    revision = daemon.app.store.revision
    with pytest.raises(ClientError) as failure:
        getattr(daemon.client(service), call)()
    response = failure.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, 500)
    assert "secret" not in str(response)
    assert response["ResponseMetadata"]["RequestId"] in caplog.text
    assert "a secret of ours" in caplog.text
    assert daemon.app.store.revision == revision


def test_objects_by_stream_path_and_range(s3):
    body = bytes(range(256)) * 20_000
    s3.put_object(Bucket="bucket", Key="a b/ü+?", Body=body)
    assert s3.get_object(Bucket="bucket", Key="a b/ü+?")["Body"].read() == body
    assert s3.get_object(Bucket="bucket", Key="a b/ü+?", Range="bytes=5-9")["Body"].read() == body[5:10]
    assert s3.head_object(Bucket="bucket", Key="a b/ü+?")["ContentLength"] == len(body)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-MD5": base64.b64encode(hashlib.md5(b"other").digest()).decode()}, b"BadDigest"),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, b"BadDigest"),
    ],
)
def test_a_body_that_is_not_what_was_promised_leaves_nothing(daemon, s3, headers, code):
    before, revision = blobs(daemon), daemon.app.store.revision
    status, answered, text = send(daemon, "s3", b"hello", headers, method="PUT", path="/bucket/key")
    assert (status, code in text) == (400, True), text
    assert answered["x-amz-request-id"]
    assert (blobs(daemon), daemon.app.store.revision) == (before, revision)


def test_an_upload_must_tell_its_length(daemon, s3):
    request = botocore.awsrequest.AWSRequest("PUT", daemon.url + "/bucket/k", data=b"")
    key = Credentials(daemon.env["AWS_ACCESS_KEY_ID"], daemon.env["AWS_SECRET_ACCESS_KEY"])
    botocore.auth.S3SigV4Auth(key, "s3", "us-west-2").add_auth(request)
    host = daemon.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.putrequest("PUT", "/bucket/k")
    for name, value in request.headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    assert (response.status, b"MissingContentLength" in response.read()) == (411, True)
    connection.close()


def test_a_refused_upload_leaves_nothing(daemon, s3):
    before = blobs(daemon)
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.put_object(Bucket="no-such-bucket", Key="k", Body=b"x" * 1000)
    assert blobs(daemon) == before


def test_a_bucket_in_the_host_name(daemon, s3):
    port = daemon.url.rpartition(":")[2]
    for host in (f"bucket.localhost:{port}", "bucket.s3.us-west-2.amazonaws.com", "bucket.s3-us-west-2.amazonaws.com"):
        status, _, _ = send(daemon, "s3", b"by host", {}, method="PUT", path="/by-host", host=host)
        assert status == 200
        assert s3.get_object(Bucket="bucket", Key="by-host")["Body"].read() == b"by host"
        s3.delete_object(Bucket="bucket", Key="by-host")


def test_presigned_urls(daemon, s3):
    client = daemon.client("s3", config=Config(signature_version="s3v4"))
    url = client.generate_presigned_url("put_object", Params={"Bucket": "bucket", "Key": "pre signed"})
    target = urllib.parse.urlsplit(url)
    assert exchange(daemon, "PUT", f"{target.path}?{target.query}", b"by url", {})[0] == 200
    url = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "pre signed"})
    target = urllib.parse.urlsplit(url)
    assert exchange(daemon, "GET", f"{target.path}?{target.query}", None, {})[2] == b"by url"
    assert exchange(daemon, "GET", f"{target.path}?{target.query}".replace("pre%20signed", "other"), None, {})[0] == 403


def test_strangers(daemon, s3):
    """Without a signature, with an unknown key, with another's secret."""
    assert exchange(daemon, "GET", "/bucket/a", None, {})[0] == 403
    status, _, text = exchange(
        daemon, "POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", {"Content-Type": FORM}
    )
    assert (status, b"MissingAuthenticationToken" in text) == (403, True)
    key_id = daemon.env["AWS_ACCESS_KEY_ID"]
    for key in (("AKIAAAAAAAAAAAAAAAAA", "s"), (key_id, "wrong")):
        for service, call in (("sts", "get_caller_identity"), ("ec2", "describe_vpcs"), ("s3", "list_buckets")):
            with pytest.raises(ClientError) as refusal:
                getattr(daemon.client(service, key), call)()
            assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] in (401, 403)


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(daemon):
    connection = http.client.HTTPConnection(daemon.url.removeprefix("http://"), timeout=60)
    headers = {"Content-Type": FORM, "Content-Length": str(10**10)}
    connection.putrequest("POST", "/")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert b"larger than" in response.read()
    connection.close()


def test_another_scope_than_the_hosts_is_refused(daemon):
    headers = {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.1"}
    host = "api.sagemaker.us-west-2.amazonaws.com"
    assert send(daemon, "sagemaker", b"{}", headers, host=host)[0] == 200
    status, _, text = send(daemon, "ec2", b"{}", headers, host=host)
    assert status in (400, 403)
    assert b"correct service" in text


def test_the_admin_door_needs_its_token(daemon):
    status, _, text = exchange(daemon, "GET", "/_ringfence/status", None, {})
    assert (status, json.loads(text)) == (401, {"error": "the admin token is wrong"})
    token = json.loads((daemon.state / "admin.json").read_text())["token"]
    status, _, text = exchange(daemon, "GET", "/_ringfence/status", None, {"Authorization": f"Bearer {token}"})
    assert status == 200
