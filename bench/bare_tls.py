"""`python -m bench.bare_tls SOURCE TARGET DIRECTORY`: seconds of a file's way between two processes over TLS 1.3.

The least that a transfer can take in Python on this machine: one process reads and seals, the other opens and writes,
over loopback; no HTTP, no signature, no policy. DIRECTORY is for the certificate. Called by `baseline`.
"""

import os
import socket
import ssl
import sys
import time
from pathlib import Path

from ringfence.privatelink.authority import open_authority

_CHUNK = 256 << 10


def _greet(tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, plain: socket.socket) -> None:
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            plain.sendall(outgoing.read())
            incoming.write(plain.recv(_CHUNK))
        else:
            plain.sendall(outgoing.read())
            return


def _send(source: Path, context: ssl.SSLContext, listening: socket.socket) -> None:
    plain, _ = listening.accept()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    _greet(tls, incoming, outgoing, plain)
    buffer = memoryview(bytearray(_CHUNK))
    with source.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            tls.write(buffer[:count])
            plain.sendall(outgoing.read())


def _receive(target: Path, context: ssl.SSLContext, plain: socket.socket, size: int) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    _greet(tls, incoming, outgoing, plain)
    sealed, opened = memoryview(bytearray(_CHUNK)), memoryview(bytearray(_CHUNK))
    with target.open("wb", buffering=0) as file:
        while size:
            count, wanted = 0, min(size, _CHUNK)
            while count < wanted:
                try:
                    count += tls.read(wanted - count, opened[count:wanted])  # type: ignore[operator]
                except ssl.SSLWantReadError:
                    incoming.write(sealed[: plain.recv_into(sealed)])
            file.write(opened[:count])
            size -= count


def main(source: Path, target: Path, directory: Path) -> None:
    authority = open_authority(directory)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        if os.fork() == 0:
            _send(source, authority.context("localhost"), listening)
            os._exit(0)
        context = ssl.create_default_context(cafile=str(authority.bundle))
        with socket.create_connection(listening.getsockname()) as plain:
            start = time.perf_counter()
            _receive(target, context, plain, source.stat().st_size)
            print(time.perf_counter() - start)
    os.wait()
    target.unlink()


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
