"""Stateful sessions: requests that follow the state in one of several containers, also after the daemon was killed."""

from typing import Any

import pytest

from demo.story import Story
from tests.scenarios.hosting import Hosting
from tests.scenarios.killing import kill_daemon
from tests.scenarios.perl_model import write_perl_model

pytestmark = pytest.mark.root

IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/stateful:latest"


def ask(story: Story, session: str, body: bytes) -> dict[str, Any]:
    runtime = story.client("sagemaker-runtime")
    answer: dict[str, Any] = runtime.invoke_endpoint(EndpointName="stateful", Body=body, SessionId=session)
    return {**answer, "Body": answer["Body"].read()}


def test_the_context_stays_with_its_container(story: Story, hosting: Hosting, tmp_path: Any) -> None:
    done = story.ringfence("image", "import", str(write_perl_model(tmp_path)), IMAGE)
    assert done.returncode == 0, done.stderr
    container = {"Image": IMAGE, "Environment": {}}
    told = hosting.create("stateful", instances=3, container=container, VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    opened = ask(story, "NEW_SESSION", b"a")["NewSessionId"]
    session, _, expires = opened.partition("; ")
    assert expires == "Expires=2099-01-01T00:00:00Z"
    for _ in range(8):
        assert ask(story, session, b"")["Body"].endswith(b": a")

    kill_daemon(story)
    story.up()
    hosting.sagemaker = story.client("sagemaker")
    assert hosting.settle("stateful")["EndpointStatus"] == "InService"
    for _ in range(8):
        assert ask(story, session, b"")["Body"].endswith(b": a")
    runtime = story.client("sagemaker-runtime")
    streamed = runtime.invoke_endpoint_with_response_stream(EndpointName="stateful", Body=b"b", SessionId=session)
    assert b"".join(part["PayloadPart"]["Bytes"] for part in streamed["Body"]).endswith(b": ab")
    assert ask(story, session, b"close")["ClosedSessionId"] == session
    with pytest.raises(runtime.exceptions.ValidationError, match="is not open"):
        ask(story, session, b"")
