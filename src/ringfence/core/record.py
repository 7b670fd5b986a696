"""What the store keeps: frozen records under a key, one table a class.

A record is what a user wants (handlers write it) or, when its name ends in `Status`, what is (only the reconciler
writes it). The class's name is its name on disk.
"""

from collections.abc import Iterator
from typing import ClassVar, Protocol, TypeVar

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all records. Change one with `msgspec.structs.replace(record, field=value)` and `put` it."""

    # False for kinds that can be many (S3 objects, log events): these live on disk only and are read by key or scan.
    CACHED: ClassVar[bool] = True
    # False for kinds that come all the time and from which nothing follows (log events, datapoints): a commit of these
    # alone makes no new revision, and wakes nobody.
    WATCHED: ClassVar[bool] = True

    @property
    def key(self) -> str:
        """Unique within the class; `scan` walks the keys in code-point order."""
        raise NotImplementedError


R = TypeVar("R", bound=Record)


class Reader(Protocol):
    """Read access to the records of one moment."""

    @property
    def revision(self) -> int: ...

    def get(self, kind: type[R], key: str) -> R | None: ...

    def all(self, kind: type[R]) -> list[R]:
        """Every record of a cached kind, in the order in which the keys were first put."""
        ...

    def scan(self, kind: type[R], prefix: str = "", after: str = "") -> Iterator[R]:
        """Records whose key starts with `prefix` and is greater than `after`, in code-point order of the keys."""
        ...


class Writer(Reader, Protocol):
    """A transaction: reads see its own writes; nothing is kept unless it commits."""

    def put(self, record: Record) -> None: ...

    def delete(self, record: Record) -> None:
        """Remove the record of this class and key; no error if there is none."""
        ...
