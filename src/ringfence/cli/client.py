"""The way to the daemon of a state directory: its address, its admin token, JSON over loopback HTTP, AWS clients.

Every subcommand that needs the daemon goes through `connect`; failures end the command with what to do next.
"""

import fcntl
import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from ringfence.config import DEFAULT_STATE

state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="RINGFENCE_STATE",
    default=DEFAULT_STATE,
    show_default=True,
    help="The daemon's state directory; also RINGFENCE_STATE.",
)


class CommandError(click.ClickException):
    """An error line on standard error and the exit code."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc] # click reads it from the instance

    def show(self, file: Any = None) -> None:
        click.echo(f"ringfence: {self.message}", err=True)


def fail(message: str, exit_code: int = 1) -> NoReturn:
    raise CommandError(message, exit_code)


@dataclass(frozen=True)
class Daemon:
    """A live daemon: what it wrote into its state directory when it became ready."""

    state: Path
    pid: int
    host: str
    port: int
    region: str
    account: str
    access_key_id: str
    secret_access_key: str
    token: str

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def ca_bundle(self) -> Path:
        return self.state / "ca" / "ca.pem"

    def open(self, method: str, path: str, body: dict[str, Any] | None = None) -> http.client.HTTPResponse:
        """Send one admin request; the response is returned unread. Exits with the daemon's message on an error."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=120)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, f"/_ringfence/{path}", json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
        except OSError as error:
            fail(f"the daemon at {self.url} does not answer ({error}); see `{self.state}/daemon.log`")
        if response.status >= 400:
            fail(_error_of(response))
        return response

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send one admin request and return its JSON."""
        response = self.open(method, path, body)
        return json.loads(response.read() or b"null")


def _error_of(response: http.client.HTTPResponse) -> str:
    text = response.read().decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the daemon answered {response.status}: {text[:200]}"


def is_running(state: Path, pid: int) -> bool:
    """Whether a daemon still has this state directory: it holds the lock, or its process has not ended yet.

    The lock tells a daemon from another process that got its number; a process nobody reaped yet (a zombie) has ended.
    """
    if is_locked(state):
        return True
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] != "Z" and b"ringfence.app" in command


def is_locked(state: Path) -> bool:
    """Whether a live daemon holds the state directory."""
    try:
        with (state / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def find(state: Path) -> Daemon | None:
    """The live daemon of a state directory, or None if none runs there."""
    state = state.resolve()
    try:
        told = _read(state / "daemon.json", "pid", "host", "port", "region", "account")
        if told is None or not is_running(state, told["pid"]):
            return None
        key = _read(state / "admin.json", "access_key_id", "secret_access_key", "token")
    except PermissionError as error:
        fail(f"cannot read `{error.filename}`: run this as the user who runs the daemon (root)", 77)
    except ValueError as error:
        if not is_locked(state):
            return None
        fail(f"{error} while a daemon runs on `{state}`: end it by its pid (see `pgrep -af ringfence.app`), "
             f"then `ringfence up --state {state}`")  # fmt: skip
    return None if key is None else Daemon(state=state, **told, **key)


def _read(path: Path, *names: str) -> dict[str, Any] | None:
    """These members of a file that the daemon wrote; None if there is no file, ValueError if it is damaged."""
    try:
        told = json.loads(path.read_text())
        return {name: told[name] for name in names}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"`{path}` is damaged") from None


def connect(state: Path) -> Daemon:
    """The live daemon of a state directory; exits with 69 (unavailable) if there is none."""
    daemon = find(state)
    if daemon is None:
        fail(f"no daemon runs on `{state}`: start one with `ringfence up --state {state} --detach`", 69)
    return daemon


def client_of(daemon: Daemon, service: str) -> Any:
    """An AWS client with the account's own keys, on loopback: to look, not to act as anybody."""
    import botocore.session  # a quarter of a second, which no other command has to wait for

    return botocore.session.get_session().create_client(
        service,
        region_name=daemon.region,
        endpoint_url=daemon.url,
        aws_access_key_id=daemon.access_key_id,
        aws_secret_access_key=daemon.secret_access_key,
    )
