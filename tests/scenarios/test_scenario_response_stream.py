"""Answers that come in parts, from a real container through a real client."""

import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from demo.story import Story
from tests.patience import eventually
from tests.scenarios.hosting import Hosting, events_of
from tests.scenarios.perl_model import write_perl_model

pytestmark = pytest.mark.root

NAME = "123456789012.dkr.ecr.us-west-2.amazonaws.com/streams:1"


def test_parts_arrive_as_the_container_sends_them(story: Story, hosting: Hosting, tmp_path: Path) -> None:
    done = story.ringfence("image", "import", str(write_perl_model(tmp_path)), NAME)
    assert done.returncode == 0, done.stderr
    told = hosting.create("streams", container={"Image": NAME}, VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    runtime = story.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint_with_response_stream(EndpointName="streams", Body=b"parts")
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/plain", "one")
    parts, times = [], []
    for event in answer["Body"]:
        parts.append(event["PayloadPart"]["Bytes"])
        times.append(time.monotonic())
    # two that have been waiting for a slow reader may be one event
    assert b"".join(parts) == b"part 1;part 2;part 3;part 4;" and len(parts) > 1
    assert times[-1] - times[0] > 0.4, "the parts came together"
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        runtime.invoke_endpoint_with_response_stream(EndpointName="streams", Body=b"fail")
    assert caught.value.response["OriginalStatusCode"] == 500
    _breaks_off(runtime)
    _ends_with_its_reader(story, runtime)


def _breaks_off(runtime: Any) -> None:
    broken = runtime.invoke_endpoint_with_response_stream(EndpointName="streams", Body=b"break")
    seen: list[bytes] = []
    with pytest.raises(EventStreamError) as caught:
        seen.extend(event["PayloadPart"]["Bytes"] for event in broken["Body"])
    assert b"".join(seen) == b"part 1;part 2;part 3;part 4;"
    assert "ModelStreamError" in str(caught.value)


def _ends_with_its_reader(story: Story, runtime: Any) -> None:
    endless = runtime.invoke_endpoint_with_response_stream(EndpointName="streams", Body=b"endless")
    assert next(iter(endless["Body"]))["PayloadPart"]["Bytes"].startswith(b"xxx")
    endless["Body"].close()
    eventually(
        lambda: events_of(story, "streams"),
        lambda events: any(event["message"] == "the reader has gone" for event in events),
    )
