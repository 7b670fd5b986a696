"""How long one call takes."""

import time
from collections.abc import Callable


def microseconds(decide: Callable[[], bool], seconds: float = 1.0) -> float:
    """Per decision; the best of five rounds."""
    assert decide()
    best = float("inf")
    for _ in range(5):
        count, start = 0, time.perf_counter()
        while (taken := time.perf_counter() - start) < seconds / 5:
            for _ in range(50):
                decide()
            count += 50
        best = min(best, taken / count)
    return best * 1e6
