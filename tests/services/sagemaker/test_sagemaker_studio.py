"""Domains, profiles, spaces and lifecycle configurations as their operations keep, show and refuse them."""

import base64
from typing import Any

import pytest
from sagemaker_caller import ACCOUNT, NOW, ROLE, SageMaker, role

from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import Vpc
from ringfence.resources.iam import Role
from ringfence.resources.studio import Domain, DomainStatus, HomeStatus, PresignedUrl, StudioSession

PREFIX = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}"
SETTINGS = {"ExecutionRole": ROLE, "SecurityGroups": ["sg-1"]}
SCRIPT = base64.b64encode(b"#!/bin/sh\ntrue\n").decode()


@pytest.fixture
def studio(sagemaker: SageMaker) -> SageMaker:
    sagemaker.put(
        role(), Vpc(id="vpc-1", account=ACCOUNT, region="us-west-2", cidr="10.0.0.0/16", dhcp_options_id="default")
    )
    return sagemaker


def make(studio: SageMaker, **changes: Any) -> str:
    given = {
        "DomainName": "team",
        "AuthMode": "IAM",
        "DefaultUserSettings": SETTINGS,
        "SubnetIds": ["subnet-a", "subnet-b"],
        "VpcId": "vpc-1",
        "AppNetworkAccessType": "VpcOnly",
    }
    return str(studio("CreateDomain", **{**given, **changes})["DomainId"])


def test_lists_without_items_ask_for_nothing(studio: SageMaker) -> None:
    """Terraform's provider sends one for each block that is not written, and plans on what it then reads."""
    empty = {"CustomFileSystemConfigs": [], "JupyterLabAppSettings": {"CodeRepositories": [], "CustomImages": []}}
    id = make(studio, DefaultUserSettings={**SETTINGS, **empty})
    assert studio("DescribeDomain", DomainId=id)["TagPropagation"] == "DISABLED"
    repository = {"JupyterLabAppSettings": {"CodeRepositories": [{"RepositoryUrl": "https://example.com/x"}]}}
    with pytest.raises(ServiceError, match=r"JupyterLabAppSettings\.CodeRepositories"):
        make(studio, DefaultUserSettings={**SETTINGS, **repository})


def settle(studio: SageMaker, domain_id: str, *owners: str, generation: int = 1) -> str:
    """What the reconciler writes."""
    key = f"{ACCOUNT}/us-west-2/{domain_id}"
    studio.put(DomainStatus(domain_key=key, status="InService", generation=1, modified=NOW))
    for arn in owners:
        studio.put(HomeStatus(arn=arn, status="InService", generation=generation, modified=NOW))
    return domain_id


@pytest.fixture
def domain(studio: SageMaker) -> str:
    return settle(studio, make(studio))


def test_domain_round_trip(studio: SageMaker) -> None:
    id = make(studio, Tags=[{"Key": "team", "Value": "a"}])
    shown = studio("DescribeDomain", DomainId=id)
    assert (shown["Status"], shown["AppNetworkAccessType"], shown["AuthMode"]) == ("Pending", "VpcOnly", "IAM")
    assert shown["Url"] == f"https://{id}.studio.us-west-2.sagemaker.aws"
    assert shown["DefaultUserSettings"] == SETTINGS
    assert shown["HomeEfsFileSystemId"].startswith("fs-")
    settle(studio, id)
    (listed,) = studio("ListDomains")["Domains"]
    assert (listed["DomainId"], listed["Status"]) == (id, "InService")
    tags = studio("ListTags", ResourceArn=f"{PREFIX}:domain/{id}")["Tags"]
    assert tags == [{"Key": "team", "Value": "a"}]
    # SageMaker's own role, so that no user's needs EC2 permissions
    with studio.store.transaction() as records:
        made = records.get(Role, f"{ACCOUNT}/awsserviceroleforamazonsagemakernotebooks")
    assert made is not None
    assert made.arn.endswith(":role/aws-service-role/sagemaker.amazonaws.com/AWSServiceRoleForAmazonSageMakerNotebooks")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"VpcId": "vpc-2"}, "does not exist in the VPC 'vpc-2'"),
        ({"SubnetIds": ["subnet-none"]}, "The subnet ID 'subnet-none' does not exist"),
        ({"DefaultUserSettings": {"SecurityGroups": ["sg-1"]}}, "'defaultUserSettings.executionRole'"),
        ({"DefaultUserSettings": {"ExecutionRole": ROLE}}, "SecurityGroups is required"),
        ({"DefaultUserSettings": {**SETTINGS, "SecurityGroups": ["sg-far"]}}, "different networks"),
        (
            {"DefaultUserSettings": {**SETTINGS, "SecurityGroups": [f"sg-{n}" for n in range(5)]}},
            "DefaultUserSettings.SecurityGroups has 5 security groups: at most 4 can be used",
        ),
        ({"DefaultUserSettings": {**SETTINGS, "ExecutionRole": ROLE + "x"}}, "Could not assume role"),
        ({"DefaultUserSettings": {**SETTINGS, "CanvasAppSettings": {}}}, "DefaultUserSettings.CanvasAppSettings"),
        (
            {
                "DefaultUserSettings": {
                    **SETTINGS,
                    "JupyterServerAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.t3.medium"}},
                }
            },
            "Invalid instance type 'ml.t3.medium' for JupyterServer App. Only 'system' instance type is supported",
        ),
        (
            {
                "DefaultUserSettings": {
                    **SETTINGS,
                    "JupyterLabAppSettings": {"LifecycleConfigArns": [f"{PREFIX}:studio-lifecycle-config/no"]},
                }
            },
            "does not exist",
        ),
        ({"KmsKeyId": "key"}, "KmsKeyId"),
        ({"DomainSettings": {"DockerSettings": {"EnableDockerAccess": "ENABLED"}}}, "DomainSettings.DockerSettings"),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "unique"),
    ],
)
def test_bad_domains_are_refused_whole(studio: SageMaker, changes: dict[str, Any], message: str) -> None:
    given = {
        "DomainName": "team",
        "AuthMode": "IAM",
        "DefaultUserSettings": SETTINGS,
        "SubnetIds": ["subnet-a"],
        "VpcId": "vpc-1",
        "AppNetworkAccessType": "VpcOnly",
    }
    error = studio.error("CreateDomain", **{**given, **changes})
    assert error.code == "ValidationException"
    assert message in error.message


def test_update_keeps_what_it_does_not_name(studio: SageMaker, domain: str) -> None:
    studio("UpdateDomain", DomainId=domain, SubnetIds=["subnet-b"], DefaultUserSettings={"SecurityGroups": ["sg-1"]})
    shown = studio("DescribeDomain", DomainId=domain)
    assert (shown["Status"], shown["SubnetIds"]) == ("Updating", ["subnet-b"])
    assert shown["DefaultUserSettings"]["ExecutionRole"] == ROLE
    error = studio.error("UpdateDomain", DomainId=domain, SubnetIds=["subnet-a"])
    assert error.code == "ResourceInUse"


@pytest.mark.statement("S1.34")
def test_profiles_have_user_ids_that_are_never_used_again(studio: SageMaker, domain: str) -> None:
    def make_profile(name: str) -> str:
        return str(studio("CreateUserProfile", DomainId=domain, UserProfileName=name)["UserProfileArn"])

    arn = make_profile("ann")
    assert arn == f"{PREFIX}:user-profile/{domain}/ann"
    settle(studio, domain, arn)
    shown = studio("DescribeUserProfile", DomainId=domain, UserProfileName="ann")
    assert (shown["HomeEfsFileSystemUid"], shown["Status"]) == ("200001", "InService")
    assert {*shown} == {
        *("DomainId", "UserProfileArn", "UserProfileName", "HomeEfsFileSystemUid", "Status"),
        *("LastModifiedTime", "CreationTime"),
    }
    again = studio.error("CreateUserProfile", DomainId=domain, UserProfileName="ann")
    assert again.code == "ResourceInUse"
    make_profile("bob")
    studio("DeleteUserProfile", DomainId=domain, UserProfileName="bob")
    assert studio("DescribeUserProfile", DomainId=domain, UserProfileName="bob")["Status"] == "Deleting"
    make_profile("cid")
    assert studio("DescribeUserProfile", DomainId=domain, UserProfileName="cid")["HomeEfsFileSystemUid"] == "200003"
    names = [one["UserProfileName"] for one in studio("ListUserProfiles", DomainIdEquals=domain)["UserProfiles"]]
    assert names == ["ann", "bob", "cid"]
    page = studio("ListUserProfiles", MaxResults=2)
    rest = studio("ListUserProfiles", MaxResults=2, NextToken=page["NextToken"])
    assert [one["UserProfileName"] for one in rest["UserProfiles"]] == ["cid"]


def test_sign_on_members_go_with_the_domains_mode(studio: SageMaker, domain: str) -> None:
    sign_on = {"SingleSignOnUserIdentifier": "UserName", "SingleSignOnUserValue": "ann"}
    refused = studio.error("CreateUserProfile", DomainId=domain, UserProfileName="ann", **sign_on)
    assert "cannot be specified when the Domain's AuthMode is IAM" in refused.message
    other = settle(studio, make(studio, DomainName="sso", AuthMode="SSO"))
    refused = studio.error("CreateUserProfile", DomainId=other, UserProfileName="ann")
    assert "required when the Domain's AuthMode is SSO" in refused.message
    studio("CreateUserProfile", DomainId=other, UserProfileName="ann", **sign_on)
    assert studio("DescribeUserProfile", DomainId=other, UserProfileName="ann")["SingleSignOnUserValue"] == "ann"


def test_a_domain_that_is_not_there_yet_takes_nobody_in(studio: SageMaker) -> None:
    id = make(studio)
    assert "Pending" in studio.error("CreateUserProfile", DomainId=id, UserProfileName="ann").message
    assert studio.error("CreateUserProfile", DomainId="d-none", UserProfileName="ann").code == "ResourceNotFound"


def test_deletion_goes_from_the_inside_out(studio: SageMaker, domain: str) -> None:
    studio("CreateUserProfile", DomainId=domain, UserProfileName="ann")
    own = {"OwnershipSettings": {"OwnerUserProfileName": "ann"}, "SpaceSharingSettings": {"SharingType": "Private"}}
    arn = studio("CreateSpace", DomainId=domain, SpaceName="lab", **own)["SpaceArn"]
    assert arn == f"{PREFIX}:space/{domain}/lab"
    error = studio.error("DeleteDomain", DomainId=domain)
    assert (error.code, error.message) == (
        "ResourceInUse",
        f"Unable to delete Domain [{PREFIX}:domain/{domain}] because UserProfile(s) are associated with it.",
    )
    error = studio.error("DeleteUserProfile", DomainId=domain, UserProfileName="ann")
    assert "because Space(s) are associated with it" in error.message
    studio("DeleteSpace", DomainId=domain, SpaceName="lab")
    assert studio("DescribeSpace", DomainId=domain, SpaceName="lab")["Status"] == "Deleting"


def test_domain_without_anybody_is_deleted(studio: SageMaker, domain: str) -> None:
    studio("DeleteDomain", DomainId=domain, RetentionPolicy={"HomeEfsFileSystem": "Delete"})
    assert studio("DescribeDomain", DomainId=domain)["Status"] == "Deleting"
    with studio.store.transaction() as records:
        assert [one.deleting for one in records.all(Domain)] == ["Delete"]


def test_spaces_are_private_or_shared(studio: SageMaker, domain: str) -> None:
    studio("CreateUserProfile", DomainId=domain, UserProfileName="ann")
    owner = {"OwnershipSettings": {"OwnerUserProfileName": "ann"}}
    assert "spaceSharingSettings" in studio.error("CreateSpace", DomainId=domain, SpaceName="a", **owner).message
    nobody = {"OwnershipSettings": {"OwnerUserProfileName": "no"}, "SpaceSharingSettings": {"SharingType": "Private"}}
    assert studio.error("CreateSpace", DomainId=domain, SpaceName="a", **nobody).code == "ResourceNotFound"
    studio("CreateSpace", DomainId=domain, SpaceName="all", SpaceDisplayName="of all")
    (shown,) = studio("ListSpaces", DomainIdEquals=domain)["Spaces"]
    assert shown["SpaceSharingSettingsSummary"] == {"SharingType": "Shared"}
    assert studio.error("CreateSpace", DomainId=domain, SpaceName="ann").code == "ResourceInUse"


def test_lifecycle_configs(studio: SageMaker) -> None:
    given = {"StudioLifecycleConfigContent": SCRIPT, "StudioLifecycleConfigAppType": "JupyterLab"}
    arn = studio("CreateStudioLifecycleConfig", StudioLifecycleConfigName="start", **given)["StudioLifecycleConfigArn"]
    assert arn == f"{PREFIX}:studio-lifecycle-config/start"
    shown = studio("DescribeStudioLifecycleConfig", StudioLifecycleConfigName="start")
    assert shown["StudioLifecycleConfigContent"] == SCRIPT
    bad = {**given, "StudioLifecycleConfigContent": "no base64!"}
    assert "base64" in studio.error("CreateStudioLifecycleConfig", StudioLifecycleConfigName="b", **bad).message
    code = {**given, "StudioLifecycleConfigAppType": "CodeEditor"}
    assert "CodeEditor" in studio.error("CreateStudioLifecycleConfig", StudioLifecycleConfigName="c", **code).message
    wrong = {"JupyterServerAppSettings": {"LifecycleConfigArns": [arn]}}
    assert (
        "is for app type JupyterLab"
        in studio.error(
            "CreateDomain",
            DomainName="x",
            AuthMode="IAM",
            SubnetIds=["subnet-a"],
            VpcId="vpc-1",
            DefaultUserSettings={**SETTINGS, **wrong},
        ).message
    )
    make(studio, DefaultUserSettings={**SETTINGS, "JupyterLabAppSettings": {"LifecycleConfigArns": [arn]}})
    assert studio.error("DeleteStudioLifecycleConfig", StudioLifecycleConfigName="start").code == "ResourceInUse"
    (listed,) = studio("ListStudioLifecycleConfigs", NameContains="sta")["StudioLifecycleConfigs"]
    assert listed["StudioLifecycleConfigArn"] == arn
    made = studio("DescribeStudioLifecycleConfig", StudioLifecycleConfigName="start")["CreationTime"]
    for asked, count in (({"CreationTimeBefore": made}, 1), ({"ModifiedTimeBefore": made}, 0)):
        assert len(studio("ListStudioLifecycleConfigs", **asked)["StudioLifecycleConfigs"]) == count
    studio("CreateStudioLifecycleConfig", StudioLifecycleConfigName="last", **given)
    listed = studio("ListStudioLifecycleConfigs")["StudioLifecycleConfigs"]
    assert [one["StudioLifecycleConfigName"] for one in listed] == ["last", "start"], "the newest first"
    assert studio("ListStudioLifecycleConfigs", ModifiedTimeAfter=NOW.replace(year=2099)) == {
        "StudioLifecycleConfigs": []
    }


def test_a_profile_takes_its_sessions_with_it(studio: SageMaker, domain: str) -> None:
    studio("CreateUserProfile", DomainId=domain, UserProfileName="ann")
    with studio.store.transaction() as records:
        who = studio.call(records).principal
    for name in ("ann", "bob"):
        own = {"account": ACCOUNT, "region": "us-west-2", "domain_id": domain, "profile": name, "principal": who}
        studio.put(PresignedUrl(digest=f"u{name}", opens_until=NOW, seconds=1800, **own))
        studio.put(StudioSession(digest=f"s{name}", until=NOW, **own))
    studio("DeleteUserProfile", DomainId=domain, UserProfileName="ann")
    with studio.store.transaction() as records:
        assert [one.profile for one in (*records.all(PresignedUrl), *records.all(StudioSession))] == ["bob", "bob"]
