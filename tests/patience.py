"""Waiting in tests for what comes by itself: one way to do it, patient enough for a machine that does much else.

Patience costs nothing where the thing comes, so the default is far above what any machine of ours takes; a test that
needs less says less. Never a measurement: what must be fast is measured under `bench/`.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
SECONDS = 120.0
PAUSE = 0.05


def eventually(
    look: Callable[[], T], enough: Callable[[T], object] = bool, *, seconds: float = SECONDS, pause: float = PAUSE
) -> T:
    """What `look` answers, as soon as that is `enough`: true, if nothing else is said.

    After `seconds` its last answer fails the test.
    """
    deadline = time.monotonic() + seconds
    while not enough(seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {seen!r}"
        time.sleep(pause)
    return seen


async def eventually_on_loop(
    look: Callable[[], T], enough: Callable[[T], object] = bool, *, seconds: float = SECONDS, pause: float = 0.01
) -> T:
    """The same where an event loop must go on meanwhile."""
    deadline = time.monotonic() + seconds
    while not enough(seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {seen!r}"
        await asyncio.sleep(pause)
    return seen
