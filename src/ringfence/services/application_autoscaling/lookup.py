"""Scalable targets and policies by what requests name them by, and AWS's errors for those that are not there."""

from collections.abc import Sequence
from typing import TypeVar

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.listing import page
from ringfence.core.record import Reader, Record
from ringfence.resources.application_autoscaling import (
    DIMENSION,
    NAMESPACE,
    PROVISIONED,
    ScalableTarget,
    ScalingPolicy,
)

R = TypeVar("R", bound=Record)
_MOST = 50

KEYS = {
    "application-autoscaling:service-namespace": "ServiceNamespace",
    "application-autoscaling:scalable-dimension": "ScalableDimension",
}


def target_arns(call: Call, request: Request) -> list[str]:
    """What IAM is asked about: the target, or any if it is not there yet."""
    found = call.records.get(ScalableTarget, call.scoped(request["ResourceId"]))
    return [found.arn if found else call.arn("application-autoscaling", "scalable-target/*")]


def invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)


def check_dimension(request: Request) -> None:
    """Refuse all that is no variant of an endpoint."""
    if request["ServiceNamespace"] != NAMESPACE:
        raise not_implemented(f"scaling of the service namespace {request['ServiceNamespace']}")
    dimension = request.get("ScalableDimension", DIMENSION)
    if dimension not in (DIMENSION, PROVISIONED):
        raise not_implemented(f"the scalable dimension {dimension}")


def find_target(call: Call, request: Request) -> ScalableTarget:
    """ObjectNotFoundException if it was not registered."""
    check_dimension(request)
    found = call.records.get(ScalableTarget, call.scoped(request["ResourceId"]))
    if found is None or found.dimension != request["ScalableDimension"]:
        raise ServiceError("ObjectNotFoundException", f"No scalable target found for {_named(request)}")
    return found


def dimension_of(records: Reader, target: str) -> str:
    """`target`: its key. A policy goes with its target."""
    found = records.get(ScalableTarget, target)
    return found.dimension if found else DIMENSION


def find_policy(call: Call, request: Request) -> ScalingPolicy:
    check_dimension(request)
    target = call.scoped(request["ResourceId"])
    found = call.records.get(ScalingPolicy, f"{target}\0{request['PolicyName']}")
    if found is None or dimension_of(call.records, target) != request["ScalableDimension"]:
        raise ServiceError(
            "ObjectNotFoundException",
            f"No scaling policy found for {_named(request)}, policy name: {request['PolicyName']}",
        )
    return found


def show_page(items: Sequence[R], request: Request) -> tuple[list[R], Result]:
    """A page of the records, and the NextToken if there are more. Order: as given, by key."""
    limit = request.get("MaxResults", _MOST)
    if not 1 <= limit <= _MOST:
        raise invalid(f"MaxResults must be between 1 and {_MOST}.")
    shown, token = page(
        items,
        key=lambda item: item.key,
        limit=limit,
        token=request.get("NextToken"),
        error=ServiceError("InvalidNextTokenException", "The next token supplied was invalid."),
    )
    return shown, {"NextToken": token} if token else {}


def _named(request: Request) -> str:
    """(recalled)"""
    return (
        f"service namespace: {request['ServiceNamespace']}, resource ID: {request['ResourceId']}, scalable dimension: "
        f"{request['ScalableDimension']}"
    )
