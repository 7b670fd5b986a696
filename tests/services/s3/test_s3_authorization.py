"""What S3's operations ask for: a user with a policy, through the real gateway."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from daemon import Daemon, listening, local_daemon

from ringfence.gateway.listen import Stamp

Allow = Callable[..., Any]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture(scope="module")
def root(daemon: Daemon) -> Any:
    client = daemon.client("s3")
    for bucket in ("here", "there"):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    client.put_object(Bucket="here", Key="in/a", Body=b"a")
    client.put_object(Bucket="here", Key="in/tagged", Body=b"t", Tagging="a=1")
    return client


@pytest.fixture
def allow(daemon: Daemon, root: Any, request: pytest.FixtureRequest) -> Iterator[Allow]:
    """`allow({"Action": …, "Resource": …}, …)`: an S3 client of a user who may do this and nothing else."""
    iam = daemon.client("iam")
    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    client = daemon.client("s3", (key["AccessKeyId"], key["SecretAccessKey"]))

    def put(*statements: dict[str, Any]) -> Any:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **item} for item in statements]}
        iam.put_user_policy(UserName="u", PolicyName="p", PolicyDocument=json.dumps(document))
        return client

    yield put
    iam.delete_user_policy(UserName="u", PolicyName="p")
    iam.delete_access_key(UserName="u", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="u")


def on(action: str | list[str], resource: str | list[str], **more: Any) -> dict[str, Any]:
    arns = [f"arn:aws:s3:::{name}" for name in ([resource] if isinstance(resource, str) else resource)]
    return {"Action": action, "Resource": arns, **more}


def refused(call: Any, **request: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_only_who_may_list_learns_what_is_not_there(allow: Allow) -> None:
    client = allow(on("s3:GetObject", "here/*"))
    assert client.get_object(Bucket="here", Key="in/a")["Body"].read() == b"a"
    code, status, message = refused(client.get_object, Bucket="here", Key="none")
    assert (code, status) == ("AccessDenied", 403)
    assert "s3:ListBucket" in message
    assert refused(client.head_object, Bucket="here", Key="none")[:2] == ("403", 403)
    client = allow(on("s3:GetObject", "here/*"), on("s3:ListBucket", "here"))
    assert refused(client.get_object, Bucket="here", Key="none")[0] == "NoSuchKey"
    assert refused(client.head_object, Bucket="here", Key="none")[1] == 404


def test_a_copy_needs_its_source(allow: Allow) -> None:
    copy = {"Bucket": "there", "Key": "b", "CopySource": "here/in/a"}
    client = allow(on("s3:PutObject", "there/*"))
    code, status, message = refused(client.copy_object, **copy)
    assert (code, status) == ("AccessDenied", 403)
    assert 's3:GetObject on resource: "arn:aws:s3:::here/in/a"' in message
    client = allow(on("s3:GetObject", "here/*"))
    assert "s3:PutObject" in refused(client.copy_object, **copy)[2]
    client = allow(on("s3:PutObject", "there/*"), on("s3:GetObject", "here/*"))
    client.copy_object(**copy)
    assert "s3:GetObjectTagging" in refused(client.copy_object, **{**copy, "CopySource": "here/in/tagged"})[2]
    upload = client.create_multipart_upload(Bucket="there", Key="mp")["UploadId"]
    part = {"Bucket": "there", "Key": "mp", "UploadId": upload, "PartNumber": 1}
    client.upload_part_copy(**part, CopySource="here/in/a")
    assert refused(client.upload_part_copy, **part, CopySource="there/b")[0] == "AccessDenied"
    assert refused(client.abort_multipart_upload, Bucket="there", Key="mp", UploadId=upload)[0] == "AccessDenied"


def test_tags_need_their_own_permission(allow: Allow) -> None:
    client = allow(on("s3:PutObject", "there/*"))
    client.put_object(Bucket="there", Key="k")
    assert "s3:PutObjectTagging" in refused(client.put_object, Bucket="there", Key="k", Tagging="a=b")[2]
    client = allow(on(["s3:PutObject", "s3:PutObjectTagging"], "there/*"))
    client.put_object(Bucket="there", Key="k", Tagging="a=b")


def test_prefixes_of_a_listing(allow: Allow) -> None:
    client = allow(on("s3:ListBucket", "here", Condition={"StringLike": {"s3:prefix": "in/*"}}))
    assert client.list_objects_v2(Bucket="here", Prefix="in/")["KeyCount"] == 2
    assert refused(client.list_objects_v2, Bucket="here", Prefix="out/")[0] == "AccessDenied"
    assert refused(client.list_objects_v2, Bucket="here")[0] == "AccessDenied"
    assert refused(client.head_bucket, Bucket="here")[1] == 403


def test_deleting_many_needs_each(allow: Allow, root: Any) -> None:
    root.put_object(Bucket="here", Key="out/a")
    client = allow(on("s3:DeleteObject", "here/out/*"))
    both = [{"Key": "out/a"}, {"Key": "in/a"}]
    told = client.delete_objects(Bucket="here", Delete={"Objects": both})
    assert told["Deleted"] == [{"Key": "out/a"}]
    (error,) = told["Errors"]
    assert (error["Key"], error["Code"]) == ("in/a", "AccessDenied")
    assert 's3:DeleteObject on resource: "arn:aws:s3:::here/in/a"' in error["Message"]
    root.head_object(Bucket="here", Key="in/a")


@pytest.fixture
def versioned(root: Any) -> Iterator[tuple[str, str]]:
    """The ids of two versions of `kept/k`, the older one tagged; the bucket is emptied afterwards."""
    root.put_bucket_versioning(Bucket="there", VersioningConfiguration={"Status": "Enabled"})
    old = root.put_object(Bucket="there", Key="kept/k", Body=b"old", Tagging="secret=yes")["VersionId"]
    new = root.put_object(Bucket="there", Key="kept/k", Body=b"new")["VersionId"]
    yield old, new
    for found in (page := root.list_object_versions(Bucket="there", Prefix="kept/")).get("Versions", []) + page.get(
        "DeleteMarkers", []
    ):
        root.delete_object(Bucket="there", Key=found["Key"], VersionId=found["VersionId"])


def test_versions_have_actions_of_their_own(allow: Allow, versioned: tuple[str, str]) -> None:
    old, new = versioned
    client = allow(on(["s3:GetObject", "s3:DeleteObject"], "there/*"), on("s3:ListBucket", "there"))
    assert client.get_object(Bucket="there", Key="kept/k")["Body"].read() == b"new"
    assert "s3:GetObjectVersion " in refused(client.get_object, Bucket="there", Key="kept/k", VersionId=new)[2]
    assert "s3:DeleteObjectVersion " in refused(client.delete_object, Bucket="there", Key="kept/k", VersionId=old)[2]
    assert "s3:ListBucketVersions" in refused(client.list_object_versions, Bucket="there")[2]
    assert (
        "s3:PutBucketVersioning"
        in refused(client.put_bucket_versioning, Bucket="there", VersioningConfiguration={"Status": "Suspended"})[2]
    )
    assert refused(client.get_bucket_versioning, Bucket="there")[0] == "AccessDenied"
    copy = {"Bucket": "there", "Key": "x", "CopySource": f"there/kept/k?versionId={old}"}
    client = allow(on(["s3:GetObject", "s3:PutObject"], "there/*"))
    assert "s3:GetObjectVersion " in refused(client.copy_object, **copy)[2]
    client = allow(on(["s3:GetObjectVersion", "s3:PutObject"], "there/*"))
    assert "s3:GetObjectVersionTagging" in refused(client.copy_object, **copy)[2]
    client = allow(on(["s3:GetObjectVersion", "s3:ListBucketVersions"], ["there", "there/*"]))
    assert client.get_object(Bucket="there", Key="kept/k", VersionId=old)["Body"].read() == b"old"
    assert len(client.list_object_versions(Bucket="there", Prefix="kept/")["Versions"]) == 2


def test_conditions_see_the_version_and_its_tags(allow: Allow, versioned: tuple[str, str]) -> None:
    old, new = versioned
    client = allow(on("s3:GetObjectVersion", "there/*", Condition={"StringEquals": {"s3:VersionId": new}}))
    client.get_object(Bucket="there", Key="kept/k", VersionId=new)
    assert refused(client.get_object, Bucket="there", Key="kept/k", VersionId=old)[0] == "AccessDenied"
    tagged = {"StringEquals": {"s3:ExistingObjectTag/secret": "yes"}}
    client = allow(on(["s3:GetObject", "s3:GetObjectVersion"], "there/*", Condition=tagged))
    client.get_object(Bucket="there", Key="kept/k", VersionId=old)
    assert refused(client.get_object, Bucket="there", Key="kept/k", VersionId=new)[0] == "AccessDenied"
    assert refused(client.get_object, Bucket="there", Key="kept/k")[0] == "AccessDenied"


def test_deleting_many_asks_of_each_version(allow: Allow, versioned: tuple[str, str]) -> None:
    """A key without a version asks for s3:DeleteObject, one with it for s3:DeleteObjectVersion, under its own id."""
    old, new = versioned
    client = allow(on("s3:DeleteObjectVersion", "there/*", Condition={"StringEquals": {"s3:VersionId": old}}))
    asked = [{"Key": "kept/k"}, {"Key": "kept/k", "VersionId": old}, {"Key": "kept/k", "VersionId": new}]
    told = client.delete_objects(Bucket="there", Delete={"Objects": asked})
    assert told["Deleted"] == [{"Key": "kept/k", "VersionId": old}]
    assert [(error.get("VersionId"), error["Code"]) for error in told["Errors"]] == [
        (None, "AccessDenied"),
        (new, "AccessDenied"),
    ]


def test_policies_of_bucket_and_endpoint_see_versions(
    daemon: Daemon, allow: Allow, root: Any, versioned: tuple[str, str]
) -> None:
    client = allow(on("s3:*", "*"))
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObjectVersion", "Resource": "arn:aws:s3:::there/*"}
    root.put_bucket_policy(Bucket="there", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    try:
        _, _, message = refused(client.delete_object, Bucket="there", Key="kept/k", VersionId=versioned[0])
        assert "explicit deny in a resource-based policy" in message
        assert client.delete_object(Bucket="there", Key="kept/k")["DeleteMarker"], "a marker deletes no version"
    finally:
        root.delete_bucket_policy(Bucket="there")
    assert_endpoint_policy_decides(daemon, client, versioned[0])


def assert_endpoint_policy_decides(daemon: Daemon, client: Any, version_id: str) -> None:
    """The same actions, of a policy that admits the current version only."""
    ec2 = daemon.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    only = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
    made = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName="com.amazonaws.us-west-2.s3",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [only]}),
    )["VpcEndpoint"]["VpcEndpointId"]  # fmt: skip
    try:
        stamp = Stamp("endpoint", tls=False, vpc_id=vpc, vpce_id=made)
        with listening(daemon, stamp) as url:
            key = client._request_signer._credentials
            inside = daemon.client("s3", (key.access_key, key.secret_key), endpoint_url=url)
            _, _, message = refused(inside.get_object, Bucket="there", Key="kept/k", VersionId=version_id)
            assert "no VPC endpoint policy allows the s3:GetObjectVersion action" in message
    finally:
        ec2.delete_vpc_endpoints(VpcEndpointIds=[made])
        ec2.delete_vpc(VpcId=vpc)


def test_the_bucket_policy_counts(allow: Allow, root: Any) -> None:
    client = allow(on("s3:GetObject", "here/*"))
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::here/*",
            "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}}  # fmt: skip
    policy = {"Version": "2012-10-17", "Statement": [deny]}
    root.put_bucket_policy(Bucket="here", Policy=json.dumps(policy))
    try:
        assert "explicit deny in a resource-based policy" in refused(client.get_object, Bucket="here", Key="in/a")[2]
    finally:
        root.delete_bucket_policy(Bucket="here")
    assert client.get_object(Bucket="here", Key="in/a")["Body"].read() == b"a"


def test_bucket_operations(allow: Allow) -> None:
    client = allow(on(["s3:GetEncryptionConfiguration", "s3:GetBucketPublicAccessBlock"], "here"))
    client.get_bucket_encryption(Bucket="here")
    client.get_public_access_block(Bucket="here")
    for call in (client.get_bucket_policy, client.get_bucket_acl, client.delete_bucket, client.list_multipart_uploads):
        assert refused(call, Bucket="here")[0] == "AccessDenied"
    assert refused(client.list_buckets)[0] == "AccessDenied"
    client = allow({"Action": "s3:ListAllMyBuckets", "Resource": "*"})
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["here", "there"]
