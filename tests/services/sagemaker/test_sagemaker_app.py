"""Studio's apps, and the profiles and spaces that own them: every refusal, filter, and the order of deletion."""

from datetime import timedelta
from typing import Any

import pytest
from sagemaker_caller import ACCOUNT, NOW, ROLE, SageMaker, role
from test_sagemaker_studio import PREFIX, SCRIPT, SETTINGS, domain, make, settle, studio

from ringfence.resources.ec2 import SecurityGroup
from ringfence.resources.studio import App, AppStatus

__all__ = ["domain", "studio"]
JUPYTER = {"AppType": "JupyterLab", "AppName": "default"}
PRIVATE = {"OwnershipSettings": {"OwnerUserProfileName": "ann"}, "SpaceSharingSettings": {"SharingType": "Private"}}


@pytest.fixture
def ann(studio: SageMaker, domain: str) -> dict[str, str]:
    """Who an app of hers belongs to; InService."""
    return profile(studio, domain, "ann")


def profile(studio: SageMaker, domain: str, name: str, **settings: Any) -> dict[str, str]:
    arn = studio("CreateUserProfile", DomainId=domain, UserProfileName=name, UserSettings=settings)["UserProfileArn"]
    settle(studio, domain, arn)
    return {"DomainId": domain, "UserProfileName": name}


def space(studio: SageMaker, domain: str, name: str, **given: Any) -> dict[str, str]:
    arn = studio("CreateSpace", DomainId=domain, SpaceName=name, **given)["SpaceArn"]
    settle(studio, domain, arn)
    return {"DomainId": domain, "SpaceName": name}


def become(studio: SageMaker, arn: str, status: str, **seen: Any) -> None:
    """What the reconciler writes."""
    with studio.store.transaction() as records:
        (app,) = [one for one in records.all(App) if one.arn == arn]
        told = {"launch": app.launch, "status": status, "modified": NOW, "instance_id": "i-1", **seen}
        records.put(AppStatus(arn=arn, **told))


def kept(studio: SageMaker, arn: str) -> App:
    with studio.store.transaction() as records:
        (app,) = [one for one in records.all(App) if one.arn == arn]
    return app


def test_an_app_from_pending_to_deleted(studio: SageMaker, ann: dict[str, str]) -> None:
    arn = studio("CreateApp", **ann, **JUPYTER, Tags=[{"Key": "team", "Value": "a"}])["AppArn"]
    assert arn == f"{PREFIX}:app/{ann['DomainId']}/ann/JupyterLab/default"
    assert studio("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "a"}]
    shown = studio("DescribeApp", **ann, **JUPYTER)
    assert (shown["Status"], shown["ResourceSpec"]) == ("Pending", {"InstanceType": "ml.t3.medium"})
    assert not shown.keys() & {"FailureReason", "LastHealthCheckTimestamp", "SpaceName"}
    become(studio, arn, "InService", healthy=NOW)
    shown = studio("DescribeApp", **ann, **JUPYTER)
    assert (shown["Status"], shown["LastHealthCheckTimestamp"]) == ("InService", NOW)
    assert shown["LastUserActivityTimestamp"] == NOW
    error = studio.error("CreateApp", **ann, **JUPYTER)
    assert (error.code, "already exists" in error.message) == ("ResourceInUse", True)
    studio("DeleteApp", **ann, **JUPYTER)
    assert studio("DescribeApp", **ann, **JUPYTER)["Status"] == "Deleting"
    studio("DeleteApp", **ann, **JUPYTER)  # again, while it goes
    assert studio.error("CreateApp", **ann, **JUPYTER).code == "ResourceInUse"
    become(studio, arn, "Deleted")
    (listed,) = studio("ListApps", UserProfileNameEquals="ann")["Apps"]
    assert listed["Status"] == "Deleted"
    assert studio.error("DeleteApp", **ann, **JUPYTER).code == "ResourceNotFound"
    # one of the same name takes its place, and is not what was seen of the old one
    first = kept(studio, arn).launch
    studio("CreateApp", **ann, **JUPYTER)
    assert kept(studio, arn).launch != first
    assert studio("DescribeApp", **ann, **JUPYTER)["Status"] == "Pending"
    assert studio("ListTags", ResourceArn=arn)["Tags"] == []
    become(studio, arn, "Failed", failure_reason="no way")
    assert studio("DescribeApp", **ann, **JUPYTER)["FailureReason"] == "no way"


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"AppType": "CodeEditor"}, "ValidationException", "does not implement AppType CodeEditor"),
        ({"AppType": "Canvas"}, "ValidationException", "does not implement AppType Canvas"),
        ({"RecoveryMode": True}, "ValidationException", "RecoveryMode"),
        ({"DomainId": "d-none"}, "ResourceNotFound", "Domain [d-none] does not exist"),
        ({"UserProfileName": "bob"}, "ResourceNotFound", "UserProfile [bob] does not exist"),
        ({"SpaceName": "lab"}, "ValidationException", "and not both"),
        ({"AppType": "JupyterServer", "AppName": "mine"}, "ValidationException", "must be default"),
        (
            {"AppType": "JupyterServer", "ResourceSpec": {"InstanceType": "ml.t3.medium"}},
            "ValidationException",
            "Only 'system' instance type is supported",
        ),
        ({"ResourceSpec": {"InstanceType": "ml.geospatial.interactive"}}, "ValidationException", "instance type"),
        ({"ResourceSpec": {"InstanceType": "ml.g5.xlarge"}}, "ResourceLimitExceeded", "ml.g5.xlarge"),
        ({"ResourceSpec": {"SageMakerImageArn": f"{PREFIX}:image/x"}}, "ValidationException", "SageMakerImageArn"),
        (
            {"ResourceSpec": {"LifecycleConfigArn": f"{PREFIX}:studio-lifecycle-config/no"}},
            "ValidationException",
            "does not exist",
        ),
        ({"Tags": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}, "ValidationException", "unique"),
    ],
)
def test_bad_apps_leave_nothing(
    studio: SageMaker, ann: dict[str, str], changes: dict[str, Any], code: str, message: str
) -> None:
    error = studio.error("CreateApp", **{**ann, **JUPYTER, **changes})
    assert (error.code, message in error.message) == (code, True), error
    assert studio("ListApps")["Apps"] == []


def test_an_app_needs_an_owner_that_is_there(studio: SageMaker, domain: str) -> None:
    error = studio.error("CreateApp", DomainId=domain, **JUPYTER)
    assert "Either UserProfileName or SpaceName" in error.message
    studio("CreateUserProfile", DomainId=domain, UserProfileName="new")
    error = studio.error("CreateApp", DomainId=domain, UserProfileName="new", **JUPYTER)
    assert "it is Pending" in error.message


def test_the_nearest_settings_hold(studio: SageMaker) -> None:
    def spec(kind: str) -> dict[str, Any]:
        return {"JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": kind}}}

    id = make(studio, DefaultUserSettings={**SETTINGS, **spec("ml.m5.large")})
    settle(studio, id)
    profile(studio, id, "ann")
    profile(studio, id, "bob", **spec("ml.m5.xlarge"))
    shown = {
        name: studio("DescribeApp", DomainId=id, UserProfileName=name, **JUPYTER)["ResourceSpec"]["InstanceType"]
        for name in ("ann", "bob")
        if studio("CreateApp", DomainId=id, UserProfileName=name, **JUPYTER)
    }
    assert shown == {"ann": "ml.m5.large", "bob": "ml.m5.xlarge"}
    asked = {"ResourceSpec": {"InstanceType": "ml.t3.large"}}
    arn = studio("CreateApp", DomainId=id, UserProfileName="bob", AppType="JupyterLab", AppName="b", **asked)["AppArn"]
    assert kept(studio, arn).instance_type == "ml.t3.large"
    server = studio("CreateApp", DomainId=id, UserProfileName="bob", AppType="JupyterServer", AppName="default")
    assert kept(studio, server["AppArn"]).instance_type == "system"


def test_spaces_have_their_owners_settings_or_those_of_shared_spaces(studio: SageMaker) -> None:
    """A private space runs as its owner; a shared one as the domain says of spaces, never as a user."""
    own = {"account": ACCOUNT, "region": "us-west-2", "vpc_id": "vpc-1", "description": ""}
    studio.put(*(SecurityGroup(id=f"sg-{n}", name=f"g{n}", **own) for n in range(2, 4)))
    studio.put(role(name="hers"), role(name="spaces"))
    hers, spaces = (ROLE.rpartition("/")[0] + f"/{name}" for name in ("hers", "spaces"))
    big = {"JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.m5.large"}}}
    id = settle(studio, make(studio, DefaultSpaceSettings={"ExecutionRole": spaces, "SecurityGroups": ["sg-3"]}))
    profile(studio, id, "ann", ExecutionRole=hers, SecurityGroups=["sg-2"], **big)
    shared = {**PRIVATE, "SpaceSharingSettings": {"SharingType": "Shared"}}
    seen = {}
    for name, given in (("desk", PRIVATE), ("room", shared), ("old", {})):
        arn = studio("CreateApp", **space(studio, id, name, **given), **JUPYTER)["AppArn"]
        app = kept(studio, arn)
        seen[name] = (app.role_arn, {*app.group_ids}, app.instance_type)
    assert seen["desk"] == (hers, {"sg-1", "sg-2"}, "ml.m5.large")
    assert seen["room"] == seen["old"] == (spaces, {"sg-1", "sg-3"}, "ml.t3.medium")
    without = settle(studio, make(studio, DomainName="without"))
    room = space(studio, without, "room")
    assert "'defaultSpaceSettings.executionRole'" in studio.error("CreateApp", **room, **JUPYTER).message


def test_a_space_is_for_one_type_of_app(studio: SageMaker, domain: str, ann: dict[str, str]) -> None:
    desk = space(studio, domain, "desk", **PRIVATE, SpaceSettings={"AppType": "JupyterServer"})
    error = studio.error("CreateApp", **desk, **JUPYTER)
    assert error.message == "Space [desk] is for apps of type JupyterServer, not JupyterLab."
    for kind in ("JupyterServer", "KernelGateway"):
        studio("CreateApp", **desk, AppType=kind, AppName="default", ResourceSpec={"InstanceType": "system"})
    changed = studio.error("UpdateSpace", **desk, SpaceSettings={"AppType": "JupyterLab"})
    assert "is JupyterServer: it cannot be changed" in changed.message


def test_a_kernel_gateway_needs_an_instance_type(studio: SageMaker, ann: dict[str, str]) -> None:
    gateway = {**ann, "AppType": "KernelGateway", "AppName": "default"}
    error = studio.error("CreateApp", **gateway)
    assert "Value null at 'resourceSpec.instanceType'" in error.message
    arn = studio("CreateApp", **gateway, ResourceSpec={"InstanceType": "system"})["AppArn"]
    assert kept(studio, arn).instance_type == "ml.t3.medium"
    default = {"DefaultResourceSpec": {"InstanceType": "ml.m5.large"}}
    bob = profile(studio, ann["DomainId"], "bob", KernelGatewayAppSettings=default)
    arn = studio("CreateApp", **bob, AppType="KernelGateway", AppName="default")["AppArn"]
    assert kept(studio, arn).instance_type == "ml.m5.large"


def test_a_domain_changes_its_network_while_it_has_no_apps(studio: SageMaker, domain: str, ann: dict[str, str]) -> None:
    arn = studio("CreateApp", **ann, **JUPYTER)["AppArn"]
    for change, what in (
        ({"AppNetworkAccessType": "PublicInternetOnly"}, "AppNetworkAccessType cannot be changed"),
        ({"SubnetIds": ["subnet-b"]}, "subnet-a cannot be removed"),
    ):
        error = studio.error("UpdateDomain", DomainId=domain, **change)
        assert error.code == "ResourceInUse"
        assert error.message == f"{what} while Domain [{domain}] has apps that are Pending, InService or Deleting."
    become(studio, arn, "Failed")
    studio("UpdateDomain", DomainId=domain, AppNetworkAccessType="PublicInternetOnly", SubnetIds=["subnet-b"])
    assert studio("DescribeDomain", DomainId=domain)["AppNetworkAccessType"] == "PublicInternetOnly"


def test_groups_of_domain_and_profile_together_are_four_at_most(studio: SageMaker) -> None:
    """One of the five is SageMaker's."""
    own = {"account": ACCOUNT, "region": "us-west-2", "vpc_id": "vpc-1", "description": ""}
    studio.put(*(SecurityGroup(id=f"sg-{n}", name=f"g{n}", **own) for n in range(2, 6)))
    id = settle(studio, make(studio, DefaultUserSettings={**SETTINGS, "SecurityGroups": ["sg-1", "sg-2"]}))
    ann = profile(studio, id, "ann", SecurityGroups=["sg-3", "sg-2", "sg-4"])
    bob = profile(studio, id, "bob", SecurityGroups=["sg-3", "sg-4", "sg-5"])
    arn = studio("CreateApp", **ann, **JUPYTER)["AppArn"]
    assert sorted(kept(studio, arn).group_ids) == ["sg-1", "sg-2", "sg-3", "sg-4"]
    assert "at most 4 can be used" in studio.error("CreateApp", **bob, **JUPYTER).message
    outside = settle(studio, make(studio, DomainName="out", AppNetworkAccessType="PublicInternetOnly"))
    arn = studio("CreateApp", **profile(studio, outside, "ann", SecurityGroups=["sg-3"]), **JUPYTER)["AppArn"]
    assert sorted(kept(studio, arn).group_ids) == ["sg-1", "sg-3"]  # of its interface, which it has too


def test_lifecycle_configurations_of_apps(studio: SageMaker, ann: dict[str, str]) -> None:
    def config(name: str, kind: str) -> str:
        given = {"StudioLifecycleConfigContent": SCRIPT, "StudioLifecycleConfigAppType": kind}
        made = studio("CreateStudioLifecycleConfig", StudioLifecycleConfigName=name, **given)
        return str(made["StudioLifecycleConfigArn"])

    lab, server = config("lab", "JupyterLab"), config("server", "JupyterServer")
    error = studio.error("CreateApp", **ann, **JUPYTER, ResourceSpec={"LifecycleConfigArn": server})
    assert "is for app type JupyterServer, not for JupyterLab" in error.message
    allowed = {"JupyterLabAppSettings": {"LifecycleConfigArns": [lab]}}
    studio("UpdateUserProfile", **ann, UserSettings=allowed)
    settle(studio, ann["DomainId"], f"{PREFIX}:user-profile/{ann['DomainId']}/ann", generation=2)
    # to allow one is not to run it
    plain = studio("CreateApp", **ann, AppType="JupyterLab", AppName="plain")["AppArn"]
    assert kept(studio, plain).lifecycle_config is None
    arn = studio("CreateApp", **ann, **JUPYTER, ResourceSpec={"LifecycleConfigArn": lab})["AppArn"]
    assert kept(studio, arn).lifecycle_config == lab
    assert studio.error("DeleteStudioLifecycleConfig", StudioLifecycleConfigName="lab").code == "ResourceInUse"
    default = {"DefaultResourceSpec": {"LifecycleConfigArn": lab}}
    bob = profile(studio, ann["DomainId"], "bob", JupyterLabAppSettings=default)
    arn = studio("CreateApp", **bob, **JUPYTER)["AppArn"]
    assert kept(studio, arn).lifecycle_config == lab
    none = studio("CreateApp", **bob, AppType="JupyterLab", AppName="b", ResourceSpec={"LifecycleConfigArn": "None"})
    assert kept(studio, none["AppArn"]).lifecycle_config is None


def test_apps_of_spaces(studio: SageMaker, domain: str, ann: dict[str, str]) -> None:
    lab = space(studio, domain, "lab", **PRIVATE)
    arn = studio("CreateApp", **lab, **JUPYTER)["AppArn"]
    assert arn == f"{PREFIX}:app/{domain}/lab/JupyterLab/default"
    shown = studio("DescribeApp", **lab, **JUPYTER)
    assert (shown["SpaceName"], "UserProfileName" in shown) == ("lab", False)
    # of the profile there is none of this name
    assert studio.error("DescribeApp", **ann, **JUPYTER).code == "ResourceNotFound"
    assert "does not exist" in studio.error("DeleteApp", **ann, **JUPYTER).message


def test_listing_apps(studio: SageMaker, domain: str, ann: dict[str, str]) -> None:
    bob, lab = profile(studio, domain, "bob"), space(studio, domain, "lab", **PRIVATE)
    other = settle(studio, make(studio, DomainName="other"))
    far = profile(studio, other, "ann")
    for owner, name in ((ann, "a"), (ann, "b"), (bob, "c"), (lab, "d"), (far, "e")):
        studio("CreateApp", **owner, AppType="JupyterLab", AppName=name)

    def names(**asked: Any) -> str:
        return "".join(one["AppName"] for one in studio("ListApps", **asked)["Apps"])

    assert names() == "abcde"
    assert names(SortOrder="Descending") == "edcba"
    assert names(SortBy="CreationTime", SortOrder="Ascending") == "abcde"
    assert names(DomainIdEquals=domain) == "abcd"
    assert names(UserProfileNameEquals="ann") == "abe"
    assert names(DomainIdEquals=other, UserProfileNameEquals="ann") == "e"
    assert names(SpaceNameEquals="lab") == "d"
    assert names(SpaceNameEquals="ann") == ""
    assert names(DomainIdEquals="d-none") == ""
    first = studio("ListApps", MaxResults=2)
    second = studio("ListApps", MaxResults=2, NextToken=first["NextToken"])
    last = studio("ListApps", MaxResults=2, NextToken=second["NextToken"])
    assert "".join(one["AppName"] for one in (*first["Apps"], *second["Apps"], *last["Apps"])) == "abcde"
    assert "NextToken" not in last
    assert studio.error("ListApps", NextToken="nonsense").code == "ValidationException"
    both = studio.error("ListApps", UserProfileNameEquals="ann", SpaceNameEquals="lab")
    assert both.message == "UserProfileNameEquals and SpaceNameEquals cannot both be set."


def test_apps_go_before_their_owners(studio: SageMaker, domain: str, ann: dict[str, str]) -> None:
    lab = space(studio, domain, "lab", **PRIVATE)
    apps = [studio("CreateApp", **owner, **JUPYTER)["AppArn"] for owner in (ann, lab)]
    refused = {
        "DeleteSpace": ("Space", f"{PREFIX}:space/{domain}/lab", "App", lab),
        "DeleteUserProfile": ("UserProfile", f"{PREFIX}:user-profile/{domain}/ann", "Space", ann),
    }
    for operation, (noun, arn, what, owner) in refused.items():
        error = studio.error(operation, **owner)
        assert error.code == "ResourceInUse"
        assert error.message == f"Unable to delete {noun} [{arn}] because {what}(s) are associated with it."
    for owner in (ann, lab):
        studio("DeleteApp", **owner, **JUPYTER)
    assert studio.error("DeleteSpace", **lab).code == "ResourceInUse"  # Deleting is not Deleted
    for arn in apps:
        become(studio, arn, "Deleted")
    studio("DeleteSpace", **lab)
    studio("DeleteSpace", **lab)  # again, while it goes
    assert studio.error("UpdateSpace", **lab, SpaceDisplayName="x").code == "ResourceInUse"
    assert "it is Deleting" in studio.error("CreateApp", **lab, **JUPYTER).message
    assert "Space(s)" in studio.error("DeleteUserProfile", **ann).message


def test_owners_keep_what_an_update_does_not_name(studio: SageMaker, domain: str, ann: dict[str, str]) -> None:
    lab = {"JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.m5.large"}}}
    studio("UpdateUserProfile", **ann, UserSettings={"ExecutionRole": ROLE})
    shown = studio("DescribeUserProfile", **ann)
    assert shown["Status"] == "Updating"
    error = studio.error("UpdateUserProfile", **ann, UserSettings=lab)
    assert (error.code, "is in status Updating" in error.message) == ("ResourceInUse", True)
    settle(studio, domain, shown["UserProfileArn"], generation=2)
    studio("UpdateUserProfile", **ann, UserSettings=lab)
    assert studio("DescribeUserProfile", **ann)["UserSettings"] == {"ExecutionRole": ROLE, **lab}
    for bad, message in (
        ({"CanvasAppSettings": {}}, "UserSettings.CanvasAppSettings"),
        ({"SecurityGroups": ["sg-far"]}, "different networks"),
        ({"ExecutionRole": ROLE + "x"}, "Could not assume role"),
    ):
        settle(studio, domain, shown["UserProfileArn"], generation=3)
        assert message in studio.error("UpdateUserProfile", **ann, UserSettings=bad).message
    assert studio.error("UpdateUserProfile", DomainId=domain, UserProfileName="no").code == "ResourceNotFound"

    desk = space(studio, domain, "desk", **PRIVATE, SpaceSettings=lab, SpaceDisplayName="first")
    studio("UpdateSpace", **desk, SpaceDisplayName="second")
    shown = studio("DescribeSpace", **desk)
    assert (shown["SpaceDisplayName"], shown["SpaceSettings"]) == ("second", lab)
    assert (shown["OwnershipSettings"], shown["Status"]) == (PRIVATE["OwnershipSettings"], "Updating")
    settle(studio, domain, shown["SpaceArn"], generation=2)
    studio("UpdateSpace", **desk, SpaceSettings={"AppType": "JupyterLab"})
    assert studio("DescribeSpace", **desk)["SpaceSettings"] == {**lab, "AppType": "JupyterLab"}
    settle(studio, domain, shown["SpaceArn"], generation=3)
    bad_type = studio.error("UpdateSpace", **desk, SpaceSettings={"AppType": "CodeEditor"})
    assert "SpaceSettings.AppType CodeEditor" in bad_type.message
    assert studio.error("DescribeSpace", DomainId=domain, SpaceName="no").message == "Space [no] does not exist."
    assert studio.error("DeleteUserProfile", DomainId=domain, UserProfileName="no").code == "ResourceNotFound"


def test_listing_owners(studio: SageMaker, domain: str, ann: dict[str, str]) -> None:
    profile(studio, domain, "joann")
    other = settle(studio, make(studio, DomainName="other"))
    profile(studio, other, "ann")
    space(studio, domain, "annex")
    space(studio, domain, "lab", **PRIVATE)

    def profiles(**asked: Any) -> list[tuple[str, str]]:
        told = studio("ListUserProfiles", **asked)["UserProfiles"]
        return [("" if one["DomainId"] == domain else "other", one["UserProfileName"]) for one in told]

    assert profiles() == [("", "ann"), ("", "joann"), ("other", "ann")]
    assert profiles(UserProfileNameContains="joa") == [("", "joann")]
    assert profiles(DomainIdEquals=other) == [("other", "ann")]
    assert profiles(SortOrder="Descending")[0] == ("other", "ann")
    assert profiles(SortBy="LastModifiedTime", SortOrder="Ascending")[0] == ("", "ann")
    spaces = studio("ListSpaces", SpaceNameContains="ann")["Spaces"]
    assert [one["SpaceName"] for one in spaces] == ["annex"]
    (lab,) = studio("ListSpaces", DomainIdEquals=domain, SpaceNameContains="lab")["Spaces"]
    assert lab["OwnershipSettingsSummary"] == {"OwnerUserProfileName": "ann"}
    assert lab["SpaceSharingSettingsSummary"] == {"SharingType": "Private"}
    assert lab["CreationTime"] < NOW + timedelta(minutes=1)
    page = studio("ListSpaces", MaxResults=1)
    assert [one["SpaceName"] for one in page["Spaces"]] == ["annex"]
    assert [one["SpaceName"] for one in studio("ListSpaces", NextToken=page["NextToken"])["Spaces"]] == ["lab"]
