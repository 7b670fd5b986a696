"""SessionId: requests that go to the instance that has a session's state, whose container opens and closes it.

The container says so by headers of its answer; the session is on disk before the client has its id.
https://docs.aws.amazon.com/sagemaker/latest/dg/stateful-sessions.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.record import Writer
from ringfence.core.results import ForwardReply
from ringfence.resources.sagemaker import Endpoint, EndpointStatus, Fleet, Variant
from ringfence.resources.stateful_session import StatefulSession
from ringfence.services.sagemaker_runtime.validation import validation_error

HEADER = "X-Amzn-SageMaker-Session-Id"
_NEW = "NEW_SESSION"
_OPENED, _CLOSED = "x-amzn-sagemaker-new-session-id", "x-amzn-sagemaker-closed-session-id"
# the pattern of the result's member NewSessionId
_OPENED_VALUE = re.compile(
    r"(?P<id>[a-zA-Z0-9](-*[a-zA-Z0-9])*);\sExpires=(?P<expires>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"
)
_LONGEST = 256


def find_session(call: Call, endpoint: Endpoint, request: Request) -> StatefulSession | None:
    """The session that the request is for; None if it is for none, or for a new one. AWS's texts are not published."""
    id = request.get("SessionId")
    if id is None or id == _NEW:
        return None
    session = call.records.get(StatefulSession, f"{endpoint.key}/{id}")
    if session is None or session.expires <= call.now:
        raise validation_error(f"Session {id} of endpoint {endpoint.name} is not open: it was closed, or has expired.")
    if request.get("TargetVariant", session.variant) != session.variant:
        raise validation_error(f"Session {id} of endpoint {endpoint.name} is one of variant {session.variant}.")
    return session


def follow_session(call: Call, endpoint: Endpoint, session: StatefulSession) -> tuple[EndpointStatus, Fleet]:
    """The fleet that has the session's instance, as the one that serves: of an update's two either."""
    status = call.records.get(EndpointStatus, session.endpoint_key)
    assert status is not None, "it has been found to serve"
    coming = status.deployment
    fleets = [(status.serving_generation, status.instances)]
    fleets += [(coming.generation, coming.instances)] if coming is not None else []
    for generation, instances in fleets:
        fleet = call.records.get(Fleet, f"{endpoint.key}/{generation}")
        if fleet is not None and session.instance_id in instances.get(session.variant, ()):
            return msgspec.structs.replace(status, instances=instances), fleet
    raise validation_error(
        f"Session {session.id} of endpoint {endpoint.name} is not open: the instance that had it is gone."
    )


@dataclass(frozen=True, slots=True)
class SessionKeeper:
    """What one request with a SessionId does to the sessions, once the container has answered."""

    endpoint: Endpoint
    variant: Variant
    asked: str
    now: datetime

    def add(self, result: Result, reply: ForwardReply) -> Result:
        """The result with the members of sessions. ValueError for a header that is not as AWS wants it."""
        found = {name.lower(): value for name, value in reply.headers.items()}
        opened, closed = self._opened(found), found.get(_CLOSED)
        return {
            **result,
            **({"NewSessionId": found[_OPENED]} if opened else {}),
            **({"ClosedSessionId": closed} if closed == self.asked else {}),
        }

    def keep(self, records: Writer, reply: ForwardReply) -> None:
        found = {name.lower(): value for name, value in reply.headers.items()}
        if (opened := self._opened(found)) is not None:
            for old in list(records.scan(StatefulSession, f"{self.endpoint.key}/")):
                if old.expires <= self.now:
                    records.delete(old)
            id, expires = opened
            records.put(
                StatefulSession(
                    endpoint_key=self.endpoint.key,
                    id=id,
                    variant=self.variant.name,
                    instance_id=reply.instance_id,
                    expires=expires,
                )
            )
        if found.get(_CLOSED) == self.asked and (
            session := records.get(StatefulSession, f"{self.endpoint.key}/{self.asked}")
        ):
            records.delete(session)

    def _opened(self, headers: Mapping[str, str]) -> tuple[str, datetime] | None:
        """Id and end of the session that a request for a new one has got; None if the model opens none."""
        value = headers.get(_OPENED)
        if self.asked != _NEW or value is None:
            return None
        match = _OPENED_VALUE.fullmatch(value)
        if match is None or len(value) > _LONGEST:
            raise ValueError(f"{_OPENED}: {value}")
        return match["id"], datetime.strptime(match["expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def bad_header(error: ValueError, reply: ForwardReply) -> ForwardReply:
    """What the container's answer counts as instead; ours."""
    text = f"The header {error} is not a session id and its expiry: ID; Expires=yyyy-mm-ddThh:mm:ssZ"
    return ForwardReply(500, {}, text.encode(), None, reply.instance_id, reply.seconds)


def drop_sessions(records: Writer, endpoint_key: str) -> None:
    """With their endpoint."""
    for session in list(records.scan(StatefulSession, f"{endpoint_key}/")):
        records.delete(session)
