"""The edge to the kernel: runs steps with `ip` and `nft`, and code inside namespaces. Called by `apply` only.

Namespaces are named `<prefix>-<logical name>` under /run/netns, so that `ip netns` and runc can use them too.
"""

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, assert_never

from ringfence.dataplane.host import PLATFORM_MARK, Pair, Sysctl
from ringfence.dataplane.netlink import activate_links, forget_flows, set_neighbours
from ringfence.dataplane.plan import (
    ActivateLinks,
    AddNamespaces,
    AddPairs,
    DeleteNamespaces,
    ForgetFlows,
    RunIp,
    RunNft,
    SetNeighbours,
    Step,
    WriteSysctls,
)

NETNS = Path("/run/netns")
LINK_GROUP = 4566  # all links of a router at once: deleting one by one waits for the kernel each time
_SYSCTL = Path("/proc/sys/net")
_TIMEOUT = 120
_GONE = (
    "Cannot find device",
    "No such device",
    "No such process",
    "No such file or directory",
    "Cannot assign requested address",
)
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


class DataplaneError(Exception):
    """A program failed; the message has its words and the line that it failed on."""


class Executor:
    """Runs steps one after the other."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        # Of the namespaces that this process made: addresses that have been somebody's. Searching the table of tracked
        # flows takes the kernel 12 ms whatever is in it; a new address in a new network cannot have any.
        self._used: dict[str, set[str]] = {}

    def path(self, namespace: str) -> Path:
        """The namespace's file."""
        return NETNS / f"{self._prefix}-{namespace}"

    def run(self, steps: Sequence[Step]) -> None:
        """Raises DataplaneError at the first step that fails."""
        for step in steps:
            self._run(step)

    def inside(self, namespace: str, function: Callable[[], T]) -> T:
        """Call a function in a thread of its own that has entered the namespace: programs, sockets, /proc/sys/net."""
        return _call_inside(self.path(namespace), function)

    def open_socket(self, namespace: str, kind: int, family: int) -> socket.socket:
        """A socket that belongs to the namespace, whoever holds it."""
        made = self.inside(namespace, lambda: socket.socket(family, kind | socket.SOCK_CLOEXEC))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, PLATFORM_MARK)
        return made

    def _add_pair(self, pair: Pair) -> str:
        """Both ends are made where they belong: nothing appears in the machine's own namespace."""
        here, there = self.path(pair.namespace).name, self.path(pair.peer_namespace).name
        own = f"address {pair.own_mac} " if pair.own_mac else ""
        return (
            f"link add name {pair.name} {own}group {LINK_GROUP} netns {here} type veth "
            f"peer name {pair.peer} address {pair.mac} netns {there}"
        )

    def _run(self, step: Step) -> None:
        match step:
            case AddNamespaces():
                _ip([f"netns add {self.path(name).name}" for name in step.names])
                self._used |= {name: set() for name in step.names}
                for name in step.names:
                    # a new namespace has the machine's own setting: who routes is told so afterwards
                    # https://docs.kernel.org/admin-guide/sysctl/net.html#devconf-inherit-init-net
                    self._run(WriteSysctls(name, (Sysctl(name, "ipv4/ip_forward", "0"),)))
            case DeleteNamespaces():
                for name in step.names:
                    self._used.pop(name, None)
                _ip([f"netns delete {self.path(name).name}" for name in step.names])
            case AddPairs():
                _ip([self._add_pair(pair) for pair in step.pairs])
            case RunIp():
                self.inside(step.namespace, lambda: (_ip_remove if step.removing else _ip)(step.lines))
            case ActivateLinks():
                self.inside(step.namespace, lambda: activate_links(step.devices))
            case SetNeighbours():
                self._used.get(step.namespace, set()).update(one.address for one in step.neighbours)
                self.inside(step.namespace, lambda: set_neighbours(step.neighbours))
            case ForgetFlows():
                wanted = frozenset(step.addresses)
                used = wanted if step.left else wanted & self._used.get(step.namespace, wanted)
                if used:
                    self.inside(step.namespace, lambda: forget_flows(used))
            case RunNft():
                self.inside(step.namespace, lambda: run_program(["nft", "-f", "-"], step.program))
            case WriteSysctls():
                self.inside(step.namespace, lambda: _write_sysctls(step))
            case _:
                assert_never(step)


def run_program(command: Sequence[str], given: str = "") -> str:
    """Run one program to its end; its output."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    if done.returncode != 0:
        raise DataplaneError(f"`{' '.join(command)}` failed: {_explain(done.stderr, given)}")
    return done.stdout


def _explain(stderr: str, given: str) -> str:
    """The program's words; for `ip -batch` with the line that it names (`Command failed -:3`)."""
    text = stderr.strip()
    _, _, number = text.rpartition("-:")
    if number.isdecimal() and 0 < int(number) <= len(lines := given.splitlines()):
        return f"{text} `{lines[int(number) - 1]}`"
    return text


def _ip(lines: Sequence[str]) -> None:
    run_program(["ip", "-batch", "-"], "".join(f"{line}\n" for line in lines))


def _ip_remove(lines: Sequence[str]) -> None:
    """The kernel takes links away by itself when their other namespace dies: what is not there counts as removed."""
    program = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        ["ip", "-force", "-batch", "-"], input=program, capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )
    words = [line for line in done.stderr.splitlines() if not line.startswith("Command failed")]
    serious = [line for line in words if not any(harmless in line for harmless in _GONE)]
    if serious:
        raise DataplaneError(f"`ip` failed: {serious[0]}")


def _write_sysctls(step: WriteSysctls) -> None:
    """In the namespace's thread: /proc/sys/net shows the namespace of the thread that opens it."""
    for one in step.values:
        path = _SYSCTL / one.path
        # A kernel without IPv6 has nothing to switch off.
        if one.path.startswith("ipv6/") and not (_SYSCTL / "ipv6").exists():
            continue
        try:
            path.write_text(one.value)
        except OSError as error:
            raise DataplaneError(f"cannot write `{one.value}` to `{path}`: {error.strerror}") from error


def _call_inside(path: Path, function: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            _enter(path)
            results.append(function())
        except BaseException as error:  # handed to the caller below
            errors.append(error)

    # A thread of its own: its namespace is never changed back, the thread ends instead.
    thread = threading.Thread(target=body, name=f"netns {path.name}", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _enter(path: Path) -> None:
    """setns of this thread (os.setns is new in Python 3.12)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
