"""Which instance is asked for a model, and what its requests are answered. The containers keep AWS's contract."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from ringfence.core.errors import ServiceError
from ringfence.core.results import Forward, ForwardReply
from ringfence.reconcile.hosting import multi_model
from ringfence.reconcile.hosting.instance_models import ModelFailed, NotReady, Used
from ringfence.reconcile.hosting.model_container import ListFailed
from ringfence.reconcile.hosting.multi_model import MultiModels
from ringfence.resources.sagemaker import Variant
from ringfence.services.cloudwatch.measurement import Measurements, variant_source

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SOURCE = variant_source("1", "us-west-2", "AWS/SageMaker", "ep", "one")
VARIANT = Variant(
    name="one", model_name="m", container={"Mode": "MultiModel"}, role_arn="r", instance_type="ml.m5.large", count=1,
    weight=1.0, download_timeout=1, startup_timeout=1,
)  # fmt: skip


class Traffic:
    """What containers are asked, and how many requests each holds."""

    def __init__(self) -> None:
        self.under_way: Counter[str] = Counter()
        self.asked: list[tuple[str, str, str]] = []
        self.status = 200

    def outstanding(self, id: str) -> int:
        return self.under_way[id]

    @contextmanager
    def hold(self, id: str) -> Iterator[None]:
        self.under_way[id] += 1
        yield
        self.under_way[id] -= 1

    async def perform(self, forward: Forward) -> ForwardReply:
        target = forward.headers.get(multi_model.TARGET_HEADER, "")
        self.asked.append((forward.instance_ids[0], forward.path, target))
        return ForwardReply(self.status, {}, b"", None, forward.instance_ids[0])


class Models:
    """What `instance_models` would do; `failure`: what a target fails by."""

    cpus, failure, silent = 2, None, False

    def __init__(self, *_: Any) -> None:
        self.there: set[str] = set()
        self.gone = False
        self.closed = False

    @property
    def loaded(self) -> int:
        return len(self.there)

    def has(self, target: str) -> bool:
        return target in self.there

    async def adopt(self) -> None:
        if self.silent:
            raise ListFailed("no")

    @asynccontextmanager
    async def using(self, target: str, seconds: float) -> AsyncIterator[Used]:
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        waited = None if target in self.there else 0.5
        self.there.add(target)
        yield Used(f"name-{target}", waited)

    async def lost(self, target: str) -> bool:
        gone, self.gone = self.gone, False
        if gone:
            self.there.discard(target)
        return gone

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> Traffic:
    endpoint = SimpleNamespace(account="1", region="us-west-2", name="ep")
    monkeypatch.setattr(
        multi_model, "find_place", lambda parts, id: SimpleNamespace(endpoint=endpoint, variant=VARIANT)
    )
    monkeypatch.setattr(multi_model, "InstanceModels", Models)
    monkeypatch.setattr(Models, "failure", None)
    monkeypatch.setattr(Models, "silent", False)
    return Traffic()


def make(traffic: Traffic) -> tuple[MultiModels, Measurements]:
    parts: Any = SimpleNamespace(traffic=traffic, edge=SimpleNamespace(now=lambda: NOW))
    measurements = Measurements()
    return MultiModels(parts, measurements), measurements


def forward(target: str | None, *ids: str) -> Forward:
    return Forward(ids or ("i-1", "i-2"), "POST", "/invocations", {}, b"", 60.0, lambda reply: {}, target_model=target)


async def test_what_is_for_no_model_passes_through(traffic: Traffic) -> None:
    models, _ = make(traffic)
    await models.perform(forward(None))
    assert traffic.asked == [("i-1", "/invocations", "")]


async def test_a_model_is_asked_where_it_is_and_new_ones_where_there_are_fewer(traffic: Traffic) -> None:
    models, measurements = make(traffic)
    for target in ("a", "b", "a", "b", "b"):
        await models.perform(forward(target))
    assert [id for id, *_ in traffic.asked] == ["i-1", "i-2", "i-1", "i-2", "i-2"]
    assert traffic.asked[0] == ("i-1", "/models/name-a/invoke", "a")
    assert not +traffic.under_way
    assert measurements.sources(NOW.timestamp(), "ModelCacheHit") == {SOURCE}
    counts = measurements._counts[int(NOW.timestamp()), SOURCE]
    assert counts["ModelCacheHit", "None"] == {0.0: 2.0, 1.0: 3.0}
    assert counts["ModelLoadingWaitTime", "Microseconds"] == {500000.0: 2.0}
    assert sorted(count for _, count in models.loaded()) == [1, 1]


async def test_a_busy_instance_shares_its_model(traffic: Traffic) -> None:
    models, _ = make(traffic)
    await models.perform(forward("a"))
    traffic.under_way["i-1"] = 3
    await models.perform(forward("a"))
    traffic.under_way["i-1"] = 4  # two requests, each held and asked, on two processors
    await models.perform(forward("a"))
    assert [id for id, *_ in traffic.asked] == ["i-1", "i-1", "i-2"]


async def test_what_a_container_let_go_of_is_asked_again_once(traffic: Traffic) -> None:
    models, _ = make(traffic)
    await models.perform(forward("a", "i-1"))
    traffic.status = 404
    assert (await models.perform(forward("a", "i-1"))).status == 404, "the model's own"
    models._models["i-1", 8080].result().gone = True  # type: ignore[attr-defined]
    await models.perform(forward("a", "i-1"))
    assert len(traffic.asked) == 1 + 1 + 2


@pytest.mark.parametrize(
    ("failure", "code", "status"),
    [
        (NotReady(), "ModelNotReadyException", 429),
        (ModelFailed(ServiceError("ValidationError", "no")), "ValidationError", 400),
        (ModelFailed(ServiceError("ModelError", "no", 424, {"OriginalStatusCode": 507})), "ModelError", 507),
    ],
)
async def test_failures_are_replies(
    traffic: Traffic, monkeypatch: pytest.MonkeyPatch, failure: Exception, code: str, status: int
) -> None:
    monkeypatch.setattr(Models, "failure", failure)
    reply = await make(traffic)[0].perform(forward("a"))
    assert reply.error is not None and (reply.error.code, reply.status) == (code, status)
    assert not +traffic.under_way


async def test_an_instance_that_does_not_tell_is_asked_again_later(
    traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, _ = make(traffic)
    monkeypatch.setattr(Models, "silent", True)
    assert (await models.perform(forward("a"))).failure == "refused"
    assert not list(models.loaded())
    monkeypatch.setattr(Models, "silent", False)
    assert (await models.perform(forward("a"))).status == 200


async def test_an_instance_that_ends_while_it_is_looked_at(traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: Models) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(Models, "adopt", never)
    models, _ = make(traffic)
    asking = asyncio.create_task(models.perform(forward("a", "i-1")))
    await asyncio.sleep(0.01)
    await models.end("i-1")
    assert (await asking).failure == "refused"


async def test_the_end_of_an_instance_is_the_end_of_its_models(traffic: Traffic) -> None:
    models, _ = make(traffic)
    await models.perform(forward("a", "i-1"))
    known: Any = models._models["i-1", 8080].result()
    await models.end("i-1")
    assert known.closed and not models._models
