"""Endpoints: what the user wants of them. What they are is said by the statuses that `reconcile` writes."""

from datetime import datetime

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.record import Reader
from ringfence.core.tags import set_tags
from ringfence.resources.application_autoscaling import ScalableTarget
from ringfence.resources.sagemaker import Endpoint, EndpointConfig, EndpointStatus, Fleet
from ringfence.services.sagemaker.async_inference import check_still_asynchronous
from ringfence.services.sagemaker.data_capture import summarize_data_capture
from ringfence.services.sagemaker.deployment_config import check_deployment_config
from ringfence.services.sagemaker.endpoint_summary import summarize_creation, summarize_deployment, summarize_variants
from ringfence.services.sagemaker.fleet import make_fleet
from ringfence.services.sagemaker.instance_limit import check_endpoint_limit, count_instances
from ringfence.services.sagemaker.listing import filtered, owned, sorted_page
from ringfence.services.sagemaker.lookup import arn_of, check_new, find
from ringfence.services.sagemaker.refusal import invalid, refuse_others
from ringfence.services.sagemaker.serverless import check_not_made_serverless, check_serverless_quota, is_serverless
from ringfence.services.sagemaker.tag import read_tags, tagging_action, tagging_resources

_IN_PROGRESS = ("Creating", "Updating", "RollingBack", "Deleting")
_CREATE_MEMBERS = frozenset({"EndpointName", "EndpointConfigName", "Tags", "DeploymentConfig"})


@operation(
    "CreateEndpoint",
    on=("endpoint/{EndpointName}", "endpoint-config/{EndpointConfigName}"),
    keys=tagging_action("CreateEndpoint"),
    also=(("sagemaker:AddTags", tagging_resources("endpoint/{EndpointName}")),),
)
def create_endpoint(call: Call, request: Request) -> Result:
    refuse_others(request, _CREATE_MEMBERS)
    name = request["EndpointName"]
    check_new(call, Endpoint, name)
    config = find(call, EndpointConfig, request["EndpointConfigName"])
    arn = arn_of(call, Endpoint, name)
    endpoint = Endpoint(
        name=name,
        account=call.account,
        region=call.region,
        arn=arn,
        created=call.now,
        modified=call.now,
        config_name=config.name,
    )
    fleet = make_fleet(call, endpoint, config)
    check_endpoint_limit(call.records, call.account, call.region, count_instances(fleet.variants))
    if is_serverless(fleet):
        check_serverless_quota(call, call.records)
    if given := request.get("DeploymentConfig"):
        # for updates that retain it
        check_deployment_config(call, given, fleet, None, arn)
        endpoint = msgspec.structs.replace(endpoint, last_deployment=given)
    call.records.put(endpoint)
    call.records.put(fleet)
    set_tags(call.records, arn, read_tags(request))
    return {"EndpointArn": arn}


@operation(
    "UpdateEndpoint",
    on=("endpoint/{EndpointName}", "endpoint-config/{EndpointConfigName}"),
    takes="EndpointName EndpointConfigName DeploymentConfig RetainDeploymentConfig RetainAllVariantProperties "
    "ExcludeRetainedVariantProperties",
)
def update_endpoint(call: Call, request: Request) -> Result:
    """A new fleet starts, takes over as the DeploymentConfig says, by default all at once, and the old one ends."""
    endpoint = find(call, Endpoint, request["EndpointName"])
    check_updatable(call.records, endpoint)
    config = find(call, EndpointConfig, request["EndpointConfigName"])
    given, last = request.get("DeploymentConfig"), endpoint.last_deployment
    updated = msgspec.structs.replace(
        endpoint,
        config_name=config.name,
        modified=call.now,
        generation=endpoint.generation + 1,
        deployment=given or (last if request.get("RetainDeploymentConfig") else None),
        last_deployment=given or last,
    )
    serving = serving_fleet(call.records, endpoint)
    fleet = _retain(make_fleet(call, updated, config), serving, request)
    # what serves now stays until the new instances do
    check_endpoint_limit(call.records, call.account, call.region, count_instances(fleet.variants))
    check_still_asynchronous(endpoint.name, serving, fleet)
    check_not_made_serverless(endpoint.name, serving, fleet)
    _check_registered(call, endpoint, serving, fleet)
    if updated.deployment is not None:
        check_deployment_config(call, updated.deployment, fleet, serving, endpoint.arn)
    call.records.put(updated)
    call.records.put(fleet)
    return {"EndpointArn": endpoint.arn}


def serving_fleet(records: Reader, endpoint: Endpoint) -> Fleet | None:
    """What the endpoint runs, as desired; None before it has served."""
    status = records.get(EndpointStatus, endpoint.key)
    return records.get(Fleet, f"{endpoint.key}/{status.serving_generation}") if status else None


def _check_registered(call: Call, endpoint: Endpoint, serving: Fleet | None, fleet: Fleet) -> None:
    """(recalled) Application Auto Scaling knows variants by name."""
    types = {variant.name: variant.instance_type for variant in fleet.variants}
    changed = [one.name for one in (serving.variants if serving else ()) if types.get(one.name) != one.instance_type]
    keys = {name: call.scoped(f"endpoint/{endpoint.name}/variant/{name}") for name in changed}
    registered = [name for name, key in keys.items() if call.records.get(ScalableTarget, key)]
    if registered:
        shown = ", ".join(f'"{name}"' for name in registered)
        raise invalid(
            f"The variant(s) {shown} must be deregistered as scalable targets with AWS Application Auto Scaling before "
            "they can be removed or have their instance type updated."
        )


def _retain(fleet: Fleet, serving: Fleet | None, request: Request) -> Fleet:
    """The new fleet with the weights and counts that the variants have now, if that is asked for."""
    retained = {"DesiredInstanceCount", "DesiredWeight"}  # "DataCaptureConfig: (Not currently supported.)"
    excluded = {one["VariantPropertyType"] for one in request.get("ExcludeRetainedVariantProperties", ())}
    if not request.get("RetainAllVariantProperties"):
        if excluded:
            raise invalid("ExcludeRetainedVariantProperties can only be specified with RetainAllVariantProperties.")
        return fleet
    retained -= excluded
    before = {variant.name: variant for variant in serving.variants} if serving else {}
    variants = []
    for variant in fleet.variants:
        old = before.get(variant.name, variant)
        counted = old.serverless is None and variant.serverless is None
        count = old.count if "DesiredInstanceCount" in retained and counted else variant.count
        weight = old.weight if "DesiredWeight" in retained else variant.weight
        variants.append(msgspec.structs.replace(variant, count=count, weight=weight))
    return msgspec.structs.replace(fleet, variants=tuple(variants))


@operation("DescribeEndpoint", on=("endpoint/{EndpointName}",))
def describe_endpoint(call: Call, request: Request) -> Result:
    endpoint = find(call, Endpoint, request["EndpointName"])
    status = call.records.get(EndpointStatus, endpoint.key)
    serving = status.serving_generation if status else None
    fleet = call.records.get(Fleet, f"{endpoint.key}/{serving}") if serving else None
    result: Result = {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": fleet.config_name if fleet else endpoint.config_name,
        "EndpointStatus": endpoint_state(call.records, endpoint),
        "CreationTime": endpoint.created,
        "LastModifiedTime": _modified(call.records, endpoint),
    }
    if status and status.failure_reason and status.generation == endpoint.generation:
        result["FailureReason"] = status.failure_reason
    if fleet and fleet.capture:
        result["DataCaptureConfig"] = summarize_data_capture(fleet.capture)
    if fleet and fleet.asynchronous:
        result["AsyncInferenceConfig"] = fleet.asynchronous
    if fleet and status:
        result |= summarize_variants(call.records, status, fleet)
    if endpoint.last_deployment is not None:
        result["LastDeploymentConfig"] = endpoint.last_deployment
    if result["EndpointStatus"] == "Creating":
        result["PendingDeploymentSummary"] = summarize_creation(call.records, endpoint)
    elif status and status.deployment and status.generation < endpoint.generation:
        result["PendingDeploymentSummary"] = summarize_deployment(call.records, endpoint, status.deployment)
    return result


@operation("ListEndpoints")
def list_endpoints(call: Call, request: Request) -> Result:
    wanted = request.get("StatusEquals")

    def state(endpoint: Endpoint) -> str:
        return endpoint_state(call.records, endpoint)

    items = [
        item
        for item in filtered(owned(call, Endpoint), request, lambda item: _modified(call.records, item))
        if wanted is None or state(item) == wanted
    ]
    endpoints, token = sorted_page(items, request, state)
    listed = [
        {
            "EndpointName": item.name,
            "EndpointArn": item.arn,
            "CreationTime": item.created,
            "LastModifiedTime": _modified(call.records, item),
            "EndpointStatus": state(item),
        }
        for item in endpoints
    ]
    return {"Endpoints": listed, **({"NextToken": token} if token else {})}


@operation("DeleteEndpoint", on=("endpoint/{EndpointName}",))
def delete_endpoint(call: Call, request: Request) -> Result:
    """The reconciler ends the instances and then removes the records.

    While it is made, changed or deleted AWS does not take it: https://github.com/aws/amazon-sagemaker-examples/issues/3432
    """
    endpoint = find(call, Endpoint, request["EndpointName"])
    if endpoint_state(call.records, endpoint) in _IN_PROGRESS:
        raise _in_progress(endpoint)
    call.records.put(msgspec.structs.replace(endpoint, deleting=True, modified=call.now))
    return {}


def endpoint_state(records: Reader, endpoint: Endpoint) -> str:
    """EndpointStatus: what the reconciler saw, or what is under way until it has come to an end."""
    status = records.get(EndpointStatus, endpoint.key)
    if endpoint.deleting:
        return "Deleting"
    if status is None:
        return "Creating"
    if status.generation < endpoint.generation:
        deployment = status.deployment
        if deployment is None or deployment.stage != "rolling back":
            return "Updating"
        return "UpdateRollbackFailed" if deployment.failed else "RollingBack"
    return "Updating" if _is_changing(records, endpoint, status) else status.status


def _is_changing(records: Reader, endpoint: Endpoint, status: EndpointStatus) -> bool:
    """Whether weights and instance counts are on their way to what was asked for."""
    fleet = serving_fleet(records, endpoint)
    return fleet is not None and status.fleet_revision < fleet.revision


def check_updatable(records: Reader, endpoint: Endpoint) -> None:
    """Raise ValidationException unless the endpoint has come to rest."""
    state = endpoint_state(records, endpoint)
    if state == "Failed":
        raise invalid(f'Cannot update endpoint "{endpoint.arn}" in status Failed: it can only be deleted.')
    if state not in ("InService", "OutOfService"):
        raise _in_progress(endpoint)


def _in_progress(endpoint: Endpoint) -> Exception:
    """Of deletions too: https://github.com/aws/amazon-sagemaker-operator-for-k8s has both."""
    return invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')


def _modified(records: Reader, endpoint: Endpoint) -> datetime:
    status = records.get(EndpointStatus, endpoint.key)
    return max(endpoint.modified, status.modified) if status else endpoint.modified
