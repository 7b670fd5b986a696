"""A Redis or Valkey server of one's own, whose log is synced before each answer. Used by measurements and by tests."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Debian's redis-tools has the program too, without the service that redis-server starts; it goes by its name.
PROGRAM = next(filter(None, map(shutil.which, ("redis-server", "valkey-server", "redis-check-rdb"))), None)
_START_SECONDS = 10.0


class RedisServer:
    """On a free port of the loopback. What it acknowledged it has again after `kill` and `start`."""

    def __init__(self, directory: Path, *options: str) -> None:
        assert PROGRAM is not None, "`apt-get install redis-tools`"
        directory.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory)]
        self._command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always", *options]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return once it answers, having read its log."""
        self._process = subprocess.Popen(
            self._command, executable=PROGRAM, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
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
            self._process.wait(10)
            self._process = None


@contextmanager
def redis_server(directory: Path, *options: str) -> Iterator[RedisServer]:
    server = RedisServer(directory, *options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
