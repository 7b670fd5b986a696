"""`python -m ringfence.dataplane.esp_process DIRECTORY`: encrypts one host's traffic with the other hosts of its job.

Packets that the kernel routes to the device `esp0` leave as ESP, and the other way round. A process of its own, in the
host's namespace: it outlives the daemon, and keeps no privilege once its device and sockets are open. Linux builds its
own ESP into few kernels; this needs /dev/net/tun only. Started by `encryption`.
"""

import contextlib
import fcntl
import json
import os
import selectors
import socket
import struct
import sys
import time
from pathlib import Path
from typing import IO, Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ringfence.dataplane import key_exchange
from ringfence.dataplane.host import ESP_DEVICE, PLATFORM_MARK
from ringfence.dataplane.key_exchange import Exchange

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_ESP = 50
_NOBODY = 65534
_PACKET = 65536
_AT_ONCE = 64
_BUFFER = 4 << 20
_AGAIN = 0.5  # seconds between messages to a peer that has not answered, and between looks at the configuration


class Tunnel:
    """The device, the sockets, and an exchange for each peer."""

    def __init__(self, device: int, secret: bytes, address: str) -> None:
        self._device = device
        self._secret = secret
        self._address = address
        self._keys = _open(socket.SOCK_DGRAM, 0)
        self._keys.bind((address, key_exchange.PORT))
        self._sealed = _open(socket.SOCK_RAW, _ESP)
        self._sealed.bind((address, 0))
        self._peers: dict[str, Exchange] = {}
        self._packed: dict[bytes, Exchange] = {}

    def run(self, configuration: IO[str]) -> None:
        """Until somebody ends the process."""
        selector = selectors.DefaultSelector()
        selector.register(self._device, selectors.EVENT_READ, self._leave)
        selector.register(self._sealed, selectors.EVENT_READ, self._arrive)
        selector.register(self._keys, selectors.EVENT_READ, self._agree)
        due = 0.0
        while True:
            if time.monotonic() >= due:
                self._configure(_read(configuration))
                self._ask()
                due = time.monotonic() + _AGAIN
            for key, _ in selector.select(max(0.0, due - time.monotonic())):
                with contextlib.suppress(BlockingIOError):
                    for _ in range(_AT_ONCE):
                        key.data()

    def _configure(self, peers: list[str] | None) -> None:
        for peer in peers if peers is not None else self._peers.copy():
            if peer not in self._peers:
                self._peers[peer] = Exchange(self._secret, self._address, peer, X25519PrivateKey.generate())
        for peer in self._peers.keys() - set(peers or self._peers):
            del self._peers[peer]
        self._packed = {socket.inet_aton(peer): exchange for peer, exchange in self._peers.items()}

    def _ask(self) -> None:
        for exchange in self._peers.values():
            if exchange.outbound is not None and exchange.outbound.is_worn:
                exchange.begin_anew(X25519PrivateKey.generate())
            if not exchange.known:
                self._tell(exchange)

    def _tell(self, exchange: Exchange) -> None:
        with contextlib.suppress(OSError):  # what keeps it from leaving may go: it is said again
            self._keys.sendto(exchange.message(), (exchange.peer, key_exchange.PORT))

    def _agree(self) -> None:
        data, (address, *_) = self._keys.recvfrom(_PACKET)
        exchange = self._peers.get(address)
        if exchange is not None and exchange.receive(data):
            self._tell(exchange)

    def _leave(self) -> None:
        packet = os.read(self._device, _PACKET)
        exchange = self._packed.get(packet[16:20]) if packet[0] >> 4 == 4 else None
        # INVARIANT: without a key nothing leaves; who sends tries again
        if exchange is not None and exchange.known and exchange.outbound is not None:
            with contextlib.suppress(OSError):
                self._sealed.sendto(exchange.outbound.seal(packet), (exchange.peer, 0))

    def _arrive(self) -> None:
        data = self._sealed.recv(_PACKET)
        sender = data[12:16]
        exchange = self._packed.get(sender)
        if exchange is None or exchange.inbound is None:
            return
        packet = exchange.inbound.open(data[(data[0] & 15) * 4 :])
        # INVARIANT: a host speaks for itself alone
        if packet is not None and packet[12:16] == sender:
            with contextlib.suppress(OSError):
                os.write(self._device, packet)


def main(directory: Path) -> int:
    """Returns at once if the directory has a process already."""
    with (directory / "pid").open("a+") as lock, (directory / "peers").open() as configuration:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        told: dict[str, Any] = json.loads((directory / "host").read_text())
        secret = key_exchange.job_secret((directory.parent / "secret").read_bytes(), told["group"])
        tunnel = Tunnel(_attach(), secret, told["address"])
        _load()
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        tunnel.run(configuration)
    return 0


def _load() -> None:
    """Whatever is imported at its first use: nobody may not be let into the directory that it is in."""
    one, other = (Exchange(b"", own, peer, X25519PrivateKey.generate()) for own, peer in (("a", "b"), ("b", "a")))
    other.receive(one.message())
    one.receive(other.message())
    if one.outbound is not None and other.inbound is not None:
        other.inbound.open(one.outbound.seal(b""))
        other.inbound.open(bytes(64))


def _attach() -> int:
    """The device that the dataplane has made in this namespace."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", ESP_DEVICE.encode(), _IFF_TUN | _IFF_NO_PI))
    return device


def _open(kind: int, protocol: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, PLATFORM_MARK)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        made.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
    made.setblocking(False)
    return made


def _read(configuration: IO[str]) -> list[str] | None:
    """The peers' addresses; None while they are being written."""
    configuration.seek(0)
    try:
        found: list[str] = json.load(configuration)
    except ValueError:
        return None
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
