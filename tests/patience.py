"""Waiting in tests for what comes by itself: one way to do it, patient enough for a machine that does much else.

Patience costs nothing where the thing comes, so the default is far above what any machine of ours takes; a test that
needs less says less. Never a measurement: what must be fast is measured under `bench/`.
"""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
SECONDS = 60.0
PAUSE = 0.05


def eventually(look: Callable[[], T], seconds: float = SECONDS, pause: float = PAUSE) -> T:
    """What `look` answers, as soon as it is true; after `seconds` its last answer fails the test."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {seen!r}"
        time.sleep(pause)
    return seen
