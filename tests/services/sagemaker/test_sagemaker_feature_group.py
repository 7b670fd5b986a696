"""Feature groups: what is taken, refused, listed and shown. The status is written here as the reconciler would."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sagemaker_caller import ACCOUNT, NOW, REGION, ROLE, SageMaker

from ringfence.resources.feature_store import FeatureGroup, FeatureGroupStatus

ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:feature-group/people"
FEATURES = [
    {"FeatureName": "id", "FeatureType": "String"},
    {"FeatureName": "at", "FeatureType": "String"},
    {"FeatureName": "age", "FeatureType": "Integral"},
]
OFFLINE = {"S3StorageConfig": {"S3Uri": "s3://features/store/"}, "DisableGlueTableCreation": True}


def wish(**changes: Any) -> dict[str, Any]:
    asked = {
        "FeatureGroupName": "people",
        "RecordIdentifierFeatureName": "id",
        "EventTimeFeatureName": "at",
        "FeatureDefinitions": FEATURES,
        "OnlineStoreConfig": {"EnableOnlineStore": True},
        **changes,
    }
    return {member: value for member, value in asked.items() if value is not None}


def settle(sagemaker: SageMaker, name: str = "people", **changes: Any) -> None:
    group = sagemaker.store.load(FeatureGroup, f"{ACCOUNT}/{REGION}/{name}")
    assert group is not None
    status = FeatureGroupStatus(group_key=group.key, status="Created", generation=group.generation, modified=NOW)
    sagemaker.put(msgspec.structs.replace(status, **changes))


def test_a_group_is_created_and_described(sagemaker: SageMaker) -> None:
    asked = wish(OfflineStoreConfig=OFFLINE, RoleArn=ROLE, Description="all", Tags=[{"Key": "a", "Value": "b"}])
    assert sagemaker("CreateFeatureGroup", **asked) == {"FeatureGroupArn": ARN}
    told = sagemaker("DescribeFeatureGroup", FeatureGroupName="people")
    assert told["FeatureGroupStatus"] == "Creating" and "OfflineStoreStatus" not in told
    settle(sagemaker)
    told = sagemaker("DescribeFeatureGroup", FeatureGroupName=ARN)
    assert told["FeatureGroupStatus"] == "Created" and told["OfflineStoreStatus"] == {"Status": "Active"}
    assert told["FeatureDefinitions"] == FEATURES
    storage = told["OfflineStoreConfig"]["S3StorageConfig"]
    epoch = int(NOW.timestamp())
    place = f"{ACCOUNT}/sagemaker/{REGION}/offline-store/people-{epoch}/data"
    assert storage["ResolvedOutputS3Uri"] == f"s3://features/store/{place}"
    assert sagemaker("ListTags", ResourceArn=ARN)["Tags"] == [{"Key": "a", "Value": "b"}]


def test_a_name_is_taken_once(sagemaker: SageMaker) -> None:
    sagemaker("CreateFeatureGroup", **wish())
    error = sagemaker.error("CreateFeatureGroup", **wish())
    assert (error.code, error.message) == (
        "ResourceInUse",
        "Resource Already Exists: FeatureGroup with name people already exists. Choose a different name.",
    )


@pytest.mark.parametrize("name", ["nobody", ARN.replace("people", "nobody"), ARN.replace(ACCOUNT, "999999999999")])
def test_what_is_not_there(sagemaker: SageMaker, name: str) -> None:
    sagemaker("CreateFeatureGroup", **wish())
    error = sagemaker.error("DescribeFeatureGroup", FeatureGroupName=name)
    told = f"Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name [{name.rpartition('/')[2]}]."
    assert (error.code, error.message) == ("ResourceNotFound", told)


def _feature(name: str = "x", kind: str = "String", **more: Any) -> list[dict[str, Any]]:
    return [*FEATURES, {"FeatureName": name, "FeatureType": kind, **more}]


IN_MEMORY = {"EnableOnlineStore": True, "StorageType": "InMemory"}
VECTOR = {"CollectionType": "Vector", "CollectionConfig": {"VectorConfig": {"Dimension": 3}}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"OnlineStoreConfig": None}, "at least one of OnlineStoreConfig and OfflineStoreConfig"),
        ({"OnlineStoreConfig": {"EnableOnlineStore": False}}, "at least one of"),
        ({"FeatureDefinitions": _feature("is_deleted")}, "FeatureName is_deleted is reserved"),
        ({"FeatureDefinitions": _feature("Write_Time")}, "is reserved"),
        ({"FeatureDefinitions": _feature("AGE")}, "defined more than once"),
        ({"FeatureDefinitions": [*FEATURES, *({"FeatureName": f"f{n}", "FeatureType": "String"} for n in range(2498))]},
         "at most 2500"),
        ({"RecordIdentifierFeatureName": "x"}, "RecordIdentifierFeatureName x must be one of"),
        ({"EventTimeFeatureName": "age"}, "must be of type String or Fractional"),
        ({"EventTimeFeatureName": "id"}, "must differ"),
        ({"FeatureDefinitions": _feature(CollectionType="List")}, "StorageType InMemory"),
        ({"FeatureDefinitions": _feature(**VECTOR), "OnlineStoreConfig": IN_MEMORY}, "must be of type Fractional"),
        ({"FeatureDefinitions": _feature(CollectionType="Vector"), "OnlineStoreConfig": IN_MEMORY}, "Dimension"),
        ({"OfflineStoreConfig": OFFLINE}, "RoleArn is needed"),
        ({"OfflineStoreConfig": OFFLINE, "RoleArn": ROLE, "OnlineStoreConfig": IN_MEMORY}, "not supported with"),
        ({"OfflineStoreConfig": OFFLINE, "RoleArn": ROLE + "x"}, "Could not assume role"),
        ({"OfflineStoreConfig": {**OFFLINE, "DisableGlueTableCreation": False}, "RoleArn": ROLE}, "implement AWS Glue"),
        ({"OfflineStoreConfig": {**OFFLINE, "TableFormat": "Iceberg"}, "RoleArn": ROLE}, "does not implement"),
        ({"OnlineStoreConfig": {"EnableOnlineStore": True, "SecurityConfig": {"KmsKeyId": "k"}}}, "does not implement"),
        ({"OnlineStoreConfig": {"EnableOnlineStore": True, "TtlDuration": {"Unit": "Days"}}}, "both Unit and Value"),
        ({"ThroughputConfig": {"ThroughputMode": "Provisioned"}}, "needs ProvisionedWriteCapacityUnits"),
        ({"ThroughputConfig": {"ThroughputMode": "OnDemand", "ProvisionedReadCapacityUnits": 1}}, "capacity units"),
    ],
)  # fmt: skip
def test_bad_wishes_are_refused(sagemaker: SageMaker, changes: dict[str, Any], said: str) -> None:
    error = sagemaker.error("CreateFeatureGroup", **wish(**changes))
    assert error.code == "ValidationException" and said in error.message


def test_at_most_a_hundred_groups(sagemaker: SageMaker) -> None:
    for number in range(100):
        sagemaker("CreateFeatureGroup", **wish(FeatureGroupName=f"g{number}"))
    error = sagemaker.error("CreateFeatureGroup", **wish())
    assert error.code == "ResourceLimitExceeded" and "is 100 FeatureGroups" in error.message


def test_updates_are_seen_before_the_next_one(sagemaker: SageMaker) -> None:
    sagemaker("CreateFeatureGroup", **wish())
    more = {"FeatureGroupName": "people", "FeatureAdditions": [{"FeatureName": "x", "FeatureType": "String"}]}
    assert "in status Creating" in sagemaker.error("UpdateFeatureGroup", **more).message
    settle(sagemaker)
    assert "LastUpdateStatus" not in sagemaker("DescribeFeatureGroup", FeatureGroupName="people")
    sagemaker("UpdateFeatureGroup", **more)
    told = sagemaker("DescribeFeatureGroup", FeatureGroupName="people")
    assert told["FeatureDefinitions"] == [*FEATURES, *more["FeatureAdditions"]]
    assert told["LastUpdateStatus"] == {"Status": "InProgress"} and told["LastModifiedTime"] > told["CreationTime"]
    ttl = {"TtlDuration": {"Unit": "Days", "Value": 1}}
    change = {"FeatureGroupName": "people", "OnlineStoreConfig": ttl}
    assert "another update" in sagemaker.error("UpdateFeatureGroup", **change).message
    settle(sagemaker)
    sagemaker("UpdateFeatureGroup", **change)
    settle(sagemaker)
    told = sagemaker("DescribeFeatureGroup", FeatureGroupName="people")
    assert told["LastUpdateStatus"] == {"Status": "Successful"}
    assert told["OnlineStoreConfig"] == {"EnableOnlineStore": True, **ttl}
    sagemaker("UpdateFeatureGroup", FeatureGroupName="people", OnlineStoreConfig={"TtlDuration": {}})
    settle(sagemaker)
    assert "TtlDuration" not in sagemaker("DescribeFeatureGroup", FeatureGroupName="people")["OnlineStoreConfig"]
    storage = {"StorageType": "Standard_V2"}
    sagemaker("UpdateFeatureGroup", FeatureGroupName="people", OnlineStoreConfig=storage)
    settle(sagemaker)
    back = {"FeatureGroupName": "people", "OnlineStoreConfig": {"StorageType": "Standard"}}
    assert "can only be changed" in sagemaker.error("UpdateFeatureGroup", **back).message


def test_one_change_at_a_time(sagemaker: SageMaker) -> None:
    sagemaker("CreateFeatureGroup", **wish())
    settle(sagemaker)
    throughput = {"ThroughputMode": "OnDemand"}
    both = {"OnlineStoreConfig": {"StorageType": "Standard_V2"}, "ThroughputConfig": throughput}
    for change in ({}, both):
        assert "exactly one" in sagemaker.error("UpdateFeatureGroup", FeatureGroupName="people", **change).message
    units = {"ThroughputMode": "Provisioned", "ProvisionedReadCapacityUnits": 5, "ProvisionedWriteCapacityUnits": 6}
    sagemaker("UpdateFeatureGroup", FeatureGroupName="people", ThroughputConfig=units)
    settle(sagemaker)
    assert sagemaker("DescribeFeatureGroup", FeatureGroupName="people")["ThroughputConfig"] == units
    sagemaker("UpdateFeatureGroup", FeatureGroupName="people", ThroughputConfig=throughput)
    assert sagemaker("DescribeFeatureGroup", FeatureGroupName="people")["ThroughputConfig"] == throughput


def test_deletion_is_what_the_user_wants_and_not_what_is(sagemaker: SageMaker) -> None:
    sagemaker("CreateFeatureGroup", **wish())
    assert sagemaker.error("DeleteFeatureGroup", FeatureGroupName="people").code == "ResourceInUse"
    settle(sagemaker)
    sagemaker("DeleteFeatureGroup", FeatureGroupName="people")
    assert sagemaker("DescribeFeatureGroup", FeatureGroupName="people")["FeatureGroupStatus"] == "Deleting"
    assert sagemaker.error("CreateFeatureGroup", **wish()).code == "ResourceInUse"
    settle(sagemaker, status="DeleteFailed", failure_reason="why")
    told = sagemaker("DescribeFeatureGroup", FeatureGroupName="people")
    assert (told["FeatureGroupStatus"], told["FailureReason"]) == ("DeleteFailed", "why")
    sagemaker("DeleteFeatureGroup", FeatureGroupName="people")
    assert sagemaker("DescribeFeatureGroup", FeatureGroupName="people")["FeatureGroupStatus"] == "Deleting"


def test_list_filters_sorts_and_pages(sagemaker: SageMaker) -> None:
    for name in ("b-cat", "a-cat", "c-dog"):
        sagemaker("CreateFeatureGroup", **wish(FeatureGroupName=name, OfflineStoreConfig=OFFLINE, RoleArn=ROLE))
    settle(sagemaker, "b-cat", blocked="no way")
    settle(sagemaker, "c-dog")

    def names(**asked: Any) -> list[str]:
        return [one["FeatureGroupName"] for one in sagemaker("ListFeatureGroups", **asked)["FeatureGroupSummaries"]]

    assert names() == ["c-dog", "a-cat", "b-cat"]
    assert names(SortOrder="Ascending") == ["b-cat", "a-cat", "c-dog"]
    assert names(SortBy="Name", SortOrder="Ascending") == ["a-cat", "b-cat", "c-dog"]
    assert names(SortBy="FeatureGroupStatus", SortOrder="Ascending") == ["b-cat", "c-dog", "a-cat"]
    assert names(SortBy="OfflineStoreStatus", SortOrder="Descending") == ["b-cat", "c-dog", "a-cat"]
    assert names(NameContains="cat") == ["a-cat", "b-cat"]
    assert names(FeatureGroupStatusEquals="Creating") == ["a-cat"]
    assert names(OfflineStoreStatusEquals="Blocked") == ["b-cat"]
    assert names(CreationTimeAfter=NOW + timedelta(seconds=1), CreationTimeBefore=NOW + timedelta(seconds=2)) == [
        "a-cat"
    ]
    page = sagemaker("ListFeatureGroups", SortBy="Name", SortOrder="Ascending", MaxResults=2)
    assert names(SortBy="Name", SortOrder="Ascending", NextToken=page["NextToken"]) == ["c-dog"]
    blocked = sagemaker("ListFeatureGroups", NameContains="b-")["FeatureGroupSummaries"][0]["OfflineStoreStatus"]
    assert blocked == {"Status": "Blocked", "BlockedReason": "no way"}


def test_metadata_of_a_feature(sagemaker: SageMaker) -> None:
    sagemaker("CreateFeatureGroup", **wish())
    named = {"FeatureGroupName": ARN, "FeatureName": "age"}
    assert sagemaker("DescribeFeatureMetadata", **named)["Parameters"] == []
    added = [{"Key": f"k{number}", "Value": "v"} for number in range(25)]
    sagemaker("UpdateFeatureMetadata", **named, Description="years", ParameterAdditions=added)
    assert (
        "at most 25"
        in sagemaker.error("UpdateFeatureMetadata", **named, ParameterAdditions=[{"Key": "more", "Value": "v"}]).message
    )
    gone = [f"k{number}" for number in range(24)]
    sagemaker("UpdateFeatureMetadata", **named, ParameterRemovals=gone)
    told = sagemaker("DescribeFeatureMetadata", **named)
    assert (told["Description"], told["Parameters"]) == ("years", [{"Key": "k24", "Value": "v"}])
    assert told["LastModifiedTime"] > told["CreationTime"]
    assert sagemaker.error("DescribeFeatureMetadata", FeatureGroupName="people", FeatureName="x").code == (
        "ResourceNotFound"
    )


def _found(sagemaker: SageMaker, resource: str, *filters: tuple[str, str, str], **request: Any) -> list[str]:
    """Names of what is found, sorted by name."""
    given = [{"Name": name, "Operator": operator, "Value": value} for name, operator, value in filters]
    joined = request.pop("joined", {})
    expression = {"SearchExpression": {"Filters": given, **joined}} if given else {}
    told = sagemaker("Search", Resource=resource, **expression, **{"MaxResults": 100, **request})
    member = "FeatureGroupName" if resource == "FeatureGroup" else "FeatureName"
    return sorted(one[resource][member] for one in told["Results"])


@pytest.fixture
def catalog(sagemaker: SageMaker) -> SageMaker:
    """Groups airports and people, with metadata on some features: AWS's examples of searches are about such."""
    tags = [{"Key": "team", "Value": "blue"}]
    flights = [*FEATURES[:2], {"FeatureName": "whale", "FeatureType": "Fractional"}]
    sagemaker("CreateFeatureGroup", **wish(Description="of everybody", Tags=tags))
    settle(sagemaker)
    sagemaker("CreateFeatureGroup", **wish(FeatureGroupName="airports", FeatureDefinitions=flights))
    org = [{"Key": "org", "Value": "SageMaker"}, {"Key": "health", "Value": "good"}]
    named = {"FeatureGroupName": "people", "FeatureName": "age"}
    sagemaker("UpdateFeatureMetadata", **named, Description="in years", ParameterAdditions=org)
    return sagemaker


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ((), ["airports", "people"]),
        ([("FeatureGroupName", "Contains", "port")], ["airports"]),
        ([("FeatureGroupStatus", "Equals", "Created")], ["people"]),
        ([("FeatureDefinitions.FeatureName", "Contains", "wha")], ["airports"]),
        ([("Description", "Contains", "body")], ["people"]),
        ([("Tags.team", "Equals", "blue")], ["people"]),
        ([("AllTags", "Contains", "tea")], ["people"]),
        ([("EventTimeFeatureName", "Equals", "at"), ("CreationTime", "LessThan", "2000-01-01T00:00:00")], []),
        ([("OnlineStoreConfig.EnableOnlineStore", "Equals", "true")], ["airports", "people"]),
        ([("OfflineStoreStatus.Status", "Equals", "Active")], []),
    ],
)
def test_groups_are_searched(catalog: SageMaker, filters: list[tuple[str, str, str]], expected: list[str]) -> None:
    assert _found(catalog, "FeatureGroup", *filters) == expected


@pytest.mark.parametrize(
    ("filters", "joined", "expected"),
    [
        ((), {}, ["age", "at", "at", "id", "id", "whale"]),
        ([("FeatureGroupName", "Equals", "airports")], {}, ["at", "id", "whale"]),
        ([("FeatureType", "Equals", "Fractional")], {}, ["whale"]),
        ([("AllParameters", "Contains", "hea")], {}, ["age"]),
        ([("Parameters.org", "Contains", "Sage")], {}, ["age"]),
        ([("Parameters.health", "Equals", "bad")], {}, []),
        ([("FeatureName", "Contains", "wha"), ("Parameters.org", "Contains", "Sage")], {}, []),
        ([("FeatureName", "Contains", "wha"), ("Description", "Contains", "y")], {"Operator": "Or"}, ["age", "whale"]),
    ],
)
def test_features_are_searched(
    catalog: SageMaker, filters: list[tuple[str, str, str]], joined: dict[str, str], expected: list[str]
) -> None:
    assert _found(catalog, "FeatureMetadata", *filters, joined=joined) == expected


def test_features_that_are_found_are_sorted_and_in_pages(catalog: SageMaker) -> None:
    newest = catalog("Search", Resource="FeatureMetadata")["Results"]
    assert newest[0]["FeatureMetadata"]["FeatureName"] == "age", "it was modified last"
    asked = {"Resource": "FeatureMetadata", "SortBy": "FeatureName", "SortOrder": "Ascending", "MaxResults": 3}
    first = catalog("Search", **asked)
    second = catalog("Search", **asked, NextToken=first["NextToken"])
    shown = [one["FeatureMetadata"]["FeatureName"] for one in (*first["Results"], *second["Results"])]
    assert shown == ["age", "at", "at", "id", "id", "whale"] and "NextToken" not in second
    error = catalog.error("Search", Resource="FeatureMetadata", SortBy="Nonsense")
    assert error.code == "ValidationException" and "Unknown property name: Nonsense" in error.message
