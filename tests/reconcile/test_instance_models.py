"""What is done for a multi-model container that keeps AWS's contract, and for one that does not. No S3."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ringfence.core.results import Forward, ForwardReply
from ringfence.reconcile.hosting import instance_models
from ringfence.reconcile.hosting.instance_models import InstanceModels, ModelFailed, NotReady
from ringfence.reconcile.hosting.model_cache import CachedModel, ModelCache, name_of
from ringfence.reconcile.hosting.model_download import DownloadFailed
from ringfence.reconcile.instance.s3_client import Refused
from ringfence.resources.hosted_container import HostedContainer
from ringfence.runtime.driver import Usage
from ringfence.runtime.instance_type import GIB
from tests.patience import eventually_on_loop


class Container:
    """The traffic to one container that has room for so many models."""

    def __init__(self, room: int = 2) -> None:
        self.room = room
        self.models: list[str] = []
        self.asked: list[str] = []
        self.broken = 0
        self.slow = 0.0

    async def perform(self, forward: Forward) -> ForwardReply:
        await asyncio.sleep(self.slow)
        name = forward.path.split("/")[2] if forward.path.count("/") > 1 else ""
        self.asked.append(f"{forward.method} {forward.headers.get('X-Amzn-SageMaker-Target-Model', '')}".strip())
        return ForwardReply(*self._answer(forward, name))

    def _answer(self, forward: Forward, name: str) -> tuple[int, dict[str, str], bytes]:
        if forward.method == "POST":
            new = json.loads(forward.body)["model_name"]
            if new in self.models:
                return 409, {}, b""
            if self.broken or len(self.models) >= self.room:
                return self.broken or 507, {}, b"no"
            self.models.append(new)
        elif forward.method == "DELETE":
            self.models.remove(name)
        elif name:
            return (200 if name in self.models else 404), {}, b"{}"
        else:
            return 200, {}, json.dumps({"models": [{"modelName": one} for one in self.models]}).encode()
        return 200, {}, b""


class Machine:
    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.container = Container()
        self.usage = Usage(0.0, 0)
        self.notes: list[str] = []
        self.fetched: list[str] = []
        self.sizes: dict[str, int] = {}
        (directory / "i-1/models").mkdir(parents=True)
        self.directory = directory / "i-1"
        driver = SimpleNamespace(usage=lambda id: self.usage)
        self.parts: Any = SimpleNamespace(traffic=self.container, driver=driver, directory=lambda id: directory / id)
        monkeypatch.setattr(instance_models, "open_s3", self.open_s3)
        monkeypatch.setattr(instance_models, "ModelDownload", self.download)
        monkeypatch.setattr(instance_models, "used_bytes", lambda path: self.sizes.get(path.name, 1))

    @asynccontextmanager
    async def open_s3(self, *_: Any) -> AsyncIterator[None]:
        yield None

    def download(self, s3: Any, data: Any, number: int, limit: int) -> Any:
        async def into(directory: Path) -> None:
            self.fetched.append(data.key)
            if "none" in data.key:
                raise DownloadFailed("no reason") from Refused(404, "NoSuchKey", "it is not there")
            directory.mkdir(parents=True)

        return SimpleNamespace(into=into)

    def models(self, setting: str = "Enabled") -> InstanceModels:
        definition = {
            "Mode": "MultiModel",
            "ModelDataUrl": "s3://models/many",
            "MultiModelConfig": {"ModelCacheSetting": setting},
        }
        variant = SimpleNamespace(instance_type="ml.m5.large", volume_gigabytes=1)
        endpoint = SimpleNamespace(name="ep", account="1", region="us-west-2")
        host: Any = SimpleNamespace(wish=SimpleNamespace(id="i-1"), variant=variant, endpoint=endpoint, place=None)
        container = HostedContainer(1, "primary", definition, False)
        return InstanceModels(self.parts, host, container, lambda metric, seconds: self.notes.append(metric))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


async def use(models: InstanceModels, *targets: str) -> None:
    for target in targets:
        async with models.using(target, 5):
            pass


async def test_one_fetch_and_one_loading_for_all_who_wait(machine: Machine) -> None:
    models = machine.models()
    await asyncio.gather(*(use(models, "a") for _ in range(5)))
    assert (machine.fetched, machine.container.asked) == (["many/a"], ["POST a"])
    assert machine.notes == ["ModelDownloadingTime", "ModelLoadingTime"]
    async with models.using("a", 5) as used:
        assert used == instance_models.Used(name_of("a"), None)


async def test_507_unloads_the_one_that_was_used_least_recently(machine: Machine) -> None:
    models = machine.models()
    await use(models, "a", "b", "a", "c")
    assert [models.has(name) for name in ("a", "b", "c")] == [True, False, True]
    assert machine.container.asked == ["POST a", "POST b", "POST c", "DELETE b", "POST c"]
    await use(models, "b")
    assert machine.fetched.count("many/b") == 1, "it stayed on the disk"


async def test_what_is_used_is_not_unloaded(machine: Machine) -> None:
    models = machine.models()
    async with models.using("a", 5), models.using("b", 5):
        with pytest.raises(ModelFailed) as caught:
            await use(models, "c")
    assert caught.value.error.fields["OriginalStatusCode"] == 507
    await use(models, "c")


async def test_high_memory_makes_room_before_the_container_must_ask(machine: Machine) -> None:
    models = machine.models()
    await use(models, "a")
    machine.usage = Usage(0.0, 7 * GIB)
    await use(models, "b")
    assert machine.container.asked == ["POST a", "DELETE a", "POST b"]


async def test_a_full_disk_loses_the_oldest(machine: Machine) -> None:
    models = machine.models()
    machine.sizes = {name_of(name): GIB // 2 for name in "abc"}
    await use(models, "a", "b", "c")
    assert machine.container.asked == ["POST a", "POST b", "DELETE a", "POST c"]
    assert {path.name for path in (machine.directory / "models").iterdir()} == {name_of("b"), name_of("c")}
    await use(models, "a")
    assert machine.fetched.count("many/a") == 2


async def test_without_a_cache_a_model_goes_with_its_last_request(machine: Machine) -> None:
    models = machine.models("Disabled")
    async with models.using("a", 5):
        await use(models, "a")
        assert models.has("a")
    await eventually_on_loop(
        lambda: (models.loaded, machine.container.models, list((machine.directory / "models").iterdir())),
        lambda left: left == (0, [], []),
    )


async def test_failures_in_the_words_of_aws_and_another_try(machine: Machine) -> None:
    models = machine.models()
    with pytest.raises(ModelFailed) as caught:
        await use(models, "none")
    assert caught.value.error.message.startswith("Failed to download model data(bucket: models, key: many/none).")
    machine.container.broken = 500
    with pytest.raises(ModelFailed) as caught:
        await use(models, "a")
    assert (caught.value.error.code, caught.value.error.fields["OriginalMessage"]) == ("ModelError", "no")
    machine.container.broken = 0
    await use(models, "a")
    assert machine.fetched.count("many/a") == 2, "what spoils a loading is not kept"


async def test_the_end_of_the_instance_ends_the_waiting(machine: Machine) -> None:
    models, machine.container.slow = machine.models(), 5
    waiting = asyncio.create_task(use(models, "a"))
    await asyncio.sleep(0.02)
    await models.close()
    with pytest.raises(ModelFailed) as caught:
        await waiting
    assert "the connection was refused" in caught.value.error.message


async def test_who_is_too_late_finds_it_loaded_later(machine: Machine) -> None:
    models, machine.container.slow = machine.models(), 0.2
    with pytest.raises(NotReady):
        async with models.using("a", 0.05):
            pass
    await eventually_on_loop(lambda: models.has("a"))
    await models.close()


async def test_the_next_daemon_finds_what_is_there(machine: Machine) -> None:
    before = machine.models()
    await use(before, "a", "b")
    machine.container.models.remove(name_of("b"))
    (machine.directory / "models/half-made").mkdir()
    models = machine.models()
    await models.adopt()
    assert (models.has("a"), models.has("b"), models.loaded) == (True, False, 1)
    machine.container.asked.clear(), machine.fetched.clear()
    await use(models, "a", "b")
    assert (machine.fetched, machine.container.asked) == ([], ["POST b"])
    assert not (machine.directory / "models/half-made").exists()


async def test_a_model_that_the_container_let_go_of(machine: Machine) -> None:
    models = machine.models()
    await use(models, "a")
    assert not await models.lost("a")
    machine.container.models.clear()
    assert await models.lost("a") and not models.has("a")


def test_the_order_of_use_decides_who_goes() -> None:
    cache = ModelCache(10)
    for name, size in (("a", 4), ("b", 4), ("c", 4)):
        model = cache.use(name)
        model.size, model.loaded = size, True
        cache.leave(model)
    cache.leave(cache.use("a"))
    oldest, first = cache.oldest_loaded(), cache.in_the_way()
    assert oldest is first and isinstance(first, CachedModel) and first.target == "b"
    kept = cache.use("b")
    assert cache.room() == 6
    assert (found := cache.oldest_loaded()) is not None and found.target == "c"
    cache.leave(kept)
