"""Which strings a handler can reach: those in its code, in the code that it calls and in the constants they name.

Not a test file. A member of a request that is not among them can be neither read nor refused by name.
"""

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any

_CONTAINERS = (tuple, list, set, frozenset)


@cache
def reachable_strings(handler: Any) -> frozenset[str]:
    reach = _Reach()
    reach.visit(inspect.unwrap(handler))
    return frozenset(reach.found)


class _Reach:
    def __init__(self) -> None:
        self.found: set[str] = set()
        self._seen: set[int] = set()

    def visit(self, value: Any) -> None:
        if isinstance(value, str):
            self.found.add(value)
        if isinstance(value, str) or id(value) in self._seen:
            return
        self._seen.add(id(value))
        if isinstance(value, FunctionType):
            self._function(inspect.unwrap(value))
        elif isinstance(value, _CONTAINERS):
            for item in value:
                self.visit(item)
        elif isinstance(value, dict | MappingProxyType):
            for key, item in value.items():
                self.visit(key)
                self.visit(item)
        elif isinstance(value, type) and value.__module__.startswith("ringfence.services"):
            for item in vars(value).values():
                self.visit(item)

    def _function(self, function: Any) -> None:
        if not function.__module__.startswith("ringfence."):
            return
        for code in _codes(function.__code__):
            for constant in code.co_consts:
                self.visit(constant)
            named = [function.__globals__.get(name) for name in code.co_names]
            for value in named:
                if not isinstance(value, ModuleType):
                    self.visit(value)
                elif value.__name__.startswith("ringfence."):
                    for name in code.co_names:
                        self.visit(vars(value).get(name))
        for cell in function.__closure__ or ():
            self.visit(cell.cell_contents)
        self.visit(function.__defaults__ or ())


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code and that of the lambdas and comprehensions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


class Watched(dict[str, Any]):
    """A request that remembers which members were read. Listing all of them, to refuse some, is not reading."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        super().__init__(members)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.read.add(str(name))
        return super().__contains__(name)
