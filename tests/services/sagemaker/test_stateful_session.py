"""SessionId: which instance is asked, and what the container's headers change."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sagemaker_caller import ACCOUNT, NOW, SageMaker, variant

from ringfence.core.errors import ServiceError
from ringfence.core.results import Forward, ForwardReply
from ringfence.resources.sagemaker import Deployment, EndpointStatus
from ringfence.resources.stateful_session import StatefulSession
from ringfence.services.sagemaker_runtime.stateful_session import drop_sessions
from ringfence.store.database import open_store

KEY = f"{ACCOUNT}/us-west-2/ep"
OPENED = {"X-Amzn-SageMaker-New-Session-Id": "abc-1; Expires=2026-01-02T04:00:00Z"}


@pytest.fixture
def sagemaker(tmp_path: Path) -> SageMaker:
    made = SageMaker(open_store(tmp_path))
    made.model()
    made.config("config", variant(VariantName="one", InitialInstanceCount=3), variant(VariantName="two"))
    made.endpoint()
    status(made, {"one": ("i-1", "i-2", "i-3"), "two": ("i-4",)})
    return made


def status(made: SageMaker, instances: dict[str, tuple[str, ...]], **more: Any) -> None:
    given = {"status": "InService", "generation": 1, "modified": NOW, "serving_generation": 1, **more}
    made.put(EndpointStatus(endpoint_key=KEY, instances=instances, **given))


def invoke(made: SageMaker, session: str, **more: Any) -> Forward:
    found = made("InvokeEndpoint", "sagemaker-runtime", EndpointName="ep", Body=b"x", SessionId=session, **more)
    assert isinstance(found, Forward)
    return found


def refusal(made: SageMaker, session: str, **more: Any) -> str:
    asked = {"EndpointName": "ep", "Body": b"x", "SessionId": session, **more}
    error = made.error("InvokeEndpoint", "sagemaker-runtime", **asked)
    assert error.code == "ValidationError"
    return error.message


def answer(made: SageMaker, forward: Forward, headers: dict[str, str], instance: str = "i-2") -> dict[str, Any]:
    """As the gateway does it."""
    reply = ForwardReply(200, headers, b"y", instance_id=instance)
    result = forward.finish(reply)
    assert isinstance(result, dict) and forward.keep is not None
    with made.store.transaction() as records:
        forward.keep(records, reply)
    return result


def begin(made: SageMaker) -> None:
    answer(made, invoke(made, "NEW_SESSION", TargetVariant="one"), OPENED)


def test_a_session_is_opened_followed_and_closed(sagemaker: SageMaker) -> None:
    forward = invoke(sagemaker, "NEW_SESSION", TargetVariant="one")
    assert forward.headers["X-Amzn-SageMaker-Session-Id"] == "NEW_SESSION"
    assert answer(sagemaker, forward, OPENED)["NewSessionId"] == "abc-1; Expires=2026-01-02T04:00:00Z"
    for _ in range(5):
        forward = invoke(sagemaker, "abc-1")
        assert (forward.instance_ids, forward.headers["X-Amzn-SageMaker-Session-Id"]) == (("i-2",), "abc-1")
        assert answer(sagemaker, forward, {})["InvokedProductionVariant"] == "one"
    closed = answer(sagemaker, forward, {"x-amzn-sagemaker-closed-session-id": "abc-1"})
    assert closed["ClosedSessionId"] == "abc-1"
    assert "it was closed, or has expired" in refusal(sagemaker, "abc-1")


def test_a_model_without_sessions_opens_none(sagemaker: SageMaker) -> None:
    assert "NewSessionId" not in answer(sagemaker, invoke(sagemaker, "NEW_SESSION"), {})
    begin(sagemaker)
    others = {"x-amzn-sagemaker-closed-session-id": "somebody-else", **OPENED}
    assert set(answer(sagemaker, invoke(sagemaker, "abc-1"), others)) == {"Body", "InvokedProductionVariant"}
    assert invoke(sagemaker, "abc-1")


def test_a_header_that_is_none_is_the_models_error(sagemaker: SageMaker) -> None:
    for value in ("abc", "abc; Expires=tomorrow", "a b; Expires=2026-01-02T04:00:00Z", f"{'a' * 250}; Expires=x"):
        with pytest.raises(ServiceError) as caught:
            answer(sagemaker, invoke(sagemaker, "NEW_SESSION"), {"X-Amzn-SageMaker-New-Session-Id": value})
        assert caught.value.code == "ModelError"


def test_who_cannot_be_followed(sagemaker: SageMaker) -> None:
    begin(sagemaker)
    assert "is one of variant one" in refusal(sagemaker, "abc-1", TargetVariant="two")
    status(sagemaker, {"one": ("i-1", "i-3"), "two": ("i-4",)})
    assert "the instance that had it is gone" in refusal(sagemaker, "abc-1")
    old = StatefulSession(endpoint_key=KEY, id="old", variant="one", instance_id="i-1", expires=NOW - timedelta(days=1))
    sagemaker.put(old)
    assert "has expired" in refusal(sagemaker, "old")
    begin(sagemaker)
    assert sagemaker.store.snapshot().get(StatefulSession, old.key) is None, "a new one sweeps the old ones"


def test_an_update_under_way_has_two_fleets(sagemaker: SageMaker) -> None:
    begin(sagemaker)
    sagemaker("CreateEndpointConfig", EndpointConfigName="next", ProductionVariants=[variant(VariantName="one")])
    sagemaker("UpdateEndpoint", EndpointName="ep", EndpointConfigName="next")
    coming = Deployment(
        generation=2, stage="baking", began=NOW, since=NOW, share=1.0, target=1.0, instances={"one": ("i-9",)}
    )
    status(sagemaker, {"one": ("i-2",)}, deployment=coming)
    assert invoke(sagemaker, "abc-1").instance_ids == ("i-2",)
    assert invoke(sagemaker, "NEW_SESSION").instance_ids == ("i-9",)


def test_sessions_go_with_their_endpoint(sagemaker: SageMaker) -> None:
    begin(sagemaker)
    with sagemaker.store.transaction() as records:
        drop_sessions(records, KEY)
    assert not list(sagemaker.store.snapshot().all(StatefulSession))
