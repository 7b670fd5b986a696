"""Policies with the services' own condition keys, on boto3 against the whole daemon but for the machine."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from daemon import ACCOUNT, REGION, Daemon, local_daemon

Client = Callable[[str], Any]
IMAGE = f"246618743249.dkr.ecr.{REGION}.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/execution"
_NAMES = (f"user-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        trust = document({"Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"})
        running.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument=trust)
        yield running


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **one} for one in statements]})


def may(action: str | list[str], resource: str = "*", **condition: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def user(daemon: Daemon, *statements: dict[str, Any], name: str = "") -> Client:
    """Clients of a new user who may do this and nothing else."""
    iam, name = daemon.client("iam"), name or next(_NAMES)
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return lambda service: daemon.client(service, (key["AccessKeyId"], key["SecretAccessKey"]))


def denied(call: Callable[..., Any], **parameters: Any) -> str:
    """The message of the refusal that the call earns."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    assert error["Code"] in ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException"), error
    return str(error["Message"])


def tagged(kind: str, **tags: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def vpc_with_subnet(daemon: Daemon, cidr: str) -> tuple[str, str]:
    ec2 = daemon.client("ec2")
    vpc = ec2.create_vpc(CidrBlock=f"{cidr}.0.0/16")["Vpc"]["VpcId"]
    return vpc, ec2.create_subnet(VpcId=vpc, CidrBlock=f"{cidr}.1.0/24")["Subnet"]["SubnetId"]


@pytest.fixture(scope="module")
def place(daemon: Daemon) -> tuple[str, str]:
    """A VPC and a subnet of it."""
    return vpc_with_subnet(daemon, "10.2")


def test_a_vpc_must_be_made_with_a_tag(daemon: Daemon) -> None:
    """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html"""
    ec2 = user(
        daemon,
        may(
            "ec2:CreateVpc",
            StringEquals={"aws:RequestTag/team": "ml"},
            **{"ForAllValues:StringEquals": {"aws:TagKeys": "team"}},
        ),
        may("ec2:CreateTags", StringEquals={"ec2:CreateAction": "CreateVpc"}),
    )("ec2")
    made = ec2.create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=tagged("vpc", team="ml"))["Vpc"]
    assert "ec2:CreateVpc" in denied(ec2.create_vpc, CidrBlock="10.1.0.0/16")
    for tags in ({"team": "web"}, {"team": "ml", "other": "x"}):
        denied(ec2.create_vpc, CidrBlock="10.1.0.0/16", TagSpecifications=tagged("vpc", **tags))
    assert "ec2:CreateTags" in denied(ec2.create_tags, Resources=[made["VpcId"]], Tags=[{"Key": "team", "Value": "x"}])


def test_tags_asked_of_a_new_subnet_are_not_asked_of_its_vpc(daemon: Daemon, place: tuple[str, str]) -> None:
    """A policy that wants the tag on every resource of ec2:CreateSubnet allows nothing, on AWS as here."""
    vpc, _ = place
    tags = {"StringEquals": {"aws:RequestTag/team": "ml"}}
    asked = {"VpcId": vpc, "CidrBlock": "10.2.2.0/24", "TagSpecifications": tagged("subnet", team="ml")}
    everywhere = user(daemon, may("ec2:CreateSubnet", **tags), may("ec2:CreateTags"))("ec2")
    assert f":vpc/{vpc} " in denied(everywhere.create_subnet, **asked)
    on_new = (
        may("ec2:CreateSubnet", "arn:aws:ec2:*:*:subnet/*", **tags),
        may("ec2:CreateSubnet", "arn:aws:ec2:*:*:vpc/*"),
    )
    ec2 = user(daemon, *on_new, may("ec2:CreateTags"))("ec2")
    ec2.create_subnet(**asked)
    denied(ec2.create_subnet, VpcId=vpc, CidrBlock="10.2.3.0/24")


def test_interfaces_in_one_vpc_only(daemon: Daemon, place: tuple[str, str]) -> None:
    (vpc, subnet), (_, other) = place, vpc_with_subnet(daemon, "10.4")
    within = {"ArnEquals": {"ec2:Vpc": f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc/{vpc}"}}
    ec2 = user(
        daemon,
        may("ec2:CreateNetworkInterface", "arn:aws:ec2:*:*:subnet/*", **within),
        may("ec2:CreateNetworkInterface", "arn:aws:ec2:*:*:security-group/*", **within),
        may("ec2:CreateNetworkInterface", "arn:aws:ec2:*:*:network-interface/*"),
        may("ec2:DeleteNetworkInterface", **within),
    )("ec2")
    made = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    assert f"subnet/{other} " in denied(ec2.create_network_interface, SubnetId=other)
    foreign = daemon.client("ec2").create_network_interface(SubnetId=other)["NetworkInterface"]["NetworkInterfaceId"]
    denied(ec2.delete_network_interface, NetworkInterfaceId=foreign)
    ec2.delete_network_interface(NetworkInterfaceId=made)


def test_endpoints_to_one_service_only(daemon: Daemon, place: tuple[str, str]) -> None:
    """https://docs.aws.amazon.com/vpc/latest/privatelink/security_iam_id-based-policy-examples.html"""
    vpc, _ = place
    service = f"com.amazonaws.{REGION}.s3"
    places = [f"arn:aws:ec2:*:*:{kind}/*" for kind in ("vpc", "subnet", "security-group", "route-table")]
    ec2 = user(
        daemon,
        {"Action": "ec2:CreateVpcEndpoint", "Resource": places},
        may("ec2:CreateVpcEndpoint", "arn:aws:ec2:*:*:vpc-endpoint/*", StringEquals={"ec2:VpceServiceName": service}),
    )("ec2")
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=service)
    denied(
        ec2.create_vpc_endpoint,
        VpcId=vpc,
        ServiceName=f"com.amazonaws.{REGION}.sagemaker.api",
        VpcEndpointType="Interface",
    )


def test_models_in_given_subnets_only(daemon: Daemon, place: tuple[str, str]) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/security_iam_id-based-policy-examples.html"""
    vpc, subnet = place
    root = daemon.client("ec2")
    second = root.create_subnet(VpcId=vpc, CidrBlock="10.2.6.0/24", AvailabilityZone=f"{REGION}b")["Subnet"]["SubnetId"]
    stray = root.create_subnet(VpcId=vpc, CidrBlock="10.2.7.0/24")["Subnet"]["SubnetId"]
    group = root.create_security_group(GroupName="models", Description="d", VpcId=vpc)["GroupId"]
    given = {"sagemaker:VpcSubnets": [subnet, second], "sagemaker:VpcSecurityGroupIds": group}
    sagemaker = user(
        daemon,
        may(
            "sagemaker:CreateModel",
            Null={"sagemaker:VpcSubnets": "false"},
            Bool={"sagemaker:NetworkIsolation": "true"},
            **{"ForAllValues:StringEquals": given},
        ),
        may("iam:PassRole", ROLE, StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"}),
    )("sagemaker")
    inside = {"Subnets": [subnet, second], "SecurityGroupIds": [group]}
    good = {
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": IMAGE},
        "EnableNetworkIsolation": True,
        "VpcConfig": inside,
    }
    sagemaker.create_model(ModelName="inside", **good)
    for change in (
        {"VpcConfig": {**inside, "Subnets": [subnet, stray]}},
        {"VpcConfig": None},
        {"EnableNetworkIsolation": False},
        {"EnableNetworkIsolation": None},
    ):
        asked = {name: value for name, value in {**good, **change}.items() if value is not None}
        assert "sagemaker:CreateModel" in denied(sagemaker.create_model, ModelName="outside", **asked)


def test_notebook_instances_without_direct_internet_access_and_root(daemon: Daemon) -> None:
    """The page's own policy; a Deny of `Enabled` stops what leaves it to its default, too."""
    subnet = vpc_with_subnet(daemon, "10.67")[1]
    ec2 = daemon.client("ec2")
    vpc = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="notebooks", Description="d", VpcId=vpc)["GroupId"]
    given = {
        "NotebookInstanceName": "locked", "InstanceType": "ml.t3.medium", "RoleArn": ROLE, "SubnetId": subnet,
        "SecurityGroupIds": [group], "DirectInternetAccess": "Disabled", "RootAccess": "Disabled",
    }  # fmt: skip
    rest = may(["iam:PassRole", "ec2:*"])
    locked = {"sagemaker:DirectInternetAccess": "Disabled", "sagemaker:RootAccess": "Disabled"}
    present = {"sagemaker:VpcSubnets": "false", "sagemaker:VpcSecurityGroupIds": "false"}
    page = user(daemon, may("sagemaker:*Notebook*", StringEquals=locked, Null=present), rest)("sagemaker")
    deny = {"Effect": "Deny", **may("sagemaker:*", StringEquals={"sagemaker:DirectInternetAccess": "Enabled"})}
    careful = user(daemon, may("sagemaker:*"), deny, rest)("sagemaker")
    open_one = {name: value for name, value in given.items() if name != "DirectInternetAccess"}
    for client in (page, careful):
        assert "sagemaker:CreateNotebookInstance" in denied(client.create_notebook_instance, **open_one)
    rooted = {name: value for name, value in given.items() if name != "RootAccess"}
    assert "sagemaker:CreateNotebookInstance" in denied(page.create_notebook_instance, **rooted)
    poor = user(daemon, may("sagemaker:*"), may("iam:PassRole"))("sagemaker")
    assert "ec2:" in denied(poor.create_notebook_instance, **given)
    page.create_notebook_instance(**given)


def test_domains_in_the_vpc_only(daemon: Daemon, place: tuple[str, str]) -> None:
    """Both ways to say it; the Deny of PublicInternetOnly stops what leaves it to its default, too."""
    vpc, subnet = place
    group = daemon.client("ec2").create_security_group(GroupName="studio", Description="d", VpcId=vpc)["GroupId"]
    asked = {
        "DomainName": "team", "AuthMode": "IAM", "VpcId": vpc, "SubnetIds": [subnet],
        "DefaultUserSettings": {"ExecutionRole": ROLE, "SecurityGroups": [group]},
    }  # fmt: skip
    rest = may(["iam:PassRole", "iam:CreateServiceLinkedRole"])
    key = "sagemaker:AppNetworkAccessType"
    page = user(daemon, may("sagemaker:*", StringEquals={key: "VpcOnly"}), rest)("sagemaker")
    deny = {"Effect": "Deny", **may("sagemaker:*", StringEquals={key: "PublicInternetOnly"})}
    careful = user(daemon, may("sagemaker:*"), deny, rest)("sagemaker")
    within = {"sagemaker:VpcSubnets": [subnet], "sagemaker:VpcSecurityGroupIds": [group]}
    placed = user(daemon, may("sagemaker:*", **{"ForAllValues:StringEquals": within}), rest)("sagemaker")
    for client in (page, careful):
        assert "sagemaker:CreateDomain" in denied(client.create_domain, **asked)
    other = daemon.client("ec2").create_security_group(GroupName="stray", Description="d", VpcId=vpc)["GroupId"]
    stray = {"DefaultUserSettings": {"ExecutionRole": ROLE, "SecurityGroups": [group, other]}}
    assert "sagemaker:CreateDomain" in denied(placed.create_domain, **{**asked, **stray})
    for client in (page, careful, placed):
        made = client.create_domain(**asked, AppNetworkAccessType="VpcOnly")["DomainId"]
        daemon.client("sagemaker").delete_domain(DomainId=made)


def test_a_space_is_its_owners(daemon: Daemon, place: tuple[str, str]) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/studio-updated-spaces-access-control.html"""
    vpc, subnet = place
    domain = daemon.client("sagemaker").create_domain(
        DomainName="team", AuthMode="IAM", VpcId=vpc, SubnetIds=[subnet], DefaultUserSettings={"ExecutionRole": ROLE}
    )["DomainId"]
    profile = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:user-profile/{domain}"
    own = {
        "ArnLike": {"sagemaker:OwnerUserProfileArn": f"{profile}/ann"},
        "StringEquals": {"sagemaker:SpaceSharingType": ["Private"]},
    }
    small = {"ForAllValues:StringLike": {"sagemaker:InstanceTypes": ["ml.t3.*"]}}
    ann = user(daemon, may("sagemaker:*Space", **own), may("sagemaker:CreateApp", **small))("sagemaker")

    def create(owner: str, sharing: str) -> str:
        asked = {"OwnershipSettings": {"OwnerUserProfileName": owner}, "SpaceSharingSettings": {"SharingType": sharing}}
        with pytest.raises(ClientError) as caught:
            ann.create_space(DomainId=domain, SpaceName="desk", **asked)
        return str(caught.value.response["Error"]["Code"])

    # what is allowed gets as far as the domain, which is not InService yet, or the profile, which is not there
    assert create("ann", "Private") in ("ValidationException", "ResourceNotFound")
    assert create("bob", "Private") == create("ann", "Shared") == "AccessDeniedException"
    app = {"DomainId": domain, "UserProfileName": "ann", "AppType": "JupyterLab", "AppName": "default"}
    large = {"ResourceSpec": {"InstanceType": "ml.m5.large"}}
    assert "sagemaker:CreateApp" in denied(ann.create_app, **app, **large)
    with pytest.raises(ann.exceptions.ResourceNotFound):
        ann.create_app(**app, ResourceSpec={"InstanceType": "ml.t3.large"})


@pytest.mark.parametrize(("service", "allowed"), [("sagemaker.amazonaws.com", True), ("ec2.amazonaws.com", False)])
def test_a_role_is_passed_to_a_service(daemon: Daemon, service: str, allowed: bool) -> None:
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/of-*"
    passing = {"StringEquals": {"iam:PassedToService": service}, "ArnLike": {"iam:AssociatedResourceArn": arn}}
    sagemaker = user(daemon, may("sagemaker:*"), may("iam:PassRole", ROLE, **passing))("sagemaker")
    asked = {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}}
    if allowed:
        sagemaker.create_model(ModelName="of-mine", **asked)
    assert "iam:PassRole" in denied(sagemaker.create_model, ModelName="theirs" if allowed else "of-mine", **asked)


def test_small_instances_of_approved_models_only(daemon: Daemon) -> None:
    asked = {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}}
    for name in ("approved-a", "draft"):
        daemon.client("sagemaker").create_model(ModelName=name, **asked)
    approved = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/approved-*"
    limits = {"sagemaker:InstanceTypes": ["ml.t*", "ml.m5.large"]}
    sagemaker = user(
        daemon,
        may(
            "sagemaker:CreateEndpointConfig",
            **{"ForAllValues:StringLike": limits, "ForAllValues:ArnLike": {"sagemaker:ModelArn": approved}},
        ),
    )("sagemaker")

    def variant(model: str, instance: str) -> dict[str, Any]:
        return {"VariantName": model, "ModelName": model, "InstanceType": instance, "InitialInstanceCount": 1}

    good = variant("approved-a", "ml.m5.large")
    sagemaker.create_endpoint_config(EndpointConfigName="small", ProductionVariants=[good])
    for bad in (variant("approved-a", "ml.m5.xlarge"), variant("draft", "ml.m5.large")):
        denied(sagemaker.create_endpoint_config, EndpointConfigName="large", ProductionVariants=[bad])


def test_home_directories(daemon: Daemon) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/walkthrough1.html"""
    root, bucket = daemon.client("s3"), "homes"
    root.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    for name in ("home/Alice/a", "home/Bob/b"):
        root.put_object(Bucket=bucket, Key=name, Body=b"x")
    own = {"StringLike": {"s3:prefix": ["", "home/", "home/${aws:username}/*"]}, "StringEquals": {"s3:delimiter": "/"}}
    s3 = user(
        daemon,
        may("s3:ListBucket", f"arn:aws:s3:::{bucket}", **own),
        may(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{bucket}/home/${{aws:username}}/*"),
        name="Alice",
    )("s3")
    for prefix in ("", "home/", "home/Alice/"):
        s3.list_objects_v2(Bucket=bucket, Prefix=prefix, Delimiter="/")
    assert s3.get_object(Bucket=bucket, Key="home/Alice/a")["Body"].read() == b"x"
    for asked in ({"Prefix": "home/Bob/", "Delimiter": "/"}, {"Prefix": "home/Alice/"}, {"Delimiter": "/"}):
        denied(s3.list_objects_v2, Bucket=bucket, **asked)
    denied(s3.get_object, Bucket=bucket, Key="home/Bob/b")
    denied(s3.get_object, Bucket=bucket, Key="home/Alice/a", VersionId="null")


def test_tags_of_objects_and_headers_of_writes(daemon: Daemon) -> None:
    root, bucket = daemon.client("s3"), "labels"
    root.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    root.put_object(Bucket=bucket, Key="open", Body=b"x", Tagging="level=open")
    root.put_object(Bucket=bucket, Key="plain", Body=b"x")
    asked = {"s3:RequestObjectTag/level": "open", "s3:x-amz-server-side-encryption": "AES256"}
    s3 = user(
        daemon,
        may("s3:GetObject", StringEquals={"s3:ExistingObjectTag/level": "open"}),
        may("s3:PutObject", StringEquals=asked),
        may("s3:PutObjectTagging", **{"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["level"]}}),
    )("s3")
    s3.get_object(Bucket=bucket, Key="open")
    denied(s3.get_object, Bucket=bucket, Key="plain")
    good = {"Bucket": bucket, "Key": "new", "Tagging": "level=open", "ServerSideEncryption": "AES256"}
    s3.put_object(**good)
    for change in ({"Tagging": "level=secret"}, {"Tagging": "level=open&more=x"}, {"Tagging": ""}):
        denied(s3.put_object, **{**good, **change})
    denied(s3.put_object, **{name: value for name, value in good.items() if name != "ServerSideEncryption"})
    denied(s3.put_object, ACL="bucket-owner-full-control", **good)


def test_roles_are_made_and_changed_only_within_a_boundary(daemon: Daemon) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html"""
    root = daemon.client("iam")
    boundary = root.create_policy(PolicyName="boundary", PolicyDocument=document(may("s3:*")))["Policy"]["Arn"]
    trust = document({"Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"})
    root.create_role(RoleName="free", AssumeRolePolicyDocument=trust)
    within = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    read_only = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    iam = user(
        daemon,
        may(["iam:CreateRole", "iam:PutRolePolicy"], **within),
        may("iam:AttachRolePolicy", ArnEquals={"iam:PolicyARN": read_only}, **within),
    )("iam")
    iam.create_role(RoleName="bound", AssumeRolePolicyDocument=trust, PermissionsBoundary=boundary)
    denied(iam.create_role, RoleName="loose", AssumeRolePolicyDocument=trust)
    iam.attach_role_policy(RoleName="bound", PolicyArn=read_only)
    denied(iam.attach_role_policy, RoleName="bound", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    denied(iam.attach_role_policy, RoleName="free", PolicyArn=read_only)
    iam.put_role_policy(RoleName="bound", PolicyName="p", PolicyDocument=document(may("s3:*")))
    denied(iam.put_role_policy, RoleName="free", PolicyName="p", PolicyDocument=document(may("s3:*")))
