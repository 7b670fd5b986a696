"""Search: filters, nested filters, subexpressions, sorts, pages."""

from typing import Any

import pytest
from sagemaker_caller import IMAGE, ROLE, SageMaker


@pytest.fixture
def jobs(sagemaker: SageMaker) -> SageMaker:
    """Training jobs a, b, c with depths 3, 5, 10; b has a channel and a tag."""
    for name, depth in (("a", "3"), ("b", "5"), ("c", "10")):
        more: dict[str, Any] = {}
        if name == "b":
            data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://input/rows"}}
            more = {"Tags": [{"Key": "team", "Value": "blue"}]}
            more["InputDataConfig"] = [
                {"ChannelName": "train", "DataSource": data},
                {
                    "ChannelName": "test",
                    "DataSource": {"S3DataSource": {**data["S3DataSource"], "S3Uri": "s3://input/row"}},
                },
            ]
        sagemaker(
            "CreateTrainingJob",
            TrainingJobName=name,
            RoleArn=ROLE,
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            OutputDataConfig={"S3OutputPath": "s3://models/out"},
            ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": int(depth)},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
            HyperParameters={"depth": depth, "dotted.name": "yes"},
            **more,
        )
    return sagemaker


def names(caller: SageMaker, expression: dict[str, Any] | None = None, **request: Any) -> list[str]:
    given = {"SearchExpression": expression} if expression else {}
    results = caller("Search", Resource="TrainingJob", **given, **request)["Results"]
    return [one["TrainingJob"]["TrainingJobName"] for one in results]


def condition(name: str, operator: str, value: str | None = None) -> dict[str, Any]:
    return {"Name": name, "Operator": operator, **({"Value": value} if value is not None else {})}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (condition("TrainingJobName", "Equals", "a"), "a"),
        ({"Name": "TrainingJobName", "Value": "a"}, "a"),
        (condition("TrainingJobName", "NotEquals", "a"), "bc"),
        (condition("TrainingJobName", "In", "a, c"), "ac"),
        (condition("TrainingJobArn", "Contains", "training-job/b"), "b"),
        (condition("HyperParameters.depth", "GreaterThan", "4"), "bc"),
        (condition("HyperParameters.depth", "LessThanOrEqualTo", "5"), "ab"),
        (condition("HyperParameters.dotted.name", "Equals", "yes"), "abc"),
        (condition("ResourceConfig.VolumeSizeInGB", "GreaterThanOrEqualTo", "5"), "bc"),
        (condition("Tags.team", "Equals", "blue"), "b"),
        (condition("Tags.team", "NotExists"), "ac"),
        (condition("InputDataConfig.ChannelName", "Equals", "test"), "b"),
        (condition("EnableNetworkIsolation", "Equals", "false"), "abc"),
        (condition("CreationTime", "LessThan", "2000-01-01T00:00:00"), ""),
        (condition("CreationTime", "GreaterThan", "2000-01-01T00:00:00Z"), "abc"),
        (condition("FailureReason", "Exists"), ""),
    ],
)
def test_filters(jobs: SageMaker, given: dict[str, Any], expected: str) -> None:
    assert names(jobs, {"Filters": [given]}, SortBy="TrainingJobName", SortOrder="Ascending") == list(expected)


def test_nested_filters_are_about_one_item(jobs: SageMaker) -> None:
    path = "InputDataConfig.DataSource.S3DataSource.S3Uri"

    def nested(channel: str) -> dict[str, Any]:
        filters = [condition("InputDataConfig.ChannelName", "Equals", channel), condition(path, "Contains", "rows")]
        return {"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": filters}]}

    assert names(jobs, nested("train")) == ["b"]
    assert names(jobs, nested("test")) == []


def test_or_and_subexpressions(jobs: SageMaker) -> None:
    either = {"Filters": [condition("TrainingJobName", "Equals", name) for name in "ab"], "Operator": "Or"}
    deep = {"Filters": [condition("HyperParameters.depth", "GreaterThan", "4")]}
    assert names(jobs, {"SubExpressions": [either, deep]}) == ["b"]


def test_sorts_and_pages(jobs: SageMaker) -> None:
    assert names(jobs) == ["c", "b", "a"], "newest first"
    assert names(jobs, SortBy="ResourceConfig.VolumeSizeInGB", SortOrder="Ascending") == ["a", "b", "c"]
    first = jobs("Search", Resource="TrainingJob", MaxResults=2)
    assert len(first["Results"]) == 2
    assert names(jobs, MaxResults=2, NextToken=first["NextToken"]) == ["a"]


def test_models_are_shown_as_the_dashboard_has_them(jobs: SageMaker) -> None:
    jobs.model("mine")
    (found,) = jobs(
        "Search", Resource="Model", SearchExpression={"Filters": [condition("ModelName", "Contains", "min")]}
    )["Results"]
    assert found["Model"]["Model"]["ModelName"] == "mine"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"Resource": "Experiment"}, "does not implement Search of the Resource Experiment"),
        ({"SortBy": "Nonsense"}, "Unknown property name: Nonsense"),
        ({"SearchExpression": {"Filters": [condition("Nonsense", "Exists")]}}, "Unknown property name: Nonsense"),
        ({"SearchExpression": {"Filters": [condition("TrainingJobName", "Exists", "x")]}}, "must not have a Value"),
        ({"SearchExpression": {"Filters": [condition("TrainingJobName", "Equals")]}}, "must have a Value"),
        ({"SearchExpression": {"Filters": [condition("TrainingJobName", "GreaterThan", "x")]}}, "not supported for"),
        ({"SearchExpression": {"Filters": [condition("CreationTime", "LessThan", "soon")]}}, "is not a time"),
        ({"NextToken": "nonsense"}, "Invalid NextToken"),
    ],
)
def test_what_is_refused(jobs: SageMaker, request_: dict[str, Any], message: str) -> None:
    error = jobs.error("Search", **{"Resource": "TrainingJob", **request_})
    assert error.code == "ValidationException" and message in str(error)
