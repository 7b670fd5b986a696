"""A metric's dimensions as requests have them, and back."""

from collections.abc import Iterable, Mapping
from typing import Any

from ringfence.resources.cloudwatch import Dimensions
from ringfence.services.cloudwatch.refusal import invalid_value

_MOST = 30


def read_dimensions(given: Iterable[Mapping[str, str]], where: str = "Dimensions") -> Dimensions:
    """`[{"Name": n, "Value": v}]`, sorted; their order in a request means nothing."""
    found = {one["Name"]: one["Value"] for one in given}
    if len(found) > _MOST:
        raise invalid_value(f"The collection {where} must not have a size greater than {_MOST}.")
    for name, value in found.items():
        if name.startswith(":") or not name.strip() or not value.strip():
            raise invalid_value(f"The value {name!r} for parameter {where} is invalid.")
    return tuple(sorted(found.items()))


def show_dimensions(dimensions: Dimensions) -> list[dict[str, Any]]:
    return [{"Name": name, "Value": value} for name, value in dimensions]
