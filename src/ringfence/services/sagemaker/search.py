"""Search over training jobs, models, endpoints, feature groups and their features. Other resources are refused.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Search.html
https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-search-metadata.html
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from ringfence.core.call import Call, Request, Result
from ringfence.core.listing import page
from ringfence.core.operation import Handler, operation
from ringfence.core.tags import tags_of, to_list
from ringfence.resources.feature_store import FeatureGroup
from ringfence.resources.job import TrainingJob
from ringfence.resources.sagemaker import Endpoint, Model, SageMakerRecord
from ringfence.services.sagemaker.endpoint import describe_endpoint
from ringfence.services.sagemaker.feature_group import describe_feature_group
from ringfence.services.sagemaker.feature_metadata import show_metadata
from ringfence.services.sagemaker.listing import inverted, owned
from ringfence.services.sagemaker.model import describe_model
from ringfence.services.sagemaker.refusal import invalid, refuse_others
from ringfence.services.sagemaker.search_expression import matches, names_of, read
from ringfence.services.sagemaker.training_job import describe_training_job

_MEMBERS = frozenset(
    {"Resource", "SearchExpression", "SortBy", "SortOrder", "NextToken", "MaxResults", "CrossAccountFilterOption"}
)
# "The default is 10"; https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Search.html
_PAGE = 10
# What descriptions show and the search's shapes do not have.
_NOT_SHOWN = (
    "ProfilingStatus", "PendingDeploymentSummary", "LastDeploymentConfig", "ThroughputConfig", "NextToken",
)  # fmt: skip
# Properties beside the members of a description.
_SPECIAL = ("Tags", "AllTags", "Metrics", "Endpoints", "Model", "AllParameters")
_OPTIONAL = (
    "FailureReason", "HyperParameters", "InputDataConfig", "VpcConfig", "TrainingStartTime", "TrainingEndTime",
    "SecondaryStatusTransitions", "FinalMetricDataList", "TrainingTimeInSeconds", "BillableTimeInSeconds",
    "DebugHookConfig", "ProfilerConfig", "Environment", "Containers", "PrimaryContainer", "InferenceExecutionConfig",
    "ProductionVariants", "ShadowProductionVariants", "DataCaptureConfig", "CheckpointConfig", "ExperimentConfig",
    "OnlineStoreConfig", "OfflineStoreConfig", "OfflineStoreStatus", "LastUpdateStatus", "RoleArn", "Description",
)  # fmt: skip


def _describe(call: Call, kind: type[SageMakerRecord], operation: Handler, member: str) -> list[Result]:
    """Every record of the caller's, as its Describe operation shows it."""
    return [cast(Result, operation(call, {member: one.name})) for one in owned(call, kind)]


# resource -> record, Describe operation, the member with the name
_KINDS: dict[str, tuple[type[SageMakerRecord], Handler, str]] = {
    "TrainingJob": (TrainingJob, describe_training_job, "TrainingJobName"),
    "Endpoint": (Endpoint, describe_endpoint, "EndpointName"),
    "Model": (Model, describe_model, "ModelName"),
    "FeatureGroup": (FeatureGroup, describe_feature_group, "FeatureGroupName"),
}


@operation("Search")
def search(call: Call, request: Request) -> Result:
    refuse_others(request, _MEMBERS)
    if request.get("CrossAccountFilterOption", "SameAccount") != "SameAccount":
        raise invalid("Ringfence does not implement CrossAccountFilterOption CrossAccount.")
    resource = request["Resource"]
    if resource not in (*_KINDS, "FeatureMetadata"):
        raise invalid(f"Ringfence does not implement Search of the Resource {resource}.")
    expression = request.get("SearchExpression", {})
    if resource == "FeatureMetadata":
        identity = ["FeatureGroupArn", "FeatureName"]
        records = [show_metadata(group, one) for group in owned(call, FeatureGroup) for one in group.features]
    else:
        identity = [f"{resource}Arn"]
        records = [_with_tags(call, one, identity[0]) for one in _describe(call, *_KINDS[resource])]
    for name in (*names_of(expression), *([request["SortBy"]] if "SortBy" in request else [])):
        _check_name(name, records)
    found = [one for one in records if matches(expression, one)]
    chosen, token = _sorted_page(found, request, identity)
    shown = [{resource: _show(resource, one)} for one in chosen]
    return {"Results": shown, **({"NextToken": token} if token else {})}


def _with_tags(call: Call, described: Any, arn: str) -> Result:
    shown = {member: value for member, value in described.items() if member not in _NOT_SHOWN}
    return {**shown, "Tags": to_list(tags_of(call.records, described[arn]))}


def _check_name(name: str, records: list[Result]) -> None:
    """A name that no record of the kind can have is a mistake, not a search without results. The text is ours."""
    first = name.split(".")[0]
    if records and first not in (*_SPECIAL, *_OPTIONAL) and not any(first in record for record in records):
        raise invalid(f"Unknown property name: {name}")


def _show(resource: str, record: Result) -> Result:
    """A model is shown as the dashboard has it: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ModelDashboardModel.html"""
    return {"Model": record} if resource == "Model" else record


def _sorted_page(found: list[Result], request: Request, identity: Sequence[str]) -> tuple[list[Result], str | None]:
    """By LastModifiedTime, newest first, unless the request says otherwise; what lacks the property comes last.

    `identity`: the members that tell records apart.
    """
    by, descending = request.get("SortBy", "LastModifiedTime"), request.get("SortOrder", "Descending") == "Descending"

    def key(record: Result) -> str:
        values = read(record, by) or (read(record, "CreationTime") if by == "LastModifiedTime" else [])
        name = "\0".join(record[member] for member in identity)
        text = f"{_sortable(values[0])}\0{name}".encode().hex() if values else ""  # hex keeps the order
        if descending:
            return inverted(text) if values else f"\x7f{name}"
        return text if values else f"\x7f{name}"

    return page(
        sorted(found, key=key),
        key=key,
        limit=request.get("MaxResults", _PAGE),
        token=request.get("NextToken"),
        error=invalid("Invalid NextToken"),
    )


def _sortable(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.timestamp():020.6f}"
    if isinstance(value, int | float):
        return f"{value + 1e15:026.6f}"
    return str(value)
