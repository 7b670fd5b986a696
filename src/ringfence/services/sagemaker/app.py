"""Studio's apps: JupyterLab, or a kernel gateway, for one profile or space.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateApp.html
"""

from typing import Any

import msgspec

from ringfence.core import ids
from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags
from ringfence.resources.studio import App, Domain, Owner, Space, UserProfile
from ringfence.services.sagemaker.instance_limit import check_instance_limit
from ringfence.services.sagemaker.listing import owned
from ringfence.services.sagemaker.refusal import invalid, null_member
from ringfence.services.sagemaker.studio import (
    app_state,
    app_status,
    find_domain,
    find_owner,
    in_use,
    listed,
    not_found,
    owner_state,
    settings_keys,
    space_keys,
    with_token,
)
from ringfence.services.sagemaker.studio_settings import (
    APP_SETTINGS,
    MOST_GROUPS,
    SYSTEM,
    check_resource,
    settle,
)
from ringfence.services.sagemaker.tag import read_tags, tagging_action

_WHO = "DomainId UserProfileName SpaceName AppType AppName"


def _resource(request: Request) -> str:
    owner = request.get("SpaceName") or request.get("UserProfileName") or "*"
    return f"app/{request['DomainId']}/{owner}/{request['AppType']}/{request['AppName']}"


def _arns(call: Call, request: Request) -> list[str]:
    return [call.arn("sagemaker", _resource(request))]


def _tagged(call: Call, request: Request) -> list[str]:
    return _arns(call, request) if request.get("Tags") else []


@operation(
    "CreateApp",
    on=_arns,
    keys={**settings_keys(), **space_keys(), **tagging_action("CreateApp")},
    also=(("sagemaker:AddTags", _tagged),),
    takes=f"{_WHO} Tags ResourceSpec RecoveryMode",
)
def create_app(call: Call, request: Request) -> Result:
    app_type, name = request["AppType"], request["AppName"]
    if app_type not in APP_SETTINGS:
        raise invalid(f"Ringfence does not implement AppType {app_type}.")
    if request.get("RecoveryMode"):
        raise invalid("Ringfence does not implement RecoveryMode.")
    domain, owner = find_domain(call, request["DomainId"]), _owner(call, request)
    state = owner_state(call.records, owner)
    if state not in ("InService", "Update_Failed"):
        raise invalid(f"{type(owner).__name__} [{owner.name}] is not in InService state: it is {state}.")
    if app_type == "JupyterServer" and name != "default":
        # "the JupyterServer app's name must be default" (recalled)
        raise invalid("The AppName of a JupyterServer app must be default.")
    _check_type(app_type, owner)
    before = call.records.get(App, call.scoped(_resource(request).removeprefix("app/")))
    if before is not None and app_state(call.records, before) != "Deleted":
        raise in_use(f"App [{name}] of type [{app_type}] already exists for [{owner.name}].")
    given = request.get("ResourceSpec", {})
    check_resource(call, given, app_type, "ResourceSpec")
    app = _make(call, request, domain, owner, given)
    tags = read_tags(request)
    call.records.put(app)
    drop_tags(call.records, app.arn)
    set_tags(call.records, app.arn, tags)
    return {"AppArn": app.arn}


def _check_type(app_type: str, owner: Owner) -> None:
    """A space may be for one type, "the type of app created within the space"; Studio Classic's two go together. The
    text is ours."""
    wanted = owner.spec.get("SpaceSettings", {}).get("AppType")
    if wanted in (None, app_type) or (wanted, app_type) == ("JupyterServer", "KernelGateway"):
        return
    raise invalid(f"Space [{owner.name}] is for apps of type {wanted}, not {app_type}.")


def _make(call: Call, request: Request, domain: Domain, owner: Owner, given: dict[str, Any]) -> App:
    app_type = request["AppType"]
    held = settle(call.records, domain, owner, app_type, given)
    instance_type, groups = held.instance_type, held.group_ids
    if instance_type is None:
        # "the CreateApp call fails with a request validation error"
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateApp.html
        raise null_member("resourceSpec.instanceType")
    if instance_type != SYSTEM:
        check_instance_limit(instance_type, 1, f"Studio {app_type} app")
    if held.role_arn is None:
        raise null_member("defaultSpaceSettings.executionRole")
    if len(groups) >= MOST_GROUPS:
        # one slot is SageMaker's
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UserSettings.html ; the text is ours
        raise invalid(
            f"The domain and {owner.name} together have {len(groups)} security groups: at most {MOST_GROUPS - 1} can "
            "be used."
        )
    return App(
        name=request["AppName"],
        account=call.account,
        region=call.region,
        arn=call.arn("sagemaker", _resource(request)),
        created=call.now,
        domain_id=domain.id,
        owner=owner.name,
        in_space=isinstance(owner, Space),
        type=app_type,
        launch=ids.uuid4(call.entropy),
        instance_type=instance_type,
        role_arn=held.role_arn,
        group_ids=groups,
        lifecycle_config=held.lifecycle_config,
        idle_minutes=held.idle_minutes,
        spec={"ResourceSpec": {**given, "InstanceType": instance_type}},
    )


@operation("DescribeApp", on=_arns, takes=_WHO)
def describe_app(call: Call, request: Request) -> Result:
    app = _find(call, request)
    status = app_status(call.records, app)
    shown: Result = {"AppArn": app.arn, **_summary(call, app)}
    if status is not None and status.failure_reason:
        shown["FailureReason"] = status.failure_reason
    if status is not None and status.healthy is not None:
        shown["LastHealthCheckTimestamp"] = status.healthy
        # "this value is set to the same value as LastHealthCheckTimestamp", as health checks count for activity
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeApp.html
        shown["LastUserActivityTimestamp"] = status.healthy
    return shown


@operation("DeleteApp", on=_arns, keys=space_keys(), takes=_WHO)
def delete_app(call: Call, request: Request) -> Result:
    app = _find(call, request)
    if app_state(call.records, app) == "Deleted":
        raise not_found("App", app.name)
    if not app.deleting:
        call.records.put(msgspec.structs.replace(app, deleting=True))
    return {}


@operation(
    "ListApps", takes="NextToken MaxResults SortOrder SortBy DomainIdEquals UserProfileNameEquals SpaceNameEquals"
)
def list_apps(call: Call, request: Request) -> Result:
    """Those that were deleted are shown until one of the same name takes their place."""
    domain = request.get("DomainIdEquals")
    profile, space = request.get("UserProfileNameEquals"), request.get("SpaceNameEquals")
    if profile is not None and space is not None:
        # "If UserProfileNameEquals is set, then this value cannot be set."; the text is ours
        raise invalid("UserProfileNameEquals and SpaceNameEquals cannot both be set.")
    found = [
        app
        for app in owned(call, App)
        if domain in (None, app.domain_id)
        and (profile is None or (app.owner == profile and not app.in_space))
        and (space is None or (app.owner == space and app.in_space))
    ]
    apps, token = listed(call, App, request, found)
    return with_token("Apps", [_summary(call, app) for app in apps], token)


def _owner(call: Call, request: Request) -> Owner:
    profile, space = request.get("UserProfileName"), request.get("SpaceName")
    if (profile is None) == (space is None):
        # (recalled)
        raise invalid("Either UserProfileName or SpaceName must be specified, and not both.")
    if space is not None:
        return find_owner(call, Space, request["DomainId"], space)
    return find_owner(call, UserProfile, request["DomainId"], str(profile))


def _find(call: Call, request: Request) -> App:
    owner = _owner(call, request)
    found = call.records.get(App, call.scoped(_resource(request).removeprefix("app/")))
    if found is None or found.in_space != isinstance(owner, Space):
        raise not_found("App", request["AppName"])
    return found


def _summary(call: Call, app: App) -> Result:
    return {
        "DomainId": app.domain_id,
        **({"SpaceName": app.owner} if app.in_space else {"UserProfileName": app.owner}),
        "AppType": app.type,
        "AppName": app.name,
        "Status": app_state(call.records, app),
        "CreationTime": app.created,
        "ResourceSpec": app.spec["ResourceSpec"],
    }
