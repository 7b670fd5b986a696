"""UserSettings and SpaceSettings: what of them Ringfence acts on, and what holds for an app in the end."""

from typing import Any

from ringfence.core.call import Call
from ringfence.resources.ec2 import Subnet
from ringfence.resources.studio import StudioLifecycleConfig
from ringfence.runtime.instance_type import limits
from ringfence.services.sagemaker.execution_role import find_role, not_assumable
from ringfence.services.sagemaker.refusal import invalid, refuse_others
from ringfence.services.sagemaker.vpc_config import check_vpc_config

# App type -> the member of the settings that is about it. All other types are refused.
APP_SETTINGS = {
    "JupyterServer": "JupyterServerAppSettings",
    "KernelGateway": "KernelGatewayAppSettings",
    "JupyterLab": "JupyterLabAppSettings",
}
SYSTEM = "system"
# "Only 'system' instance type is supported": https://github.com/hashicorp/terraform-provider-aws/pull/20470
_DEFAULT_TYPE = {"JupyterServer": SYSTEM, "KernelGateway": "ml.t3.medium", "JupyterLab": "ml.t3.medium"}
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
_RESOURCE = frozenset({"InstanceType", "LifecycleConfigArn"})


def check_user_settings(call: Call, settings: dict[str, Any], where: str) -> None:
    refuse_others(settings, _USER, f"{where}.", _USER_HARMLESS)
    _check_role(call, settings)
    _check_apps(call, settings, where)


def check_default_space_settings(call: Call, settings: dict[str, Any], where: str) -> None:
    refuse_others(settings, _SPACE_DEFAULTS, f"{where}.")
    _check_role(call, settings)
    _check_apps(call, settings, where)


def check_space_settings(call: Call, settings: dict[str, Any], where: str) -> None:
    refuse_others(settings, _SPACE, f"{where}.", {"RemoteAccess": "DISABLED", "SpaceManagedResources": "DISABLED"})
    if settings.get("AppType", "JupyterLab") not in APP_SETTINGS:
        raise invalid(f"Ringfence does not implement {where}.AppType {settings['AppType']}.")
    _check_apps(call, settings, where)


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


def instance_type_of(app_type: str, given: dict[str, Any], layers: list[dict[str, Any]]) -> str:
    """The request's, else that of the first layer of settings that has one."""
    for spec in (given, *(_app(layer, app_type).get("DefaultResourceSpec", {}) for layer in layers)):
        if "InstanceType" in spec:
            return str(spec["InstanceType"])
    return _DEFAULT_TYPE[app_type]


def lifecycle_of(app_type: str, given: dict[str, Any], layers: list[dict[str, Any]]) -> str | None:
    """Only what is asked for or a default runs: a list of allowed ones alone starts nothing."""
    for spec in (given, *(_app(layer, app_type).get("DefaultResourceSpec", {}) for layer in layers)):
        if "LifecycleConfigArn" in spec:
            arn = str(spec["LifecycleConfigArn"])
            return None if arn == "None" else arn
    return None


def role_of(layers: list[dict[str, Any]]) -> str | None:
    return next((str(layer["ExecutionRole"]) for layer in layers if layer.get("ExecutionRole")), None)


def groups_of(layers: list[dict[str, Any]]) -> tuple[str, ...]:
    """Those of every layer together, in AWS's words "a combination of the domain and user profile security groups"."""
    return tuple(dict.fromkeys(group for layer in layers for group in layer.get("SecurityGroups", ())))


def _app(layer: dict[str, Any], app_type: str) -> dict[str, Any]:
    found: dict[str, Any] = layer.get(APP_SETTINGS[app_type], {})
    return found


def _check_role(call: Call, settings: dict[str, Any]) -> None:
    role = settings.get("ExecutionRole")
    if role is not None and find_role(call, role, call.arn("sagemaker", "domain/*")) is None:
        raise not_assumable(role)


def _check_apps(call: Call, settings: dict[str, Any], where: str) -> None:
    for app_type, member in APP_SETTINGS.items():
        given = settings.get(member, {})
        inner = f"{where}.{member}"
        refuse_others(given, _APP, f"{inner}.")
        check_resource(call, given.get("DefaultResourceSpec", {}), app_type, f"{inner}.DefaultResourceSpec")
        for arn in given.get("LifecycleConfigArns", ()):
            find_lifecycle_config(call, arn, app_type)
