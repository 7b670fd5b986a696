"""Scalable targets: variants of endpoints whose instance count may be changed, and between which numbers."""

import re

import msgspec

from ringfence.core import ids
from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.core.record import Writer
from ringfence.core.tags import drop_tags, set_tags
from ringfence.resources.application_autoscaling import (
    NAMESPACE,
    PROVISIONED,
    ScalableTarget,
    ScalingActivityStatus,
    ScalingPolicy,
    ScalingStatus,
)
from ringfence.resources.sagemaker import Endpoint, EndpointStatus, Fleet, Variant
from ringfence.services.application_autoscaling.lookup import (
    KEYS,
    check_dimension,
    find_target,
    invalid,
    show_page,
    target_arns,
)
from ringfence.services.application_autoscaling.tag import check_tags

_RESOURCE = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")
_SUSPENDABLE = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
_ROLE = (
    "arn:aws:iam::{account}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)


@operation(
    "RegisterScalableTarget",
    on=target_arns,
    keys=KEYS,
    takes="ServiceNamespace ResourceId ScalableDimension MinCapacity MaxCapacity SuspendedState Tags RoleARN",
)
def register_scalable_target(call: Call, request: Request) -> Result:
    """Register, or change what is given of one that is registered. Its role is the service-linked one, always."""
    check_dimension(request)
    fleet, variant = _find_variant(call, request["ResourceId"])
    _check_kind(variant, request["ScalableDimension"])
    known = call.records.get(ScalableTarget, call.scoped(request["ResourceId"]))
    if known is None and not {"MinCapacity", "MaxCapacity"} <= request.keys():
        raise invalid("MinCapacity and MaxCapacity must be specified when a scalable target is registered.")
    if known is not None and request.get("Tags"):
        raise invalid("Tags can only be specified when a scalable target is registered: use TagResource.")
    target = known or ScalableTarget(
        account=call.account,
        region=call.region,
        resource_id=request["ResourceId"],
        id=ids.lower_id(32, call.entropy),
        created=call.now,
        minimum=1,
        maximum=1,
        dimension=request["ScalableDimension"],
    )
    minimum = request.get("MinCapacity", target.minimum)
    maximum = request.get("MaxCapacity", target.maximum)
    # https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-autoscale.html
    if minimum < (1 if fleet.asynchronous is None else 0):
        raise invalid("Minimum capacity must be at least 1 for a production variant.")
    if variant.serverless is not None and maximum > variant.serverless.concurrency:  # ours
        raise invalid("Maximum capacity cannot be more than the MaxConcurrency of a serverless variant.")
    if minimum > maximum:
        raise invalid("Maximum capacity cannot be less than minimum capacity")  # (recalled)
    suspended = request.get("SuspendedState", dict.fromkeys(target.suspended, True))
    target = msgspec.structs.replace(
        target,
        minimum=minimum,
        maximum=maximum,
        suspended=tuple(name for name in _SUSPENDABLE if suspended.get(name)),
    )
    tags = request.get("Tags", {})
    check_tags(tags, {})
    call.records.put(target)
    set_tags(call.records, target.arn, tags)
    return {"ScalableTargetARN": target.arn}


@operation(
    "DescribeScalableTargets",
    takes="ServiceNamespace ResourceIds ScalableDimension MaxResults NextToken",
)
def describe_scalable_targets(call: Call, request: Request) -> Result:
    check_dimension(request)
    wanted = request.get("ResourceIds")
    found = [
        target
        for target in sorted(call.records.all(ScalableTarget), key=lambda target: target.key)
        if (target.account, target.region) == (call.account, call.region)
        and (not wanted or target.resource_id in wanted)
        and request.get("ScalableDimension") in (None, target.dimension)
    ]
    shown, more = show_page(found, request)
    return {"ScalableTargets": [_show(target) for target in shown], **more}


@operation("DeregisterScalableTarget", on=target_arns, keys=KEYS, takes="ServiceNamespace ResourceId ScalableDimension")
def deregister_scalable_target(call: Call, request: Request) -> Result:
    """Its policies go with it."""
    remove_target(call.records, find_target(call, request))
    return {}


def remove_target(records: Writer, target: ScalableTarget) -> None:
    """With its policies and what is known of them; the alarms are the reconciler's to remove."""
    for policy in [one for one in records.all(ScalingPolicy) if one.target == target.key]:
        records.delete(ScalingStatus(policy=policy.key))
        records.delete(policy)
    for activity in [one for one in records.all(ScalingActivityStatus) if one.target == target.key]:
        records.delete(activity)
    drop_tags(records, target.arn)
    records.delete(target)


def _check_kind(variant: Variant, dimension: str) -> None:
    """(recalled) What a variant does not have is told in the words for what is no variant."""
    if (variant.serverless is not None) != (dimension == PROVISIONED):
        raise invalid(f"Unsupported service namespace, resource type or scalable dimension: {dimension}")


def _find_variant(call: Call, resource_id: str) -> tuple[Fleet, Variant]:
    """With the fleet that it is of; ValidationException if there is none."""
    named = _RESOURCE.fullmatch(resource_id)
    if named is None:
        raise invalid(f"Unsupported service namespace, resource type or scalable dimension: {resource_id}")
    arn = call.arn("sagemaker", f"endpoint/{named['endpoint']}")
    endpoint = call.records.get(Endpoint, call.scoped(named["endpoint"].lower()))
    if endpoint is None or endpoint.name != named["endpoint"]:
        raise invalid(f'Could not find endpoint "{arn}".')
    status = call.records.get(EndpointStatus, endpoint.key)
    serving = status.serving_generation if status else None
    fleet = call.records.get(Fleet, f"{endpoint.key}/{serving or endpoint.generation}")
    variant = next((one for one in fleet.variants if one.name == named["variant"]), None) if fleet else None
    if fleet is None or variant is None:
        raise invalid(f'Could not find variant "{named["variant"]}" of endpoint "{arn}".')
    return fleet, variant


def _show(target: ScalableTarget) -> Result:
    return {
        "ServiceNamespace": NAMESPACE,
        "ResourceId": target.resource_id,
        "ScalableDimension": target.dimension,
        "MinCapacity": target.minimum,
        "MaxCapacity": target.maximum,
        "RoleARN": _ROLE.format(account=target.account),
        "CreationTime": target.created,
        "SuspendedState": {name: name in target.suspended for name in _SUSPENDABLE},
        "ScalableTargetARN": target.arn,
    }
