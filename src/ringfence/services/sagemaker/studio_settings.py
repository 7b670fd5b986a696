"""UserSettings and SpaceSettings: what of them Ringfence acts on, and what holds for an app in the end."""

from dataclasses import dataclass
from typing import Any

from ringfence.core.call import Call
from ringfence.core.record import Reader
from ringfence.resources.ec2 import Subnet
from ringfence.resources.studio import Domain, Owner, Space, StudioLifecycleConfig, UserProfile
from ringfence.runtime.instance_type import limits
from ringfence.services.sagemaker.execution_role import find_role, not_assumable
from ringfence.services.sagemaker.idle_settings import (
    MEMBER,
    check_idle_settings,
    check_space_idle_settings,
    settle_idle,
)
from ringfence.services.sagemaker.refusal import invalid, refuse_others
from ringfence.services.sagemaker.studio import sharing_type
from ringfence.services.sagemaker.vpc_config import check_vpc_config

# App type -> the member of the settings that is about it. All other types are refused.
APP_SETTINGS = {
    "JupyterServer": "JupyterServerAppSettings",
    "KernelGateway": "KernelGatewayAppSettings",
    "JupyterLab": "JupyterLabAppSettings",
}
SYSTEM = "system"
# "Only 'system' instance type is supported": https://github.com/hashicorp/terraform-provider-aws/pull/20470
_DEFAULT_TYPE = {"JupyterServer": SYSTEM, "JupyterLab": "ml.t3.medium"}
# "For KernelGateway apps, the system value is translated to ml.t3.medium."
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceSpec.html
_SYSTEM_GATEWAY = "ml.t3.medium"
# "You cannot specify more than 5": domain's, profile's and the one that SageMaker adds for NFS.
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UserSettings.html
MOST_GROUPS = 5

_USER = frozenset(
    {"ExecutionRole", "SecurityGroups", "SpaceStorageSettings", "DefaultLandingUri", *APP_SETTINGS.values()}
)
# what AWS does if nothing is said, and what only its console shows
_USER_HARMLESS: dict[str, Any] = {
    "SharingSettings": {"NotebookOutputOption": "Disabled"},
    "StudioWebPortal": "ENABLED",
    "AutoMountHomeEFS": "Enabled",
}
_SPACE_DEFAULTS = frozenset({"ExecutionRole", "SecurityGroups", "SpaceStorageSettings", *APP_SETTINGS.values()})
_SPACE = frozenset({"AppType", "SpaceStorageSettings", *APP_SETTINGS.values()})
_APP = frozenset({"DefaultResourceSpec", "LifecycleConfigArns"})
_LAB = _APP | {MEMBER}
_RESOURCE = frozenset({"InstanceType", "LifecycleConfigArn"})


def check_user_settings(call: Call, settings: dict[str, Any], where: str) -> None:
    refuse_others(settings, _USER, f"{where}.", _USER_HARMLESS)
    _check_own(call, settings, where)


def check_default_space_settings(call: Call, settings: dict[str, Any], where: str) -> None:
    refuse_others(settings, _SPACE_DEFAULTS, f"{where}.")
    _check_own(call, settings, where)


def check_space_settings(
    call: Call, domain: Domain, owner: str | None, sharing: str | None, settings: dict[str, Any], where: str
) -> None:
    """`owner`, `sharing`: None of a space that says nothing of them, which is a shared one."""
    refuse_others(settings, _SPACE, f"{where}.", {"RemoteAccess": "DISABLED", "SpaceManagedResources": "DISABLED"})
    if settings.get("AppType", "JupyterLab") not in APP_SETTINGS:
        raise invalid(f"Ringfence does not implement {where}.AppType {settings['AppType']}.")
    _check_apps(call, settings, where)
    outer = [_app(layer, "JupyterLab") for layer in _outer_layers(call.records, domain, owner, sharing)]
    check_space_idle_settings(_app(settings, "JupyterLab"), outer, f"{where}.{APP_SETTINGS['JupyterLab']}")


def check_network(call: Call, vpc_id: str, subnet_ids: list[str], *group_ids: list[str]) -> None:
    """Subnets and groups exist, in this VPC."""
    groups = [group for some in group_ids for group in some]
    check_vpc_config(call, {"Subnets": subnet_ids, "SecurityGroupIds": groups})
    subnet = call.records.get(Subnet, subnet_ids[0])
    if subnet is None or subnet.vpc_id != vpc_id:
        # EC2's wording; SageMaker's own is not published
        raise invalid(f"The subnet ID '{subnet_ids[0]}' does not exist in the VPC '{vpc_id}'")


def check_resource(call: Call, spec: dict[str, Any], app_type: str, where: str) -> None:
    """A ResourceSpec."""
    refuse_others(spec, _RESOURCE, f"{where}.")
    instance_type = spec.get("InstanceType")
    if instance_type is not None and app_type == "JupyterServer" and instance_type != SYSTEM:
        raise invalid(
            f"Invalid instance type '{instance_type}' for JupyterServer App. Only 'system' instance type is supported"
        )
    if app_type == "KernelGateway" and instance_type == SYSTEM:
        instance_type = _SYSTEM_GATEWAY
    if instance_type is not None and app_type != "JupyterServer" and limits(instance_type) is None:
        raise invalid(f"Ringfence does not implement the instance type {instance_type}.")
    if "LifecycleConfigArn" in spec:
        find_lifecycle_config(call, spec["LifecycleConfigArn"], app_type)


def find_lifecycle_config(call: Call, arn: str, app_type: str) -> StudioLifecycleConfig | None:
    """The configuration of this ARN, which may say `None`."""
    if arn == "None":
        return None
    found = call.records.get(StudioLifecycleConfig, call.scoped(arn.rpartition("/")[2]))
    if found is None or found.arn != arn:
        raise invalid(f"StudioLifecycleConfig [{arn}] does not exist.")
    if found.app_type != app_type:
        raise invalid(f"StudioLifecycleConfig [{arn}] is for app type {found.app_type}, not for {app_type}.")
    return found


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What holds for an app in the end. `instance_type`: None if nobody says, and none is the default; `idle_minutes`:
    None if idle apps stay."""

    instance_type: str | None
    role_arn: str | None
    group_ids: tuple[str, ...]
    lifecycle_config: str | None
    idle_minutes: int | None


def settle(records: Reader, domain: Domain, owner: Owner, app_type: str, given: dict[str, Any]) -> AppSettings:
    """For an app of this profile or space; `given`: the ResourceSpec of the request."""
    layers = _layers_of(records, domain, owner)
    specs = [given, *(_app(layer, app_type).get("DefaultResourceSpec", {}) for layer in layers)]
    stated = next((str(spec["InstanceType"]) for spec in specs if "InstanceType" in spec), _DEFAULT_TYPE.get(app_type))
    # only what is asked for or a default runs: a list of allowed ones alone starts nothing
    config = next((str(spec["LifecycleConfigArn"]) for spec in specs if "LifecycleConfigArn" in spec), "None")
    # "SecurityGroups is aggregated when specified in both calls". The domain's own are for shared spaces too: AWS says
    # of the other members of UserSettings that they are not. `None` is AWS's for no lifecycle configuration.
    every = (*layers, domain.spec["DefaultUserSettings"])
    return AppSettings(
        _SYSTEM_GATEWAY if (app_type, stated) == ("KernelGateway", SYSTEM) else stated,
        next((str(layer["ExecutionRole"]) for layer in layers if layer.get("ExecutionRole")), None),
        tuple(dict.fromkeys(group for layer in every for group in layer.get("SecurityGroups", ()))),
        None if config == "None" else config,
        _idle_minutes(layers, owner) if app_type == "JupyterLab" else None,
    )


def _idle_minutes(layers: list[dict[str, Any]], owner: Owner) -> int | None:
    apps = [_app(layer, "JupyterLab") for layer in layers]
    return settle_idle(apps[0], apps[1:]) if isinstance(owner, Space) else settle_idle({}, apps)


def _layers_of(records: Reader, domain: Domain, owner: Owner) -> list[dict[str, Any]]:
    """The settings that hold for the owner's apps, the nearest first."""
    if isinstance(owner, UserProfile):
        return [owner.spec.get("UserSettings", {}), domain.spec["DefaultUserSettings"]]
    own = owner.spec.get("SpaceSettings", {})
    if not isinstance(owner, Space):
        return [own, domain.spec.get("DefaultSpaceSettings", {})]
    return [own, *_outer_layers(records, domain, owner.owner, sharing_type(owner))]


def _outer_layers(records: Reader, domain: Domain, owner: str | None, sharing: str | None) -> list[dict[str, Any]]:
    """Of a space: DefaultSpaceSettings are for shared ones only; a private one has its owner's settings.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DefaultSpaceSettings.html
    """
    if sharing != "Private":
        return [domain.spec.get("DefaultSpaceSettings", {})]
    profile = records.get(UserProfile, f"{domain.key}/{owner}")
    users: dict[str, Any] = domain.spec["DefaultUserSettings"]
    return [profile.spec.get("UserSettings", {}) if profile is not None else {}, users]


def _app(layer: dict[str, Any], app_type: str) -> dict[str, Any]:
    found: dict[str, Any] = layer.get(APP_SETTINGS[app_type], {})
    return found


def _check_own(call: Call, settings: dict[str, Any], where: str) -> None:
    role, groups = settings.get("ExecutionRole"), settings.get("SecurityGroups", ())
    if role is not None and find_role(call, role, call.arn("sagemaker", "domain/*")) is None:
        raise not_assumable(role)
    if len(groups) >= MOST_GROUPS:
        # "the number of security groups that you can specify is one less than the maximum"; the text is ours
        raise invalid(
            f"{where}.SecurityGroups has {len(groups)} security groups: at most {MOST_GROUPS - 1} can be used."
        )
    _check_apps(call, settings, where)
    check_idle_settings(_app(settings, "JupyterLab"), f"{where}.{APP_SETTINGS['JupyterLab']}")


def _check_apps(call: Call, settings: dict[str, Any], where: str) -> None:
    for app_type, member in APP_SETTINGS.items():
        given = settings.get(member, {})
        inner = f"{where}.{member}"
        refuse_others(given, _LAB if app_type == "JupyterLab" else _APP, f"{inner}.")
        check_resource(call, given.get("DefaultResourceSpec", {}), app_type, f"{inner}.DefaultResourceSpec")
        for arn in given.get("LifecycleConfigArns", ()):
            find_lifecycle_config(call, arn, app_type)
