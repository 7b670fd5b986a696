"""The loud refusal of members that Ringfence does not act on: what is not on a list of known members is refused."""

import re
from collections.abc import Mapping
from typing import Any

from ringfence.core.errors import ServiceError


def invalid(message: str) -> ServiceError:
    """SageMaker's error for almost everything."""
    return ServiceError("ValidationException", message)


def refuse_others(
    given: Mapping[str, Any], known: frozenset[str], where: str = "", harmless: Mapping[str, Any] | None = None
) -> None:
    """Raise if `given` has a member that is not `known`, unless it holds its default as told by `harmless`.

    `where` is the path of `given` in the request, with a dot at the end. An empty list asks for nothing: Terraform's
    provider sends one for each block of a domain's settings that is not written.
    """
    for member, value in given.items():
        if member in known or value == [] or (harmless and member in harmless and value == harmless[member]):
            continue
        raise invalid(f"Ringfence does not implement {where}{member}.")


def null_member(path: str) -> ServiceError:
    """AWS's error for a member that the service needs although its shape does not require it."""
    return _unsatisfied(f"Value null at '{_written(path)}'", "Member must not be null")


def too_small(path: str, value: float, least: int) -> ServiceError:
    """AWS's error for a number that is below what the service needs although its shape allows it."""
    return _unsatisfied(
        f"Value '{value}' at '{_written(path)}'", f"Member must have value greater than or equal to {least}"
    )


def _unsatisfied(what: str, constraint: str) -> ServiceError:
    return invalid(f"1 validation error detected: {what} failed to satisfy constraint: {constraint}")


def _written(path: str) -> str:
    """`variants[0].name` as AWS writes it: items are counted from 1, and called members."""
    return re.sub(r"\[(\d+)]", lambda index: f".{int(index[1]) + 1}.member", path)
