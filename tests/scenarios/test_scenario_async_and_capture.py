"""Data capture and asynchronous inference: what is asked and answered, in S3, by the execution role."""

import base64
import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.story import Story
from tests.patience import eventually
from tests.scenarios.hosting import Hosting
from tests.scenarios.killing import kill_daemon
from tests.scenarios.perl_model import write_perl_model
from tests.scenarios.test_scenario_multi_model import LABEL, archive

pytestmark = pytest.mark.root

NAME = "123456789012.dkr.ecr.us-west-2.amazonaws.com/kept:1"
BUCKET = "inference-results"


@pytest.fixture(scope="module")
def results(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A bucket that the execution role may read and write, and the image."""
    layout = write_perl_model(tmp_path_factory.mktemp("image"), {LABEL: "true"})
    done = story.ringfence("image", "import", str(layout), NAME)
    assert done.returncode == 0, done.stderr
    s3, iam = story.client("s3"), story.client("iam")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    resources = [f"arn:aws:s3:::{BUCKET}/in/*", f"arn:aws:s3:::{BUCKET}/out/*", f"arn:aws:s3:::{BUCKET}/captured/*"]
    statements = [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": resources},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    role = story.facts["roles"]["execution"].rpartition("/")[2]
    iam.put_role_policy(RoleName=role, PolicyName="results", PolicyDocument=document)
    yield s3
    story.client("iam").delete_role_policy(RoleName=role, PolicyName="results")


def create(hosting: Hosting, name: str, model: dict[str, Any] | None = None, **config: Any) -> None:
    told = hosting.create(name, containers=[{"Image": NAME, **(model or {})}], config=config)
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")


def wait_for(s3: Any, key: str) -> bytes:
    def look() -> bytes | None:
        try:
            body: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            return body
        except s3.exceptions.NoSuchKey:
            return None

    found = eventually(look, lambda body: body is not None, pause=0.1)
    assert found is not None
    return found


def key_of(uri: str) -> str:
    return uri.removeprefix(f"s3://{BUCKET}/")


CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": f"s3://{BUCKET}/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
}


def test_captured_invocations_come_to_s3(story: Story, hosting: Hosting, results: Any) -> None:
    create(hosting, "captured", DataCaptureConfig=CAPTURE)
    told = hosting.sagemaker.describe_endpoint(EndpointName="captured")["DataCaptureConfig"]
    assert (told["CaptureStatus"], told["CurrentSamplingPercentage"]) == ("Started", 100)
    runtime = story.client("sagemaker-runtime")
    hours = [_hour()]
    for number in range(3):
        runtime.invoke_endpoint(
            EndpointName="captured", Body=f"{number},1".encode(), ContentType="text/csv", InferenceId=f"id-{number}"
        )
    key = captured_key(results, "captured")
    folder, _, file = key.rpartition("/")
    hours.append(_hour())
    assert folder in [f"captured/captured/one/{hour}" for hour in hours] and file.endswith(".jsonl")
    lines = captured_lines(results, "captured", 3)
    asked, answered = lines[0]["captureData"]["endpointInput"], lines[0]["captureData"]["endpointOutput"]
    assert asked == {"observedContentType": "text/csv", "mode": "INPUT", "data": "0,1", "encoding": "CSV"}
    assert (answered["encoding"], answered["observedContentType"]) == ("BASE64", "text/plain")
    assert [line["eventMetadata"]["inferenceId"] for line in lines] == ["id-0", "id-1", "id-2"]


def _hour() -> str:
    return time.strftime("%Y/%m/%d/%H", time.gmtime())


def captured_lines(s3: Any, endpoint: str, count: int) -> list[dict[str, Any]]:
    """So many invocations, of as many files as a slow machine makes of them, in the order in which they were."""

    def look() -> list[dict[str, Any]]:
        found = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"captured/{endpoint}/").get("Contents", [])
        return [json.loads(line) for one in found for line in wait_for(s3, one["Key"]).splitlines()]

    lines = eventually(look, lambda lines: len(lines) >= count, pause=0.2)
    return sorted(lines, key=lambda line: str(line["eventMetadata"]["inferenceId"]))


def captured_key(s3: Any, endpoint: str) -> str:
    """The first file of what this endpoint captured, once it is there."""
    found = eventually(
        lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix=f"captured/{endpoint}/").get("Contents"), pause=0.2
    )
    return str(found[0]["Key"])


def test_invocations_of_many_models_are_captured(story: Story, hosting: Hosting, results: Any) -> None:
    """With each model's answer; what was refused before a container had it is not there."""
    for word in ("one", "two"):
        results.put_object(Bucket=BUCKET, Key=f"in/many/{word}.tar.gz", Body=archive("word", word.encode()))
    model = {"Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/in/many/", "Environment": {"MODELS": "2"}}
    create(hosting, "captured-many", model, DataCaptureConfig=CAPTURE)
    runtime = story.client("sagemaker-runtime")
    with pytest.raises(ClientError, match="ValidationError"):
        runtime.invoke_endpoint(EndpointName="captured-many", Body=b"x", TargetModel="none.tar.gz")
    for word in ("one", "two"):
        runtime.invoke_endpoint(
            EndpointName="captured-many", Body=b"1,2", ContentType="text/csv", TargetModel=f"{word}.tar.gz",
            CustomAttributes=f"model={word}", InferenceId=f"id-{word}",
        )  # fmt: skip
    lines = captured_lines(results, "captured-many", 2)
    assert [line["eventMetadata"]["customAttributes"] for line in lines] == [["model=one"], ["model=two"]]
    answers = [base64.b64decode(line["captureData"]["endpointOutput"]["data"]) for line in lines]
    assert answers == [f"{word}: 1,2 ({word}.tar.gz)".encode() for word in ("one", "two")]


def test_asynchronous_requests_survive_the_daemon(story: Story, hosting: Hosting, results: Any) -> None:
    output = {"S3OutputPath": f"s3://{BUCKET}/out", "S3FailurePath": f"s3://{BUCKET}/out/failed"}
    client = {"MaxConcurrentInvocationsPerInstance": 2}
    create(hosting, "later", AsyncInferenceConfig={"OutputConfig": output, "ClientConfig": client})
    runtime = story.client("sagemaker-runtime")
    results.put_object(Bucket=BUCKET, Key="in/hello", Body=b"hello")
    answer = runtime.invoke_endpoint_async(
        EndpointName="later", InputLocation=f"s3://{BUCKET}/in/hello", InferenceId="mine"
    )
    assert answer["InferenceId"] == "mine"
    assert wait_for(results, key_of(answer["OutputLocation"])) == b"model(8080): hello"
    for input, words in (("none", b"Failed to download the input"), ("fail", b"Received server error (500) from")):
        results.put_object(Bucket=BUCKET, Key="in/fail", Body=b"fail")
        answer = runtime.invoke_endpoint_async(EndpointName="later", InputLocation=f"s3://{BUCKET}/in/{input}")
        assert wait_for(results, key_of(answer["FailureLocation"])).startswith(words)
    with pytest.raises(ClientError, match="is asynchronous"):
        runtime.invoke_endpoint(EndpointName="later", Body=b"")
    accepted = [
        runtime.invoke_endpoint_async(EndpointName="later", Body=b"sleep 0.5")["OutputLocation"] for _ in range(8)
    ]
    kill_daemon(story)
    story.up()
    hosting.sagemaker = story.client("sagemaker")
    for uri in accepted:
        assert wait_for(story.client("s3"), key_of(uri)) == b"slept"


def test_asynchronous_requests_outlive_their_container(story: Story, hosting: Hosting, results: Any) -> None:
    """It is replaced, and asked again what the one before it had not answered."""
    create(hosting, "heir", AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/out"}})
    runtime = story.client("sagemaker-runtime")
    uris = [runtime.invoke_endpoint_async(EndpointName="heir", Body=b"sleep 1.5")["OutputLocation"] for _ in range(6)]
    pids = list((story.state / "instances").glob("i-*/container/pid"))
    for path in pids:
        os.kill(int(path.read_text()), signal.SIGKILL)
    for uri in uris:
        assert wait_for(story.client("s3"), key_of(uri)) == b"slept"
    assert pids, "another instance answered"
    eventually(lambda: [path for path in pids if path.exists()], lambda left: not left)
