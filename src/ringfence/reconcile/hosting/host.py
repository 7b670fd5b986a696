"""Hosting instances, one asyncio task each: launched, adopted from an earlier daemon, watched, ended.

`endpoint` decides which there should be. Here and in `host_launch`, `host_end` HostStatus is written.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any

from ringfence.reconcile.hosting.health import Pace, wait_until_unhealthy
from ringfence.reconcile.hosting.host_end import end_host
from ringfence.reconcile.hosting.host_launch import Launch, follow_logs, set_phase
from ringfence.reconcile.hosting.multi_model import MultiModels
from ringfence.reconcile.hosting.ping import answers_ping
from ringfence.reconcile.instance.launch import LaunchFailed, container_namespace
from ringfence.reconcile.parts import Parts
from ringfence.resources.hosted_container import HostedContainer, containers_of
from ringfence.resources.instance import Instance
from ringfence.resources.sagemaker import Endpoint, Fleet, HostStatus, Variant
from ringfence.runtime.driver import Exited, Running
from ringfence.services.sagemaker.failure_reason import INTERNAL_ERROR

log = logging.getLogger("ringfence.reconcile")

# "SIGKILL 30 seconds later": https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
_GRACE = 30.0
# A request that was under way when its instance was taken out may take as long as any:
# "must respond to requests within 60 seconds", on the same page.
_DRAIN = 65.0
_RETRY = 2.0  # seconds
_ADOPT_PINGS = 3
# At once: each takes a core until its container answers. Fifty at once on two cores answer no ping in time.
_STARTING = (os.cpu_count() or 1) + 2
# One that takes longer waits for something else than a core: the next need not wait for it.
_STARTING_SECONDS = 20.0


class Hosts:
    """Which instances have a task; the records say which there are."""

    def __init__(self, parts: Parts, pace: Pace, models: MultiModels) -> None:
        self._parts = parts
        self._models = models
        self._pace = pace
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Task[None]] = {}
        self._starting = asyncio.Semaphore(_STARTING)

    def launch(self, endpoint: Endpoint, variant: Variant, instance_id: str, delay: float) -> None:
        """Start an instance whose HostStatus has been written; after `delay` seconds if others failed before it."""
        self._begin(instance_id, self._launch(endpoint, variant, instance_id, delay))

    def end(self, instance_id: str, grace: float = _GRACE, *, drain: bool = False) -> None:
        """Begin to end an instance, at whatever point it is; no-op if that is under way.

        `drain`: first let it answer what it was asked; the records say already that it gets no more.
        """
        if instance_id not in self._ends:
            life = self._lives.pop(instance_id, None)
            self._ends[instance_id] = asyncio.create_task(
                self._end(instance_id, life, grace, drain), name=f"end {instance_id}"
            )

    def is_ending(self, instance_id: str) -> bool:
        return instance_id in self._ends

    async def recover(self) -> None:
        """What an earlier daemon left: serving containers go on without a new start, everything half-made ends."""
        records = self._parts.store.snapshot()
        statuses = records.all(HostStatus)
        await asyncio.gather(*(self._adopt(status) for status in statuses if status.phase == "serving"))
        for status in statuses:
            if status.instance_id not in self._lives:
                self.end(status.instance_id, grace=0)

    async def close(self) -> None:
        """Leave everything as it is, for the next daemon to adopt."""
        tasks = [*self._lives.values(), *self._ends.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, instance_id: str, life: Coroutine[Any, Any, None]) -> None:
        self._lives[instance_id] = asyncio.create_task(life, name=f"host {instance_id}")

    async def _launch(self, endpoint: Endpoint, variant: Variant, instance_id: str, delay: float) -> None:
        try:
            await asyncio.sleep(delay)
            launch = Launch(self._parts, endpoint, variant, instance_id)
            if variant.serverless is None:
                await self._in_turn(launch)
            else:
                await launch.run()  # a caller waits for it
        except LaunchFailed as failure:
            set_phase(self._parts, instance_id, "failed", failure.reason, failure.ended)
        except Exception:
            log.exception("launching `%s` for `%s` failed", instance_id, endpoint.name)
            set_phase(self._parts, instance_id, "failed", INTERNAL_ERROR)
        else:
            await self._watch(variant, instance_id)

    async def _in_turn(self, launch: Launch) -> None:
        """With so many others at once that each has a core now and then; no time-out of its start runs until then."""
        await self._starting.acquire()
        with ExitStack() as turn:
            turn.callback(self._starting.release)
            late = asyncio.get_running_loop().call_later(_STARTING_SECONDS, turn.close)
            try:
                await launch.run()
            finally:
                late.cancel()

    async def _watch(self, variant: Variant, instance_id: str) -> None:
        """Until a container of a serving instance ends by itself, or does not answer /ping any more."""
        parts = self._parts
        instance = parts.store.snapshot().get(Instance, instance_id)
        assert instance is not None, "it has just been seen to serve"
        tasks: list[asyncio.Task[Any]] = []
        containers = containers_of(variant)
        for container in containers:
            tasks.append(asyncio.create_task(parts.driver.wait(container.id_on(instance_id))))
            pinging = wait_until_unhealthy(
                parts.network,
                container_namespace(instance),
                lambda: parts.traffic.outstanding(instance_id) > 0,
                self._pace,
                container.port,
            )
            tasks.append(asyncio.create_task(pinging))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        states = [parts.driver.state(container.id_on(instance_id)) for container in containers]
        if all(isinstance(state, Running) for state in states):
            reason = "The container does not answer /ping any more."
        elif any(isinstance(state, Exited) and state.out_of_memory for state in states):
            reason = "The container ended by itself, out of memory."
        else:
            reason = "The container ended by itself."
        log.warning("`%s` will be replaced: %s", instance_id, reason)
        set_phase(parts, instance_id, "failed", reason)

    async def _adopt(self, status: HostStatus) -> None:
        records = self._parts.store.snapshot()
        instance = records.get(Instance, status.instance_id)
        endpoint = records.get(Endpoint, status.endpoint_key)
        fleet = records.get(Fleet, f"{status.endpoint_key}/{status.generation}")
        variant = next((one for one in fleet.variants if one.name == status.variant), None) if fleet else None
        if instance is None or endpoint is None or variant is None:
            return
        for container in containers_of(variant):
            if not await self._answers(instance, container):
                return
        follow_logs(self._parts, endpoint, variant, instance.id)
        self._begin(instance.id, self._watch(variant, instance.id))

    async def _answers(self, instance: Instance, container: HostedContainer) -> bool:
        if not isinstance(self._parts.driver.state(container.id_on(instance.id)), Running):
            return False
        for _ in range(_ADOPT_PINGS):
            if await answers_ping(self._parts.network, container_namespace(instance), container.port):
                return True
        return False

    async def _end(self, instance_id: str, life: asyncio.Task[None] | None, grace: float, drain: bool) -> None:
        if life is not None:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)
        if drain:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._parts.traffic.drained(instance_id), _DRAIN)
        await self._models.end(instance_id)
        while True:
            try:
                await end_host(self._parts, instance_id, grace)
                break
            except Exception:
                log.exception("ending `%s` failed, will retry", instance_id)
                await asyncio.sleep(_RETRY)
        del self._ends[instance_id]
