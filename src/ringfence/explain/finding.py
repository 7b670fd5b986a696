"""One line of a checklist: what was looked at, whether it is as hosting needs it, why, and what to change.

Made by explain.checks, shown by explain.checklist. No behaviour.
"""

from dataclasses import dataclass
from typing import Literal

# wrong: it fails, or has failed, because of this; note: nothing to judge, or harmful only to some uses
Mark = Literal["ok", "wrong", "note"]
SIGNS: dict[Mark, str] = {"ok": "✓", "wrong": "✗", "note": "–"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the user gets to see of a fault: AWS's text, verbatim where one is known. `code`: how docs/ number it.

    `where`: FailureReason, or the call that is refused, or the client that times out.
    """

    code: str
    text: str
    where: str = "FailureReason"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` and `subject` (an AWS id or a name) tell it from all others; `ids`: everything it cites."""

    check: str
    subject: str
    mark: Mark
    sentence: str
    remedy: str = ""
    seen: Seen | None = None
    ids: tuple[str, ...] = ()

    @property
    def failure_reason(self) -> str:
        """What the endpoint's FailureReason is going to be because of this; empty if it does not fail."""
        return self.seen.text if self.mark == "wrong" and self.seen and self.seen.where == "FailureReason" else ""


def ok(check: str, subject: str, sentence: str, *ids: str) -> Finding:
    return Finding(check, subject, "ok", sentence, ids=ids or (subject,))


def wrong(check: str, subject: str, sentence: str, remedy: str, seen: Seen | None = None, *ids: str) -> Finding:
    return Finding(check, subject, "wrong", sentence, remedy, seen, ids or (subject,))


def note(check: str, subject: str, sentence: str, remedy: str = "", *ids: str) -> Finding:
    return Finding(check, subject, "note", sentence, remedy, ids=ids or (subject,))
