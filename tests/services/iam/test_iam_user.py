"""Users and their access keys."""

from typing import Any

import pytest

from ringfence.core.errors import ServiceError
from ringfence.core.operation import REGISTRY


def test_life_of_a_user(aws: Any) -> None:
    made = aws("iam", "CreateUser", UserName="Alice", Path="/team/", Tags=[{"Key": "a", "Value": "b"}])["User"]
    assert made["Arn"] == "arn:aws:iam::123456789012:user/team/Alice"
    assert made["UserId"].startswith("AIDA")
    assert len(made["UserId"]) == 21
    assert aws("iam", "GetUser", UserName="alice")["User"] == made
    assert [user["UserName"] for user in aws("iam", "ListUsers")["Users"]] == ["Alice"]
    assert aws("iam", "ListUsers", PathPrefix="/other/")["Users"] == []
    aws("iam", "DeleteUser", UserName="Alice")
    error = aws.fails("iam", "GetUser", UserName="Alice")
    assert (error.code, error.status) == ("NoSuchEntity", 404)
    assert error.message == "The user with name Alice cannot be found."


def test_names_differ_in_more_than_case(aws: Any) -> None:
    aws("iam", "CreateUser", UserName="alice")
    error = aws.fails("iam", "CreateUser", UserName="ALICE")
    assert (error.code, error.status) == ("EntityAlreadyExists", 409)


def test_rename_moves_arn_tags_and_keys(aws: Any) -> None:
    aws("iam", "CreateUser", UserName="a", Tags=[{"Key": "k", "Value": "v"}])
    key = aws("iam", "CreateAccessKey", UserName="a")["AccessKey"]["AccessKeyId"]
    aws("iam", "CreateUser", UserName="taken")
    assert aws.fails("iam", "UpdateUser", UserName="a", NewUserName="taken").code == "EntityAlreadyExists"
    aws("iam", "UpdateUser", UserName="a", NewUserName="b", NewPath="/p/")
    user = aws("iam", "GetUser", UserName="b")["User"]
    assert (user["Arn"], user["Tags"]) == ("arn:aws:iam::123456789012:user/p/b", [{"Key": "k", "Value": "v"}])
    assert aws("iam", "ListAccessKeys", UserName="b")["AccessKeyMetadata"][0]["AccessKeyId"] == key
    assert aws.fails("iam", "GetUser", UserName="a").code == "NoSuchEntity"


def test_access_keys(aws: Any) -> None:
    aws("iam", "CreateUser", UserName="a")
    first = aws("iam", "CreateAccessKey", UserName="a")["AccessKey"]
    assert first["AccessKeyId"].startswith("AKIA")
    assert (len(first["AccessKeyId"]), len(first["SecretAccessKey"]), first["Status"]) == (20, 40, "Active")
    second = aws("iam", "CreateAccessKey", UserName="a")["AccessKey"]
    error = aws.fails("iam", "CreateAccessKey", UserName="a")
    assert (error.code, error.status) == ("LimitExceeded", 409)
    aws("iam", "UpdateAccessKey", UserName="a", AccessKeyId=first["AccessKeyId"], Status="Inactive")
    listed = aws("iam", "ListAccessKeys", UserName="a")["AccessKeyMetadata"]
    states = {key["AccessKeyId"]: key["Status"] for key in listed}
    assert states == {first["AccessKeyId"]: "Inactive", second["AccessKeyId"]: "Active"}
    assert aws.fails("iam", "DeleteUser", UserName="a").code == "DeleteConflict"
    for key in (first, second):
        aws("iam", "DeleteAccessKey", UserName="a", AccessKeyId=key["AccessKeyId"])
    aws("iam", "DeleteUser", UserName="a")


@pytest.mark.parametrize("operation", ["UpdateAccessKey", "DeleteAccessKey"])
def test_another_users_key_is_not_found(aws: Any, operation: str) -> None:
    aws("iam", "CreateUser", UserName="a")
    aws("iam", "CreateUser", UserName="b")
    key = aws("iam", "CreateAccessKey", UserName="a")["AccessKey"]["AccessKeyId"]
    more = {"Status": "Inactive"} if operation == "UpdateAccessKey" else {}
    assert aws.fails("iam", operation, UserName="b", AccessKeyId=key, **more).code == "NoSuchEntity"


def test_a_user_in_use_stays(aws: Any) -> None:
    aws("iam", "CreateUser", UserName="a")
    aws("iam", "AttachUserPolicy", UserName="a", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    assert "detach all policies" in aws.fails("iam", "DeleteUser", UserName="a").message
    aws("iam", "DetachUserPolicy", UserName="a", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    text = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
    aws("iam", "PutUserPolicy", UserName="a", PolicyName="p", PolicyDocument=text)
    assert "delete policies first" in aws.fails("iam", "DeleteUser", UserName="a").message
    aws("iam", "DeleteUserPolicy", UserName="a", PolicyName="p")
    aws("iam", "DeleteUser", UserName="a")


def test_pages(aws: Any) -> None:
    for name in "dacbe":
        aws("iam", "CreateUser", UserName=name)
    seen, request = [], {"MaxItems": 2}
    while True:
        page = aws("iam", "ListUsers", **request)
        seen += [user["UserName"] for user in page["Users"]]
        if not page["IsTruncated"]:
            break
        request["Marker"] = page["Marker"]
    assert seen == ["a", "b", "c", "d", "e"]
    assert aws.fails("iam", "ListUsers", Marker="nonsense").code == "ValidationError"


def test_unknown_parameter_is_refused(aws: Any) -> None:
    aws("iam", "CreateUser", UserName="a")
    with aws.store.transaction() as records:
        with pytest.raises(ServiceError, match="the parameter Surprise of GetUser"):
            REGISTRY["iam", "GetUser"].handler(aws.call(records), {"UserName": "a", "Surprise": 1})
