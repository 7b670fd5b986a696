"""Killing for the scenarios: the daemon, and what runs in an instance's containers. Not a test file."""

import contextlib
import json
import os
from pathlib import Path

from demo.story import Story
from tests.patience import eventually


def kill_daemon(story: Story) -> None:
    """With SIGKILL, and with it end the processes of its transfers; return once they are gone."""
    pid = json.loads((story.state / "daemon.json").read_text())["pid"]
    transfers = _transfers(pid)
    os.kill(pid, 9)
    eventually(lambda: not any(_exists(one) for one in (pid, *transfers)))


def _transfers(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"ringfence.reconcile.instance.transfer_process" in words and str(pid).encode() in words:
                found.append(int(entry.name))
    return found


def _exists(pid: int) -> bool:
    """A zombie that nobody has reaped yet is gone for all that matters here."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def signal_containers(story: Story, number: int, instance: str = "") -> None:
    """To every process in the containers of this instance; of all instances, if none is named."""
    group = f"/{story.facts['prefix']}/{instance}/" if instance else f"/{story.facts['prefix']}/"
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if group in (entry / "cgroup").read_text():
                os.kill(int(entry.name), number)
