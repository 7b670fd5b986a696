"""Who may see which notebook instance: what decides is CreatePresignedNotebookInstanceUrl on it.

How is in `gateway.browser.opening`. No sockets: `gateway.browser.proxy` has them.
"""

from collections.abc import Mapping
from datetime import datetime

from ringfence.core.errors import ServiceError
from ringfence.core.record import Reader
from ringfence.gateway.browser.opening import Asked, Opened, Opener
from ringfence.gateway.perform import Gateway
from ringfence.resources.notebook import NotebookInstance, NotebookOpening, NotebookSession, NotebookUrl
from ringfence.services.sagemaker.notebook_state import notebook_state, notebook_status


class Notebooks:
    """The door to notebook instances; reads and writes through the gateway's store."""

    cookie = "__Host-NotebookSession"

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._opener = Opener(gateway, "sagemaker-notebook", "CreatePresignedNotebookInstanceUrl")

    def token(self, path: str, query: Mapping[str, str]) -> str | None:
        return query.get("authToken") if path == "/" else None

    def open(self, asked: Asked, token: str) -> Opened:
        notebook = self._notebook_of(asked)
        url = self._opener.unopened(NotebookUrl, token, lambda one: _is_of(one, notebook))
        self._check_allowed(url, asked, notebook)

        def make(digest: str, until: datetime) -> NotebookSession:
            return NotebookSession(
                digest=digest,
                account=url.account,
                region=url.region,
                principal=url.principal,
                until=until,
                notebook=url.notebook,
                volume_id=url.volume_id,
            )

        cookie, _ = self._opener.turn(url, make)
        return Opened(cookie, "/lab", url.seconds)

    def judge(self, asked: Asked, cookie: str | None) -> NotebookSession:
        notebook = self._notebook_of(asked)
        session = self._opener.session(NotebookSession, cookie, lambda one: _is_of(one, notebook))
        self._check_allowed(session, asked, notebook)
        return session

    def home(self, session: NotebookSession, path: str) -> str | None:
        """Jupyter has the whole host."""
        return None

    def base(self, path: str) -> str:
        return "/"

    def find_app(self, session: NotebookSession, path: str) -> str:
        def look(records: Reader) -> str | None:
            notebook = _find(records, session)
            status = notebook_status(records, notebook) if notebook is not None else None
            if notebook is None or status is None or notebook_state(records, notebook) != "InService":
                return None
            return status.instance_id

        found = self._opener.read(look)
        if found is None:
            raise ServiceError("NotFound", "The notebook instance is not InService.", 404)
        return found

    def _notebook_of(self, asked: Asked) -> NotebookInstance:
        """The one whose name was called; each has its own host."""
        host = asked.host.lower().removesuffix(":443")
        named = self._opener.read(
            lambda records: next((one for one in records.all(NotebookInstance) if one.domain == host), None)
        )
        if named is None or named.region != self._gateway.region:
            raise ServiceError("NotFound", "There is no notebook instance of this name.", 404)
        self._opener.check_way(asked)
        return named

    def _check_allowed(self, opening: NotebookOpening, asked: Asked, notebook: NotebookInstance) -> None:
        self._opener.check_allowed(
            opening, asked, {"NotebookInstanceName": notebook.name}, lambda records: _check_there(records, opening)
        )


def _is_of(opening: NotebookOpening, notebook: NotebookInstance) -> bool:
    return (opening.notebook, opening.volume_id) == (notebook.arn, notebook.volume_id)


def _find(records: Reader, opening: NotebookOpening) -> NotebookInstance | None:
    return next((one for one in records.all(NotebookInstance) if _is_of(opening, one)), None)


def _check_there(records: Reader, opening: NotebookOpening) -> None:
    notebook = _find(records, opening)
    if notebook is None or notebook.deleting:
        raise ServiceError("ValidationException", "RecordNotFound")
