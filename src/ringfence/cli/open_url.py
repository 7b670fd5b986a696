"""Open a presigned URL in a browser that stands somewhere: its connections leave from an instance of `exec`'s kind.

This machine neither resolves these names nor trusts their certificates, and its own network has no way there. So the
URL is made in the chosen place, and a proxy on loopback passes the browser's connections on from there: policies see
that place's network. Called by `studio open` and `notebook open`.
"""

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from ringfence.cli.browser import browser, find_browser, lacks
from ringfence.cli.client import Daemon, fail
from ringfence.cli.enter import temporary_directory
from ringfence.cli.exec import check_place, open_session, start, where_options


@dataclass(frozen=True)
class Wanted:
    """`operation`: boto3's name of one of SageMaker's that answers with AuthorizedUrl."""

    operation: str
    request: dict[str, Any]


@dataclass(frozen=True)
class How:
    """`program`: the browser; None: one that is found. `port`: of the proxy; 0: any. `printed`: only print the URL."""

    program: str | None = None
    port: int = 0
    printed: bool = False
    served: bool = False  # the proxy alone, for a browser that the person starts


_HOW = (
    click.option("--print", "printed", is_flag=True, help="Print the URL and open nothing."),
    click.option("--serve", "served", is_flag=True, help="Start no browser: serve its proxy and say how to use it."),
    click.option("--browser", "program", metavar="PROGRAM", help="Start this one, which takes Chromium's options."),
    click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of the proxy on loopback. Default: any."),
)


def how_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of what opens a URL: the command gets its `question` and its `how`."""

    @functools.wraps(command)
    def run(program: str | None, port: int, printed: bool, served: bool, **others: Any) -> None:
        command(how=How(program, port, printed, served), **others)

    for option in reversed(_HOW):
        run = option(run)
    return where_options(run)


def stand_somewhere(question: dict[str, Any]) -> None:
    """On the internet, if nothing else is said."""
    if not (question["subnet"] or question["customer_network"]):
        question["internet"] = True
    check_place(question)


def open_url(state: Path, question: dict[str, Any], wanted: Wanted, how: How) -> None:
    """Returns when the browser was closed, or Ctrl-C pressed."""
    with ExitStack() as held:
        daemon, told = held.enter_context(open_session(state, question))
        listening = None if how.printed else held.enter_context(_listen(how.port))
        answer = held.enter_context(_relay(daemon, told, question, wanted, listening))
        if "url" not in answer:
            fail(_explain(answer, question))
        if listening is None:
            click.echo(answer["url"])
            return
        _show(daemon, answer["url"], listening.getsockname()[1], _place(question), how)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        fail(f"port {port} of loopback is not free ({error.strerror}): choose another --port")


@contextmanager
def _relay(
    daemon: Daemon, told: dict[str, Any], question: dict[str, Any], wanted: Wanted, listening: socket.socket | None
) -> Iterator[dict[str, Any]]:
    """What `relay`, which runs in the instance meanwhile, says of the URL."""
    descriptor = None if listening is None else listening.fileno()
    asked = {"operation": wanted.operation, "request": wanted.request, "descriptor": descriptor}
    program = (sys.executable, "-m", "ringfence.cli.relay", json.dumps(asked))
    with temporary_directory() as directory:
        process = start(
            daemon, told, Path(directory), program, _identity(daemon, question), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, pass_fds=() if descriptor is None else (descriptor,),
            start_new_session=True,  # a Ctrl-C is for this process, which ends that one
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            line = process.stdout.readline()
            if not line:
                fail("the URL could not be made: see the error above")
            yield json.loads(line)
        finally:
            process.stdin.close()
            process.terminate()
            process.wait()


def _identity(daemon: Daemon, question: dict[str, Any]) -> dict[str, str]:
    """The role's, else the caller's own keys, else those of `ringfence env`: sudo takes a caller's variables away."""
    if question["role"] or os.environ.keys() & {"AWS_ACCESS_KEY_ID", "AWS_PROFILE"}:
        return {}
    return {"AWS_ACCESS_KEY_ID": daemon.access_key_id, "AWS_SECRET_ACCESS_KEY": daemon.secret_access_key}


def _show(daemon: Daemon, url: str, port: int, place: str, how: How) -> None:
    """A browser with the URL, or what to do without; until it is closed, or this is told to end."""
    signal.signal(signal.SIGTERM, _interrupt)
    missing = None if how.program or how.served else lacks()
    with contextlib.suppress(KeyboardInterrupt):
        if how.served or missing:
            _instruct(daemon, url, port, place, missing)
            while True:
                signal.pause()
        click.echo(f"the browser stands on {place}: close the browser or press Ctrl-C to end", err=True)
        with browser(how.program or str(find_browser()), url, port, daemon.ca_bundle) as process:
            process.wait()


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _instruct(daemon: Daemon, url: str, port: int, place: str, missing: str | None) -> None:
    host = urlsplit(url).netloc
    click.echo(f"{missing or 'no browser is started'}: let one of yours stand on {place} until you press Ctrl-C")
    click.echo(f"  trust, in a profile for this alone: {daemon.ca_bundle}")
    click.echo(f"  proxy for https://{host}: 127.0.0.1:{port} (by script: http://127.0.0.1:{port}/proxy.pac)")
    click.echo(f"  on another machine, first there: ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}")
    click.echo(f"  open once, within five minutes: {url}")


def _place(question: dict[str, Any]) -> str:
    if question["internet"]:
        return f"the internet{' as ' + question['source_ip'] if question['source_ip'] else ''}"
    return str(question["subnet"] or question["customer_network"])


def _explain(answer: dict[str, Any], question: dict[str, Any]) -> str:
    """Why there is no URL, and what to do next."""
    said = f"{answer['code']}: {answer['message'].rstrip('.')}"
    if "host" in answer:
        host = urlsplit(answer["host"]).hostname
        begin = question["subnet"] or "internet"
        return f"{said}; why: `ringfence explain path --from {begin} --to {host}`"
    told = f"{said}; why: `ringfence explain call {answer['request_id']}`"
    if question["internet"] and answer["code"] == "AccessDeniedException":
        told += "; this was from the internet: stand in a VPC with --subnet SUBNET-ID --security-group SG-ID"
    return told
