# ruff: noqa: E501 (tables: one line a case)
"""Bad input to IAM, STS, S3 and CloudWatch Logs, as in test_bad_input."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from bad_input_world import TRUST, Case, Parameters, World, cases, check, open_world

LONG = "n" * 600


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("bad")) as made:
        yield made


def _policy(**statement: Any) -> str:
    usual = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [usual | statement]})


def _role(**members: Any) -> Parameters:
    return lambda i: {"RoleName": "new", "AssumeRolePolicyDocument": TRUST, **members}


def _inline(document: str) -> Parameters:
    return lambda i: {"RoleName": "execution", "PolicyName": "inline", "PolicyDocument": document}


@cases(
    Case("create_user", lambda i: {}, "ValidationError", "Value null at 'userName'"),
    Case("create_user", lambda i: {"UserName": "nobody"}, "EntityAlreadyExists"),
    Case("create_user", lambda i: {"UserName": "NOBODY"}, "EntityAlreadyExists"),
    Case("create_user", lambda i: {"UserName": "a b"}, "ValidationError"),
    Case("create_user", lambda i: {"UserName": LONG}, "ValidationError"),
    Case("create_user", lambda i: {"UserName": ""}, "ValidationError"),
    Case("create_user", lambda i: {"UserName": "new", "Path": "no-slashes"}, "ValidationError"),
    Case("create_user", lambda i: {"UserName": "new", "Tags": [{"Key": "aws:k", "Value": ""}]}, "InvalidInput"),
    Case("create_user", lambda i: {"UserName": "new", "Tags": [{"Key": "k", "Value": ""}, {"Key": "K", "Value": ""}]}, "InvalidInput", "Duplicate tag keys"),
    Case("create_user", lambda i: {"UserName": "new", "PermissionsBoundary": "arn:aws:iam::aws:policy/Absent"}, "NoSuchEntity"),
    Case("delete_user", lambda i: {"UserName": "nobody"}, "DeleteConflict"),
    Case("delete_user", lambda i: {"UserName": "absent"}, "NoSuchEntity", "The user with name absent cannot be found."),
    Case("create_access_key", lambda i: {"UserName": "absent"}, "NoSuchEntity"),
    Case("update_access_key", lambda i: {"UserName": "nobody", "AccessKeyId": i.key["AccessKeyId"], "Status": "Sleepy"}, "ValidationError"),
    Case("delete_access_key", lambda i: {"UserName": "nobody", "AccessKeyId": "AKIAABSENTABSENTABSE"}, "NoSuchEntity"),
    Case("create_role", _role(RoleName="execution"), "EntityAlreadyExists"),
    Case("create_role", _role(RoleName="r" * 65), "ValidationError"),
    Case("create_role", _role(AssumeRolePolicyDocument="not json"), "MalformedPolicyDocument"),
    Case("create_role", _role(AssumeRolePolicyDocument=_policy()), "MalformedPolicyDocument"),
    Case("create_role", _role(MaxSessionDuration=60), "ValidationError"),
    Case("create_role", lambda i: {"RoleName": "new"}, "ValidationError"),
    Case("delete_role", lambda i: {"RoleName": "execution"}, "DeleteConflict"),
    Case("delete_role", lambda i: {"RoleName": "absent"}, "NoSuchEntity"),
    Case("put_role_policy", _inline("{}"), "MalformedPolicyDocument"),
    Case("put_role_policy", _inline(_policy(Effect="Maybe")), "MalformedPolicyDocument"),
    Case("put_role_policy", _inline(_policy(Color="red")), "MalformedPolicyDocument"),
    Case("put_role_policy", _inline(_policy(Action="GetObject")), "MalformedPolicyDocument"),
    Case("put_role_policy", _inline(_policy(Principal="*")), "MalformedPolicyDocument"),
    Case("put_role_policy", _inline(_policy(Condition={"StringMatches": {"aws:SourceIp": "x"}})), "MalformedPolicyDocument"),
    Case("put_role_policy", _inline(_policy() + " " * 10300 + "{"), "MalformedPolicyDocument"),
    Case("put_role_policy", _inline("[" * 100_000), "MalformedPolicyDocument"),
    Case("put_role_policy", _inline(""), "ValidationError"),
    Case("attach_role_policy", lambda i: {"RoleName": "execution", "PolicyArn": "arn:aws:iam::aws:policy/Absent"}, "NoSuchEntity"),
    Case("attach_role_policy", lambda i: {"RoleName": "execution", "PolicyArn": "policy"}, "ValidationError"),
    Case("detach_role_policy", lambda i: {"RoleName": "execution", "PolicyArn": i.policy}, "NoSuchEntity"),
    Case("create_policy", lambda i: {"PolicyName": "own", "PolicyDocument": _policy()}, "EntityAlreadyExists"),
    Case("create_policy", lambda i: {"PolicyName": "p" * 129, "PolicyDocument": _policy()}, "ValidationError"),
    Case("delete_policy", lambda i: {"PolicyArn": i.policy}, "DeleteConflict"),
    Case("list_users", lambda i: {"MaxItems": 0}, "ValidationError"),
    Case("list_users", lambda i: {"MaxItems": "many"}, "MalformedInput"),
    Case("list_users", lambda i: {"Marker": "made up"}, "ValidationError"),
    Case("create_group", lambda i: {"GroupName": "a b"}, "ValidationError"),
    Case("add_user_to_group", lambda i: {"GroupName": "absent", "UserName": "nobody"}, "NoSuchEntity", "The group with name absent cannot be found."),
    Case("create_instance_profile", lambda i: {"InstanceProfileName": "p", "Path": "x"}, "ValidationError"),
    Case("create_account_alias", lambda i: {"AccountAlias": "Upper"}, "ValidationError"),
    Case("create_login_profile", lambda i: {"UserName": "nobody", "Password": "p"}, "NotImplemented"),
)  # fmt: skip
def test_iam(world: World, case: Case) -> None:
    check(world, "iam", case)


@cases(
    Case("assume_role", lambda i: {"RoleArn": i.role, "RoleSessionName": "me"}, "AccessDenied"),
    Case("assume_role", lambda i: {"RoleArn": "execution", "RoleSessionName": "me"}, "ValidationError"),
    Case("assume_role", lambda i: {"RoleArn": i.role}, "ValidationError", "Value null at 'roleSessionName'"),
    Case("assume_role", lambda i: {"RoleArn": i.role, "RoleSessionName": "a b"}, "ValidationError"),
    Case("assume_role", lambda i: {"RoleArn": i.role, "RoleSessionName": "me", "DurationSeconds": 899}, "ValidationError"),
    Case("assume_role", lambda i: {"RoleArn": i.role, "RoleSessionName": "me", "DurationSeconds": "x"}, "MalformedInput"),
    Case("get_federation_token", lambda i: {"Name": "a b"}, "ValidationError"),
    Case("get_federation_token", lambda i: {"Name": "me", "Policy": "{}"}, "MalformedPolicyDocument"),
    Case("get_access_key_info", lambda i: {"AccessKeyId": "AKIAABSENTABSENTABSE"}, "NotImplemented"),
)  # fmt: skip
def test_sts(world: World, case: Case) -> None:
    check(world, "sts", case)


def _bucket(name: str, **members: Any) -> Parameters:
    where = {"CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}
    return lambda i: {"Bucket": name, **where, **members}


def _object(**members: Any) -> Parameters:
    return lambda i: {"Bucket": "bad-input", "Key": "new", "Body": b"content", **members}


def _there(**members: Any) -> Parameters:
    return lambda i: {"Bucket": "bad-input", "Key": "there", **members}


def _parts(*parts: Any, **members: Any) -> Parameters:
    listed = [{"PartNumber": number, "ETag": tag} for number, tag in parts]
    return lambda i: {
        "Bucket": "bad-input", "Key": "parts", "UploadId": i.upload, "MultipartUpload": {"Parts": listed}, **members,
    }  # fmt: skip


SMALL, LAST = (1, "eb5c1399a871211c7e7ed732d15e3a8b"), (2, "98bd1c45684cf587ac2347a92dd7bb51")


@cases(
    Case("create_bucket", _bucket("bad-input"), "BucketAlreadyOwnedByYou"),
    Case("create_bucket", _bucket("Upper"), "InvalidBucketName"),
    Case("create_bucket", _bucket("b" * 64), "InvalidBucketName"),
    Case("create_bucket", _bucket("10.0.0.1"), "InvalidBucketName"),
    Case("create_bucket", _bucket("new", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}), "IllegalLocationConstraintException"),
    Case("create_bucket", _bucket("new", CreateBucketConfiguration={"LocationConstraint": "moon"}), "IllegalLocationConstraintException"),
    Case("create_bucket", _bucket("new", ACL="public-read"), "InvalidBucketAclWithObjectOwnership"),
    Case("create_bucket", _bucket("new", ObjectLockEnabledForBucket=True), "NotImplemented"),
    Case("delete_bucket", lambda i: {"Bucket": "bad-input"}, "BucketNotEmpty"),
    Case("delete_bucket", lambda i: {"Bucket": "absent"}, "NoSuchBucket"),
    Case("head_bucket", lambda i: {"Bucket": "absent"}, "404"),
    Case("put_object", _object(Bucket="absent"), "NoSuchBucket"),
    Case("put_object", _object(Key="k" * 1025), "KeyTooLongError"),
    Case("put_object", _object(ContentMD5="AAAA"), "InvalidDigest"),
    Case("put_object", _object(ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg=="), "BadDigest"),
    Case("put_object", _object(ChecksumCRC32="AAAAAA=="), "BadDigest"),
    Case("put_object", _object(ChecksumCRC32="?"), "InvalidRequest"),
    Case("put_object", _object(ChecksumCRC32="AAAAAA==", ChecksumSHA1="x"), "InvalidRequest"),
    Case("put_object", _object(ChecksumAlgorithm="XXHASH3", ChecksumXXHASH3="AAAA"), "NotImplemented"),
    Case("put_object", _object(StorageClass="ATTIC"), "InvalidStorageClass"),
    Case("put_object", _object(ServerSideEncryption="rot13"), "InvalidArgument"),
    Case("put_object", _object(ServerSideEncryption="aws:kms", SSEKMSKeyId="alias/mine"), "NotImplemented"),
    Case("put_object", _object(SSECustomerAlgorithm="AES256", SSECustomerKey="k"), "NotImplemented"),
    Case("put_object", _object(ACL="public-read"), "AccessControlListNotSupported"),
    Case("put_object", _object(Metadata={"k": "v" * 2100}), "MetadataTooLarge"),
    Case("put_object", _object(Tagging="a=1&a=2"), "InvalidTag"),
    Case("put_object", _object(Tagging="&".join(f"k{n}=v" for n in range(11))), "BadRequest"),
    Case("put_object", _object(IfNoneMatch="*", Key="there"), "PreconditionFailed"),
    Case("put_object", _object(IfMatch='"0"'), "NoSuchKey"),
    Case("put_object", _object(ExpectedBucketOwner="999999999999"), "AccessDenied"),
    Case("put_object", _object(ObjectLockMode="GOVERNANCE"), "NotImplemented"),
    Case("get_object", _there(Key="absent"), "NoSuchKey"),
    Case("get_object", _there(Range="bytes=100-"), "InvalidRange"),
    Case("get_object", _there(IfMatch='"0"'), "PreconditionFailed"),
    Case("get_object", _there(VersionId="absent"), "InvalidArgument"),
    Case("get_object", _there(PartNumber=5), "InvalidPartNumber"),
    Case("copy_object", _there(Key="new", CopySource="bad-input/absent"), "NoSuchKey"),
    Case("copy_object", _there(CopySource="bad-input/there"), "InvalidRequest", "copy an object to itself"),
    Case("copy_object", _there(Key="new", CopySource="nonsense"), "InvalidArgument"),
    Case("delete_objects", lambda i: {"Bucket": "bad-input", "Delete": {"Objects": []}}, "MalformedXML"),
    Case("delete_objects", lambda i: {"Bucket": "bad-input", "Delete": {"Objects": [{"Key": str(n)} for n in range(1001)]}}, "MalformedXML"),
    Case("list_objects_v2", lambda i: {"Bucket": "bad-input", "MaxKeys": -1}, "InvalidArgument"),
    Case("list_objects_v2", lambda i: {"Bucket": "bad-input", "MaxKeys": "all"}, "InvalidArgument"),
    Case("list_objects_v2", lambda i: {"Bucket": "bad-input", "ContinuationToken": "made up"}, "InvalidArgument"),
    Case("list_objects_v2", lambda i: {"Bucket": "bad-input", "EncodingType": "rot13"}, "InvalidArgument"),
    Case("upload_part", _object(Key="parts", UploadId="absent", PartNumber=1), "NoSuchUpload"),
    Case("upload_part", lambda i: {"Bucket": "bad-input", "Key": "parts", "UploadId": i.upload, "PartNumber": 0, "Body": b"x"}, "InvalidArgument"),
    Case("upload_part", lambda i: {"Bucket": "bad-input", "Key": "parts", "UploadId": i.upload, "PartNumber": 10001, "Body": b"x"}, "InvalidArgument"),
    Case("complete_multipart_upload", _parts(), "InvalidRequest", "at least one part"),
    Case("complete_multipart_upload", _parts(SMALL, LAST), "EntityTooSmall"),
    Case("complete_multipart_upload", _parts(LAST, SMALL), "InvalidPartOrder"),
    Case("complete_multipart_upload", _parts((1, "0" * 32)), "InvalidPart"),
    Case("complete_multipart_upload", _parts(SMALL, MpuObjectSize=7), "InvalidRequest"),
    Case("abort_multipart_upload", _there(UploadId="absent"), "NoSuchUpload"),
    Case("put_bucket_policy", lambda i: {"Bucket": "bad-input", "Policy": "not json"}, "MalformedPolicy"),
    Case("put_bucket_policy", lambda i: {"Bucket": "bad-input", "Policy": _policy()}, "MalformedPolicy"),
    Case("put_bucket_policy", lambda i: {"Bucket": "bad-input", "Policy": _policy(Principal="*", Resource="arn:aws:s3:::other/*")}, "MalformedPolicy", "Policy has invalid resource"),
    Case("put_bucket_policy", lambda i: {"Bucket": "bad-input", "Policy": _policy(Principal="*", Resource="arn:aws:s3:::bad-input/*")}, "AccessDenied"),
    Case("get_bucket_policy", lambda i: {"Bucket": "bad-input"}, "NoSuchBucketPolicy"),
    Case("put_bucket_versioning", lambda i: {"Bucket": "bad-input", "VersioningConfiguration": {"Status": "Enabled", "MFADelete": "Enabled"}}, "NotImplemented"),
    Case("put_bucket_tagging", lambda i: {"Bucket": "bad-input", "Tagging": {"TagSet": [{"Key": "k", "Value": "1"}] * 2}}, "InvalidTag"),
    Case("put_bucket_lifecycle_configuration", lambda i: {"Bucket": "bad-input", "LifecycleConfiguration": {"Rules": []}}, "MalformedXML"),
)  # fmt: skip
def test_s3(world: World, case: Case) -> None:
    check(world, "s3", case)


def _events(*events: dict[str, Any], **members: Any) -> Parameters:
    return lambda i: {"logGroupName": "/bad/input", "logStreamName": "stream", "logEvents": list(events), **members}


NOW = {"timestamp": 4_000_000_000_000, "message": "m"}


@cases(
    Case("create_log_group", lambda i: {"logGroupName": "/bad/input"}, "ResourceAlreadyExistsException"),
    Case("create_log_group", lambda i: {"logGroupName": "a b"}, "InvalidParameterException"),
    Case("create_log_group", lambda i: {"logGroupName": LONG}, "InvalidParameterException"),
    Case("create_log_group", lambda i: {}, "InvalidParameterException"),
    Case("create_log_group", lambda i: {"logGroupName": ["g"]}, "SerializationException"),
    Case("create_log_group", lambda i: {"logGroupName": "new", "kmsKeyId": "key"}, "NotImplemented"),
    Case("create_log_stream", lambda i: {"logGroupName": "/bad/input", "logStreamName": "stream"}, "ResourceAlreadyExistsException"),
    Case("create_log_stream", lambda i: {"logGroupName": "/bad/input", "logStreamName": "a:b"}, "InvalidParameterException"),
    Case("create_log_stream", lambda i: {"logGroupName": "absent", "logStreamName": "s"}, "ResourceNotFoundException"),
    Case("put_log_events", _events(), "InvalidParameterException"),
    Case("put_log_events", _events({"timestamp": -1, "message": "m"}), "InvalidParameterException"),
    Case("put_log_events", _events({"timestamp": 2, "message": "m"}, {"timestamp": 1, "message": "m"}), "InvalidParameterException"),
    Case("put_log_events", _events({"timestamp": 1, "message": ""}), "InvalidParameterException"),
    Case("put_log_events", _events(*[NOW] * 10001), "InvalidParameterException"),
    Case("put_log_events", _events(NOW, logStreamName="absent"), "ResourceNotFoundException"),
    Case("get_log_events", lambda i: {"logGroupName": "/bad/input", "logStreamName": "stream", "limit": 0}, "InvalidParameterException"),
    Case("get_log_events", lambda i: {"logGroupName": "/bad/input", "logStreamName": "stream", "nextToken": "x"}, "InvalidParameterException"),
    Case("filter_log_events", lambda i: {"logGroupName": "/bad/input", "filterPattern": "{ $.a = 1 }"}, "NotImplemented"),
    Case("put_retention_policy", lambda i: {"logGroupName": "/bad/input", "retentionInDays": 2}, "InvalidParameterException"),
    Case("delete_log_group", lambda i: {"logGroupName": "absent"}, "ResourceNotFoundException"),
    Case("start_query", lambda i: {"startTime": 1, "endTime": 2, "queryString": "fields @message"}, "NotImplemented"),
)  # fmt: skip
def test_logs(world: World, case: Case) -> None:
    check(world, "logs", case)
