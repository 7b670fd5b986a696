"""`ringfence capture`: the packets of a network interface, as a pcap file or a line each.

They are seen where the interface meets the VPC's router: what leaves it before any rule, what enters it after all.
"""

import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import click

from ringfence.cli.client import connect, fail, state_option
from ringfence.cli.enter import enter_namespace
from ringfence.cli.pcap import SNAPLEN, Filter, describe, file_header, packet_record

# linux/if_ether.h, asm-generic/socket.h, linux/if_packet.h: Python's socket module does not have them all
_ETH_P_ALL, _SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 0x0003, 33, 35
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_BUFFER = 8 << 20


class Captured(NamedTuple):
    seconds: int
    nanoseconds: int
    frame: bytes
    length: int


@click.command(epilog="Reading it: `ringfence capture eni-… -w - --seconds 10 | tcpdump -nr -`")
@state_option
@click.argument("interface", metavar="ENI-ID")
@click.option("-w", "file", metavar="FILE", type=click.Path(dir_okay=False), help="Write a pcap file; `-` to stdout.")
@click.option("--count", type=click.IntRange(1), help="End after this many packets.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="End after this time.")
@click.option("--host", metavar="ADDRESS", help="Only from or to this address.")
@click.option("--port", type=click.IntRange(1, 65535), help="Only from or to this port.")
@click.option("--protocol", type=click.Choice(["tcp", "udp", "icmp"]), help="Only these.")
def capture(
    state: Path,
    interface: str,
    file: str | None,
    count: int | None,
    seconds: float | None,
    host: str | None,
    port: int | None,
    protocol: str | None,
) -> None:
    """Capture what leaves and enters an ENI, until Ctrl-C, --count or --seconds.

    A packet that is shown leaving and never arrives was stopped on its way: `ringfence explain path` says by what.
    """
    if os.geteuid() != 0:
        fail("capturing needs root: run this with sudo", 77)
    if file == "-" and sys.stdout.isatty():
        fail("standard output is a terminal: give -w a file, or pipe it to `tcpdump -nr -`", 64)
    told = connect(state).call("POST", "interface", {"id": interface})
    wanted = Filter(host, port, protocol)
    stopped = _signals()
    with _listen(told) as sock:
        until = time.monotonic() + seconds if seconds is not None else None
        click.echo(f"capturing {interface} ({told['address']} in {told['vpc_id']}); ctrl-c ends it", err=True)
        taken = (one for one in _receive(sock, stopped, until) if wanted.takes(one.frame))
        number = _copy(taken, file, count)
        dropped = struct.unpack("=II", sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))[1]
    click.echo(f"{number} packets{f', {dropped} more lost by this command' if dropped else ''}", err=True)


def _listen(told: dict[str, Any]) -> socket.socket:
    """A packet socket in the router's namespace, on the interface's link. This process stays there."""
    try:
        enter_namespace(told["namespace"])
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        sock.bind((told["device"], _ETH_P_ALL))
    except OSError as error:
        fail(f"could not listen on `{told['device']}` of `{told['namespace']}` ({error}): is the ENI attached?")
    return sock


def _copy(taken: Iterator[Captured], file: str | None, count: int | None) -> int:
    """How many packets were shown or written."""
    number = 0
    try:
        with _open(file) as write:
            for number, one in enumerate(taken, 1):
                write(one)
                if number == count:
                    break
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - the reader has seen enough; flushing would fail too
    return number


@contextmanager
def _open(file: str | None) -> Iterator[Callable[[Captured], None]]:
    """What writes a packet into the file, or shows it."""
    if file is None:
        yield _show
        return
    try:
        made = nullcontext(sys.stdout.buffer) if file == "-" else Path(file).open("wb")  # noqa: SIM115 - just below
    except OSError as error:
        fail(f"cannot write `{file}`: {error.strerror}", 73)
    with made as out:

        def write(one: Captured) -> None:
            out.write(packet_record(*one))
            out.flush()

        out.write(file_header())
        out.flush()
        yield write


def _show(one: Captured) -> None:
    clock = time.strftime("%H:%M:%S", time.localtime(one.seconds))
    click.echo(f"{clock}.{one.nanoseconds // 1000:06d} {describe(one.frame)}")


def _signals() -> socket.socket:
    """What becomes readable once this command is to end."""
    awake, waker = socket.socketpair()
    waker.setblocking(False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    # by the interpreter at once: a handler in Python would not run before the next packet ends the wait for it, if the
    # signal comes a moment before that wait begins
    signal.set_wakeup_fd(waker.detach())
    return awake


def _receive(sock: socket.socket, stopped: socket.socket, until: float | None) -> Iterator[Captured]:
    """Until the time, a signal, or the end of the interface."""
    while until is None or time.monotonic() < until:
        left = None if until is None else max(0.0, until - time.monotonic())
        ready, _, _ = select.select([sock, stopped], [], [], left)
        if stopped in ready:
            return
        if sock in ready:
            try:
                frame, ancillary, _, _ = sock.recvmsg(SNAPLEN, 64)
            except OSError:
                click.echo("the interface is gone", err=True)
                return
            stamps = [struct.unpack("=qq", data[:16]) for _, kind, data in ancillary if kind == _SO_TIMESTAMPNS]
            seconds, nanoseconds = stamps[0] if stamps else divmod(time.time_ns(), 10**9)
            yield Captured(seconds, nanoseconds, frame, len(frame))
