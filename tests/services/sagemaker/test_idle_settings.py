"""Idle shutdown as domains, profiles and spaces ask for it, and what of it holds for an app."""

from typing import Any

import pytest
from sagemaker_caller import ACCOUNT, ROLE, SageMaker, role
from test_sagemaker_app import JUPYTER, PRIVATE, kept, profile, space
from test_sagemaker_studio import SETTINGS, make, settle

from ringfence.resources.ec2 import Vpc


@pytest.fixture
def studio(sagemaker: SageMaker) -> SageMaker:
    sagemaker.put(
        role(), Vpc(id="vpc-1", account=ACCOUNT, region="us-west-2", cidr="10.0.0.0/16", dhcp_options_id="default")
    )
    return sagemaker


def lab(**idle: Any) -> dict[str, Any]:
    named = {"timeout": "IdleTimeoutInMinutes", "least": "MinIdleTimeoutInMinutes", "most": "MaxIdleTimeoutInMinutes"}
    given = {named.get(key, "LifecycleManagement"): value for key, value in idle.items()}
    return {"JupyterLabAppSettings": {"AppLifecycleManagement": {"IdleSettings": given}}}


def minutes(studio: SageMaker, owner: dict[str, str], kind: str = "JupyterLab") -> int | None:
    """Of an app that is made now."""
    return kept(studio, studio("CreateApp", **owner, AppType=kind, AppName="default")["AppArn"]).idle_minutes


@pytest.mark.parametrize(
    ("domain", "own", "expected"),
    [
        ({}, {}, None),
        (lab(on="ENABLED"), {}, 10_080),
        (lab(on="ENABLED", timeout=90), {}, 90),
        (lab(on="DISABLED", timeout=90), {}, None),
        (lab(timeout=90), {}, None),
        (lab(on="ENABLED", timeout=90), lab(on="DISABLED"), None),
        (lab(on="ENABLED", timeout=90), lab(timeout=120), 120),
        (lab(on="DISABLED"), lab(on="ENABLED", timeout=60), 60),
    ],
)
def test_a_profiles_settings_come_before_the_domains(
    studio: SageMaker, domain: dict[str, Any], own: dict[str, Any], expected: int | None
) -> None:
    id = settle(studio, make(studio, DefaultUserSettings={**SETTINGS, **domain}))
    ann = profile(studio, id, "ann", **own)
    assert minutes(studio, ann) == expected
    assert minutes(studio, ann, "JupyterServer") is None, "only JupyterLab and Code Editor have it"
    assert studio("DescribeUserProfile", **ann).get("UserSettings", {}) == own


def test_a_space_chooses_within_what_its_owner_may(studio: SageMaker) -> None:
    allowed = lab(on="ENABLED", timeout=120, least=60, most=240)
    id = settle(studio, make(studio, DefaultUserSettings={**SETTINGS, **allowed}))
    ann = profile(studio, id, "ann")
    error = studio.error("CreateSpace", DomainId=id, SpaceName="no", **PRIVATE, SpaceSettings=lab(timeout=300))
    assert "300 is not allowed: it must be at least 60 and at most 240" in error.message
    desk = space(studio, id, "desk", **PRIVATE, SpaceSettings=lab(timeout=200))
    assert "at most 240" in studio.error("UpdateSpace", **desk, SpaceSettings=lab(timeout=241)).message
    assert minutes(studio, desk) == 200
    assert minutes(studio, space(studio, id, "plain", **PRIVATE)) == 120
    # what the owner may has become less since the space was made
    studio("UpdateUserProfile", **ann, UserSettings=lab(timeout=90, most=180))
    studio("DeleteApp", **desk, **JUPYTER)
    narrow = studio("CreateApp", **desk, AppType="JupyterLab", AppName="b")["AppArn"]
    assert kept(studio, narrow).idle_minutes == 180


def test_shared_spaces_have_the_domains_settings_of_spaces(studio: SageMaker) -> None:
    spaces = {"ExecutionRole": ROLE, **lab(on="ENABLED", timeout=75)}
    users = {**SETTINGS, **lab(on="ENABLED", timeout=500)}
    id = settle(studio, make(studio, DefaultUserSettings=users, DefaultSpaceSettings=spaces))
    profile(studio, id, "ann")
    shared = {**PRIVATE, "SpaceSharingSettings": {"SharingType": "Shared"}}
    assert minutes(studio, space(studio, id, "room", **shared)) == 75


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (lab(on="ENABLED", timeout=90, least=100), "MinIdleTimeoutInMinutes must not exceed IdleTimeoutInMinutes"),
        (lab(on="ENABLED", least=100, most=70), "and that not MaxIdleTimeoutInMinutes: 100, 70."),
    ],
)
def test_what_makes_no_sense_is_refused(studio: SageMaker, settings: dict[str, Any], message: str) -> None:
    given = {"DomainName": "no", "AuthMode": "IAM", "SubnetIds": ["subnet-a"], "VpcId": "vpc-1"}
    error = studio.error("CreateDomain", **given, DefaultUserSettings={**SETTINGS, **settings})
    assert (error.code, message in error.message) == ("ValidationException", True), error
