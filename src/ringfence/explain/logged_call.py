"""A call as the decision log keeps it: what its decision was made of, and how it ended.

No sentences: they are made when somebody asks (`explain.call`). Filled in by gateway.serve and gateway.platform.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from ringfence.core.call import Arrival, Principal
from ringfence.iam.evaluate import AccessRequest, Decision, Layers


class Question(NamedTuple):
    """What was asked about one action on one resource, the policies as they were then, and the decision.

    `apart`: about one of many things that a request asks for, each of which is decided by itself (DeleteObjects).
    """

    request: AccessRequest
    layers: Layers
    decision: Decision
    apart: bool = False


class Refusal(NamedTuple):
    """The error as the client saw it. `instead_of`: the code of one that it may not see."""

    code: str
    message: str
    status: int
    instead_of: str | None = None


# What handlers say that refuse by a rule of their own, not by a policy.
_DENIALS = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


@dataclass(slots=True)
class LoggedCall:
    """One call. Written while it is under way; nothing changes it once it is answered.

    `claimed_key`: the access key id in a request whose signature proves nothing. `purpose`: what the platform made the
    call for, or got the credentials for that it was made with. `probe`: a try whose failure is no news.
    `operation`: None until it is known. `questions` may be about others than the caller (a model's execution role).
    """

    request_id: str
    at: datetime
    arrival: Arrival
    service: str | None = None
    operation: str | None = None
    principal: Principal | None = None
    claimed_key: str | None = None
    purpose: str | None = None
    in_process: bool = False
    probe: bool = False
    authentic: bool = True
    answered: bool = False
    questions: list[Question] = field(default_factory=list)
    refusal: Refusal | None = None

    @property
    def denied(self) -> bool:
        """Whether a policy or the proof of who calls is why it was refused, rather than what it asks for.

        Also if it was answered, and a policy refused some of the many things that it asks for.
        """
        if self.refusal is None:
            return bool(self.denied_parts)
        return not self.authentic or self.refusal.code in _DENIALS or self.deciding is not None

    @property
    def denied_parts(self) -> list[Question]:
        """Of many things, each decided by itself, those that were denied."""
        return [asked for asked in self.questions if asked.apart and not asked.decision.allowed]

    @property
    def deciding(self) -> Question | None:
        """The question whose answer refused the call."""
        return next((asked for asked in reversed(self.questions) if not asked.decision.allowed), None)
