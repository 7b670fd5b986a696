"""Asynchronous invocations accepted, and the lines that data capture writes: without a container."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sagemaker_caller import ACCOUNT, NOW, SageMaker, variant

from ringfence.core.results import Forward, ForwardReply
from ringfence.reconcile.hosting.async_metric import note_backlogs
from ringfence.resources.async_invocation import AsyncInvocation
from ringfence.resources.cloudwatch import Datapoint, Metric
from ringfence.resources.sagemaker import EndpointStatus
from ringfence.services.cloudwatch.measurement import Measurements
from ringfence.services.sagemaker.capture_buffer import CaptureBuffer
from ringfence.store.database import open_store

KEY = f"{ACCOUNT}/us-west-2/ep"
OUTPUT = {"S3OutputPath": "s3://out/a/", "S3FailurePath": "s3://out/failed"}
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://captured/a",
    "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
}


def serve(path: Path, **config: Any) -> SageMaker:
    made = SageMaker(open_store(path))
    made.model()
    made("CreateEndpointConfig", EndpointConfigName="config", ProductionVariants=[variant()], **config)
    made.endpoint()
    made.put(
        EndpointStatus(
            endpoint_key=KEY,
            status="InService",
            generation=1,
            modified=NOW,
            serving_generation=1,
            instances={"AllTraffic": ("i-1",)},
        )
    )
    return made


def ask(made: SageMaker, **request: Any) -> Any:
    return made("InvokeEndpointAsync", "sagemaker-runtime", EndpointName="ep", **request)


def queue(made: SageMaker) -> list[AsyncInvocation]:
    return list(made.store.walk(AsyncInvocation, f"{KEY}/", ""))


def test_accepted_requests_are_a_queue_in_their_order(tmp_path: Path) -> None:
    made = serve(tmp_path, AsyncInferenceConfig={"OutputConfig": OUTPUT})
    first = ask(made, InputLocation="s3://in/1", InferenceId="same", ContentType="text/csv", CustomAttributes="c")
    second = ask(made, Body=b"2", InferenceId="same", S3OutputPathExtension="x/y", Filename="two.out")
    assert first["InferenceId"] == "same" and first["OutputLocation"].startswith("s3://out/a/")
    assert first["FailureLocation"].startswith("s3://out/failed/")
    assert first["FailureLocation"].endswith("-error.out")
    assert second["OutputLocation"] == "s3://out/a/x/y/two.out"
    one, two = queue(made)
    assert (one.input_uri, one.body, one.timeout) == ("s3://in/1", None, 900.0)
    assert (two.input_uri, two.body) == (None, b"2")
    assert (one.expires - one.accepted).total_seconds() == 21600
    assert one.headers == {
        "Content-Type": "text/csv",
        "X-Amzn-SageMaker-Custom-Attributes": "c",
        "X-Amzn-SageMaker-Inference-Id": "same",
    }
    told = made("DescribeEndpoint", EndpointName="ep")
    assert told["AsyncInferenceConfig"]["OutputConfig"] == OUTPUT


def test_no_update_leaves_a_queue_behind_or_begins_one(tmp_path: Path) -> None:
    later, now = serve(tmp_path / "a", AsyncInferenceConfig={"OutputConfig": OUTPUT}), serve(tmp_path / "b")
    later("CreateEndpointConfig", EndpointConfigName="other", ProductionVariants=[variant()])
    now(
        "CreateEndpointConfig",
        EndpointConfigName="other",
        ProductionVariants=[variant()],
        AsyncInferenceConfig={"OutputConfig": OUTPUT},
    )
    for made, words in ((later, "removed from"), (now, "added to")):
        error = made.error("UpdateEndpoint", EndpointName="ep", EndpointConfigName="other")
        assert error.code == "ValidationException"
        assert error.message.startswith(f"The AsyncInferenceConfig parameter cannot be {words} this endpoint ep.")
    later("UpdateEndpoint", EndpointName="ep", EndpointConfigName="config")


def test_only_an_asynchronous_variant_may_have_no_instances(tmp_path: Path) -> None:
    later, now = serve(tmp_path / "a", AsyncInferenceConfig={"OutputConfig": OUTPUT}), serve(tmp_path / "b")
    wanted = [{"VariantName": "AllTraffic", "DesiredInstanceCount": 0}]
    later("UpdateEndpointWeightsAndCapacities", EndpointName="ep", DesiredWeightsAndCapacities=wanted)
    error = now.error("UpdateEndpointWeightsAndCapacities", EndpointName="ep", DesiredWeightsAndCapacities=wanted)
    assert "must be at least 1" in error.message


def test_the_backlog_of_each_endpoint(tmp_path: Path) -> None:
    made, measurements = serve(tmp_path, AsyncInferenceConfig={"OutputConfig": OUTPUT}), Measurements()
    for _ in range(3):
        ask(made, Body=b"1")
    (status,) = made.store.snapshot().all(EndpointStatus)
    at = NOW.timestamp() // 60 * 60 + 59
    note_backlogs(measurements, made.store, at)
    made.put(msgspec.structs.replace(status, instances={"AllTraffic": ()}))
    note_backlogs(measurements, made.store, at)
    with made.store.transaction() as records:
        measurements.write(records, at + 60)
        names = {one.key: one.name for one in records.all(Metric)}
        points = {names[one.metric]: (one.minimum, one.maximum) for one in records.scan(Datapoint)}
    assert points.pop("ApproximateAgeOfOldestRequest")[0] >= 0
    assert points == {
        "ApproximateBacklogSize": (3.0, 3.0),
        "ApproximateBacklogSizePerInstance": (3.0, 3.0),
        "HasBacklogWithoutCapacity": (0.0, 1.0),
    }


@pytest.mark.parametrize(
    "request_", [{}, {"InputLocation": "s3://in/1", "Body": b"1"}, {"InputLocation": "https://a/b"}]
)
def test_requests_that_are_refused(tmp_path: Path, request_: dict[str, Any]) -> None:
    made = serve(tmp_path, AsyncInferenceConfig={"OutputConfig": OUTPUT})
    error = made.error("InvokeEndpointAsync", "sagemaker-runtime", EndpointName="ep", **request_)
    assert error.code == "ValidationError"


def test_a_queue_takes_requests_while_no_container_serves(tmp_path: Path) -> None:
    made = serve(tmp_path, AsyncInferenceConfig={"OutputConfig": OUTPUT})
    status = made.store.snapshot().get(EndpointStatus, KEY)
    assert status is not None
    made.put(msgspec.structs.replace(status, status="OutOfService", instances={"AllTraffic": ()}))
    ask(made, Body=b"1")
    assert len(queue(made)) == 1


def test_each_endpoint_is_asked_in_its_own_way(tmp_path: Path) -> None:
    later, now = serve(tmp_path / "a", AsyncInferenceConfig={"OutputConfig": OUTPUT}), serve(tmp_path / "b")
    assert "is asynchronous" in later.error("InvokeEndpoint", "sagemaker-runtime", EndpointName="ep", Body=b"").message
    error = now.error("InvokeEndpointAsync", "sagemaker-runtime", EndpointName="ep", Body=b"1")
    assert "is not asynchronous" in error.message


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"AsyncInferenceConfig": {"OutputConfig": {}}}, "S3OutputPath is needed"),
        ({"AsyncInferenceConfig": {"OutputConfig": {**OUTPUT, "KmsKeyId": "k"}}}, "OutputConfig.KmsKeyId"),
        (
            {"AsyncInferenceConfig": {"OutputConfig": {**OUTPUT, "NotificationConfig": {}}}},
            "does not implement AsyncInferenceConfig.OutputConfig.NotificationConfig",
        ),
        ({"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "https://b/k"}}}, "not an s3:// URI"),
        ({"DataCaptureConfig": {**CAPTURE, "KmsKeyId": "k"}}, "does not implement DataCaptureConfig.KmsKeyId"),
        ({"DataCaptureConfig": {**CAPTURE, "DestinationS3Uri": "https://b/k"}}, "not an s3:// URI"),
    ],
)
def test_configurations_that_are_refused(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    made = SageMaker(open_store(tmp_path))
    made.model()
    request = {"EndpointConfigName": "config", "ProductionVariants": [variant()], **config}
    assert message in made.error("CreateEndpointConfig", **request).message


def invoke(made: SageMaker, **request: Any) -> Forward:
    found = made("InvokeEndpoint", "sagemaker-runtime", EndpointName="ep", **request)
    assert isinstance(found, Forward)
    return found


def line_of(forward: Forward, reply: ForwardReply) -> Any:
    result = forward.finish(reply)
    assert forward.capture is not None and not isinstance(result, Forward)
    written = forward.capture(result).write()
    assert written.endswith(b"\n") and written.count(b"\n") == 1
    return json.loads(written)


def test_a_captured_line(tmp_path: Path) -> None:
    made = serve(tmp_path, DataCaptureConfig=CAPTURE)
    forward = invoke(made, Body=b"1,2\n", ContentType="text/csv", CustomAttributes="c", InferenceId="mine")
    line = line_of(forward, ForwardReply(200, {"Content-Type": "application/json; charset=utf-8"}, b'{"a":1}'))
    assert line["captureData"] == {
        "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "1,2\n", "encoding": "CSV"},
        "endpointOutput": {
            "observedContentType": "application/json; charset=utf-8",
            "mode": "OUTPUT",
            "data": '{"a":1}',
            "encoding": "JSON",
        },
    }
    metadata = line["eventMetadata"]
    assert (metadata["inferenceId"], metadata["customAttributes"]) == ("mine", ["c"])
    assert line["eventVersion"] == "0" and metadata["inferenceTime"].startswith("2026-01-02T03:04:")


def test_what_is_no_text_is_captured_in_base64(tmp_path: Path) -> None:
    made = serve(tmp_path, DataCaptureConfig={**CAPTURE, "CaptureOptions": [{"CaptureMode": "Input"}]})
    line = line_of(invoke(made, Body=b"\xff", ContentType="text/csv"), ForwardReply(200, {}, b"x"))
    assert list(line["captureData"]) == ["endpointInput"]
    captured = line["captureData"]["endpointInput"]
    assert (captured["encoding"], base64.b64decode(captured["data"])) == ("BASE64", b"\xff")


@pytest.mark.parametrize(("percent", "least", "most"), [(0, 0, 0), (30, 60, 150), (100, 300, 300)])
def test_so_many_of_a_hundred_are_captured(tmp_path: Path, percent: int, least: int, most: int) -> None:
    made = serve(tmp_path, DataCaptureConfig={**CAPTURE, "InitialSamplingPercentage": percent})
    captured = sum(invoke(made, Body=b"").capture is not None for _ in range(300))
    assert least <= captured <= most


def test_the_buffer_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringfence.services.sagemaker.capture_buffer._LIMIT", 2000)
    made, buffer = serve(tmp_path, DataCaptureConfig=CAPTURE), CaptureBuffer()
    for _ in range(3):
        forward = invoke(made, Body=b"x" * 400)
        assert forward.capture is not None
        buffer.add(forward.capture({"Body": b""}))
    assert buffer.dropped == 1
    ((place, held),) = buffer.take().items()
    assert place == (KEY, "AllTraffic", "s3://captured/a", "2026/01/02/03") and len(held) == 2
