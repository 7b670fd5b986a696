"""What was made last time, by what it was made of: what did not change is the same object again.

Thirty thousand rules take a second to compile and to render, and a change concerns one of them. Not needed for any
result: without a memory everything is made anew. Passed to `compile_topology`; the renderer has one of its own.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Memory:
    """Holds what the last turn made, and nothing of earlier ones."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[object, Any]] = {}
        self._made: dict[str, tuple[object, Any]] = {}

    def begin(self) -> None:
        """A turn begins: what the one before the last made is forgotten."""
        self._last, self._made = self._made, {}

    def keep(self, key: str, make: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
        """`make(*given)`, or what it was for equal arguments under this key. INVARIANT: `make` reads nothing else."""
        old, of = self._last.get(key), (given, named)
        kept = old if old is not None and old[0] == of else (of, make(*given, **named))
        self._made[key] = kept
        result: R = kept[1]
        return result
