"""Copies of invocations for shadow variants: asked beside the invocation, which never waits for one.

Bounded: a shadow variant that does not keep up is not asked, and that is counted by who offers (`gateway.serve`).
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from ringfence.core.call import Result
from ringfence.core.errors import ServiceError
from ringfence.core.results import Invoked

log = logging.getLogger("ringfence.gateway")

# Of each shadow variant, under way at once; AWS does not say.
_REQUESTS = 256
_BYTES = 64 * 1024 * 1024


class Mirror:
    """`_requests`, `_bytes`: those under way to each shadow variant."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._requests: Counter[Invoked] = Counter()
        self._bytes: Counter[Invoked] = Counter()

    def offer(self, shadow: Invoked, size: int, ask: Callable[[], Awaitable[Result]]) -> bool:
        """Begin to ask it, in a task of its own; False, and nothing, if it has too much to do already."""
        if self._requests[shadow] >= _REQUESTS or self._bytes[shadow] + size > _BYTES:
            return False
        self._requests[shadow] += 1
        self._bytes[shadow] += size
        task = asyncio.create_task(self._ask(shadow, size, ask), name=f"shadow {shadow.endpoint}/{shadow.variant}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, shadow: Invoked, size: int, ask: Callable[[], Awaitable[Result]]) -> None:
        try:
            # an answer that is an error has been measured, and is nobody's
            with contextlib.suppress(ServiceError):
                await ask()
        except Exception:
            log.exception("asking the shadow variant `%s` of `%s` failed", shadow.variant, shadow.endpoint)
        finally:
            for counter, amount in ((self._requests, 1), (self._bytes, size)):
                counter[shadow] -= amount
                if not counter[shadow]:
                    del counter[shadow]
