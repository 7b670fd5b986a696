"""What `ringfence explain` says of an endpoint, model, job, app, notebook or VPC endpoint: its state, findings, cause.

Not what is looked at: that is explain.checks'. Pure. Called by the module of each.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ringfence.explain.finding import SIGNS, Finding


@dataclass(frozen=True, slots=True)
class Checklist:
    """`lines` for people, `facts` for programs."""

    wrong: bool
    lines: tuple[str, ...]
    facts: dict[str, Any]


def tell(head: list[str], findings: tuple[Finding, ...], facts: dict[str, Any], reason: str | None = None) -> Checklist:
    """The findings under `head`, and beside `facts`. `reason`: the FailureReason, of which one may be the cause."""
    faults = [one for one in findings if one.mark == "wrong"]
    lines = [*head, *_cause(reason, faults), *(line for one in findings for line in _show(one))]
    lines.append(f"{len(faults)} wrong" if faults else "nothing is wrong")
    listed = [_fact(one) for one in findings]
    return Checklist(bool(faults), tuple(lines), facts | {"findings": listed, "wrong": len(faults)})


def _cause(reason: str | None, faults: list[Finding]) -> Iterator[str]:
    """Which of the findings says what SageMaker said."""
    if not reason:
        return
    likely = [one for one in faults if one.failure_reason and reason.startswith(one.failure_reason)]
    for one in likely:
        yield f"the likely cause: {one.sentence}"
    if not likely:
        yield "nothing that gives this reason is wrong now: its cause may be mended"


def _show(one: Finding) -> Iterator[str]:
    yield f"{SIGNS[one.mark]} {one.check} {one.subject}: {one.sentence}"
    if one.mark == "ok":
        return
    if one.remedy:
        yield f"    to mend it: {one.remedy}"
    if one.seen is not None:
        code = f" ({one.seen.code})" if one.seen.code else ""
        yield f"    {one.seen.where} says{code}: {one.seen.text}"


def _fact(one: Finding) -> dict[str, Any]:
    return asdict(one) | {"failure_reason": one.failure_reason}
