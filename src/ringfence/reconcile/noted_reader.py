"""The records of one moment, and a note of the kinds that were read: what was made of them is as old as these.

Called by `loop`, which gives it to the network compiler.
"""

from collections.abc import Iterator
from typing import TypeVar

from ringfence.core.record import Reader, Record

R = TypeVar("R", bound=Record)


class NotedReader:
    """A Reader of the same records. `kinds`: the names of those that were asked for, also in vain; added to."""

    def __init__(self, records: Reader, kinds: set[str]) -> None:
        self._records = records
        self._kinds = kinds

    @property
    def revision(self) -> int:
        return self._records.revision

    def get(self, kind: type[R], key: str) -> R | None:
        self._kinds.add(kind.__name__)
        return self._records.get(kind, key)

    def all(self, kind: type[R]) -> list[R]:
        self._kinds.add(kind.__name__)
        return self._records.all(kind)

    def scan(self, kind: type[R], prefix: str = "", after: str = "") -> Iterator[R]:
        self._kinds.add(kind.__name__)
        return self._records.scan(kind, prefix, after)
