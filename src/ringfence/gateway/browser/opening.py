"""How URLs to what people open in a browser become sessions, and who is let in: the same for Studio and notebooks.

"The policies of the identity that made the URL" decide, on the operation that makes such URLs, with the network keys of
whoever uses it: a URL or a cookie that is carried out of the network is worth nothing there. What an endpoint's policy
says on that action counts too. No sockets: `gateway.browser.proxy` has them.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedDomainUrl.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedNotebookInstanceUrl.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from ringfence.core.call import Arrival, Request
from ringfence.core.errors import ServiceError
from ringfence.core.ids import uuid4
from ringfence.core.record import Reader, Writer
from ringfence.explain.logged_call import LoggedCall
from ringfence.gateway.perform import Caller, Gateway, check_allowed, find_operation
from ringfence.gateway.route import Route, check_endpoint
from ringfence.resources.opening import Opening, OpenSession, UnopenedUrl
from ringfence.services.sagemaker.presigned_url import digest_of

U = TypeVar("U", bound=UnopenedUrl)
S = TypeVar("S", bound=OpenSession)
T = TypeVar("T")
# (recalled)
_INSUFFICIENT = "Auth token containing insufficient permissions"
# The code of what a policy refused, which `ringfence explain call` can tell more of.
DENIED = "AccessDeniedException"


@dataclass(frozen=True, slots=True)
class Asked:
    """One use: the name that was called, by which path it came, and condition keys of its headers."""

    host: str
    arrival: Arrival
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Opened:
    """What the browser gets for its URL."""

    cookie: str
    location: str
    seconds: int


class Door(Protocol[S]):
    """What a proxy asks: of Studio, or of notebook instances. `cookie`: the name of the session's."""

    cookie: str

    def token(self, path: str, query: Mapping[str, str]) -> str | None:
        """Of a request that opens a URL; None if it is one of a session."""
        ...

    def open(self, asked: Asked, token: str) -> Opened:
        """Turn a URL into a session, once; ServiceError if that may not be."""
        ...

    def judge(self, asked: Asked, cookie: str | None) -> S:
        """The live session of this cookie on this host, if its maker's policies allow it from here and now."""
        ...

    def home(self, session: S, path: str) -> str | None:
        """Where to go on from a path behind which there is nothing itself."""
        ...

    def find_app(self, session: S, path: str) -> str:
        """The instance behind a path; the session's own, and InService."""
        ...

    def base(self, path: str) -> str:
        """The path to which the cookies of what is behind are kept."""
        ...


class Opener:
    """Reads and writes openings through the gateway's store; asks the gateway's own authorizer.

    `service`: of the endpoints that lead here; `operation`: whose permission it takes.
    """

    def __init__(self, gateway: Gateway, service: str, operation: str) -> None:
        self._gateway = gateway
        self._service = service
        self._operation = operation

    def check_way(self, asked: Asked) -> None:
        """Not through an endpoint that is for something else."""
        with self._gateway.store.transaction() as records:
            check_endpoint(Route(self._service), asked.arrival, records)

    def unopened(self, kind: type[U], token: str, there: Callable[[U], bool]) -> U:
        """The URL with this token; ServiceError if it is used, too old, or not of what was called."""
        with self._gateway.store.transaction() as records:
            url = records.get(kind, digest_of(token))
        if url is None or not there(url) or url.opens_until <= self._gateway.now():
            raise ServiceError(
                "AccessDenied", "The presigned URL has expired or was opened already: make a new one.", 403
            )
        return url

    def turn(self, url: UnopenedUrl, make: Callable[[str, datetime], S]) -> tuple[str, S]:
        """The URL into a session, which `make` makes of its digest and end: cookie and session."""
        cookie = self._gateway.entropy(32).hex()
        until = self._gateway.now() + timedelta(seconds=url.seconds)
        with self._gateway.store.transaction() as records:
            records.delete(url)
            records.put(session := make(digest_of(cookie), until))
        return cookie, session

    def session(self, kind: type[S], cookie: str | None, there: Callable[[S], bool]) -> S:
        with self._gateway.store.transaction() as records:
            session = records.get(kind, digest_of(cookie or ""))
        if session is None or not there(session) or session.until <= self._gateway.now():
            raise ServiceError("AccessDenied", "There is no session: open a new presigned URL.", 401)
        return session

    def check_allowed(
        self, opening: Opening, asked: Asked, request: Request, check_there: Callable[[Reader], None]
    ) -> None:
        """As if its maker called the operation from where this came. `check_there`: what it is about is there still."""
        gateway = self._gateway
        logged = LoggedCall(uuid4(gateway.entropy), gateway.now(), asked.arrival, service="sagemaker")
        caller = Caller(opening.principal, asked.arrival, asked.facts)
        try:
            check_allowed(gateway, find_operation("sagemaker", self._operation), request, caller, logged)
            self.read(check_there)
        except ServiceError as error:
            logged.answered = True
            gateway.decisions.refuse(logged, error)
            raise ServiceError(DENIED, _INSUFFICIENT, 403) from error

    def read(self, look: Callable[[Writer], T]) -> T:
        with self._gateway.store.transaction() as records:
            return look(records)
