"""The models of one multi-model container: fetched when they are asked for, loaded, unloaded, deleted.

From S3 with the execution role through the instance's own network; what an earlier daemon left is found on the disk and
in the container's own list. Made by `multi_model`, which says what its requests want.
https://docs.aws.amazon.com/sagemaker/latest/dg/multi-model-endpoints.html
"""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ringfence.core.errors import ServiceError
from ringfence.core.results import ForwardReply
from ringfence.reconcile.hosting.container_spec import models_directory
from ringfence.reconcile.hosting.host_place import HostPlace
from ringfence.reconcile.hosting.model_cache import CachedModel, ModelCache, name_of
from ringfence.reconcile.hosting.model_container import ModelContainer
from ringfence.reconcile.hosting.model_download import DownloadFailed, ModelDownload
from ringfence.reconcile.instance.launch import LaunchFailed
from ringfence.reconcile.instance.s3 import open_s3
from ringfence.reconcile.instance.s3_client import Refused
from ringfence.reconcile.instance.utilization import used_bytes
from ringfence.reconcile.parts import Parts
from ringfence.resources.hosted_container import HostedContainer
from ringfence.runtime.instance_type import GIB, limits
from ringfence.services.sagemaker.container import ModelData, model_data
from ringfence.services.sagemaker_runtime.invocation import model_error
from ringfence.services.sagemaker_runtime.target_model import model_not_fetched, model_refused

log = logging.getLogger("ringfence.reconcile")

# "the model continues to download and load into the inference container for up to 360 seconds"
# https://docs.aws.amazon.com/sagemaker/latest/dg/invoke-multi-model-endpoint.html
_LOAD_SECONDS = 360.0
# Of the container's memory; what AWS calls "high" is not published: ours.
_HIGH = 0.8

# (metric, seconds) of what was done
Note = Callable[[str, float], None]


class NotReady(Exception):
    """The time is up, and the model is still being made ready."""


class ModelFailed(Exception):
    """The model could not be made ready; `error` is what the caller is told. `spoiled`: by what is in its archive."""

    def __init__(self, error: ServiceError, *, spoiled: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.spoiled = spoiled


@dataclass(frozen=True, slots=True)
class Used:
    """A model that is loaded for as long as it is used. `waited`: seconds; None if it was loaded before."""

    name: str
    waited: float | None


class InstanceModels:
    """What `host`'s `container` has. `note` is told how long things took."""

    def __init__(self, parts: Parts, host: HostPlace, container: HostedContainer, note: Note) -> None:
        limit, data = limits(host.variant.instance_type), model_data(container.definition)
        assert limit is not None and data is not None, "CreateModel and CreateEndpointConfig have looked"
        self._parts = parts
        self._host = host
        self._definition = container
        self._data = data
        self._memory = limit.memory_bytes
        self._note = note
        self._container = ModelContainer(parts.traffic, host.wish.id, container.port)
        self._directory = models_directory(parts.directory(host.wish.id), container)
        self._cache = ModelCache(host.variant.volume_gigabytes * GIB)
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._dropping: set[asyncio.Task[None]] = set()
        # "higher concurrency for downloading and loading […] a factor of the number of vCPUs" without a cache
        # https://docs.aws.amazon.com/sagemaker/latest/dg/multi-model-caching.html ; the factors are ours
        self.cpus = max(1, int(limit.cpus))
        self._slots = asyncio.Semaphore(self.cpus * (1 if container.keeps_models else 2))

    @property
    def loaded(self) -> int:
        return self._cache.loaded()

    def has(self, target: str) -> bool:
        return self._cache.is_loaded(target)

    async def adopt(self) -> None:
        """Find what is there: the disk's models, and those that the container lists. Raises ListFailed."""
        names = set(await self._container.names())
        for path in [*self._directory.glob("*")] if self._directory.exists() else []:
            target = self._target_file(path.name)
            if not (path / "model").is_dir() or not target.exists():
                await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)  # half-made
                continue
            size = max(1, await asyncio.to_thread(used_bytes, path))
            self._cache.adopt(CachedModel(path.name, target.read_text(), size, path.name in names))
            names.discard(path.name)
        for name in names:
            self._cache.adopt(CachedModel(name, "", 0, loaded=True))

    @asynccontextmanager
    async def using(self, target: str, seconds: float) -> AsyncIterator[Used]:
        """The model, loaded. Raises NotReady after so many seconds, and goes on loading it; ModelFailed."""
        clock = asyncio.get_running_loop().time
        began, model = clock(), self._cache.use(target)
        try:
            waited = None
            if not model.loaded:
                await self._ready(model, seconds)
                waited = clock() - began
            yield Used(model.name, waited)
        finally:
            self._cache.leave(model)
            if not self._definition.keeps_models and not model.users:
                self._begin_to_drop(model)

    async def lost(self, target: str) -> bool:
        """Whether the container has let go of a model that it had; then it is not taken for loaded any more."""
        if await self._container.has(name_of(target)):
            return False
        model = self._cache.use(target)
        model.loaded = False
        self._cache.leave(model)
        return True

    async def close(self) -> None:
        """Stop what is under way; what is half-made goes with the instance, or when it is adopted."""
        tasks = [*self._loading.values(), *self._dropping]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ready(self, model: CachedModel, seconds: float) -> None:
        """One loading for all who wait for it; it outlives them."""
        task = self._loading.get(model.name)
        if task is None:
            self._cache.use(model.target)
            task = asyncio.create_task(self._load(model), name=f"load {model.target} on {self._host.wish.id}")
            self._loading[model.name] = task
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(task)
        except TimeoutError:
            raise NotReady from None
        except asyncio.CancelledError:
            if not task.cancelled():
                raise  # it is the request that is cancelled
            raise ModelFailed(self._error(ForwardReply(0, {}, b"", "refused"))) from None  # the instance has ended

    async def _load(self, model: CachedModel) -> None:
        try:
            async with self._slots, model.lock, asyncio.timeout(_LOAD_SECONDS):
                if not model.size:
                    await self._fetch(model)
                await self._put_into_memory(model)
        except ModelFailed as failure:
            if failure.spoiled:
                await self._forget_files(model)  # the archive may be mended under the same key
            raise
        except TimeoutError:
            log.warning("model `%s` of `%s` was not loaded in time", model.target, self._host.endpoint.name)
            raise ModelFailed(self._error(ForwardReply(0, {}, b"", "timeout"))) from None
        finally:
            del self._loading[model.name]
            self._cache.leave(model)

    async def _fetch(self, model: CachedModel) -> None:
        """Beside its place, and moved there when it is whole."""
        clock = asyncio.get_running_loop().time
        began, data = clock(), ModelData(
            f"s3://{self._data.bucket}/{self._data.key}{model.target}", self._data.bucket,
            f"{self._data.key}{model.target}", "tar",
        )  # fmt: skip
        incoming = self._beside("incoming") / model.name
        try:
            async with open_s3(self._parts, self._host.wish, self._host.place) as s3:
                download = ModelDownload(s3, data, self._definition.number, max(0, self._cache.room()))
                await download.into(incoming / "model")
            await self._move(model, incoming)
        except (DownloadFailed, LaunchFailed) as failure:
            cause = failure.__cause__ or failure
            log.warning("model %s of `%s` could not be had: %s", data.url, self._host.endpoint.name, cause)
            refused = isinstance(cause, Refused)
            raise ModelFailed(
                model_refused(data.bucket, data.key) if refused else model_not_fetched(failure.reason)
            ) from None
        finally:
            await asyncio.to_thread(shutil.rmtree, incoming, ignore_errors=True)
        self._note("ModelDownloadingTime", clock() - began)

    async def _move(self, model: CachedModel, incoming: Path) -> None:
        size = max(1, await asyncio.to_thread(used_bytes, incoming))
        target = self._target_file(model.name)
        target.parent.mkdir(exist_ok=True)
        target.write_text(model.target)
        await asyncio.to_thread(shutil.rmtree, self._directory / model.name, ignore_errors=True)
        incoming.rename(self._directory / model.name)
        model.size = size
        while (other := self._cache.in_the_way()) is not None:
            async with other.lock:
                await self._delete(other)

    async def _put_into_memory(self, model: CachedModel) -> None:
        """507 means that the container wants another model unloaded first, 409 that it has this one."""
        clock = asyncio.get_running_loop().time
        if self._is_memory_high() and (other := self._cache.oldest_loaded()) is not None:
            await self._unload(other)
        while True:
            began = clock()
            reply = await self._container.load(model.name, model.target, _LOAD_SECONDS)
            if reply.failure is None and (200 <= reply.status < 300 or reply.status == 409):
                model.loaded = True
                self._note("ModelLoadingTime", clock() - began)
                return
            other = self._cache.oldest_loaded() if reply.status == 507 else None
            if other is None:
                raise ModelFailed(self._error(reply), spoiled=reply.failure is None and reply.status != 507)
            await self._unload(other)

    async def _unload(self, model: CachedModel) -> None:
        async with model.lock:
            await self._take_from_memory(model)

    async def _take_from_memory(self, model: CachedModel) -> None:
        if not model.loaded or model.users:
            return
        clock = asyncio.get_running_loop().time
        began, model.loaded = clock(), False
        reply = await self._container.unload(model.name, model.target)
        if reply.failure is not None or not (200 <= reply.status < 300 or reply.status == 404):
            model.loaded = True
            raise ModelFailed(self._error(reply))
        self._note("ModelUnloadingTime", clock() - began)
        self._cache.tidy(model)

    async def _delete(self, model: CachedModel) -> None:
        """From the disk, and before that from memory: a container may have mapped the files."""
        await self._take_from_memory(model)
        if not model.users:
            await self._forget_files(model)

    async def _forget_files(self, model: CachedModel) -> None:
        model.size = 0
        await asyncio.to_thread(shutil.rmtree, self._directory / model.name, ignore_errors=True)
        self._target_file(model.name).unlink(missing_ok=True)
        self._cache.tidy(model)

    def _begin_to_drop(self, model: CachedModel) -> None:
        """ModelCacheSetting Disabled: a model goes when its last request has been answered."""
        task = asyncio.create_task(self._drop(model), name=f"drop {model.target} on {self._host.wish.id}")
        self._dropping.add(task)
        task.add_done_callback(self._dropping.discard)

    async def _drop(self, model: CachedModel) -> None:
        try:
            async with model.lock:
                await self._delete(model)
        except ModelFailed as failure:
            log.warning("model `%s` of `%s` could not be unloaded: %s", model.target, self._host.endpoint.name, failure)

    def _is_memory_high(self) -> bool:
        usage = self._parts.driver.usage(self._definition.id_on(self._host.wish.id))
        return usage is not None and usage.memory_bytes > _HIGH * self._memory

    def _error(self, reply: ForwardReply) -> ServiceError:
        return model_error(self._host.endpoint, self._definition, reply)

    def _beside(self, what: str) -> Path:
        return self._directory.with_name(f"{self._directory.name}-{what}")

    def _target_file(self, name: str) -> Path:
        return self._beside("targets") / name
