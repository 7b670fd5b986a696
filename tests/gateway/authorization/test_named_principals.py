"""Whom trust and bucket policies name: they must exist, and nobody made anew under a name is taken for them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from daemon import ACCOUNT, REGION, Daemon, local_daemon

from ringfence.cli.main import main

ROLE = f"arn:aws:iam::{ACCOUNT}:role/trusting"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as made:
        yield made


def arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def trust(*names: str) -> str:
    named = {"AWS": [arn(name) for name in names]} if len(names) > 1 else {"AWS": arn(names[0])}
    statement = {"Effect": "Allow", "Principal": named, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def user(daemon: Daemon, name: str) -> tuple[str, str]:
    """Make a user; its access key."""
    iam = daemon.client("iam")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def delete_user(daemon: Daemon, name: str, key: tuple[str, str]) -> None:
    daemon.client("iam").delete_access_key(UserName=name, AccessKeyId=key[0])
    daemon.client("iam").delete_user(UserName=name)


def fault(call: Any, **params: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    found: dict[str, Any] = caught.value.response["Error"]
    return found


def assume(daemon: Daemon, key: tuple[str, str]) -> None:
    daemon.client("sts", key).assume_role(RoleArn=ROLE, RoleSessionName="session")


def trusted(daemon: Daemon) -> Any:
    document = daemon.client("iam").get_role(RoleName="trusting")["Role"]["AssumeRolePolicyDocument"]
    return document["Statement"][0]["Principal"]["AWS"]


def test_a_trust_policy_names_who_is_there(daemon: Daemon) -> None:
    iam = daemon.client("iam")
    error = fault(iam.create_role, RoleName="trusting", AssumeRolePolicyDocument=trust("absent"))
    assert error["Code"] == "MalformedPolicyDocument"
    assert error["Message"] == f'Invalid principal in policy: "AWS":"{arn("absent")}"'
    key = user(daemon, "first")
    iam.create_role(RoleName="trusting", AssumeRolePolicyDocument=trust("first"))
    error = fault(iam.update_assume_role_policy, RoleName="trusting", PolicyDocument=trust("first", "absent"))
    assert error["Code"] == "MalformedPolicyDocument"
    assume(daemon, key)

    # one made anew under the name is another
    id = iam.get_user(UserName="first")["User"]["UserId"]
    delete_user(daemon, "first", key)
    assert trusted(daemon) == id
    again = user(daemon, "first")
    assert fault(assume, daemon=daemon, key=again)["Code"] == "AccessDenied"
    assert trusted(daemon) == id
    iam.update_assume_role_policy(RoleName="trusting", PolicyDocument=trust("first"))
    assume(daemon, again)
    assert trusted(daemon) == arn("first")

    # one with a new name is the same
    iam.update_user(UserName="first", NewUserName="renamed")
    assume(daemon, again)
    assert trusted(daemon) == arn("renamed")
    other = user(daemon, "first")
    assert fault(assume, daemon=daemon, key=other)["Code"] == "AccessDenied"
    assert iam.list_roles()["Roles"][0]["AssumeRolePolicyDocument"]["Statement"]


def test_a_bucket_policy_names_who_is_there(daemon: Daemon) -> None:
    s3 = daemon.client("s3")
    s3.create_bucket(Bucket="named", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="named", Key="k", Body=b"x")
    named = {"Principal": {"AWS": arn("reader")}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::named/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", **named}})
    error = fault(s3.put_bucket_policy, Bucket="named", Policy=policy)
    assert (error["Code"], error["Message"]) == ("MalformedPolicy", "Invalid principal in policy")
    assert arn("reader") in error["Detail"]
    key = user(daemon, "reader")
    s3.put_bucket_policy(Bucket="named", Policy=policy)
    assert s3.get_bucket_policy(Bucket="named")["Policy"] == policy
    assert daemon.client("s3", key).get_object(Bucket="named", Key="k")["Body"].read() == b"x"
    delete_user(daemon, "reader", key)
    again = user(daemon, "reader")
    assert fault(daemon.client("s3", again).get_object, Bucket="named", Key="k")["Code"] == "AccessDenied"
    s3.put_bucket_policy(Bucket="named", Policy=policy)
    assert daemon.client("s3", again).get_object(Bucket="named", Key="k")["Body"].read() == b"x"


def test_a_deny_for_all_but_one_follows_who_it_is(daemon: Daemon) -> None:
    """NotPrincipal too: whoever is made anew under the name is no exception."""
    s3, iam = daemon.client("s3"), daemon.client("iam")
    s3.create_bucket(Bucket="spared", CreateBucketConfiguration={"LocationConstraint": REGION})
    key = user(daemon, "spared")
    allow = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}
    identity = json.dumps({"Version": "2012-10-17", "Statement": allow})
    iam.put_user_policy(UserName="spared", PolicyName="p", PolicyDocument=identity)
    spared = [arn("spared"), f"arn:aws:iam::{ACCOUNT}:root"]
    on = {"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::spared"}
    deny = {"Effect": "Deny", "NotPrincipal": {"AWS": spared}, **on}
    s3.put_bucket_policy(Bucket="spared", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    daemon.client("s3", key).list_objects_v2(Bucket="spared")
    iam.update_user(UserName="spared", NewUserName="moved")
    daemon.client("s3", key).list_objects_v2(Bucket="spared")
    other = user(daemon, "spared")
    iam.put_user_policy(UserName="spared", PolicyName="p", PolicyDocument=identity)
    assert (
        "explicit deny in a resource-based policy"
        in fault(daemon.client("s3", other).list_objects_v2, Bucket="spared")["Message"]
    )


def test_a_denial_tells_of_the_id(daemon: Daemon) -> None:
    iam = daemon.client("iam")
    key = user(daemon, "told")
    iam.create_role(RoleName="telling", AssumeRolePolicyDocument=trust("told"))
    delete_user(daemon, "told", key)
    again = user(daemon, "told")
    sts = daemon.client("sts", again)
    role = f"arn:aws:iam::{ACCOUNT}:role/telling"
    assert fault(sts.assume_role, RoleArn=role, RoleSessionName="session")["Code"] == "AccessDenied"
    command = ["explain", "call", "--last", "--denied", "--state", str(daemon.state)]
    told = CliRunner().invoke(main, command)
    assert told.exit_code == 1
    assert "it names AWS AIDA" in told.output
    assert "whoever has the name now is another" in told.output
