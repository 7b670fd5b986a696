"""Lifecycle configurations of Studio: a shell script that runs before an app does."""

import base64
import binascii

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags
from ringfence.resources.studio import App, Domain, Owner, Space, StudioLifecycleConfig, UserProfile
from ringfence.services.sagemaker.listing import filtered, owned, sorted_page
from ringfence.services.sagemaker.refusal import invalid
from ringfence.services.sagemaker.studio import app_state, in_use, not_found, settings_keys, with_token
from ringfence.services.sagemaker.studio_settings import APP_SETTINGS
from ringfence.services.sagemaker.tag import read_tags, tagging_action, tagging_resources

_ON = "studio-lifecycle-config/{StudioLifecycleConfigName}"


@operation(
    "CreateStudioLifecycleConfig",
    on=(_ON,),
    keys=tagging_action("CreateStudioLifecycleConfig"),
    also=(("sagemaker:AddTags", tagging_resources(_ON)),),
    takes="StudioLifecycleConfigName StudioLifecycleConfigContent StudioLifecycleConfigAppType Tags",
)
def create_studio_lifecycle_config(call: Call, request: Request) -> Result:
    name, app_type = request["StudioLifecycleConfigName"], request["StudioLifecycleConfigAppType"]
    if app_type not in APP_SETTINGS:
        raise invalid(f"Ringfence does not implement StudioLifecycleConfigAppType {app_type}.")
    try:
        base64.b64decode(request["StudioLifecycleConfigContent"], validate=True)
    except (binascii.Error, ValueError):
        # "must be base64 encoded"; the text is ours
        raise invalid("StudioLifecycleConfigContent must be base64 encoded.") from None
    if call.records.get(StudioLifecycleConfig, call.scoped(name)) is not None:
        raise in_use(f"StudioLifecycleConfig [{name}] already exists.")
    tags = read_tags(request)
    made = StudioLifecycleConfig(
        name=name,
        account=call.account,
        region=call.region,
        arn=call.arn("sagemaker", _ON.format(**request)),
        created=call.now,
        app_type=app_type,
        content=request["StudioLifecycleConfigContent"],
    )
    call.records.put(made)
    set_tags(call.records, made.arn, tags)
    return {"StudioLifecycleConfigArn": made.arn}


@operation("DescribeStudioLifecycleConfig", on=(_ON,), takes="StudioLifecycleConfigName")
def describe_studio_lifecycle_config(call: Call, request: Request) -> Result:
    found = _find(call, request["StudioLifecycleConfigName"])
    return {**_summary(found), "StudioLifecycleConfigContent": found.content}


@operation("DeleteStudioLifecycleConfig", on=(_ON,), takes="StudioLifecycleConfigName")
def delete_studio_lifecycle_config(call: Call, request: Request) -> Result:
    """Refused while a domain, profile or space names it, or an app runs that it started."""
    found = _find(call, request["StudioLifecycleConfigName"])
    running = [one for one in owned(call, App) if app_state(call.records, one) != "Deleted"]
    holders: list[Domain | Owner | App] = [
        *owned(call, Domain),
        *owned(call, UserProfile),
        *owned(call, Space),
        *running,
    ]
    for holder in holders:
        named = isinstance(holder, App) and holder.lifecycle_config == found.arn
        if named or found.arn in _configs(call, holder.spec):
            raise in_use(f"StudioLifecycleConfig [{found.arn}] is in use by [{holder.arn}].")
    call.records.delete(found)
    drop_tags(call.records, found.arn)
    return {}


@operation(
    "ListStudioLifecycleConfigs",
    takes="MaxResults NextToken NameContains AppTypeEquals CreationTimeBefore CreationTimeAfter ModifiedTimeBefore "
    "ModifiedTimeAfter SortBy SortOrder",
)
def list_studio_lifecycle_configs(call: Call, request: Request) -> Result:
    """They are never modified: both times are the creation's. "on or before", unlike ModifiedTimeBefore."""
    app_type, until = request.get("AppTypeEquals"), request.get("CreationTimeBefore")
    times = {
        "CreationTimeBefore": request.get("ModifiedTimeBefore"),
        "CreationTimeAfter": request.get("ModifiedTimeAfter"),
    }
    asked = {member: request.get(member) for member in ("NameContains", "CreationTimeAfter")}
    found = filtered(filtered(owned(call, StudioLifecycleConfig), asked), times)
    kept = [one for one in found if app_type in (None, one.app_type) and (until is None or one.created <= until)]
    # "The sort order. The default value is Descending."
    configs, token = sorted_page(kept, request, lambda one: f"{one.created.timestamp():020.6f}")
    return with_token("StudioLifecycleConfigs", [_summary(one) for one in configs], token)


def _find(call: Call, name: str) -> StudioLifecycleConfig:
    found = call.records.get(StudioLifecycleConfig, call.scoped(name))
    if found is None:
        raise not_found("StudioLifecycleConfig", name)
    return found


def _configs(call: Call, spec: Request) -> list[str]:
    gather = settings_keys()["sagemaker:StudioLifecycleConfigArns"]
    return [str(arn) for arn in (gather(call, spec) or ())] if callable(gather) else []


def _summary(found: StudioLifecycleConfig) -> Result:
    return {
        "StudioLifecycleConfigArn": found.arn,
        "StudioLifecycleConfigName": found.name,
        "StudioLifecycleConfigAppType": found.app_type,
        "CreationTime": found.created,
        "LastModifiedTime": found.created,
    }
