"""Feature groups on a whole daemon without a machine: statuses, the offline store's files, deletion, restart."""

import asyncio
import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from daemon import ACCOUNT, REGION, Daemon, local_daemon, machine_of_nothing
from pyarrow import dataset, parquet

from ringfence.core.record import Record
from ringfence.resources.feature_store import FeatureGroup, FeatureGroupStatus, OfflineRow, OnlineRecord, RecordExpiry
from tests.patience import eventually

BUCKET = "features"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/features"
DELAY = 0.3
FEATURES = [("id", "String"), ("at", "String"), ("age", "Integral"), ("height", "Fractional")]


class Shop:
    """A daemon with a bucket and a role that may write to it."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.sagemaker, self.runtime, self.s3, self.iam = (
            daemon.client(name) for name in ("sagemaker", "sagemaker-featurestore-runtime", "s3", "iam")
        )

    def prepare(self) -> None:
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        self.iam.create_role(RoleName="features", AssumeRolePolicyDocument=_document(trust))
        self.allow("s3:GetBucketAcl", "s3:PutObject")

    def allow(self, *actions: str) -> None:
        allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        self.iam.put_role_policy(RoleName="features", PolicyName="p", PolicyDocument=_document(allowed))

    def create(self, name: str = "people", wait: str = "Created", **more: Any) -> dict[str, Any]:
        offline = {"S3StorageConfig": {"S3Uri": f"s3://{BUCKET}/store"}, "DisableGlueTableCreation": True}
        self.sagemaker.create_feature_group(
            FeatureGroupName=name,
            RecordIdentifierFeatureName="id",
            EventTimeFeatureName="at",
            FeatureDefinitions=[{"FeatureName": one, "FeatureType": kind} for one, kind in FEATURES],
            **{
                "OnlineStoreConfig": {"EnableOnlineStore": True},
                "OfflineStoreConfig": offline,
                "RoleArn": ROLE,
                **more,
            },
        )
        eventually(lambda: self.describe(name)["FeatureGroupStatus"] == wait)
        return self.describe(name)

    def describe(self, name: str = "people") -> dict[str, Any]:
        told: dict[str, Any] = self.sagemaker.describe_feature_group(FeatureGroupName=name)
        return told

    def put(self, identifier: str, at: str, **more: str) -> None:
        given = {"id": identifier, "at": at, **more}
        record = [{"FeatureName": name, "ValueAsString": value} for name, value in given.items()]
        self.runtime.put_record(FeatureGroupName="people", Record=record)

    def get(self, identifier: str) -> dict[str, str] | None:
        told = self.runtime.get_record(FeatureGroupName="people", RecordIdentifierValueAsString=identifier)
        return {one["FeatureName"]: one["ValueAsString"] for one in told["Record"]} if "Record" in told else None

    def files(self) -> dict[str, Any]:
        """Key below `data/` -> table."""
        told = self.s3.list_objects_v2(Bucket=BUCKET)
        keys = [one["Key"] for one in told.get("Contents", []) if one["Key"].endswith(".parquet")]
        return {
            key.partition("/data/")[2]: parquet.read_table(
                io.BytesIO(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
            )
            for key in keys
        }

    def left(self) -> list[Record]:
        """Every record of a feature group that the store has."""
        app, loop = self.daemon.app, self.daemon.loop
        assert app is not None and loop is not None

        async def look() -> list[Record]:
            kinds = (FeatureGroup, FeatureGroupStatus, OnlineRecord, OfflineRow, RecordExpiry)
            with app.store.transaction() as records:
                return [record for kind in kinds for record in records.scan(kind)]

        return asyncio.run_coroutine_threadsafe(look(), loop).result(120)

    def gone(self, name: str = "people") -> bool:
        try:
            self.describe(name)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceNotFound"
            return True
        return False


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def open_shop(state: Path, delay: float = DELAY) -> Any:
    return local_daemon(state, machine_of_nothing, offline_store_delay=delay)


@pytest.fixture
def shop(state: Path) -> Iterator[Shop]:
    with open_shop(state) as daemon:
        made = Shop(daemon)
        made.prepare()
        yield made


def test_records_come_to_the_offline_store_in_aws_layout(shop: Shop, tmp_path: Path) -> None:
    told = shop.create()
    assert told["OfflineStoreStatus"] == {"Status": "Active"}
    shop.put("a", "2026-01-02T03:04:05Z", age="1", height="1.5")
    shop.put("b", "2026-01-02T03:59:59.999Z")
    shop.put("a", "2026-01-02T04:00:00Z", age="2")
    key = {"FeatureGroupName": "people", "RecordIdentifierValueAsString": "a"}
    shop.runtime.delete_record(**key, EventTime="2026-01-02T04:00:01Z")
    eventually(lambda: sum(table.num_rows for table in shop.files().values()) == 4)
    files = shop.files()
    assert {name.rpartition("/")[0] for name in files} == {f"year=2026/month=01/day=02/hour=0{hour}" for hour in (3, 4)}
    for name in files:
        assert name.rpartition("/")[2].startswith("20260102T0") and len(name.partition("Z_")[2]) == 16 + len(".parquet")
    rows = [row for _, table in sorted(files.items()) for row in table.to_pylist()]
    assert [(row["id"], row["at"], row["age"], row["height"], row["is_deleted"]) for row in rows] == [
        ("a", "2026-01-02T03:04:05Z", 1, 1.5, False),
        ("b", "2026-01-02T03:59:59.999Z", None, None, False),
        ("a", "2026-01-02T04:00:00Z", 2, None, False),
        ("a", "2026-01-02T04:00:01Z", None, None, True),
    ]
    assert all(row["api_invocation_time"] <= row["write_time"] for row in rows)
    # as a dataset, partitioned in Hive's way, from a copy of the bucket's folder
    prefix = told["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"].removeprefix(f"s3://{BUCKET}/")
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shop.s3.download_file(BUCKET, f"{prefix}/{name}", str(tmp_path / name))
    whole = dataset.dataset(tmp_path / "year=2026", format="parquet", partitioning="hive").to_table()
    assert whole.num_rows == 4 and set(whole.column("hour").to_pylist()) == {3, 4}


def test_a_role_that_cannot_write_fails_the_creation(shop: Shop) -> None:
    shop.allow("s3:GetBucketAcl")
    told = shop.create(wait="CreateFailed")
    assert "AccessDenied" in told["FailureReason"] and "s3:PutObject" in told["FailureReason"]
    with pytest.raises(ClientError, match="status CreateFailed"):
        shop.put("a", "2026-01-02T03:04:05Z")
    shop.sagemaker.delete_feature_group(FeatureGroupName="people")
    eventually(shop.gone)
    shop.allow("s3:GetBucketAcl", "s3:PutObject")
    missing = {"S3StorageConfig": {"S3Uri": "s3://no-such-bucket-here"}, "DisableGlueTableCreation": True}
    assert "NoSuchBucket" in shop.create(wait="CreateFailed", OfflineStoreConfig=missing)["FailureReason"]


def test_what_cannot_be_written_waits_and_is_told(shop: Shop) -> None:
    shop.create()
    shop.allow("s3:GetBucketAcl")
    shop.put("a", "2026-01-02T03:04:05Z")
    eventually(lambda: shop.describe()["OfflineStoreStatus"]["Status"] == "Blocked")
    assert "AccessDenied" in shop.describe()["OfflineStoreStatus"]["BlockedReason"]
    shop.put("b", "2026-01-02T03:04:05Z")
    shop.sagemaker.delete_feature_group(FeatureGroupName="people")
    eventually(lambda: shop.describe()["FeatureGroupStatus"] == "DeleteFailed")
    assert "AccessDenied" in shop.describe()["FailureReason"]
    shop.allow("s3:GetBucketAcl", "s3:PutObject")
    shop.sagemaker.delete_feature_group(FeatureGroupName="people")
    eventually(shop.gone)
    assert sorted(row["id"] for table in shop.files().values() for row in table.to_pylist()) == ["a", "b"]


def test_nothing_is_left_of_a_deleted_group(shop: Shop) -> None:
    ttl = {"Unit": "Weeks", "Value": 900}
    shop.create(Tags=[{"Key": "k", "Value": "v"}], OnlineStoreConfig={"EnableOnlineStore": True, "TtlDuration": ttl})
    for number in range(30):
        shop.put(str(number), "2026-01-02T03:04:05Z")
    shop.sagemaker.delete_feature_group(FeatureGroupName="people")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        shop.get("1")
    eventually(shop.gone)
    assert shop.left() == []
    assert sum(table.num_rows for table in shop.files().values()) == 30
    time.sleep(1.1)  # the folder's name has the second of the creation
    again = shop.create()
    assert shop.get("1") is None and again["FeatureGroupArn"].endswith("/people")


def test_rows_of_a_daemon_that_ended_are_written_by_the_next(state: Path) -> None:
    with open_shop(state, delay=3600.0) as daemon:
        shop = Shop(daemon)
        shop.prepare()
        shop.create()
        shop.put("a", "2026-01-02T03:04:05Z")
        assert shop.files() == {}
    with open_shop(state) as daemon:
        shop = Shop(daemon)
        assert shop.get("a") == {"id": "a", "at": "2026-01-02T03:04:05Z"}
        eventually(lambda: len(shop.files()) == 1)


def test_a_file_that_is_written_twice_is_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the daemon had ended between the upload and the removal of the rows."""
    from ringfence.reconcile.feature_store.offline_store import OfflineStore

    shop.create()
    put, puts = OfflineStore._put, []

    async def put_and_fail(self: OfflineStore, group: FeatureGroup, role: Any, key: str, content: bytes) -> None:
        await put(self, group, role, key, content)
        puts.append(key)
        if len(puts) == 1:
            raise RuntimeError("the daemon ended")

    monkeypatch.setattr(OfflineStore, "_put", put_and_fail)
    shop.put("a", "2026-01-02T03:04:05Z")
    eventually(lambda: len(puts) == 1)
    shop.put("b", "2026-01-02T03:04:05Z")
    eventually(lambda: len(puts) == 3)
    assert puts[0] == puts[1]
    assert sorted(row["id"] for table in shop.files().values() for row in table.to_pylist()) == ["a", "b"]


def test_updates_come_to_their_end(shop: Shop) -> None:
    shop.create(OfflineStoreConfig={"S3StorageConfig": {"S3Uri": f"s3://{BUCKET}"}, "DisableGlueTableCreation": True})
    added = [{"FeatureName": "shoe", "FeatureType": "Integral"}]
    shop.sagemaker.update_feature_group(FeatureGroupName="people", FeatureAdditions=added)
    eventually(lambda: shop.describe()["LastUpdateStatus"]["Status"] == "Successful")
    shop.put("a", "2026-01-02T03:04:05Z", shoe="44")
    eventually(lambda: len(shop.files()) == 1)
    assert next(iter(shop.files().values())).to_pylist()[0]["shoe"] == 44


def test_expired_records_are_taken_away(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringfence.reconcile.feature_store.feature_group._SWEEP", 0.2)
    shop.create()
    at = datetime.now(UTC)
    for identifier, seconds in (("short", 1), ("long", 3600)):
        record = [("id", identifier), ("at", f"{at:%Y-%m-%dT%H:%M:%SZ}")]
        shop.runtime.put_record(
            FeatureGroupName="people",
            Record=[{"FeatureName": name, "ValueAsString": value} for name, value in record],
            TtlDuration={"Unit": "Seconds", "Value": seconds},
        )
    eventually(lambda: [one.identifier for one in shop.left() if isinstance(one, OnlineRecord)] == ["long"])
    assert shop.get("short") is None and shop.get("long") is not None
    assert sum(isinstance(one, RecordExpiry) for one in shop.left()) == 1


@pytest.mark.filterwarnings("ignore:Series.values")  # awswrangler's own use of pandas
def test_awswrangler_reads_the_offline_store_without_glue(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Partitions of one day only, and of them the latest state of each record, as a training set is made."""
    import awswrangler  # takes seconds

    place = shop.create()["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    for identifier, at, age in (("a", "2026-01-02T03:04:05Z", "1"), ("a", "2026-01-02T04:00:00Z", "2")):
        shop.put(identifier, at, age=age, height="1.5")
    shop.put("b", "2026-01-02T03:00:00Z", age="5")
    shop.put("c", "2026-01-03T03:00:00Z", age="7")
    key = {"FeatureGroupName": "people", "RecordIdentifierValueAsString": "b"}
    shop.runtime.delete_record(**key, EventTime="2026-01-02T05:00:00Z")
    eventually(lambda: sum(table.num_rows for table in shop.files().values()) == 5)
    for name, value in shop.daemon.env.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(awswrangler.config, "s3_endpoint_url", shop.daemon.url)
    frame = awswrangler.s3.read_parquet(place, dataset=True, partition_filter=lambda part: part["day"] == "02")
    assert len(frame) == 4 and {"year", "month", "day", "hour"} <= set(frame.columns)
    assert (str(frame["age"].dtype), str(frame["height"].dtype)) == ("Int64", "float64")
    assert str(frame["write_time"].dtype).startswith("datetime64[") and frame["write_time"].notna().all()
    latest = frame.sort_values(["id", "at", "api_invocation_time", "write_time"]).groupby("id").last()
    living = latest[~latest["is_deleted"]]
    assert living["age"].to_dict() == {"a": 2}
