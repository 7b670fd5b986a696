"""The JSONPath of batch transform's filters: children, indexes, slices, lists of them, wildcards. Pure.

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html
Called by `transform_job` to check a path and by `reconcile` to apply it.
"""

import re
from dataclasses import dataclass
from typing import Any

_NAMES = r"'[^']*'(?:\s*,\s*'[^']*')*"
_ELEMENT = r"(?:-?\d+)?\s*:\s*(?:-?\d+)?|-?\d+"
_STEP = re.compile(
    rf"""\.(?P<child>[A-Za-z_][\w-]*)
      | (?P<every>\.\*|\.?\[\*\])
      | \.?\[(?P<names>{_NAMES})\]
      | \[(?P<elements>(?:{_ELEMENT})(?:\s*,\s*(?:{_ELEMENT}))*)\]""",
    re.VERBOSE,
)


class BadPath(Exception):
    """What is wrong with it."""


class NoMatch(Exception):
    """The document has no such part."""


@dataclass(frozen=True, slots=True)
class Step:
    """One of: names of members, elements (indexes and slices), or every member or element."""

    names: tuple[str, ...] = ()
    elements: tuple[int | slice, ...] = ()

    @property
    def single(self) -> bool:
        """Whether it leads to one part, which is not put into a list."""
        return len(self.names) == 1 or (len(self.elements) == 1 and isinstance(self.elements[0], int))


Path = tuple[Step, ...]


def read_path(text: str) -> Path:
    if not text.startswith("$"):
        raise BadPath("it does not begin with $")
    steps, position = [], 1
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise BadPath(f"`{text[position:]}` is not understood")
        steps.append(_step(found))
        position = found.end()
    return tuple(steps)


def _step(found: re.Match[str]) -> Step:
    if found["child"]:
        return Step(names=(found["child"],))
    if found["names"]:
        return Step(names=tuple(re.findall(r"'([^']*)'", found["names"])))
    if found["elements"]:
        return Step(elements=tuple(_element(one) for one in found["elements"].split(",")))
    return Step()


def _element(text: str) -> int | slice:
    if ":" not in text:
        return int(text)
    return slice(*(int(end) if end.strip() else None for end in text.split(":")))


def select(path: Path, document: Any) -> Any:
    """The part of the document; of several members an object, of several other parts a list.

    What follows a step to several parts is about each of them: https://github.com/json-path/JsonPath
    """
    if not path:
        return document
    step, rest = path[0], path[1:]
    try:
        parts = _parts(step, document)
    except (KeyError, IndexError, TypeError):
        raise NoMatch from None
    if step.single:
        return select(rest, parts[0])
    if step.names and not rest:
        return dict(zip(step.names, parts, strict=True))
    return [select(rest, part) for part in parts]


def _parts(step: Step, document: Any) -> list[Any]:
    if step.names:
        if not isinstance(document, dict):
            raise TypeError
        return [document[name] for name in step.names]
    if not step.elements and isinstance(document, dict):
        return list(document.values())
    if not isinstance(document, list):
        raise TypeError
    wanted = step.elements or (slice(None),)
    return [part for one in wanted for part in (document[one] if isinstance(one, slice) else [document[one]])]
