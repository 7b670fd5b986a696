"""The description and parameters of one feature of a feature group."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.resources.feature_store import Feature, FeatureGroup
from ringfence.services.sagemaker.feature_group import find_group, on_group
from ringfence.services.sagemaker.refusal import invalid

_MOST_PARAMETERS = 25


@operation("DescribeFeatureMetadata", on=on_group)
def describe_feature_metadata(call: Call, request: Request) -> Result:
    group = find_group(call, request)
    return show_metadata(group, _find_feature(group, request["FeatureName"]))


def show_metadata(group: FeatureGroup, feature: Feature) -> Result:
    """Of one feature; Search shows it likewise."""
    result: Result = {
        "FeatureGroupArn": group.arn,
        "FeatureGroupName": group.name,
        "FeatureName": feature.name,
        "FeatureType": feature.type,
        "CreationTime": feature.created,
        "LastModifiedTime": feature.modified,
        "Parameters": [{"Key": key, "Value": value} for key, value in feature.parameters.items()],
    }
    return result if feature.description is None else {**result, "Description": feature.description}


@operation(
    "UpdateFeatureMetadata",
    on=on_group,
    takes="FeatureGroupName FeatureName Description ParameterAdditions ParameterRemovals",
)
def update_feature_metadata(call: Call, request: Request) -> Result:
    group = find_group(call, request)
    feature = _find_feature(group, request["FeatureName"])
    gone = set(request.get("ParameterRemovals", ()))
    parameters = {key: value for key, value in feature.parameters.items() if key not in gone}
    for one in request.get("ParameterAdditions", ()):
        if not {"Key", "Value"} <= one.keys():
            raise invalid("Validation Error: a parameter needs both Key and Value.")
        parameters[one["Key"]] = one["Value"]
    if len(parameters) > _MOST_PARAMETERS:
        raise invalid(f"Validation Error: a feature can have at most {_MOST_PARAMETERS} parameters.")
    changed = msgspec.structs.replace(
        feature,
        parameters=parameters,
        description=request.get("Description", feature.description),
        modified=call.now,
    )
    features = tuple(changed if one is feature else one for one in group.features)
    call.records.put(msgspec.structs.replace(group, features=features))
    return {}


def _find_feature(group: FeatureGroup, name: str) -> Feature:
    """The text is ours, in the form of the one for a group."""
    found = next((feature for feature in group.features if feature.name == name), None)
    if found is None or group.deleting:
        raise ServiceError(
            "ResourceNotFound",
            f"Resource Not Found: Amazon SageMaker can't find a Feature with name [{name}] in FeatureGroup "
            f"[{group.name}].",
        )
    return found
