"""The condition keys of one request: name, values, and where each came from, for `explain`.

Names are case-insensitive, values are not. Built by gateway.authorization, read by the conditions and policy variables.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Entry(NamedTuple):
    """A key as AWS spells it, its values, and in words where they came from ("the socket's peer address")."""

    name: str
    values: tuple[str, ...]
    source: str


class Context:
    """An immutable set of entries by lower-case name. An entry without values counts as absent."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = {entry.name.lower(): entry for entry in entries if entry.values}

    @classmethod
    def of(cls, values: Mapping[str, str | Iterable[str]], source: str = "the request") -> "Context":
        """A context whose keys all have the same source."""
        return cls(
            Entry(name, (value,) if isinstance(value, str) else tuple(value), source) for name, value in values.items()
        )

    @classmethod
    def joined(cls, contexts: "Iterable[Context]") -> "Context":
        """All their entries; of a key that several have, the last one's."""
        made = cls()
        for one in contexts:
            made._entries.update(one._entries)
        return made

    def plus(self, entries: Iterable[Entry]) -> "Context":
        """This context with further entries, which win over those it has."""
        made = Context(entries)
        made._entries = self._entries | made._entries
        return made

    def get(self, key: str) -> Entry | None:
        """The entry of a lower-case key."""
        return self._entries.get(key)

    def single(self, key: str) -> str | None:
        """The value of a lower-case key that has exactly one: what policy variables stand for."""
        entry = self._entries.get(key)
        return entry.values[0] if entry is not None and len(entry.values) == 1 else None

    def entries(self) -> list[Entry]:
        """All entries, in the order in which they were given."""
        return list(self._entries.values())
