"""Models of several containers on one instance: asked one after another, and each by its name."""

import os
import signal
from typing import Any

import pytest

from demo.story import Story
from tests.patience import eventually
from tests.scenarios.hosting import IMAGE, Hosting, events_of
from tests.scenarios.perl_model import write_perl_model

pytestmark = pytest.mark.root

LABEL = "com.amazonaws.sagemaker.capabilities.accept-bind-to-port"
REPOSITORY = "123456789012.dkr.ecr.us-west-2.amazonaws.com/pipeline"


@pytest.fixture(scope="module")
def image(story: Story, tmp_path_factory: pytest.TempPathFactory) -> str:
    for tag, labels in (("able", {LABEL: "true"}), ("unable", {})):
        layout = write_perl_model(tmp_path_factory.mktemp(tag), labels)
        done = story.ringfence("image", "import", str(layout), f"{REPOSITORY}:{tag}")
        assert done.returncode == 0, done.stderr
    return f"{REPOSITORY}:able"


def create(hosting: Hosting, name: str, containers: list[dict[str, Any]], mode: str = "Serial") -> dict[str, Any]:
    execution = {"InferenceExecutionConfig": {"Mode": mode}}
    return hosting.create(name, containers=containers, VpcConfig=hosting.vpc_config(), **execution)


def test_serial_pipeline_passes_on_and_lives_as_one(story: Story, hosting: Hosting, image: str) -> None:
    named = {"Image": image, "ContainerHostname": "last", "Environment": {"NAME": "last"}}
    first = {"Image": image, "ModelDataUrl": story.facts["data"], "Environment": {"NAME": "first"}}
    told = create(hosting, "serial", [first, named])
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    assert len(told["ProductionVariants"][0]["DeployedImages"]) == 2
    runtime = story.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="serial", Body=b"hello", CustomAttributes="mine")
    assert answer["Body"].read() == b"last(8081): first(8080): hello"
    assert answer["CustomAttributes"] == "got got mine"
    with pytest.raises(runtime.exceptions.ModelError, match="from container-1 with message"):
        runtime.invoke_endpoint(EndpointName="serial", Body=b"fail")
    _wait_for_streams(story, {"container-1", "last"})
    _replaced_when_one_dies(story, runtime)


def test_direct_invocation_and_the_built_in_image(story: Story, hosting: Hosting, image: str) -> None:
    data, program = story.facts["data"], {"SAGEMAKER_PROGRAM": "inference.py"}
    containers = [
        {"Image": image, "ContainerHostname": "perl", "Environment": {"NAME": "perl"}},
        {"Image": IMAGE, "ContainerHostname": "sklearn", "ModelDataUrl": data, "Environment": program},
    ]
    told = create(hosting, "direct", containers, "Direct")
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    runtime = story.client("sagemaker-runtime")
    asked = {"EndpointName": "direct", "Body": b"hello", "TargetContainerHostname": "perl"}
    assert runtime.invoke_endpoint(**asked)["Body"].read() == b"perl(8080): hello"
    with pytest.raises(runtime.exceptions.ModelError, match="from sklearn with message"):
        runtime.invoke_endpoint(**{**asked, "TargetContainerHostname": "sklearn"}, ContentType="application/json")


def test_an_image_that_cannot_be_told_its_port(story: Story, hosting: Hosting, image: str) -> None:
    told = create(hosting, "unable", [{"Image": image}, {"Image": f"{REPOSITORY}:unable"}])
    assert told["EndpointStatus"] == "Failed"
    assert told["FailureReason"] == (
        f"Your Ecr Image {REPOSITORY}:unable does not contain required {LABEL}=true Docker label(s)."
    )


def _wait_for_streams(story: Story, names: set[str]) -> None:
    def look() -> set[str]:
        return {one["logStreamName"].rpartition("/")[2] for one in events_of(story, "serial")}

    eventually(look, lambda found: found == names, pause=0.1)


def _replaced_when_one_dies(story: Story, runtime: Any) -> None:
    """The second container's end is the instance's."""
    (pid_file,) = (story.state / "instances").glob("i-*-2/container/pid")
    before = pid_file.parent.parent.name
    os.kill(int(pid_file.read_text()), signal.SIGKILL)

    def answer() -> bytes:
        names = {path.parent.parent.name for path in (story.state / "instances").glob("i-*-2/container/pid")}
        if before in names or not names:
            return b""
        try:
            told: bytes = runtime.invoke_endpoint(EndpointName="serial", Body=b"x")["Body"].read()
            return told
        except (runtime.exceptions.ModelError, runtime.exceptions.ServiceUnavailable):
            return b""

    assert eventually(answer, pause=0.2).startswith(b"last")
