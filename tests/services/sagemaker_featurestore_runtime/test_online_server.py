"""Records in a Redis server: writers at the same time, from two daemons too, lists, expiry, and a server that is gone.

What a single caller sees is in test_record, which runs with both kinds of online store.
"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from features_caller import NOW, ServerFeatures, record

from bench.redis_server import RedisServer
from ringfence.gateway.feature_store import online_call
from ringfence.resources.feature_store import FeatureGroupStatus
from ringfence.services.sagemaker_featurestore_runtime.event_time import nanoseconds
from ringfence.store.online_records import Change, Place

UPDATABLE = {"EnableOnlineStore": True, "StorageType": "Standard_V2"}


def at(second: int) -> str:
    return f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}Z"


def _put(features: ServerFeatures, identifier: str, second: int) -> Any:
    given = record(id=identifier, at=at(second), age=second)
    return features.perform("PutRecord", FeatureGroupName="people", Record=given)


async def _all(*work: Any) -> list[Any]:
    return await asyncio.gather(*work)


def test_of_many_writers_at_once_the_latest_event_wins(
    served: ServerFeatures, tmp_path: Path, redis: RedisServer
) -> None:
    """Half of them through another daemon, which takes no turns with this one's."""
    served.group()
    other = ServerFeatures(tmp_path / "other", redis.url)
    other.group()
    order = [(7 * number) % 60 for number in range(60)]
    writers = [_put(other if second % 2 else served, "a", second) for second in order]
    served.wait(_all(*writers))
    assert served.get() == {"id": "a", "at": at(59), "age": "59"}
    assert len(served.rows()) + len(other.rows()) == 60
    served.wait(other.online.close())
    other.store.close()


def test_updates_at_once_lose_nothing_of_each_other(served: ServerFeatures) -> None:
    names = [f"f{number}" for number in range(20)]
    extra = [{"name": name, "type": "Integral", "created": NOW, "modified": NOW} for name in names]
    group = served.group(online=UPDATABLE)
    features = (*group.features, *msgspec.convert(extra, list[type(group.features[0])]))  # type: ignore[misc]
    with served.store.transaction() as records:
        records.put(msgspec.structs.replace(group, features=features))
    served.put(at(0))
    asked = {"FeatureGroupName": "people", "RecordIdentifierValueAsString": "a"}
    changes = [served.perform("UpdateRecord", **asked, Features=record(**{name: 1})) for name in names]
    served.wait(_all(*changes))
    found = served.get()
    assert found is not None and found.keys() == {"id", "at", *names}


def test_a_list_goes_on_where_it_stopped(served: ServerFeatures) -> None:
    served.group()
    names = [f"r{number:03d}" for number in range(250)]
    served.wait(_all(*(_put(served, name, 1) for name in reversed(names))))
    gone = [
        served.perform("DeleteRecord", FeatureGroupName="people", RecordIdentifierValueAsString=name, EventTime=at(2))
        for name in names[50:200]
    ]
    served.wait(_all(*gone))
    shown: list[str] = []
    request: dict[str, Any] = {"FeatureGroupName": "people", "MaxResults": 30}
    while True:
        told = served("ListRecords", **request)
        shown += told["RecordIdentifiers"]
        if "NextToken" not in told:
            break
        request["NextToken"] = told["NextToken"]
    assert shown == names[:50] + names[200:]
    whole = served("ListRecords", FeatureGroupName="people", IncludeSoftDeletedRecords=True)
    assert whole["RecordIdentifiers"] == names[:100] and "NextToken" in whole


def test_a_version_that_changed_is_not_overwritten(served: ServerFeatures) -> None:
    served.group()
    served.put(at(1))
    place = Place("id-of-people", "a")
    (seen,) = served.wait(served.online.read([place]))
    served.put(at(2))
    assert served.wait(served.online.replace([Change(seen, None)])) is False
    assert served.get() == {"id": "a", "at": at(2)}
    served.wait(served.redis.run("SCRIPT", "FLUSH"))
    (seen,) = served.wait(served.online.read([place]))
    assert served.wait(served.online.replace([Change(seen, None)])) is True
    assert served.keys() == [], "neither index nor expiry is left"


def test_what_expired_is_taken_away_unless_it_was_replaced(served: ServerFeatures) -> None:
    served.group(online={"EnableOnlineStore": True, "TtlDuration": {"Unit": "Seconds", "Value": 30}})
    served.put("2026-01-02T03:04:00Z", 1)
    served("PutRecord", FeatureGroupName="people", Record=record(id="b", at="2026-01-02T03:04:20Z"))
    served.later(seconds=30)
    now = nanoseconds(served.now)
    served.wait(served.online.remove_expired("id-of-people", now))
    assert served.keys("*:record:*") == ["ringfence:{id-of-people}:record:b"] and served.expiries() == 1
    served.wait(served.online.remove_group("id-of-people"))
    assert served.keys() == []


def test_a_group_that_is_deleted_meanwhile_gets_no_record(
    served: ServerFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reconciler has removed its records already when this one is put."""
    group = served.group()
    replace = served.online.replace

    async def too_late(changes: list[Change]) -> bool:
        with served.store.transaction() as records:
            records.put(msgspec.structs.replace(group, deleting=True))
        return await replace(changes)

    monkeypatch.setattr(served.online, "replace", too_late)
    error = served.error_of("PutRecord", FeatureGroupName="people", Record=record(id="a", at=at(1)))
    assert error.code == "ValidationError" and "can't find a FeatureGroup" in error.message
    assert served.keys("*:record:*") == [] and served.rows() == []


def test_a_row_goes_to_the_batch_that_is_open_when_it_is_acknowledged(
    served: ServerFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that was open when the handler decided may have been named to S3 since."""
    group = served.group()
    replace = served.online.replace

    async def meanwhile(changes: list[Change]) -> bool:
        with served.store.transaction() as records:
            status = records.get(FeatureGroupStatus, group.key)
            assert status is not None
            records.put(msgspec.structs.replace(status, batch=7))
        return await replace(changes)

    monkeypatch.setattr(served.online, "replace", meanwhile)
    served.put(at(1))
    assert [row.batch for row in served.rows()] == [7]


def test_without_its_server_nothing_is_acknowledged(
    served: ServerFeatures, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.group()
    served.put(at(1), 1)
    redis.kill()
    try:
        for asked in (
            {"name": "PutRecord", "Record": record(id="a", at=at(2))},
            {"name": "GetRecord", "RecordIdentifierValueAsString": "a"},
            {"name": "ListRecords"},
        ):
            name = asked.pop("name")
            error = served.error_of(str(name), FeatureGroupName="people", **asked)
            assert (error.code, error.status) == ("ServiceUnavailable", 503), asked
    finally:
        redis.start()
    assert served.get() == {"id": "a", "at": at(1), "age": "1"}, "what was acknowledged is there again"
    assert len(served.rows()) == 1
    monkeypatch.setattr(online_call, "_TRIES", 3)
    monkeypatch.setattr(served.online, "replace", _never)
    error = served.error_of("PutRecord", FeatureGroupName="people", Record=record(id="a", at=at(3)))
    assert error.code == "ServiceUnavailable" and len(served.rows()) == 1


async def _never(changes: list[Change]) -> bool:
    return False


def test_an_offline_group_needs_no_server(served: ServerFeatures, redis: RedisServer) -> None:
    served.group(online=None)
    redis.kill()
    try:
        served.put(at(1))
        assert len(served.rows()) == 1
    finally:
        redis.start()
