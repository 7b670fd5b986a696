"""Real botocore clients against the wires: what the caller passes arrives, what the handler returns comes back."""

from datetime import UTC, datetime
from typing import Any

import client
import pytest
from botocore.exceptions import ClientError

from ringfence.core.errors import ServiceError

NOW = datetime(2026, 3, 4, 5, 6, 7, 891000, tzinfo=UTC)
NOW_IN_SECONDS = NOW.replace(microsecond=0)
TAGS = [{"Key": "Name", "Value": "ä <&> \"b\" 'c'"}]
POLICY = '{"Version": "2012-10-17", "Statement": []}'

# service, operation, parameters, result
CALLS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("sts", "GetCallerIdentity", {}, {"UserId": "AIDA", "Account": "123456789012", "Arn": "arn:aws:iam::1:root"}),
    (
        "sts",
        "AssumeRole",
        {
            "RoleArn": "arn:aws:iam::123456789012:role/r",
            "RoleSessionName": "se",
            "DurationSeconds": 900,
            "Tags": TAGS[:0],
        },
        {"Credentials": {"AccessKeyId": "A" * 20, "SecretAccessKey": "s", "SessionToken": "t+/=", "Expiration": NOW}},
    ),
    (
        "ec2",
        "DescribeSubnets",
        {"Filters": [{"Name": "vpc-id", "Values": ["vpc-1", "vpc-2"]}], "SubnetIds": ["subnet-1"], "MaxResults": 5},
        {"Subnets": [{"SubnetId": "subnet-1", "Tags": TAGS, "DefaultForAz": False, "AvailableIpAddressCount": 251}]},
    ),
    (
        "ec2",
        "AuthorizeSecurityGroupIngress",
        {
            "GroupId": "sg-1",
            "IpPermissions": [
                {
                    "IpProtocol": "tcp",
                    "FromPort": 443,
                    "ToPort": 443,
                    "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "a b"}],
                    "UserIdGroupPairs": [{"GroupId": "sg-2"}],
                }
            ],
            "TagSpecifications": [{"ResourceType": "security-group-rule", "Tags": TAGS}],
        },
        {"Return": True, "SecurityGroupRules": [{"SecurityGroupRuleId": "sgr-1", "FromPort": 443}]},
    ),
    ("ec2", "DescribeVpcEndpoints", {}, {"VpcEndpoints": [{"VpcEndpointId": "vpce-1", "CreationTimestamp": NOW}]}),
    ("ec2", "DeleteVpc", {"VpcId": "vpc-1"}, {}),
    (
        "iam",
        "CreateRole",
        {"RoleName": "r", "AssumeRolePolicyDocument": POLICY, "MaxSessionDuration": 3600},
        {
            "Role": {
                "Path": "/",
                "RoleName": "r",
                "RoleId": "AROAAAAAAAAAAAAAAAAAA",
                "Arn": "arn:aws:iam::123456789012:role/r",
                "CreateDate": NOW_IN_SECONDS,
            }
        },
    ),
    ("iam", "ListRoles", {"MaxItems": 10}, {"Roles": [], "IsTruncated": False}),
    ("iam", "DeleteRole", {"RoleName": "r"}, {}),
    (
        "sagemaker",
        "CreateModel",
        {
            "ModelName": "m",
            "PrimaryContainer": {"Image": "i", "Environment": {"K": "v"}, "Mode": "SingleModel"},
            "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1", "subnet-2"]},
            "EnableNetworkIsolation": True,
            "Tags": [{"Key": "é", "Value": "日本"}],
        },
        {"ModelArn": "arn:aws:sagemaker:us-west-2:123456789012:model/m"},
    ),
    (
        "sagemaker",
        "DescribeEndpoint",
        {"EndpointName": "e"},
        {
            "EndpointName": "e",
            "EndpointArn": "arn:aws:sagemaker:us-west-2:123456789012:endpoint/e",
            "EndpointStatus": "InService",
            "CreationTime": NOW,
            "LastModifiedTime": NOW,
            "ProductionVariants": [{"VariantName": "v", "CurrentWeight": 1.0, "CurrentInstanceCount": 1}],
        },
    ),
    ("sagemaker", "DeleteModel", {"ModelName": "m"}, {}),
    (
        "logs",
        "PutLogEvents",
        {"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m"}]},
        {},
    ),
    ("logs", "CreateLogGroup", {"logGroupName": "/aws/sagemaker/Endpoints/e", "tags": {"a": "b"}}, {}),
    (
        "cloudwatch",
        "PutMetricData",
        {"Namespace": "n", "MetricData": [{"MetricName": "m", "Timestamp": NOW, "Value": 1.5, "Unit": "Count"}]},
        {},
    ),
    (
        "cloudwatch",
        "GetMetricStatistics",
        {"Namespace": "n", "MetricName": "m", "StartTime": NOW, "EndTime": NOW, "Period": 60, "Statistics": ["Sum"]},
        {"Label": "m", "Datapoints": [{"Timestamp": NOW_IN_SECONDS, "Sum": 3.0, "Unit": "Count"}]},
    ),
]


@pytest.mark.parametrize(
    ("service", "operation", "params", "result"), CALLS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_call_and_answer(service: str, operation: str, params: dict[str, Any], result: dict[str, Any]) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []

    def handle(name: str, given: dict[str, Any]) -> dict[str, Any]:
        seen.append((name, given))
        return result

    answer = client.connect(service, handle)._make_api_call(operation, params)
    name, given = seen[0]
    assert name == operation
    assert {key: value for key, value in given.items() if key in params} == params
    assert answer.pop("ResponseMetadata")["RequestId"] == "request-1"
    assert answer == result


KEYS = ["k", "a/b//c", "a b+c%20d", "ü/日本/😹", "dir/", "../x", "a&b=c?d#e", "/lead", "~'()*!$,;:@", "-._~"]


@pytest.mark.parametrize("virtual", [False, True], ids=["path", "virtual"])
@pytest.mark.parametrize("key", KEYS)
def test_object_keys_arrive_as_they_are(key: str, virtual: bool) -> None:
    seen: dict[str, Any] = {}

    def handle(name: str, given: dict[str, Any]) -> dict[str, Any]:
        seen.update(given, operation=name)
        return {
            "Body": b"data",
            "ContentLength": 4,
            "ETag": '"e"',
            "LastModified": NOW_IN_SECONDS,
            "Metadata": {"a": "b"},
        }

    answer = client.connect("s3", handle, bucket_in_host=virtual).get_object(
        Bucket="bucket", Key=key, Range="bytes=0-3"
    )
    assert (seen["operation"], seen["Bucket"], seen["Key"], seen["Range"]) == ("GetObject", "bucket", key, "bytes=0-3")
    assert answer["Body"].read() == b"data"
    assert answer["Metadata"] == {"a": "b"}
    assert answer["LastModified"] == NOW_IN_SECONDS


S3_CALLS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("ListBuckets", {}, {"Buckets": [{"Name": "b", "CreationDate": NOW}], "Owner": {"ID": "1"}}),
    ("CreateBucket", {"CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}, {"Location": "/bucket"}),
    ("DeleteBucket", {}, {}),
    ("GetBucketLocation", {}, {"LocationConstraint": "us-west-2"}),
    ("PutBucketPolicy", {"Policy": POLICY}, {}),
    ("GetBucketPolicy", {}, {"Policy": POLICY}),
    ("GetBucketVersioning", {}, {}),
    ("ListObjects", {"Prefix": "a b", "Delimiter": "/"}, {"Contents": [{"Key": "a", "Size": 1, "LastModified": NOW}]}),
    ("ListObjectsV2", {"Prefix": "a+b", "MaxKeys": 2}, {"KeyCount": 0, "CommonPrefixes": [{"Prefix": "x/"}]}),
    (
        "DeleteObjects",
        {"Delete": {"Objects": [{"Key": "a & b"}, {"Key": "c"}], "Quiet": True}},
        {"Deleted": [{"Key": "a & b"}]},
    ),
    ("CopyObject", {"Key": "k", "CopySource": "src/a%20b"}, {"CopyObjectResult": {"ETag": '"e"', "LastModified": NOW}}),
    ("CreateMultipartUpload", {"Key": "k", "Metadata": {"a": "b"}}, {"Bucket": "bucket", "Key": "k", "UploadId": "u"}),
    (
        "UploadPartCopy",
        {"Key": "k", "CopySource": "b/k", "PartNumber": 1, "UploadId": "u"},
        {"CopyPartResult": {"ETag": "e"}},
    ),
    ("ListParts", {"Key": "k", "UploadId": "u"}, {"Parts": [{"PartNumber": 1, "Size": 5}], "PartNumberMarker": 0}),
    (
        "CompleteMultipartUpload",
        {"Key": "k", "UploadId": "u", "MultipartUpload": {"Parts": [{"ETag": '"e"', "PartNumber": 1}]}},
        {"Location": "l", "Bucket": "bucket", "Key": "k", "ETag": '"x"'},
    ),
    ("AbortMultipartUpload", {"Key": "k", "UploadId": "u"}, {}),
    ("ListMultipartUploads", {}, {"Uploads": [{"Key": "k", "UploadId": "u", "Initiated": NOW}], "IsTruncated": False}),
    ("HeadBucket", {}, {"BucketRegion": "us-west-2"}),
    (
        "HeadObject",
        {"Key": "k", "IfModifiedSince": NOW_IN_SECONDS},
        {"ContentLength": 7, "ETag": '"e"', "ContentType": "t/x"},
    ),
    ("DeleteObject", {"Key": "k"}, {}),
    ("PutObjectTagging", {"Key": "k", "Tagging": {"TagSet": TAGS}}, {}),
    ("GetObjectTagging", {"Key": "k"}, {"TagSet": TAGS}),
    ("GetObjectAttributes", {"Key": "k", "ObjectAttributes": ["ETag", "ObjectSize"]}, {"ETag": "e", "ObjectSize": 5}),
    (
        "PutBucketLifecycleConfiguration",
        {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Prefix": ""}]}},
        {},
    ),
    ("GetBucketAcl", {}, {"Grants": [{"Grantee": {"Type": "CanonicalUser", "ID": "1"}, "Permission": "READ"}]}),
    (
        "PutBucketAcl",
        {"AccessControlPolicy": {"Owner": {"ID": "1"}, "Grants": [{"Grantee": {"Type": "Group", "URI": "u"}}]}},
        {},
    ),
]


@pytest.mark.parametrize("virtual", [False, True], ids=["path", "virtual"])
@pytest.mark.parametrize(("operation", "params", "result"), S3_CALLS, ids=[call[0] for call in S3_CALLS])
def test_s3_call_and_answer(operation: str, params: dict[str, Any], result: dict[str, Any], virtual: bool) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []

    def handle(name: str, given: dict[str, Any]) -> dict[str, Any]:
        seen.append((name, given))
        return result

    if operation != "ListBuckets":
        params = {"Bucket": "bucket", **params}
    answer = client.connect("s3", handle, bucket_in_host=virtual)._make_api_call(operation, params)
    name, given = seen[0]
    assert name == operation
    assert {key: value for key, value in given.items() if key in params} == params
    metadata = answer.pop("ResponseMetadata")
    assert metadata["RequestId"] == "request-1"
    assert metadata["HostId"]
    assert {key: value for key, value in answer.items() if key in result} == result


def test_upload_streams_its_body() -> None:
    """The body of PutObject is signed in chunks by the client: the gateway undoes that, here it is only passed on."""
    seen: dict[str, Any] = {}

    def handle(name: str, given: dict[str, Any]) -> dict[str, Any]:
        seen.update(given)
        return {"ETag": '"e"'}

    s3 = client.connect("s3", handle)
    assert (
        s3.put_object(Bucket="bucket", Key="k", Body=b"data", Metadata={"A-B": "c"}, ContentEncoding="gzip")["ETag"]
        == '"e"'
    )
    assert seen["Metadata"] == {"a-b": "c"}
    assert seen["ContentEncoding"] == "gzip"
    assert b"data" in seen["Body"]


ERRORS = [
    ("sts", "get_caller_identity", {}, "ExpiredToken", 400),
    ("ec2", "describe_vpcs", {}, "InvalidVpcID.NotFound", 400),
    ("iam", "get_role", {"RoleName": "r"}, "NoSuchEntity", 404),
    ("sagemaker", "describe_model", {"ModelName": "m"}, "ValidationException", 400),
    ("sagemaker", "delete_model", {"ModelName": "m"}, "AccessDeniedException", 400),
    ("logs", "create_log_group", {"logGroupName": "g"}, "ResourceAlreadyExistsException", 400),
    ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": b""}, "ValidationError", 400),
    ("s3", "get_object", {"Bucket": "b", "Key": "k"}, "NoSuchKey", 404),
    ("s3", "list_objects_v2", {"Bucket": "b"}, "NoSuchBucket", 404),
    ("cloudwatch", "get_metric_statistics", None, "InvalidParameterValue", 400),
]


@pytest.mark.parametrize(("service", "method", "params", "code", "status"), ERRORS)
def test_error_arrives(service: str, method: str, params: dict[str, Any] | None, code: str, status: int) -> None:
    if params is None:
        params = {"Namespace": "n", "MetricName": "m", "StartTime": NOW, "EndTime": NOW, "Period": 60}

    def handle(name: str, given: dict[str, Any]) -> dict[str, Any]:
        raise ServiceError(code, "told <so> & thus")

    with pytest.raises(ClientError) as caught:
        getattr(client.connect(service, handle), method)(**params)
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["Error"]["Message"]) == (code, "told <so> & thus")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert answer["ResponseMetadata"]["RequestId"] == "request-1"


def test_modelled_error_carries_its_fields() -> None:
    fields = {"OriginalStatusCode": 500, "OriginalMessage": "boom", "LogStreamArn": "arn"}

    def handle(name: str, given: dict[str, Any]) -> dict[str, Any]:
        raise ServiceError("ModelError", "Received server error (500)", fields=fields)

    runtime = client.connect("sagemaker-runtime", handle)
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        runtime.invoke_endpoint(EndpointName="e", Body=b"1")
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert {name: answer[name] for name in fields} == fields


def test_invocation() -> None:
    seen: dict[str, Any] = {}

    def handle(name: str, given: dict[str, Any]) -> dict[str, Any]:
        seen.update(given)
        return {"Body": b"0.5", "ContentType": "text/csv", "InvokedProductionVariant": "v", "CustomAttributes": "c"}

    runtime = client.connect("sagemaker-runtime", handle)
    answer = runtime.invoke_endpoint(
        EndpointName="e", Body=b"\x00\xff", ContentType="x/y", Accept="*/*", TargetVariant="v"
    )
    assert seen == {
        "EndpointName": "e",
        "Body": b"\x00\xff",
        "ContentType": "x/y",
        "Accept": "*/*",
        "TargetVariant": "v",
    }
    assert answer["Body"].read() == b"0.5"
    assert (answer["ContentType"], answer["InvokedProductionVariant"], answer["CustomAttributes"]) == (
        "text/csv",
        "v",
        "c",
    )


def test_event_streams_other_than_results_of_rest_json_are_refused() -> None:
    logs = client.connect("logs", lambda name, given: {})
    with pytest.raises(ClientError) as caught:
        logs.start_live_tail(logGroupIdentifiers=["arn:aws:logs:us-west-2:123456789012:log-group:g"])
    assert caught.value.response["Error"]["Code"] == "NotImplemented"


def test_head_error_has_no_body() -> None:
    def handle(name: str, given: dict[str, Any]) -> dict[str, Any]:
        raise ServiceError("NoSuchKey", "The specified key does not exist.")

    with pytest.raises(ClientError) as caught:
        client.connect("s3", handle).head_object(Bucket="b", Key="k")
    assert caught.value.response["Error"] == {"Code": "404", "Message": "Not Found"}
