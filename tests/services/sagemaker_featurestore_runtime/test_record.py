"""Records' semantics: the order of event times, deletions, time to live, types, partial updates, lists, batches.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_feature_store_PutRecord.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_feature_store_DeleteRecord.html
"""

from typing import Any

import pytest
from features_caller import Features, record, values

from ringfence.resources.feature_store import Feature
from ringfence.services.sagemaker_featurestore_runtime.event_time import read_event_time, write_moment

T1, T2, T3 = "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z", "2026-01-01T00:00:03Z"
HARD = {"DeletionMode": "HardDelete"}
PUT, SOFT = "put", "soft"


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        # (what, event time); the age is the number of the step
        ([(PUT, T1), (PUT, T2)], 1),
        ([(PUT, T2), (PUT, T1)], 0),
        ([(PUT, T1), (PUT, T1)], 0),
        ([(PUT, T1), (SOFT, T2)], None),
        ([(PUT, T2), (SOFT, T1)], 0),
        ([(PUT, T1), (SOFT, T1)], 0),
        ([(PUT, T1), (SOFT, T2), (PUT, T3)], 2),
        ([(PUT, T1), (SOFT, T3), (PUT, T2)], None),
        ([(SOFT, T2), (PUT, T1)], None),
        ([(PUT, T1), ("hard", T2), (PUT, T1)], 2),
        ([(PUT, T1), (SOFT, T2), ("hard", T3), (PUT, T1)], 3),
        ([("hard", T1), (PUT, T1)], 1),
    ],
)
def test_the_latest_event_counts(features: Features, steps: list[tuple[str, str]], left: int | None) -> None:
    """Whatever happens online, every step is a row for the offline store."""
    features.group()
    for number, (what, at) in enumerate(steps):
        if what == PUT:
            features.put(at, number)
        else:
            features.delete(at, **(HARD if what == "hard" else {}))
    found = features.get()
    assert (found and found["age"]) == (None if left is None else str(left))
    rows = [(row.values["at"], row.deleted, row.values.get("age")) for row in features.rows()]
    assert rows == [(at, what != PUT, str(n) if what == PUT else None) for n, (what, at) in enumerate(steps)]


@pytest.mark.parametrize("at", [T1, T2])
def test_a_hard_deletion_that_comes_too_late_changes_nothing(features: Features, at: str) -> None:
    features.group()
    features.put(T2, 1)
    asked = {"FeatureGroupName": "people", "RecordIdentifierValueAsString": "a", "EventTime": at, **HARD}
    error = features.error("DeleteRecord", **asked)
    assert (error.code, error.status) == ("ValidationError", 400) and "EventTime" in error.message
    assert features.get() is not None and len(features.rows()) == 1


def test_target_stores(features: Features) -> None:
    features.group()
    features.put(T1, 1, TargetStores=["OfflineStore"])
    assert features.get() is None and len(features.rows()) == 1
    features.put(T1, 2, TargetStores=["OnlineStore"])
    assert features.get() == {"id": "a", "at": T1, "age": "2"} and len(features.rows()) == 1
    features.delete(T2, TargetStores=["OfflineStore"])
    assert features.get() is not None and len(features.rows()) == 2
    features.group("online", offline=None)
    features.put(T1, name="online")
    assert features.rows("online") == []
    asked = {"FeatureGroupName": "online", "Record": record(id="a", at=T1), "TargetStores": ["OfflineStore"]}
    assert "not enabled" in features.error("PutRecord", **asked).message
    features.group("offline", online=None)
    features.put(T1, name="offline")
    error = features.error("GetRecord", FeatureGroupName="offline", RecordIdentifierValueAsString="a")
    assert error.code == "ValidationError" and "no online store" in error.message


def test_a_record_lives_from_its_event_time_on(features: Features) -> None:
    """`ExpiresAt` = EventTime + TtlDuration, the record's own or the group's."""
    features.group(online={"EnableOnlineStore": True, "TtlDuration": {"Unit": "Days", "Value": 2}})
    features.put("2026-01-02T03:04:00Z", 1)
    named = {"FeatureGroupName": "people", "RecordIdentifierValueAsString": "a"}
    assert features("GetRecord", **named, ExpirationTimeResponse="Enabled")["ExpiresAt"] == "2026-01-04T03:04:00Z"
    assert "ExpiresAt" not in features("GetRecord", **named)
    features.put("2026-01-02T03:04:00.500Z", 2, TtlDuration={"Unit": "Minutes", "Value": 1})
    told = features("GetRecord", **named, ExpirationTimeResponse="Enabled")
    assert told["ExpiresAt"] == "2026-01-02T03:05:00.500Z"
    features.later(seconds=55)
    assert features.get() == {"id": "a", "at": "2026-01-02T03:04:00.500Z", "age": "2"}
    features.later(seconds=1)
    assert features.get() is None and features("ListRecords", FeatureGroupName="people")["RecordIdentifiers"] == []
    features.put("2026-01-02T03:04:00Z", 3)  # nothing is left that it could be older than
    assert features.get() is not None


def test_a_record_has_one_expiry_or_none(features: Features) -> None:
    features.group(online={"EnableOnlineStore": True, "TtlDuration": {"Unit": "Weeks", "Value": 9}})
    for at in (T1, T2, T2):
        features.put(at)
        assert features.expiries() == 1
    features.delete(T3)
    assert features.expiries() == 0
    features.put("2026-01-01T00:00:04Z")
    features.delete("2026-01-01T00:00:05Z", **HARD)
    assert features.expiries() == 0


@pytest.mark.parametrize(
    ("text", "kind", "nanoseconds"),
    [
        ("1970-01-01T00:00:01Z", "String", 1_000_000_000),
        ("2026-01-02T03:04:05.678Z", "String", 1_767_323_045_678_000_000),
        ("2026-01-02T03:04:05", "String", None),
        ("2026-01-02T03:04:05+00:00", "String", None),
        ("2026-01-02 03:04:05Z", "String", None),
        ("2026-02-30T03:04:05Z", "String", None),
        ("2026-01-02T03:04:05.6Z", "String", None),
        ("1767323045", "String", None),
        ("1767323045.678", "Fractional", 1_767_323_045_678_000_000),
        ("1.767323045E9", "Fractional", 1_767_323_045_000_000_000),
        ("-1", "Fractional", None),
        ("NaN", "Fractional", None),
        ("999999999999", "Fractional", None),
        ("٣", "Fractional", None),
        ("2026-01-02T03:04:05Z", "Fractional", None),
    ],
)
def test_event_times(text: str, kind: str, nanoseconds: int | None) -> None:
    assert read_event_time(text, kind) == nanoseconds


def test_moments_are_written_as_they_are_read() -> None:
    for text in ("1970-01-01T00:00:00Z", "2026-12-31T23:59:59.999Z", "9999-12-31T23:59:59Z"):
        instant = read_event_time(text, "String")
        assert instant is not None and write_moment(instant) == text


def test_fractional_event_times_compare_as_numbers(features: Features) -> None:
    group = features.group()
    kinds = tuple(Feature(name=one.name, type="Fractional" if one.name == "at" else one.type, created=one.created,
                          modified=one.modified) for one in group.features)  # fmt: skip
    features.group(features=kinds)
    features.put("9.5", 1)
    features.put("10", 2)
    assert features.get() == {"id": "a", "at": "10", "age": "2"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"id": "a"}, "event time feature at must have a value"),
        ({"at": T1}, "record identifier feature id must have a value"),
        ({"id": "", "at": T1}, "1 to 2048 bytes"),
        ({"id": "x" * 2049, "at": T1}, "1 to 2048 bytes"),
        ({"id": "a", "at": "yesterday"}, "ISO-8601"),
        ({"id": "a", "at": T1, "shoe": 1}, "shoe is not a feature of FeatureGroup people"),
        ({"id": "a", "at": T1, "age": "1.5"}, "age is not of type Integral"),
        ({"id": "a", "at": T1, "age": "9223372036854775808"}, "age is not of type Integral"),
        ({"id": "a", "at": T1, "age": ""}, "age is not of type Integral"),
        ({"id": "a", "at": T1, "height": "tall"}, "height is not of type Fractional"),
        ({"id": "a", "at": T1, "height": "1e999"}, "height is not of type Fractional"),
        ({"id": "a", "at": T1, "age": ["1"]}, "must be in ValueAsString"),
    ],
)
def test_bad_records_are_refused_whole(features: Features, given: dict[str, Any], said: str) -> None:
    features.group()
    error = features.error("PutRecord", FeatureGroupName="people", Record=record(**given))
    assert error.code == "ValidationError" and said in error.message


def test_a_feature_twice_and_a_record_too_large(features: Features) -> None:
    features.group()
    twice = [*record(id="a", at=T1, age=1), *record(age=2)]
    assert "more than once" in features.error("PutRecord", FeatureGroupName="people", Record=twice).message
    large = record(id="a", at=T1 + "x" * 358_400)
    assert "larger than" in features.error("PutRecord", FeatureGroupName="people", Record=large).message


def test_features_are_chosen_by_name(features: Features) -> None:
    features.group()
    features.put(T1, 7)
    assert features.get(FeatureNames=["age", "height"]) == {"age": "7"}
    asked = {"FeatureGroupName": "people", "RecordIdentifierValueAsString": "a", "FeatureNames": ["shoe"]}
    assert "shoe is not a feature" in features.error("GetRecord", **asked).message
    assert features("GetRecord", FeatureGroupName="people", RecordIdentifierValueAsString="b") == {}


def test_the_error_of_a_missing_group_differs(features: Features) -> None:
    """PutRecord and DeleteRecord have no ResourceNotFound in their models."""
    told = "Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name [nobody]."
    named = {"FeatureGroupName": "nobody"}
    key = {**named, "RecordIdentifierValueAsString": "a"}
    for name, asked, code in (
        ("PutRecord", {**named, "Record": record(id="a", at=T1)}, "ValidationError"),
        ("DeleteRecord", {**key, "EventTime": T1}, "ValidationError"),
        ("GetRecord", key, "ResourceNotFound"),
        ("ListRecords", named, "ResourceNotFound"),
        ("UpdateRecord", {**key, "Features": record(age=1)}, "ResourceNotFound"),
    ):
        error = features.error(name, **asked)
        assert (error.code, error.message) == (code, told)
        assert error.status == (404 if code == "ResourceNotFound" else 400)


@pytest.mark.parametrize("status", ["CreateFailed"])
def test_a_group_that_is_not_created_takes_nothing(features: Features, status: str) -> None:
    features.group(status=status)
    error = features.error("PutRecord", FeatureGroupName="people", Record=record(id="a", at=T1))
    assert error.code == "ValidationError" and status in error.message
    features.group("going", deleting=True)
    assert features.error("GetRecord", FeatureGroupName="going", RecordIdentifierValueAsString="a").status == 404


IN_MEMORY = {"EnableOnlineStore": True, "StorageType": "InMemory"}


def test_collections(features: Features) -> None:
    group = features.group()
    told = {"created": group.created, "modified": group.modified}
    more = (
        Feature(name="list", type="Integral", collection="List", **told),
        Feature(name="set", type="String", collection="Set", **told),
        Feature(name="vector", type="Fractional", collection="Vector", dimension=2, **told),
    )
    features.group(features=(*group.features, *more), online=IN_MEMORY, offline=None)
    whole = {"id": "a", "at": T1, "list": ["1", "1"], "set": ["x", "y"], "vector": ["0.5", "1"]}
    features("PutRecord", FeatureGroupName="people", Record=record(**whole))
    assert features.get() == whole
    for bad, said in (
        ({"list": ["x"]}, "not of type Integral"),
        ({"set": ["x", "x"]}, "twice"),
        ({"vector": ["1"]}, "must have 2 elements"),
        ({"list": "1"}, "must be in ValueAsStringList"),
    ):
        error = features.error("PutRecord", FeatureGroupName="people", Record=record(**{**whole, "at": T2, **bad}))
        assert said in error.message


def test_updates_of_some_features(features: Features) -> None:
    features.group(online={"EnableOnlineStore": True, "StorageType": "Standard_V2"})
    key = {"FeatureGroupName": "people", "RecordIdentifierValueAsString": "a"}
    assert features.error("UpdateRecord", **key, Features=record(age=1)).code == "ResourceNotFound"
    ttl = {"Unit": "Days", "Value": 9}
    record_of_a = record(id="a", at=T2, age=1, height=2)
    features("PutRecord", FeatureGroupName="people", Record=record_of_a, TtlDuration=ttl)
    features("UpdateRecord", **key, Features=record(age=5))
    assert features.get() == {"id": "a", "at": T2, "age": "5", "height": "2"}
    error = features.error("UpdateRecord", **key, Features=record(age=6, at=T1))
    assert (error.code, error.status) == ("ConflictException", 409)
    features("UpdateRecord", **key, Features=record(age=6, at=T2))
    features("UpdateRecord", **key, Features=[{"FeatureName": "age"}, *record(at=T3)])
    assert features.get() == {"id": "a", "at": T3, "height": "2"}
    told = features("GetRecord", **key, ExpirationTimeResponse="Enabled")
    assert told["ExpiresAt"] == "2026-01-10T00:00:03Z"
    assert [row.values.get("age") for row in features.rows()] == ["1", "5", "6", None]
    assert (
        "needs the event time" in features.error("UpdateRecord", **key, Features=record(age=1), TtlDuration=ttl).message
    )
    assert "cannot be updated" in features.error("UpdateRecord", **key, Features=record(id="b")).message
    features.delete("2026-01-01T00:00:04Z")
    assert features.error("UpdateRecord", **key, Features=record(age=1)).code == "ResourceNotFound"
    features.group("plain")
    features.put(T1, name="plain")
    error = features.error("UpdateRecord", **{**key, "FeatureGroupName": "plain"}, Features=record(age=1))
    assert "Standard_V2 or InMemory" in error.message


def test_lists_of_records(features: Features) -> None:
    features.group()
    features.group("people2")
    names = [f"{number:03d}" for number in range(105)]
    for name in reversed(names):
        features("PutRecord", FeatureGroupName="people", Record=record(id=name, at=T1))
    features("DeleteRecord", FeatureGroupName="people", RecordIdentifierValueAsString="004", EventTime=T2)
    first = features("ListRecords", FeatureGroupName="people")
    rest = features("ListRecords", FeatureGroupName="people", NextToken=first["NextToken"])
    assert [*first["RecordIdentifiers"], *rest["RecordIdentifiers"]] == [one for one in names if one != "004"]
    assert len(first["RecordIdentifiers"]) == 100 and "NextToken" not in rest
    all_of_them = features("ListRecords", FeatureGroupName="people", MaxResults=5, IncludeSoftDeletedRecords=True)
    assert all_of_them["RecordIdentifiers"] == names[:5]
    assert features("ListRecords", FeatureGroupName="people2") == {"RecordIdentifiers": []}
    assert features.error("ListRecords", FeatureGroupName="people", NextToken="x").code == "ValidationError"


def test_batches(features: Features) -> None:
    features.group()
    features.group("others", online=None)
    entries = [
        {"FeatureGroupName": "people", "Record": record(id="a", at=T2, age=1)},
        {"FeatureGroupName": "people", "Record": record(id="a", at=T1, age=2)},
        {"FeatureGroupName": "people", "Record": record(id="b", at="never")},
        {"FeatureGroupName": "nobody", "Record": record(id="b", at=T1)},
        {"FeatureGroupName": "others", "Record": record(id="b", at=T1)},
        {"FeatureGroupName": "people", "Record": record(id="c", at=T1), "TtlDuration": {"Unit": "Days", "Value": 30}},
    ]
    told = features("BatchWriteRecord", Entries=entries, TtlDuration={"Unit": "Weeks", "Value": 1})
    assert [one["Entry"] for one in told["Errors"]] == entries[2:4]
    assert [one["ErrorCode"] for one in told["Errors"]] == ["ValidationError", "ResourceNotFound"]
    assert (told["UnprocessedEntries"], len(features.rows()), len(features.rows("others"))) == ([], 3, 1)
    arn = "arn:aws:sagemaker:us-west-2:123456789012:feature-group/people"
    asked = [
        {"FeatureGroupName": arn, "RecordIdentifiersValueAsString": ["c", "x", "a"], "FeatureNames": ["id", "age"]},
        {"FeatureGroupName": "nobody", "RecordIdentifiersValueAsString": ["a"]},
        {"FeatureGroupName": "others", "RecordIdentifiersValueAsString": ["b"]},
    ]
    told = features("BatchGetRecord", Identifiers=asked, ExpirationTimeResponse="Enabled")
    shown = [(one["RecordIdentifierValueAsString"], values(one["Record"]), one["ExpiresAt"]) for one in told["Records"]]
    assert shown == [
        ("c", {"id": "c"}, "2026-01-31T00:00:01Z"),
        ("a", {"id": "a", "age": "1"}, "2026-01-08T00:00:02Z"),
    ]  # fmt: skip
    assert {one["FeatureGroupName"] for one in told["Records"]} == {arn}
    assert [(one["FeatureGroupName"], one["ErrorCode"]) for one in told["Errors"]] == [
        ("nobody", "ResourceNotFound"),
        ("others", "ValidationError"),
    ]
