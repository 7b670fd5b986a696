"""What CloudWatch tells of calls of Feature Store's runtime, once the daemon that measured them has written it."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from daemon import Daemon, local_daemon

AT = "2026-01-02T03:04:05Z"


def _call(daemon: Daemon) -> None:
    sagemaker, runtime = (daemon.client(name) for name in ("sagemaker", "sagemaker-featurestore-runtime"))
    created = sagemaker.create_feature_group(
        FeatureGroupName="g",
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="at",
        FeatureDefinitions=[{"FeatureName": name, "FeatureType": "String"} for name in ("id", "at")],
        OnlineStoreConfig={"EnableOnlineStore": True},
    )
    while sagemaker.describe_feature_group(FeatureGroupName="g")["FeatureGroupStatus"] == "Creating":
        time.sleep(0.02)
    record = [{"FeatureName": "id", "ValueAsString": "a"}, {"FeatureName": "at", "ValueAsString": AT}]
    for group in ("g", created["FeatureGroupArn"]):
        runtime.put_record(FeatureGroupName=group, Record=record)
    with pytest.raises(ClientError, match="ValidationError"):
        runtime.put_record(FeatureGroupName="g", Record=record[:1])
    with pytest.raises(ClientError, match="ResourceNotFound"):
        runtime.get_record(FeatureGroupName="nobody", RecordIdentifierValueAsString="a")
    runtime.batch_get_record(Identifiers=[{"FeatureGroupName": "g", "RecordIdentifiersValueAsString": ["a"]}])


def _sum(cloudwatch: Any, name: str, **dimensions: str) -> float:
    now = datetime.now(UTC)
    told = cloudwatch.get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=["Sum"],
    )
    return float(sum(point["Sum"] for point in told["Datapoints"]))


def test_calls_are_measured_by_group_and_operation(tmp_path: Path) -> None:
    with local_daemon(tmp_path / "state") as daemon:
        _call(daemon)
    with local_daemon(tmp_path / "state") as daemon:
        cloudwatch = daemon.client("cloudwatch")
        puts = {"FeatureGroupName": "g", "OperationName": "PutRecord"}
        assert _sum(cloudwatch, "Invocations", **puts) == 3
        assert _sum(cloudwatch, "Operation4XXErrors", **puts) == 1
        assert _sum(cloudwatch, "Operation5XXErrors", **puts) == 0
        assert _sum(cloudwatch, "Latency", **puts) > 0
        assert _sum(cloudwatch, "Invocations", OperationName="BatchGetRecord") == 1
        listed = cloudwatch.list_metrics(Namespace="AWS/SageMaker")["Metrics"]
        groups = {
            one["Value"] for metric in listed for one in metric["Dimensions"] if one["Name"] == "FeatureGroupName"
        }
        assert groups == {"g"}, "a name that is no group's is not measured"
