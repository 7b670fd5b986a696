"""A daemon for tests: `running_daemon` is the real thing in a process, `local_daemon` all of it but the machine.

Not a test file. `local_daemon` needs no root: its network is never applied and its containers are not run, so the APIs,
authentication, authorization and the store are real and statuses that need a kernel are not reached.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config as ClientConfig

from ringfence.app.daemon import App, Machine
from ringfence.config import Config
from ringfence.gateway.listen import HttpSocket, Stamp, make_server, open_http
from ringfence.network.flow import FlowReading
from ringfence.runtime.fake import FakeDriver

REGION = "us-west-2"
ACCOUNT = "123456789012"
_START_SECONDS = 120.0
_STOP_SECONDS = 120.0


@dataclass(frozen=True)
class Daemon:
    """`env`: what an AWS client or the command line needs to speak to it. `process`: None if it runs in this one.

    Then `loop` is the one that `app` runs on.
    """

    url: str
    state: Path
    env: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None
    app: App | None = None
    loop: asyncio.AbstractEventLoop | None = None

    def client(self, service: str, key: tuple[str, str] | None = None, **options: Any) -> Any:
        """A boto3 client as the account's root, or with `key` (id, secret)."""
        own = (self.env["AWS_ACCESS_KEY_ID"], self.env["AWS_SECRET_ACCESS_KEY"])
        key_id, secret = key or own
        settings = ClientConfig(retries={"total_max_attempts": 1}, read_timeout=120, connect_timeout=60)
        defaults = {"endpoint_url": self.url, "region_name": REGION, "config": settings}
        keys = {"aws_access_key_id": key_id, "aws_secret_access_key": secret}
        return boto3.client(service, **{**defaults, **keys, **options})

    def kill(self) -> None:
        """As a crash would: no chance to clean up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(_STOP_SECONDS)


class NoNetwork:
    """A dataplane that makes nothing."""

    async def apply(self, topology: object) -> None:
        return None

    async def read_flows(self, vpc_id: str) -> FlowReading:
        return FlowReading()

    async def stop_flows(self, vpc_id: str) -> None:
        return None

    async def find_drift(self) -> tuple[str, ...]:
        return ()

    def open_socket(self, namespace: str, kind: int, family: int = socket.AF_INET) -> socket.socket:
        raise FileNotFoundError(f"`{namespace}`: this daemon has no namespaces")

    def can_encrypt(self) -> bool:
        return True

    def namespace_path(self, namespace: str) -> Path:
        return Path("/nowhere") / namespace

    def remove_everything(self) -> None:
        return None


class NoListeners:
    async def apply(self, topology: object) -> None:
        return None


def machine_of_nothing(config: Config) -> Machine:
    return Machine(NoNetwork(), FakeDriver(), NoListeners())


@contextmanager
def local_daemon(
    state: Path, make: Callable[[Config], Machine] = machine_of_nothing, **settings: Any
) -> Iterator[Daemon]:
    """The daemon in a thread of this process, on a free port, without namespaces and containers, or as `make` says.

    `settings`: of its Config, what is not as it is by default.
    """
    config = Config(state.resolve(), port=0, region=REGION, account=ACCOUNT, **settings)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="local daemon", daemon=True)
    thread.start()

    async def start() -> App:
        app = App(config, make(config))
        try:
            await app.start()
        except BaseException:
            await app.stop()
            raise
        return app

    try:
        app = asyncio.run_coroutine_threadsafe(start(), loop).result(_START_SECONDS)
        try:
            yield Daemon(app.url, config.state, environment(config.state, app.url), app=app, loop=loop)
        finally:
            asyncio.run_coroutine_threadsafe(app.stop(), loop).result(_STOP_SECONDS)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_STOP_SECONDS)
        loop.close()


@contextmanager
def listening(daemon: Daemon, stamp: Stamp) -> Iterator[str]:
    """The URL of one more socket of a `local_daemon`, stamped as one inside a VPC would be."""
    app, loop = daemon.app, daemon.loop
    assert app is not None and loop is not None
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)

    async def start() -> HttpSocket:
        return await open_http(make_server(app._serve, app._blobs, stamp), bound)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(_START_SECONDS)
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(server.close(0.1), loop).result(_STOP_SECONDS)


@contextmanager
def running_daemon(state: Path, *, keep: bool = False) -> Iterator[Daemon]:
    """A daemon of its own process, port and namespaces; needs root. At the end nothing of it is left on the machine.

    `keep`: stop it as an update would, so that the next daemon on `state` finds what runs.
    """
    state = state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "ringfence.app", "--state", str(state), "--port", "0", "--region", REGION]
    with (state / "daemon.log").open("ab") as output:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=output, cwd="/")
    try:
        url = _await_ready(process, state)
        yield Daemon(url, state, environment(state, url), process)
    finally:
        _stop(process)
        if not keep:
            subprocess.run([*command, "--remove-everything"], check=True, timeout=_STOP_SECONDS, capture_output=True)


def _await_ready(process: "subprocess.Popen[bytes]", state: Path) -> str:
    """The URL in the ready line; the daemon's log if it never comes."""
    assert process.stdout is not None
    timer = threading.Timer(_START_SECONDS, process.kill)
    timer.start()
    try:
        line = process.stdout.readline().decode()
    finally:
        timer.cancel()
    if not line.startswith("ringfence is ready at "):
        raise RuntimeError(f"the daemon did not start:\n{(state / 'daemon.log').read_text()[-4000:]}")
    return line.split()[4]


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_SECONDS)
    if process.stdout is not None:
        process.stdout.close()


def environment(state: Path, url: str) -> dict[str, str]:
    key = json.loads((state / "admin.json").read_text())
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RINGFENCE_"))}
    return clean | {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": key["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CA_BUNDLE": str(state / "ca" / "ca.pem"),
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "RINGFENCE_STATE": str(state),
    }


def aws(daemon: Daemon, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Run the AWS CLI against the daemon."""
    program = Path(sys.executable).parent / "aws"
    found = str(program) if program.exists() else shutil.which("aws")
    assert found, "the AWS CLI is not installed"
    return subprocess.run([found, *arguments], env=daemon.env, check=check, capture_output=True, text=True, timeout=120)
