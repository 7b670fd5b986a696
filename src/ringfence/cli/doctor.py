"""`ringfence doctor`: what this machine lacks to run the daemon, and what on it is not as a running daemon made it."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ringfence.cli.client import CommandError, Daemon, find, state_option


@dataclass(frozen=True)
class Check:
    """`probe` returns a fact to show, or raises LookupError with what is missing and how to mend it.

    `only`: what alone needs it; empty if the daemon does.
    """

    name: str
    probe: Callable[[], str]
    only: str = ""

    @property
    def needed(self) -> bool:
        return not self.only


def _program(name: str, package: str, *arguments: str) -> Callable[[], str]:
    def probe() -> str:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is None:
            raise LookupError(f"not found: apt-get install {package}")
        if not arguments:
            return path
        done = subprocess.run([path, *arguments], capture_output=True, text=True, check=False, timeout=10)
        return (done.stdout or done.stderr).splitlines()[0]

    return probe


def _python() -> str:
    return platform.python_version()


def _root() -> str:
    if os.geteuid() != 0:
        raise LookupError("not root: namespaces, nftables and containers need it (sudo)")
    return "root"


def _overlay() -> str:
    if "overlay" not in Path("/proc/filesystems").read_text():
        raise LookupError("the kernel has no overlay file system: modprobe overlay")
    return "overlay file system"


def _cgroup() -> str:
    if Path("/sys/fs/cgroup/cgroup.controllers").exists():
        return "version 2"
    if Path("/sys/fs/cgroup/memory").is_dir():
        return "version 1 (or hybrid)"
    raise LookupError("no cgroup hierarchy is mounted at /sys/fs/cgroup")


def _tun() -> str:
    if not Path("/dev/net/tun").exists():
        raise LookupError("the kernel has no TUN devices: modprobe tun")
    return "/dev/net/tun"


def _volume() -> str:
    for program in ("mkfs.ext4", "e2fsck", "resize2fs", "mount"):
        if shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
            raise LookupError(f"`{program}` not found: apt-get install e2fsprogs mount")
    if not Path("/dev/loop-control").exists():
        raise LookupError("no loop devices, so no volume is held to its size: modprobe loop, or give them to us")
    return "ext4 through loop devices"


# One throw-away namespace that tries what the VPCs use: veth, conntrack, verdict maps.
_NETWORK_TRIAL = """
ip link add name rf-a type veth peer name rf-b && nft 'table inet t {
  map m { type ifname : verdict; }
  chain c { type filter hook forward priority 0; policy drop; ct state established accept; iifname vmap @m; }
}'
"""


def _network() -> str:
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec", _NETWORK_TRIAL], capture_output=True, text=True, check=False, timeout=10
    )
    if done.returncode != 0:
        raise LookupError(f"namespaces, veth or nftables do not work: {done.stderr.strip().splitlines()[-1:]}")
    return "namespaces, veth, nftables with connection tracking"


CHECKS = (
    Check("user", _root),
    Check("python", _python),
    Check("ip", _program("ip", "iproute2", "-V")),
    Check("nft", _program("nft", "nftables", "--version")),
    Check("runc", _program("runc", "runc", "--version")),
    Check("network", _network),
    Check("overlay", _overlay),
    Check("cgroup", _cgroup),
    Check("skopeo", _program("skopeo", "skopeo", "--version"), "`ringfence image import`"),
    Check("umoci", _program("umoci", "umoci", "--version"), "`ringfence image import`"),
    Check("tun", _tun, "EnableInterContainerTrafficEncryption"),
    Check("volume", _volume, "VolumeSizeInGB"),
)


@click.command()
@state_option
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def doctor(state: Path, as_json: bool) -> None:
    """Say what this machine lacks, and mend what others changed of a daemon's network.

    Exits 1 if the daemon cannot run here or if its namespaces, links, routes, rules or settings were not as it made
    them; these are mended at once. So it does if the server of Feature Store's online records does not answer it.
    """
    found = [(check, *_try(check)) for check in CHECKS]
    daemon = _find_daemon(state)
    drift = list(daemon.call("POST", "drift")["drift"]) if daemon else None
    online = daemon.call("GET", "online-store")["online"] if daemon else None
    lacking = sum(check.needed and not fine for check, fine, _ in found)
    if as_json:
        machine = [{"name": c.name, "fine": fine, "needed": c.needed, "fact": fact} for c, fine, fact in found]
        click.echo(json.dumps({"machine": machine, "drift": drift, "online": online}, indent=2))
    else:
        _show(found, drift, lacking)
        _show_online(online)
    if lacking or drift or (online and online["gone"]):
        raise SystemExit(1)


def _try(check: Check) -> tuple[bool, str]:
    try:
        return True, check.probe()
    except (LookupError, OSError, subprocess.SubprocessError) as error:
        return False, str(error)


def _find_daemon(state: Path) -> Daemon | None:
    """None if none runs, or if it is somebody else's."""
    try:
        return find(state)
    except CommandError:
        return None


def _show_online(online: dict[str, Any] | None) -> None:
    if online is None:
        return
    if online["gone"]:
        click.echo(f"✗ online   {online['gone']}")
        click.echo("records of feature groups get ServiceUnavailable: start that server, nothing is lost", err=True)
    else:
        click.echo(f"✓ online   {online['name']} answers")
    for words in online["risks"]:
        click.echo(f"– online   it may lose records: {words}")


def _show(found: list[tuple[Check, bool, str]], drift: list[str] | None, lacking: int) -> None:
    for check, fine, fact in found:
        mark = "✓" if fine else "✗" if check.needed else "–"
        why = "" if fine or check.needed else f" (only {check.only} needs it)"
        click.echo(f"{mark} {check.name:<8} {fact}{why}")
    for words in drift or ():
        click.echo(f"✗ drift    {words}")
    if drift is not None and not drift:
        click.echo("✓ drift    the network is as the daemon made it")
    if drift:
        click.echo("the daemon mends this now: run `ringfence doctor` again", err=True)
    if lacking:
        click.echo(f"{lacking} thing{'s' if lacking > 1 else ''} to mend before `ringfence up`", err=True)
