"""Who may see which app of Studio: URLs are opened here once, sessions judged at every request and frame.

What decides is CreatePresignedDomainUrl on the profile; how is in `gateway.browser.opening`.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from ringfence.core.call import Request
from ringfence.core.errors import ServiceError
from ringfence.core.record import Reader
from ringfence.gateway.browser.opening import Asked, Opened, Opener
from ringfence.gateway.perform import Gateway
from ringfence.resources.studio import (
    App,
    AppStatus,
    Domain,
    PresignedUrl,
    Space,
    StudioOpening,
    StudioSession,
    UserProfile,
)
from ringfence.services.sagemaker.studio import may_open

_HOST = re.compile(r"(?P<domain>d-[a-z0-9-]+)\.studio\.(?P<region>[a-z0-9-]+)\.sagemaker\.aws(?::443)?")
_APP_PATH = re.compile(r"/(?P<kind>jupyterlab|jupyter)/(?P<name>[A-Za-z0-9-]+)(?:/.*)?", re.DOTALL)
_TYPES = {"jupyterlab": "JupyterLab", "jupyter": "JupyterServer"}
_LANDING = re.compile(r"app:(?P<type>JupyterLab|JupyterServer):(?P<rest>.*)", re.IGNORECASE)


class Studio:
    """The door to the apps of domains; reads and writes through the gateway's store."""

    cookie = "__Host-StudioSession"

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._opener = Opener(gateway, "sagemaker-studio", "CreatePresignedDomainUrl")

    def token(self, path: str, query: Mapping[str, str]) -> str | None:
        return query.get("token", "") if path == "/auth" else None

    def open(self, asked: Asked, token: str) -> Opened:
        """Turn a URL into a session, once; ServiceError if it is used, too old, of another domain, or not for here."""
        domain_id = self._domain_of(asked)
        url = self._opener.unopened(PresignedUrl, token, lambda one: one.domain_id == domain_id)
        self._check_allowed(url, asked)

        def make(digest: str, until: datetime) -> StudioSession:
            return StudioSession(
                digest=digest,
                account=url.account,
                region=url.region,
                domain_id=url.domain_id,
                profile=url.profile,
                principal=url.principal,
                until=until,
                space=url.space,
            )

        cookie, session = self._opener.turn(url, make)
        location = self._opener.read(lambda records: _landing(records, session, url.landing_uri))
        return Opened(cookie, location, url.seconds)

    def judge(self, asked: Asked, cookie: str | None) -> StudioSession:
        """The live session of this cookie on this domain, if its maker's policies allow it from here and now."""
        domain_id = self._domain_of(asked)
        session = self._opener.session(StudioSession, cookie, lambda one: one.domain_id == domain_id)
        self._check_allowed(session, asked)
        return session

    def home(self, session: StudioSession, path: str = "/") -> str | None:
        """Where the session's host begins."""
        return self._opener.read(lambda records: _landing(records, session, None)) if path == "/" else None

    def base(self, path: str) -> str:
        return "/".join(path.split("/")[:3]) + "/"

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
        self._opener.check_way(asked)
        return found["domain"]

    def _check_allowed(self, opening: StudioOpening, asked: Asked) -> None:
        request: Request = {"DomainId": opening.domain_id, "UserProfileName": opening.profile}
        self._opener.check_allowed(opening, asked, request, lambda records: _check_there(records, opening))


def _check_there(records: Reader, opening: StudioOpening) -> None:
    """The profile may have been deleted; the space too, and made again by somebody else for himself."""
    scope = f"{opening.account}/{opening.region}/{opening.domain_id}"
    domain, profile = records.get(Domain, scope), records.get(UserProfile, f"{scope}/{opening.profile}")
    space = records.get(Space, f"{scope}/{opening.space}") if opening.space else None
    if domain is None or domain.deleting is not None or profile is None or profile.deleting:
        raise ServiceError("ResourceNotFound", f"UserProfile [{opening.profile}] does not exist.")
    if opening.space and (space is None or space.deleting or not may_open(space, profile)):
        raise ServiceError("ResourceNotFound", f"Space [{opening.space}] does not exist.")


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
    status = records.get(AppStatus, app.arn)
    return status if status is not None and (status.launch, status.status) == (app.launch, "InService") else None
