"""Captured invocations between the gateway, which adds them after the answer, and the reconciler, which uploads them.

In memory and bounded: what does not fit, or is not uploaded yet when the daemon is killed, is lost, and never the
invocation's time.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from ringfence.core.results import Captured

_LIMIT = 256 * 1024 * 1024  # bytes of bodies and answers
_OVERHEAD = 512  # of each line

# endpoint's key, variant, destination, and the hour as the object's name has it
Place = tuple[str, str, str, str]


@dataclass(slots=True)
class CaptureBuffer:
    """`dropped`: how many did not fit since somebody looked."""

    dropped: int = 0
    _held: dict[Place, list[Captured]] = field(default_factory=lambda: defaultdict(list))
    _size: int = 0

    def add(self, captured: Captured) -> None:
        size = captured.size + _OVERHEAD
        if self._size + size > _LIMIT:
            self.dropped += 1
            return
        self._size += size
        place = (captured.endpoint_key, captured.variant, captured.destination, f"{captured.at:%Y/%m/%d/%H}")
        self._held[place].append(captured)

    def take(self) -> dict[Place, list[Captured]]:
        """All that is held. What could not be uploaded may be added again."""
        held = dict(self._held)
        self._held.clear()
        self._size = 0
        return held

    def __bool__(self) -> bool:
        return bool(self._held or self.dropped)
