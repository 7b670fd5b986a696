"""A multi-model endpoint in a VPC: models from S3 through the gateway endpoint when they are asked for."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.story import BIN, Story
from tests.patience import eventually
from tests.scenarios.hosting import BUCKET, IMAGE, Hosting
from tests.scenarios.killing import kill_daemon
from tests.scenarios.perl_model import write_perl_model

pytestmark = pytest.mark.root

LABEL = "com.amazonaws.sagemaker.capabilities.multi-models"
REPOSITORY = "123456789012.dkr.ecr.us-west-2.amazonaws.com/many"
PREFIX = f"s3://{BUCKET}/many"


def archive(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def image(story: Story, tmp_path_factory: pytest.TempPathFactory) -> str:
    for tag, labels in (("able", {LABEL: "true"}), ("unable", {})):
        layout = write_perl_model(tmp_path_factory.mktemp(tag), labels)
        done = story.ringfence("image", "import", str(layout), f"{REPOSITORY}:{tag}")
        assert done.returncode == 0, done.stderr
    return f"{REPOSITORY}:able"


@pytest.fixture(scope="module")
def models(story: Story) -> Iterator[None]:
    """Some in S3, one of which the bucket's policy keeps from the execution role."""
    s3 = story.client("s3")
    for word in ("one", "two", "three", "secret"):
        s3.put_object(Bucket=BUCKET, Key=f"many/{word}.tar.gz", Body=archive("word", word.encode()))
    s3.put_object(Bucket=BUCKET, Key="many/wordless.tar.gz", Body=archive("nothing", b""))
    s3.put_object(Bucket=BUCKET, Key="many/plain.tar.gz", Body=b"no archive")
    before = s3.get_bucket_policy(Bucket=BUCKET)["Policy"]
    policy = json.loads(before)
    secret = {
        "Sid": "Secret", "Effect": "Deny", "Principal": {"AWS": story.facts["roles"]["execution"]},
        "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/many/secret.tar.gz",
    }  # fmt: skip
    policy["Statement"].append(secret)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
    yield
    s3 = story.client("s3")
    s3.put_bucket_policy(Bucket=BUCKET, Policy=before)


def create(hosting: Hosting, name: str, image: str, **more: Any) -> None:
    container = {"Image": image, "Mode": "MultiModel", "ModelDataUrl": PREFIX, "Environment": {"MODELS": "2"}}
    told = hosting.create(name, container=container, VpcConfig=hosting.vpc_config(), **more)
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")


def ask(runtime: Any, name: str, model: str | None, body: bytes = b"hello") -> str:
    target = {"TargetModel": model} if model else {}
    answer: bytes = runtime.invoke_endpoint(EndpointName=name, Body=body, **target)["Body"].read()
    return answer.decode()


def refusal(runtime: Any, name: str, model: str | None) -> dict[str, Any]:
    with pytest.raises(runtime.exceptions.ClientError) as caught:
        ask(runtime, name, model)
    return caught.value.response  # type: ignore[no-any-return]


def test_models_come_when_they_are_asked_for(story: Story, hosting: Hosting, image: str, models: None) -> None:
    create(hosting, "many", image)
    runtime = story.client("sagemaker-runtime")
    for word in ("one", "two", "three", "one"):  # with room for two each is unloaded and loaded again
        assert ask(runtime, "many", f"{word}.tar.gz") == f"{word}: hello ({word}.tar.gz)"
    _adopted_after_a_kill(story, hosting)
    runtime = story.client("sagemaker-runtime")
    ask(runtime, "many", "one.tar.gz", b"forget")
    assert ask(runtime, "many", "one.tar.gz").startswith("one"), "what the container has let go of is loaded again"
    error = refusal(runtime, "many", None)["Error"]
    assert (error["Code"], error["Message"].split(" ", 2)[2]) == (
        "ValidationError",
        "is missing a target model header.",
    )
    for name in ("none", "secret"):
        error = refusal(runtime, "many", f"{name}.tar.gz")["Error"]
        assert (error["Code"], f"(bucket: {BUCKET}, key: many/{name}.tar.gz)" in error["Message"]) == (
            "ValidationError",
            True,
        )
    told = story.ringfence("explain", "endpoint", "many").stdout
    assert f"✗ s3-rights s3://{BUCKET}/many/secret.tar.gz" in told and "Secret" in told
    assert f"5 of 6 models under {PREFIX}" in told, told
    assert "valid tar.gz archive" in refusal(runtime, "many", "plain.tar.gz")["Error"]["Message"]
    failed = refusal(runtime, "many", "wordless.tar.gz")
    assert (failed["Error"]["Code"], failed["OriginalStatusCode"]) == ("ModelError", 500)
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        ask(runtime, "many", "one.tar.gz", b"404")
    assert caught.value.response["OriginalMessage"] == "mine"


def _adopted_after_a_kill(story: Story, hosting: Hosting) -> None:
    """The next daemon knows what the container has: it loads nothing anew, and unloads again to load another."""
    kill_daemon(story)
    story.up()
    hosting.sagemaker = story.client("sagemaker")
    assert hosting.settle("many")["EndpointStatus"] == "InService"
    runtime = story.client("sagemaker-runtime")
    (log,) = eventually(lambda: [*(story.state / "instances").glob("i-*/container.log")], lambda found: len(found) == 1)
    before = log.read_text().count("load one.tar.gz")
    assert ask(runtime, "many", "one.tar.gz").startswith("one")
    assert log.read_text().count("load one.tar.gz") == before
    assert ask(runtime, "many", "two.tar.gz").startswith("two")


def test_the_built_in_image_serves_many(story: Story, hosting: Hosting, tmp_path: Path) -> None:
    """Through the AWS CLI, from inside the VPC, before and after a second instance has come."""
    s3 = story.client("s3")
    for factor in (2, 3):
        script = f"def model_fn(place):\n    return {factor}\ndef predict_fn(data, model):\n    return data * model\n"
        s3.put_object(Bucket=BUCKET, Key=f"scale/by{factor}.tar.gz", Body=archive("code/inference.py", script.encode()))
    container = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/scale/", "Environment": {}}
    told = hosting.create("iris", container=container, VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    assert ask_inside(story, tmp_path, "by2.tar.gz") == [2.0, 4.0]
    assert ask_inside(story, tmp_path, "by3.tar.gz") == [3.0, 6.0]
    desired = [{"VariantName": "one", "DesiredInstanceCount": 2}]
    hosting.sagemaker.update_endpoint_weights_and_capacities(EndpointName="iris", DesiredWeightsAndCapacities=desired)
    assert hosting.settle("iris")["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert ask_inside(story, tmp_path, "by2.tar.gz") == [2.0, 4.0]


def ask_inside(story: Story, scratch: Path, model: str) -> Any:
    out = scratch / "answer"
    story.inside(
        str(BIN / "aws"), "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", "iris", "--target-model", model,
        "--content-type", "application/json", "--body", "[1, 2]", str(out),
    )  # fmt: skip
    return json.loads(out.read_text())
