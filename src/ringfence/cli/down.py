"""`ringfence down`: stop the daemon and leave nothing of it on the machine."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import click

from ringfence.cli.client import Daemon, fail, find, is_running, state_option
from ringfence.config import Config

_STOP_SECONDS = 90.0


@click.command()
@state_option
@click.option("--purge", is_flag=True, help="Remove the state directory too: records, objects, images, keys.")
def down(state: Path, purge: bool) -> None:
    """Stop the daemon and all it runs: containers, namespaces, mounts, cgroups. Records stay unless --purge."""
    daemon = find(state)
    if daemon is not None:
        daemon.call("POST", "shutdown", {"purge": purge})
        _wait_for(daemon)
    elif (state / "records.sqlite").exists() or _has_namespaces(state):
        _remove_leftovers(state)
    else:
        fail(f"nothing to stop: `{state}` is no state directory of ringfence", 69)
    if purge:
        shutil.rmtree(state)
    click.echo(f"ringfence is down; {'its state is removed' if purge else f'its records stay in {state}'}")


def _has_namespaces(state: Path) -> bool:
    """The state directory was deleted under a daemon's work: what it named after itself can still be found."""
    return any(Path("/run/netns").glob(f"{Config(state.resolve()).prefix}-*"))


def _wait_for(daemon: Daemon) -> None:
    deadline = time.monotonic() + _STOP_SECONDS
    while is_running(daemon.state, daemon.pid):
        if time.monotonic() > deadline:
            fail(f"the daemon (pid {daemon.pid}) did not stop within {_STOP_SECONDS:.0f} s; see its log")
        time.sleep(0.05)


def _remove_leftovers(state: Path) -> None:
    """The daemon is gone (killed): its containers and namespaces are not."""
    command = [sys.executable, "-m", "ringfence.app", "--state", str(state.resolve()), "--remove-everything"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_STOP_SECONDS, check=False)
    if done.returncode != 0:
        fail(f"could not remove what the last daemon left:\n{done.stderr.strip()}")
