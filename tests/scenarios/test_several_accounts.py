"""Several accounts on one server: what one owns another neither sees nor touches, save by policies of both sides."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from daemon import ACCOUNT, Daemon, local_daemon

ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(principal: str, **condition: Any) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return policy(statement | ({"Condition": condition} if condition else {}))


def refused(call: Callable[..., Any], *codes: str, **request: Any) -> str:
    """The message of the error, whose code is one of these."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    assert error["Code"] in codes, error
    return str(error["Message"])


@dataclass
class Accounts:
    """The management account and two members, each with a client maker. `admin`: a user of the management account."""

    daemon: Daemon
    admin: tuple[str, str]
    b: str
    c: str

    def root(self, service: str) -> Any:
        return self.daemon.client(service)

    def enter(self, account: str, role: str = "OrganizationAccountAccessRole", **request: Any) -> Callable[[str], Any]:
        """Clients of a session in the account, got as AWS has it: by the admin user's sts:AssumeRole."""
        sts = self.daemon.client("sts", self.admin)
        arn = f"arn:aws:iam::{account}:role/{role}"
        return self.clients(sts.assume_role(RoleArn=arn, RoleSessionName="tester", **request)["Credentials"])

    def clients(self, made: dict[str, Any]) -> Callable[[str], Any]:
        key = made["AccessKeyId"], made["SecretAccessKey"]
        return lambda service: self.daemon.client(service, key, aws_session_token=made["SessionToken"])


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    with local_daemon(tmp_path_factory.mktemp("accounts")) as daemon:
        iam, organizations = daemon.client("iam"), daemon.client("organizations")
        iam.create_user(UserName="admin")
        iam.put_user_policy(UserName="admin", PolicyName="all", PolicyDocument=policy(ALLOW_ALL))
        key = iam.create_access_key(UserName="admin")["AccessKey"]
        organizations.create_organization(FeatureSet="ALL")
        ids = [
            organizations.create_account(Email=f"{name}@example.com", AccountName=name)["CreateAccountStatus"]
            for name in ("b", "c")
        ]
        b, c = (status["AccountId"] for status in ids)
        yield Accounts(daemon, (key["AccessKeyId"], key["SecretAccessKey"]), b, c)


def test_the_way_into_a_new_account(accounts: Accounts) -> None:
    inside = accounts.enter(accounts.b)
    who = inside("sts").get_caller_identity()
    assert who["Account"] == accounts.b
    assert who["Arn"] == f"arn:aws:sts::{accounts.b}:assumed-role/OrganizationAccountAccessRole/tester"
    # the root user may not assume roles, as on AWS
    refused(
        accounts.root("sts").assume_role,
        "AccessDenied",
        RoleArn=f"arn:aws:iam::{accounts.b}:role/OrganizationAccountAccessRole",
        RoleSessionName="root",
    )


def test_members_do_not_manage_the_organization(accounts: Accounts) -> None:
    inside = accounts.enter(accounts.b)("organizations")
    assert inside.describe_organization()["Organization"]["MasterAccountId"] == ACCOUNT
    refused(inside.list_accounts, "AccessDeniedException")
    refused(inside.describe_account, "AccessDeniedException", AccountId=accounts.c)
    refused(inside.create_account, "AccessDeniedException", Email="d@example.com", AccountName="d")


def test_ec2_is_by_account(accounts: Accounts) -> None:
    own, foreign = accounts.enter(accounts.b)("ec2"), accounts.enter(accounts.c)("ec2")
    vpc = own.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]
    assert vpc["OwnerId"] == accounts.b
    subnet = own.create_subnet(VpcId=vpc["VpcId"], CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    group = own.create_security_group(GroupName="g", Description="d", VpcId=vpc["VpcId"])["GroupId"]
    assert vpc["VpcId"] in [one["VpcId"] for one in own.describe_vpcs()["Vpcs"]]
    assert vpc["VpcId"] not in [one["VpcId"] for one in foreign.describe_vpcs()["Vpcs"]]
    assert group not in [one["GroupId"] for one in foreign.describe_security_groups()["SecurityGroups"]]
    refused(foreign.describe_vpcs, "InvalidVpcID.NotFound", VpcIds=[vpc["VpcId"]])
    refused(foreign.create_subnet, "InvalidVpcID.NotFound", VpcId=vpc["VpcId"], CidrBlock="10.0.2.0/24")
    refused(foreign.delete_subnet, "InvalidSubnetID.NotFound", SubnetId=subnet)
    refused(foreign.create_network_interface, "InvalidSubnetID.NotFound", SubnetId=subnet)
    refused(foreign.delete_security_group, "InvalidGroup.NotFound", GroupId=group)
    refused(foreign.create_tags, "InvalidVpcID.NotFound", Resources=[vpc["VpcId"]], Tags=[{"Key": "k", "Value": "v"}])
    # the same addresses again, in another account's network
    assert foreign.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["OwnerId"] == accounts.c


def test_names_are_by_account(accounts: Accounts) -> None:
    own, foreign = accounts.enter(accounts.b), accounts.enter(accounts.c)
    for inside in (own, foreign):
        inside("iam").create_role(RoleName="same", AssumeRolePolicyDocument=trust(accounts.b))
        inside("logs").create_log_group(logGroupName="/same")
    assert own("iam").get_role(RoleName="same")["Role"]["Arn"] == f"arn:aws:iam::{accounts.b}:role/same"
    own("logs").create_log_stream(logGroupName="/same", logStreamName="own")
    assert foreign("logs").describe_log_streams(logGroupName="/same")["logStreams"] == []
    own("logs").create_log_group(logGroupName="/own")
    refused(foreign("logs").describe_log_streams, "ResourceNotFoundException", logGroupName="/own")
    own("iam").create_user(UserName="only")
    refused(foreign("iam").get_user, "NoSuchEntity", UserName="only")
    made = own("iam").create_policy(PolicyName="own", PolicyDocument=policy(ALLOW_ALL))["Policy"]["Arn"]
    refused(foreign("iam").get_policy, "AccessDenied", "NoSuchEntity", PolicyArn=made)
    refused(foreign("iam").attach_role_policy, "NoSuchEntity", RoleName="same", PolicyArn=made)


def test_sagemaker_is_by_account(accounts: Accounts) -> None:
    own, foreign = accounts.enter(accounts.b), accounts.enter(accounts.c)
    service = policy(
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    )
    role = own("iam").create_role(RoleName="execution", AssumeRolePolicyDocument=service)["Role"]["Arn"]
    container = {"Image": f"{accounts.b}.dkr.ecr.us-west-2.amazonaws.com/serve:1"}
    model = own("sagemaker").create_model(ModelName="m", ExecutionRoleArn=role, PrimaryContainer=container)["ModelArn"]
    assert accounts.b in model
    assert foreign("sagemaker").list_models()["Models"] == []
    refused(foreign("sagemaker").describe_model, "ValidationException", ModelName="m")
    refused(foreign("sagemaker").delete_model, "ValidationException", ModelName="m")
    refused(
        foreign("sagemaker").add_tags, "AccessDeniedException", ResourceArn=model, Tags=[{"Key": "k", "Value": "v"}]
    )
    refused(foreign("sagemaker").list_tags, "AccessDeniedException", ResourceArn=model)
    # PassRole of another account's role, by whoever it is
    for client in (foreign("sagemaker"), accounts.root("sagemaker")):
        message = refused(
            client.create_model,
            "AccessDeniedException",
            ModelName="stolen",
            ExecutionRoleArn=role,
            PrimaryContainer=container,
        )
        assert "iam:PassRole" in message


def test_a_bucket_is_shared_by_policies_of_both_sides(accounts: Accounts) -> None:
    own, foreign = accounts.enter(accounts.b), accounts.enter(accounts.c)
    where = {"LocationConstraint": "us-west-2"}
    own("s3").create_bucket(Bucket="of-b", CreateBucketConfiguration=where)
    own("s3").put_object(Bucket="of-b", Key="k", Body=b"secret")
    refused(foreign("s3").create_bucket, "BucketAlreadyExists", Bucket="of-b", CreateBucketConfiguration=where)
    assert foreign("s3").list_buckets()["Buckets"] == []
    assert refused(foreign("s3").get_object, "AccessDenied", Bucket="of-b", Key="k") == "Access Denied"
    refused(foreign("s3").put_bucket_policy, "AccessDenied", Bucket="of-b", Policy="{}")
    refused(accounts.root("s3").get_object, "AccessDenied", Bucket="of-b", Key="k")
    # the bucket's side alone: the account's administrators, but not a role that may nothing
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::of-b/*"}
    document = policy(statement | {"Principal": {"AWS": f"arn:aws:iam::{accounts.c}:root"}})
    own("s3").put_bucket_policy(Bucket="of-b", Policy=document)
    assert foreign("s3").get_object(Bucket="of-b", Key="k")["Body"].read() == b"secret"
    refused(foreign("s3").put_object, "AccessDenied", Bucket="of-b", Key="k", Body=b"")
    foreign("iam").create_role(RoleName="reader", AssumeRolePolicyDocument=trust(ACCOUNT))
    reader = accounts.enter(accounts.c, "reader")("s3")
    refused(reader.get_object, "AccessDenied", Bucket="of-b", Key="k")
    foreign("iam").put_role_policy(RoleName="reader", PolicyName="read", PolicyDocument=policy(statement))
    assert reader.get_object(Bucket="of-b", Key="k")["Body"].read() == b"secret"
    # the caller's side alone
    own("s3").delete_bucket_policy(Bucket="of-b")
    refused(reader.get_object, "AccessDenied", Bucket="of-b", Key="k")


def test_an_external_id(accounts: Accounts) -> None:
    inside = accounts.enter(accounts.b)
    condition = {"StringEquals": {"sts:ExternalId": "42"}}
    inside("iam").create_role(RoleName="partner", AssumeRolePolicyDocument=trust(ACCOUNT, **condition))
    assert accounts.enter(accounts.b, "partner", ExternalId="42")("sts").get_caller_identity()["Account"] == accounts.b
    sts = accounts.daemon.client("sts", accounts.admin)
    arn = f"arn:aws:iam::{accounts.b}:role/partner"
    for given in ({}, {"ExternalId": "43"}):
        refused(sts.assume_role, "AccessDenied", RoleArn=arn, RoleSessionName="me", **given)
    # trusted by name, but without leave in the caller's own account
    iam = accounts.root("iam")
    iam.create_user(UserName="plain")
    key = iam.create_access_key(UserName="plain")["AccessKey"]
    plain = accounts.daemon.client("sts", (key["AccessKeyId"], key["SecretAccessKey"]))
    refused(plain.assume_role, "AccessDenied", RoleArn=arn, RoleSessionName="me", ExternalId="42")


def test_a_service_control_policy_limits_a_member(accounts: Accounts) -> None:
    organizations, inside = accounts.root("organizations"), accounts.enter(accounts.c)
    deny = policy({"Effect": "Deny", "Action": "ec2:DeleteVpc", "Resource": "*"})
    made = organizations.create_policy(Name="keep", Description="", Type="SERVICE_CONTROL_POLICY", Content=deny)
    id = made["Policy"]["PolicySummary"]["Id"]
    vpc = inside("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    organizations.attach_policy(PolicyId=id, TargetId=accounts.c)
    message = refused(inside("ec2").delete_vpc, "UnauthorizedOperation", VpcId=vpc)
    assert "with an explicit deny in a service control policy" in message
    organizations.detach_policy(PolicyId=id, TargetId=accounts.c)
    inside("ec2").delete_vpc(VpcId=vpc)
    # the root's policies do not limit the management account
    organizations.attach_policy(PolicyId=id, TargetId=organizations.list_roots()["Roots"][0]["Id"])
    own = accounts.root("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    accounts.root("ec2").delete_vpc(VpcId=own)


def test_a_perimeter_by_resource_control_policy(accounts: Accounts) -> None:
    organizations, own = accounts.root("organizations"), accounts.enter(accounts.b)
    root = organizations.list_roots()["Roots"][0]["Id"]
    organization = organizations.describe_organization()["Organization"]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="RESOURCE_CONTROL_POLICY")
    where = {"LocationConstraint": "us-west-2"}
    own("s3").create_bucket(Bucket="perimeter", CreateBucketConfiguration=where)
    everybody = {
        "Effect": "Allow",
        "Principal": {"AWS": accounts.c},
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::perimeter",
    }
    own("s3").put_bucket_policy(Bucket="perimeter", Policy=policy(everybody))
    outside = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {
            "StringNotEqualsIfExists": {"aws:PrincipalOrgID": organization},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
    }
    made = organizations.create_policy(
        Name="perimeter", Description="", Type="RESOURCE_CONTROL_POLICY", Content=policy(outside)
    )
    organizations.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=root)
    foreign = accounts.enter(accounts.c)
    assert foreign("s3").list_objects_v2(Bucket="perimeter")["KeyCount"] == 0
    organizations.remove_account_from_organization(AccountId=accounts.c)
    refused(foreign("s3").list_objects_v2, "AccessDenied", Bucket="perimeter")
    refused(foreign("organizations").describe_organization, "AWSOrganizationsNotInUseException")
