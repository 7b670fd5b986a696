"""The invocations of serverless variants: one at a time in each container, so many at once, and those that wait.

A container belongs to an invocation until it is answered. Which containers there are is the reconciler's to say
(`reconcile.ports.Executions`): it is woken when one is missing. In memory: an invocation does not outlive the daemon.
https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from ringfence.core.errors import ServiceError
from ringfence.core.results import Execution, ServerlessVariant

# Ours: AWS gives up too, and does not say when. Less than the time that a client waits for its answer.
_PATIENCE = 55.0
_NOT_READY = "The serverless endpoint's resources are still being provisioned. Wait and try your request again."


@dataclass(slots=True, eq=False)
class _Waiter:
    instance: asyncio.Future[str]


@dataclass(slots=True)
class _Variant:
    """`idle`: instance -> since when it has no execution; the one used last is at the end."""

    busy: set[str] = field(default_factory=set)
    idle: dict[str, float] = field(default_factory=dict)
    waiting: deque[_Waiter] = field(default_factory=deque)

    @property
    def demand(self) -> int:
        return len(self.busy) + len(self.waiting)

    def hand_over(self) -> None:
        """Instances that have nothing to do to those that wait; the most recently used first, so that others rest."""
        while self.waiting and self.idle:
            waiter = self.waiting.popleft()
            if not waiter.instance.done():
                instance_id, _ = self.idle.popitem()
                self.busy.add(instance_id)
                waiter.instance.set_result(instance_id)


class Executions:
    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._variants: dict[ServerlessVariant, _Variant] = {}
        self._wake: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def take(self, execution: Execution) -> AsyncIterator[tuple[str, Execution]]:
        """An instance for the block, and the execution with what is known of it now.

        Raises ThrottlingException beyond the concurrency, ModelNotReadyException if no container comes in time,
        ServiceUnavailable if none can be started.
        """
        key = execution.variant
        variant = self._variants.setdefault(key, _Variant())
        scope = _scope(key)
        total = sum(one.demand for other, one in self._variants.items() if _scope(other) == scope)
        if variant.demand >= execution.limit or total >= execution.account_limit:
            raise ServiceError("ThrottlingException", "Rate exceeded", 429)
        began = asyncio.get_running_loop().time()
        cold = not variant.idle
        instance_id = await self._wait(variant)
        setup = asyncio.get_running_loop().time() - began if cold else 0.0
        known = self._of(instance_id) or variant
        try:
            yield instance_id, replace(execution, concurrent=len(known.busy), setup=setup)
        finally:
            self._release(instance_id)

    async def _wait(self, variant: _Variant) -> str:
        waiter = _Waiter(asyncio.get_running_loop().create_future())
        variant.waiting.append(waiter)
        variant.hand_over()
        if not waiter.instance.done():
            self._wake()
        try:
            async with asyncio.timeout(self._patience):
                return await waiter.instance
        except BaseException as error:
            given = waiter.instance
            if given.done() and not given.cancelled() and given.exception() is None:
                self._release(given.result())  # it came as the waiter went
            if isinstance(error, TimeoutError):
                raise ServiceError("ModelNotReadyException", _NOT_READY, 429) from None
            raise
        finally:
            for one in self._variants.values():
                if waiter in one.waiting:
                    one.waiting.remove(waiter)

    def _of(self, instance_id: str) -> _Variant | None:
        return next((one for one in self._variants.values() if instance_id in one.busy), None)

    def _release(self, instance_id: str) -> None:
        variant = self._of(instance_id)
        if variant is not None:
            variant.busy.discard(instance_id)
            variant.idle[instance_id] = asyncio.get_running_loop().time()
            variant.hand_over()

    # the reconciler's: reconcile.ports.Executions

    def when_wanted(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def demand(self, variant: ServerlessVariant) -> int:
        known = self._variants.get(variant)
        return known.demand if known else 0

    def idle_seconds(self, instance_id: str) -> float | None:
        for one in self._variants.values():
            if instance_id in one.busy:
                return None
            if instance_id in one.idle:
                return asyncio.get_running_loop().time() - one.idle[instance_id]
        return 0.0

    def offer(self, variant: ServerlessVariant, instance_ids: Sequence[str]) -> None:
        known = self._variants.setdefault(variant, _Variant())
        now = asyncio.get_running_loop().time()
        known.busy &= set(instance_ids)  # what it has not answered yet, it never will
        known.idle = {id: since for id, since in known.idle.items() if id in instance_ids}
        for id in instance_ids:
            if id not in known.busy:
                known.idle.setdefault(id, now)
        known.hand_over()

    def give_up(self, variant: ServerlessVariant, reason: str) -> None:
        known = self._variants.get(variant)
        while known and known.waiting:
            _fail(known.waiting.popleft(), reason)

    def keep(self, variants: Collection[ServerlessVariant]) -> None:
        for gone in [key for key in self._variants if key not in variants]:
            waiting = self._variants.pop(gone).waiting
            successor = next((key for key in variants if _place(key) == _place(gone)), None)
            if successor is not None:
                self._variants.setdefault(successor, _Variant()).waiting.extend(waiting)
            else:
                for waiter in waiting:
                    _fail(waiter, f"The serverless variant {gone.name} is no more.")


def _fail(waiter: _Waiter, reason: str) -> None:
    """Ours: what AWS says is not published."""
    if not waiter.instance.done():
        waiter.instance.set_exception(ServiceError("ServiceUnavailable", reason, 503))


def _scope(variant: ServerlessVariant) -> str:
    """Account and region, to which a quota belongs."""
    return variant.endpoint_key.rpartition("/")[0]


def _place(variant: ServerlessVariant) -> tuple[str, str]:
    return variant.endpoint_key, variant.name
