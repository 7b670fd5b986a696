"""The JSONPath of batch transform's filters: children, indexes, lists of both, slices. Pure.

https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html
Called by `transform_job` to check a path and by `reconcile` to apply it.
"""

import re
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(
    r"""\.(?P<child>[A-Za-z_][\w-]*)
      | \[(?P<names>'[^']*'(\s*,\s*'[^']*')*)\]
      | \[(?P<indexes>-?\d+(\s*,\s*-?\d+)*)\]
      | \[(?P<start>-?\d+)?\s*:\s*(?P<end>-?\d+)?\]""",
    re.VERBOSE,
)


class BadPath(Exception):
    """What is wrong with it."""


class NoMatch(Exception):
    """The document has no such part."""


@dataclass(frozen=True, slots=True)
class Step:
    """One of: names of members, indexes of elements, or a slice. `single`: its one result is not put into a list."""

    names: tuple[str, ...] = ()
    indexes: tuple[int, ...] = ()
    span: slice | None = None
    single: bool = False


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
        return Step(names=(found["child"],), single=True)
    if found["names"]:
        names = tuple(re.findall(r"'([^']*)'", found["names"]))
        return Step(names=names, single=len(names) == 1)
    if found["indexes"]:
        indexes = tuple(int(one) for one in found["indexes"].split(","))
        return Step(indexes=indexes, single=len(indexes) == 1)
    return Step(span=slice(*(int(found[end]) if found[end] else None for end in ("start", "end"))))


def select(path: Path, document: Any) -> Any:
    """The part of the document; of several parts a list."""
    for step in path:
        try:
            document = _follow(step, document)
        except (KeyError, IndexError, TypeError):
            raise NoMatch from None
    return document


def _follow(step: Step, document: Any) -> Any:
    if step.span is not None:
        if not isinstance(document, list):
            raise TypeError
        return document[step.span]
    if step.names:
        if not isinstance(document, dict):
            raise TypeError
        return document[step.names[0]] if step.single else [document[name] for name in step.names]
    if not isinstance(document, list):
        raise TypeError
    return document[step.indexes[0]] if step.single else [document[index] for index in step.indexes]
