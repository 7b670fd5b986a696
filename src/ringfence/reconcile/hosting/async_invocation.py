"""The queues of asynchronous endpoints, worked off: each request's input from S3, the container, its answer to S3.

A noun of the loop; how one request goes is `async_request`. A request leaves its queue only when its answer or its
failure has been written: a daemon that is killed meanwhile asks the container again.
https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference.html
"""

import asyncio
import logging
from collections import Counter

from ringfence.core.record import Reader
from ringfence.reconcile.hosting.async_metric import note_request
from ringfence.reconcile.hosting.async_request import Again, AsyncRequest
from ringfence.reconcile.hosting.host_place import HostPlace, find_places
from ringfence.reconcile.parts import Parts
from ringfence.resources.async_invocation import AsyncInvocation
from ringfence.resources.sagemaker import Endpoint, EndpointStatus, Fleet
from ringfence.services.cloudwatch.measurement import Measurements
from ringfence.store.database import Snapshot

log = logging.getLogger("ringfence.reconcile")

# AWS chooses a number if the configuration has none: ours
_CONCURRENT = 4
_TRIES, _PAUSE = 5, 1.0  # seconds, growing


class AsyncInvocations:
    """`_running`: token -> the task that a request has."""

    def __init__(self, parts: Parts, measurements: Measurements) -> None:
        self._parts = parts
        self._measurements = measurements
        self._closed = False
        self._running: dict[str, asyncio.Task[None]] = {}
        self._on: Counter[str] = Counter()  # instance -> requests
        self._tries: Counter[str] = Counter()  # token -> how often the platform failed

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        if applied:
            for endpoint in records.all(Endpoint):
                if not endpoint.deleting and (fleet := _serving_fleet(records, endpoint)):
                    self._look(endpoint, fleet)

    async def close(self) -> None:
        """What is under way is asked again by the next daemon."""
        self._closed = True
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _look(self, endpoint: Endpoint, fleet: Fleet) -> None:
        """Begin as many as the instances have room for, the oldest first."""
        config = (fleet.asynchronous or {}).get("ClientConfig", {})
        limit = config.get("MaxConcurrentInvocationsPerInstance", _CONCURRENT)
        hosts = find_places(self._parts, endpoint.key, fleet.variants[0].name)
        for invocation in self._parts.store.walk(AsyncInvocation, f"{endpoint.key}/", ""):
            if invocation.token in self._running:
                continue
            host = min(hosts, key=lambda one: self._on[one.wish.id], default=None)
            if host is None or self._on[host.wish.id] >= limit:
                return
            self._on[host.wish.id] += 1
            self._running[invocation.token] = asyncio.create_task(
                self._run(invocation, host), name=f"asynchronous invocation {invocation.token}"
            )

    async def _run(self, invocation: AsyncInvocation, host: HostPlace) -> None:
        try:
            tries = self._tries[invocation.token] + 1
            done = await AsyncRequest(self._parts, invocation, host, final=tries >= _TRIES).run()
            self._tries.pop(invocation.token, None)
            with self._parts.store.transaction() as records:
                done.write_log(records)
                records.delete(invocation)
            note_request(self._measurements, host.endpoint, host.variant.name, done.figures, done.ended)
        except Again as error:
            self._tries[invocation.token] += 1
            log.warning("asynchronous invocation `%s` will be tried again: %s", invocation.id, error)
            await asyncio.sleep(_PAUSE * self._tries[invocation.token])
        except Exception:
            log.exception("asynchronous invocation `%s` failed, will be tried again", invocation.id)
            await asyncio.sleep(_PAUSE)
        finally:
            self._on[host.wish.id] -= 1
            del self._running[invocation.token]
            self._wake()

    def _wake(self) -> None:
        """There is room for another, which no change of a record may have told."""
        if self._closed:
            return
        snapshot = self._parts.store.snapshot()
        for endpoint in snapshot.all(Endpoint):
            if not endpoint.deleting and (fleet := _serving_fleet(snapshot, endpoint)):
                self._look(endpoint, fleet)


def _serving_fleet(records: Reader, endpoint: Endpoint) -> Fleet | None:
    """The fleet of an asynchronous endpoint that serves."""
    status = records.get(EndpointStatus, endpoint.key)
    fleet = records.get(Fleet, f"{endpoint.key}/{status.serving_generation}") if status else None
    return fleet if fleet is not None and fleet.asynchronous is not None else None


def queue_of(records: Reader, endpoint_key: str) -> list[AsyncInvocation]:
    """The requests that wait, the oldest first. They go with a deleted endpoint."""
    return list(records.scan(AsyncInvocation, f"{endpoint_key}/"))
