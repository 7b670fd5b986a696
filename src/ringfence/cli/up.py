"""`ringfence up`: start the daemon, in the foreground or detached."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import click

from ringfence.cli.client import fail, find, state_option
from ringfence.config import (
    DEFAULT_ACCOUNT,
    DEFAULT_METRIC_PERIOD,
    DEFAULT_OFFLINE_STORE_DELAY,
    DEFAULT_PAYLOAD_LIMIT,
    DEFAULT_PORT,
    DEFAULT_REGION,
    DEFAULT_SERVERLESS_IDLE,
    DEFAULT_STUDIO_IDLE_MINUTE,
    ONLINE_STORE_VARIABLE,
)

_START_SECONDS = 60.0


@click.command()
@state_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port of the API on 127.0.0.1; 0 for any that is free.",
)
@click.option("--region", default=DEFAULT_REGION, show_default=True)
@click.option("--account", default=DEFAULT_ACCOUNT, show_default=True, help="Twelve digits.")
@click.option(
    "--private-dns-per-zone",
    is_flag=True,
    help="Private names of an interface endpoint do not resolve in zones where it has no interface.",
)
@click.option(
    "--payload-limit",
    type=click.IntRange(1, 1 << 30),
    default=DEFAULT_PAYLOAD_LIMIT,
    help="Bytes of the body of an InvokeEndpoint; AWS's 25 MB by default.",
)
@click.option(
    "--offline-store-delay",
    type=click.FloatRange(1, 900),
    default=DEFAULT_OFFLINE_STORE_DELAY,
    show_default=True,
    help="Seconds until records that were put are in Feature Store's offline stores.",
)
@click.option(
    "--metric-period",
    type=click.IntRange(1, 60),
    default=DEFAULT_METRIC_PERIOD,
    show_default=True,
    help="Seconds of a datapoint of the platform's own metrics and of target tracking's alarms; less for tests.",
)
@click.option(
    "--online-store",
    metavar="URL",
    envvar=ONLINE_STORE_VARIABLE,
    show_envvar=True,
    help="Redis or Valkey for Feature Store's online records, redis[s]://[user:password@]host[:port][/database]. "
    "Other users of this machine can see options, not the variable. Default: the daemon's own store.",
)
@click.option(
    "--serverless-idle",
    type=click.FloatRange(0, 3600),
    default=DEFAULT_SERVERLESS_IDLE,
    show_default=True,
    help="Seconds that a container of a serverless endpoint is kept without an invocation.",
)
@click.option(
    "--studio-idle-minute",
    type=click.FloatRange(0.01, 60),
    default=DEFAULT_STUDIO_IDLE_MINUTE,
    show_default=True,
    help="Seconds of a minute of Studio's idle timeouts, which are an hour at least: less to see one pass.",
)
@click.option(
    "--scratch",
    is_flag=True,
    help="All of this state may be thrown away: POST /moto-api/reset does, for test suites written for moto's server.",
)
@click.option("--detach", is_flag=True, help="Return once the daemon answers; its log is STATE/daemon.log.")
def up(
    state: Path,
    port: int,
    region: str,
    account: str,
    private_dns_per_zone: bool,
    payload_limit: int,
    offline_store_delay: float,
    metric_period: int,
    online_store: str | None,
    serverless_idle: float,
    studio_idle_minute: float,
    scratch: bool,
    detach: bool,
) -> None:
    """Start the daemon. Prints one line with the URL when it is ready."""
    if len(account) != 12 or not account.isdigit():
        fail(f"`{account}` is not an account id: give twelve digits", 64)
    if not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-[0-9]+", region):
        fail(f"`{region}` is not a region's name: give one like {DEFAULT_REGION}", 64)
    if os.geteuid() != 0:
        fail("network namespaces need root: run this with sudo", 77)
    running = find(state)
    if running is not None:
        fail(f"a daemon runs on `{state}` already, at {running.url} (pid {running.pid}): see `ringfence status`")
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        fail(f"cannot make the state directory `{state}` ({error.strerror}): choose another with --state", 73)
    command = [
        sys.executable, "-m", "ringfence.app",
        "--state", str(state.resolve()), "--port", str(port), "--region", region, "--account", account,
        "--payload-limit", str(payload_limit), "--offline-store-delay", str(offline_store_delay),
        "--metric-period", str(metric_period),
        "--serverless-idle", str(serverless_idle), "--studio-idle-minute", str(studio_idle_minute),
    ]  # fmt: skip
    command += ["--private-dns-per-zone"] if private_dns_per_zone else []
    command += ["--scratch"] if scratch else []
    if online_store is not None:
        os.environ[ONLINE_STORE_VARIABLE] = online_store
    if detach:
        _start_detached(command, state)
    else:
        os.execv(command[0], command)  # noqa: S606 - the daemon takes this process over


def _start_detached(command: list[str], state: Path) -> None:
    log = state / "daemon.log"
    with log.open("ab") as output:
        start = output.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            fail(f"the daemon did not start:\n{_tail(log, start)}")
        if _is_ready(state, process.pid):
            daemon = find(state)
            assert daemon is not None
            click.echo(f"ringfence is ready at {daemon.url} (region {daemon.region}, account {daemon.account})")
            return
        time.sleep(0.02)
    process.terminate()
    fail(f"the daemon was not ready within {_START_SECONDS:.0f} s and was stopped:\n{_tail(log, start)}")


def _is_ready(state: Path, pid: int) -> bool:
    try:
        return bool(json.loads((state / "daemon.json").read_text())["pid"] == pid)
    except (FileNotFoundError, ValueError):
        return False


def _tail(log: Path, start: int) -> str:
    with log.open("rb") as stream:
        stream.seek(start)
        return "\n".join(stream.read().decode(errors="replace").splitlines()[-15:])
