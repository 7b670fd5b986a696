"""The decisions on the last calls, in memory: what `ringfence explain call` can still explain.

Keeps what decisions were made of, as it is; costs a call a few microseconds. Not an audit trail: a restart empties it.
Written by gateway.serve and gateway.platform, read by gateway.admin.api.
"""

import re
from collections import deque
from datetime import datetime

from ringfence.core.call import Arrival
from ringfence.core.errors import ServiceError
from ringfence.explain.logged_call import LoggedCall, Refusal
from ringfence.protocol.message import HttpRequest

# How many calls can be explained. Denied ones are kept apart, so that traffic does not push them out.
_CALLS = 2_000
_DENIALS = 1_000
_CREDENTIALS = 1_000

_CREDENTIAL = re.compile(r"Credential=([A-Za-z0-9]{1,128})")


class DecisionLog:
    """The last calls, oldest first, and what the platform's temporary credentials are for."""

    def __init__(self, calls: int = _CALLS, denials: int = _DENIALS) -> None:
        self._calls: deque[LoggedCall] = deque(maxlen=calls)
        self._denials: deque[LoggedCall] = deque(maxlen=denials)
        self._purposes: dict[str, str] = {}

    def begin(self, request_id: str, at: datetime, arrival: Arrival) -> LoggedCall:
        """A call that is under way: the caller fills it in."""
        made = LoggedCall(request_id, at, arrival)
        self._calls.append(made)
        return made

    def refuse(self, call: LoggedCall, error: ServiceError) -> None:
        """The call ended with this error."""
        cause = error.__cause__
        hidden = cause.code if isinstance(cause, ServiceError) and cause.code != error.code else None
        call.refusal = Refusal(error.code, error.message, error.status, hidden)
        if call.denied and not call.probe:
            self._denials.append(call)

    def end(self, call: LoggedCall) -> None:
        """The call is answered; nothing changes it any more."""
        call.answered = True
        if call.refusal is None and call.denied:
            self._denials.append(call)

    def remember_credentials(self, access_key_id: str, purpose: str) -> None:
        """These temporary credentials are the platform's own, or a container's that it runs."""
        self._purposes[access_key_id] = purpose
        if len(self._purposes) > _CREDENTIALS:
            del self._purposes[next(iter(self._purposes))]

    def purpose_of(self, call: LoggedCall) -> str | None:
        """What the platform made the call for, or gave the credentials for that made it; None: not the platform's."""
        key = call.principal.access_key_id if call.principal is not None else None
        return call.purpose or self._purposes.get(key or "")

    def find(self, request_id: str) -> LoggedCall | None:
        return next(
            (call for kept in (self._calls, self._denials) for call in kept if call.request_id == request_id), None
        )

    def last(self, *, denied: bool = False) -> LoggedCall | None:
        """The call that arrived last on a socket; or the one that was denied last, whoever made it."""
        if denied:
            return self._denials[-1] if self._denials else None
        return next((call for call in reversed(self._calls) if not call.in_process), None)


def claimed_key(request: HttpRequest) -> str | None:
    """The access key id that a request names, proven or not."""
    found = _CREDENTIAL.search(request.header("authorization") or "") or _CREDENTIAL.search(
        request.query.replace("X-Amz-Credential", "Credential")
    )
    return found[1] if found else None
