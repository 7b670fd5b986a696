"""Requests for the models of multi-model endpoints: which instance is asked, and that it has the model by then.

Everything else passes through to the containers as it is. `instance_models` makes a model ready. A noun of the loop: it
forgets the instances that are gone. Called by the gateway for each invocation.
https://docs.aws.amazon.com/sagemaker/latest/dg/multi-model-endpoints.html
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from msgspec.structs import replace

from ringfence.core.errors import ServiceError
from ringfence.core.results import Forward, ForwardReply
from ringfence.reconcile.hosting.host_place import HostPlace, find_place
from ringfence.reconcile.hosting.instance_models import InstanceModels, ModelFailed, NotReady
from ringfence.reconcile.hosting.model_container import TARGET_HEADER, ListFailed
from ringfence.reconcile.parts import Parts
from ringfence.resources.hosted_container import containers_of
from ringfence.resources.sagemaker import HostStatus
from ringfence.services.cloudwatch.measurement import Measurements, Source, variant_source
from ringfence.services.sagemaker_runtime.target_model import model_not_ready
from ringfence.store.database import Snapshot

_MICROSECONDS = 1_000_000
# An instance, and the port of its container.
_Place = tuple[str, int]


class MultiModels:
    """`perform` is what the gateway sends invocations through."""

    def __init__(self, parts: Parts, measurements: Measurements) -> None:
        self._parts = parts
        self._measurements = measurements
        self._models: dict[_Place, asyncio.Future[InstanceModels]] = {}

    async def perform(self, forward: Forward) -> ForwardReply:
        """The container's reply, or the reason why there is none; never raises."""
        target = forward.target_model
        if target is None:
            return await self._parts.traffic.perform(forward)
        with ExitStack() as held:
            with ExitStack() as looked_at:
                # INVARIANT: held before the first await, so that no request waits for an instance that is drained.
                for id in forward.instance_ids:
                    looked_at.enter_context(self._parts.traffic.hold(id))
                able = await self._able(forward)
                if not able:
                    return ForwardReply(0, {}, b"", "refused", forward.instance_ids[0])
                chosen = self._choose(able, target)
                held.enter_context(self._parts.traffic.hold(chosen))
            return await self._ask(able[chosen], replace(forward, instance_ids=(chosen,)), target)

    def loaded(self) -> Iterator[tuple[Source, int]]:
        """How many models each container has in memory, for the metric."""
        for (instance_id, _), models in self._models.items():
            host = find_place(self._parts, instance_id)
            if host is not None and models.done() and not models.exception():
                yield _source(host, "/aws/sagemaker/Endpoints"), models.result().loaded

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        for instance_id in {id for id, _ in self._models if records.get(HostStatus, id) is None}:
            await self.end(instance_id)
        for status in records.all(HostStatus):
            if applied and status.phase == "serving" and (host := find_place(self._parts, status.instance_id)):
                for container in containers_of(host.variant):
                    if container.is_multi_model:
                        self._find((status.instance_id, container.port))

    async def end(self, instance_id: str) -> None:
        """Nothing is fetched for the instance any more, and nothing known of it."""
        await self._forget([place for place in self._models if place[0] == instance_id])

    async def close(self) -> None:
        """The next daemon finds what is there."""
        await self._forget(list(self._models))

    async def _forget(self, places: list[_Place]) -> None:
        for place in places:
            models = self._models.pop(place)
            if models.done() and not models.cancelled() and not models.exception():
                await models.result().close()
            models.cancel()

    async def _able(self, forward: Forward) -> Mapping[str, InstanceModels]:
        """Those of the instances that tell what they have."""
        found = await asyncio.gather(*(self._on((id, forward.port)) for id in forward.instance_ids))
        return {id: models for id, models in zip(forward.instance_ids, found, strict=True) if models is not None}

    async def _on(self, place: _Place) -> InstanceModels | None:
        models = self._find(place)
        try:
            return await asyncio.shield(models)
        except ListFailed:
            return None
        except asyncio.CancelledError:
            if not models.cancelled():
                raise  # it is the request that is cancelled
            return None  # the instance has ended

    def _find(self, place: _Place) -> asyncio.Future[InstanceModels]:
        """What is known of the place, or begins to be."""
        models = self._models.get(place)
        if models is None or (models.done() and models.exception()):  # who did not tell is asked again
            models = self._models[place] = asyncio.ensure_future(self._adopt(place))
            models.add_done_callback(lambda done: done.cancelled() or done.exception())
        return models

    async def _adopt(self, place: _Place) -> InstanceModels:
        instance_id, port = place
        host = find_place(self._parts, instance_id)
        container = next((one for one in containers_of(host.variant) if one.port == port), None) if host else None
        if host is None or container is None:
            raise ListFailed("the instance is gone")
        source = _source(host, "AWS/SageMaker")
        models = InstanceModels(
            self._parts, host, container, lambda metric, seconds: self._note(source, metric, seconds)
        )
        await models.adopt()
        return models

    def _choose(self, able: Mapping[str, InstanceModels], target: str) -> str:
        """One that has the model; another one if all of those have more to do than processors, and it has less."""
        busy = self._parts.traffic.outstanding
        having = [id for id, models in able.items() if models.has(target)]
        idle = min(able, key=lambda id: (busy(id), able[id].loaded))
        if not having:
            return idle
        best = min(having, key=busy)
        # a request is under way twice: as it is held, and as it is asked; and all are being looked at
        return idle if busy(best) - 1 >= 2 * able[best].cpus and busy(idle) < busy(best) else best

    async def _ask(self, models: InstanceModels, forward: Forward, target: str) -> ForwardReply:
        """Twice if the container has let go of the model by itself, which is no error of the request's."""
        clock = asyncio.get_running_loop().time
        deadline, reply = clock() + forward.timeout, ForwardReply(0, {}, b"", "timeout")
        for again in (True, False):
            try:
                async with models.using(target, deadline - clock()) as used:
                    if again:
                        self._note_use(forward.instance_ids[0], used.waited)
                    asked = replace(
                        forward,
                        path=f"/models/{used.name}/invoke",
                        headers={**forward.headers, TARGET_HEADER: target},
                        timeout=max(0.0, deadline - clock()),
                    )
                    reply = await self._parts.traffic.perform(asked)
            except NotReady:
                return _failed(forward, model_not_ready(target))
            except ModelFailed as failure:
                return _failed(forward, failure.error)
            if not again or reply.status != 404 or not await models.lost(target):
                return reply
        return reply

    def _note_use(self, instance_id: str, waited: float | None) -> None:
        if (host := find_place(self._parts, instance_id)) is None:
            return
        source, at = _source(host, "AWS/SageMaker"), self._parts.edge.now().timestamp()
        self._measurements.add(source, at, [("ModelCacheHit", "None", float(waited is None))])
        if waited is not None:
            self._note(source, "ModelLoadingWaitTime", waited)

    def _note(self, source: Source, metric: str, seconds: float) -> None:
        at = self._parts.edge.now().timestamp()
        self._measurements.add(source, at, [(metric, "Microseconds", float(f"{seconds * _MICROSECONDS:.2e}"))])


def _source(host: HostPlace, namespace: str) -> Source:
    endpoint = host.endpoint
    return variant_source(endpoint.account, endpoint.region, namespace, endpoint.name, host.variant.name)


def _failed(forward: Forward, error: ServiceError) -> ForwardReply:
    """A ModelError counts as what the container answered."""
    status = int(error.fields.get("OriginalStatusCode", error.status))
    return ForwardReply(status, {}, b"", None, forward.instance_ids[0], 0.0, error)
