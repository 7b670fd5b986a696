"""Who may see which app of Studio: URLs are opened here once, sessions judged at every request and frame.

"The policies of the identity that made the URL" decide, on CreatePresignedDomainUrl of the profile, with the network
keys of whoever uses it: a URL or a cookie that is carried out of the network is worth nothing there. What an endpoint's
policy says on that action counts too. No sockets: `gateway.studio_proxy` has them.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedDomainUrl.html
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ringfence.core.call import Arrival, Request
from ringfence.core.errors import ServiceError
from ringfence.core.ids import uuid4
from ringfence.core.record import Reader
from ringfence.explain.logged_call import LoggedCall
from ringfence.gateway.perform import Caller, Gateway, check_allowed, find_operation
from ringfence.gateway.route import Route, check_endpoint
from ringfence.resources.studio import App, AppStatus, Domain, Opening, PresignedUrl, Space, StudioSession, UserProfile

_HOST = re.compile(r"(?P<domain>d-[a-z0-9-]+)\.studio\.(?P<region>[a-z0-9-]+)\.sagemaker\.aws(?::443)?")
_APP_PATH = re.compile(r"/(?P<kind>jupyterlab|jupyter)/(?P<name>[A-Za-z0-9-]+)(?:/.*)?", re.DOTALL)
_TYPES = {"jupyterlab": "JupyterLab", "jupyter": "JupyterServer"}
_LANDING = re.compile(r"app:(?P<type>JupyterLab|JupyterServer):(?P<rest>.*)", re.IGNORECASE)
_OPERATION = "CreatePresignedDomainUrl"
# (recalled)
_INSUFFICIENT = "Auth token containing insufficient permissions"


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


class Studio:
    """Reads and writes through the gateway's store; asks the gateway's own authorizer."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def open(self, asked: Asked, token: str) -> Opened:
        """Turn a URL into a session, once; ServiceError if it is used, too old, of another domain, or not for here."""
        gateway, now = self._gateway, self._gateway.now()
        domain_id = self._domain_of(asked)
        with gateway.store.transaction() as records:
            url = records.get(PresignedUrl, _digest(token))
        if url is None or url.domain_id != domain_id or url.opens_until <= now:
            raise ServiceError(
                "AccessDenied", "The presigned URL has expired or was opened already: make a new one.", 403
            )
        self._check_allowed(url, asked)
        cookie = gateway.entropy(32).hex()
        session = StudioSession(
            digest=_digest(cookie),
            account=url.account,
            region=url.region,
            domain_id=url.domain_id,
            profile=url.profile,
            principal=url.principal,
            until=now + timedelta(seconds=url.seconds),
            space=url.space,
        )
        with gateway.store.transaction() as records:
            records.delete(url)
            records.put(session)
            location = _landing(records, session, url.landing_uri)
        return Opened(cookie, location, url.seconds)

    def judge(self, asked: Asked, cookie: str | None) -> StudioSession:
        """The live session of this cookie on this domain, if its maker's policies allow it from here and now."""
        domain_id = self._domain_of(asked)
        with self._gateway.store.transaction() as records:
            session = records.get(StudioSession, _digest(cookie or ""))
        if session is None or session.domain_id != domain_id or session.until <= self._gateway.now():
            raise ServiceError("AccessDenied", "There is no session: open a new presigned URL.", 401)
        self._check_allowed(session, asked)
        return session

    def home(self, session: StudioSession) -> str:
        """Where the session's host begins."""
        with self._gateway.store.transaction() as records:
            return _landing(records, session, None)

    def find_app(self, session: StudioSession, path: str) -> str:
        """The instance of the app behind a path; of the session's own profile or space, and InService."""
        found = _APP_PATH.fullmatch(path)
        if found is None:
            raise ServiceError("NotFound", "There is no such page.", 404)
        kind, name = _TYPES[found["kind"]], found["name"]
        with self._gateway.store.transaction() as records:
            status = _in_service(records, session, kind, name)
        if status is None:
            raise ServiceError("NotFound", f"The {kind} app {name} is not InService.", 404)
        return status.instance_id

    def _domain_of(self, asked: Asked) -> str:
        found = _HOST.fullmatch(asked.host.lower())
        if found is None or found["region"] != self._gateway.region:
            raise ServiceError("NotFound", "There is no domain of this name.", 404)
        with self._gateway.store.transaction() as records:
            check_endpoint(Route("sagemaker-studio"), asked.arrival, records)
        return found["domain"]

    def _check_allowed(self, opening: Opening, asked: Asked) -> None:
        """As if its maker called CreatePresignedDomainUrl from where this came."""
        gateway = self._gateway
        logged = LoggedCall(uuid4(gateway.entropy), gateway.now(), asked.arrival, service="sagemaker")
        request: Request = {"DomainId": opening.domain_id, "UserProfileName": opening.profile}
        caller = Caller(opening.principal, asked.arrival, asked.facts)
        try:
            check_allowed(gateway, find_operation("sagemaker", _OPERATION), request, caller, logged)
            self._check_there(opening)
        except ServiceError as error:
            logged.answered = True
            gateway.decisions.refuse(logged, error)
            raise ServiceError("AccessDenied", _INSUFFICIENT, 403) from error

    def _check_there(self, opening: Opening) -> None:
        """The profile may have been deleted, and a domain of AuthMode SSO has no presigned URLs."""
        scope = f"{opening.account}/{opening.region}/{opening.domain_id}"
        with self._gateway.store.transaction() as records:
            domain, profile = records.get(Domain, scope), records.get(UserProfile, f"{scope}/{opening.profile}")
        if domain is None or domain.deleting is not None or profile is None or profile.deleting:
            raise ServiceError("ResourceNotFound", f"UserProfile [{opening.profile}] does not exist.")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _landing(records: Reader, session: StudioSession, wanted: str | None) -> str:
    """Where the URL says, else at the first app that is there; a JupyterLab that does not run yet if there is none."""
    if wanted is not None and (found := _LANDING.fullmatch(wanted)):
        start = "jupyterlab" if found["type"].lower() == "jupyterlab" else "jupyter"
        return f"/{start}/default/{found['rest'].lstrip('/')}"
    for start, kind in _TYPES.items():
        if _in_service(records, session, kind, "default") is not None:
            return f"/{start}/default/lab"
    return "/jupyterlab/default/lab"


def _in_service(records: Reader, session: StudioSession, kind: str, name: str) -> AppStatus | None:
    owner = session.space or session.profile
    app = records.get(App, f"{session.account}/{session.region}/{session.domain_id}/{owner}/{kind}/{name}")
    if app is None or app.deleting or app.in_space != (session.space is not None):
        return None
    if app.in_space and records.get(Space, app.key.rsplit("/", 2)[0]) is None:
        return None
    status = records.get(AppStatus, app.arn)
    return status if status is not None and (status.launch, status.status) == (app.launch, "InService") else None
