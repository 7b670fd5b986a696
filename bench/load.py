"""The load: one prepared HTTP request, sent again and again over kept-alive connections by a few threads.

Signing is done once, before the clock starts, so that the client costs the same whoever answers. Also a program: run as
`python bench/load.py JOB.json` inside a namespace, it prints its result as JSON.
"""

import json
import socket
import ssl
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """`request`: the whole HTTP/1.1 request as text (latin-1). `ca`: PEM file for TLS, None for plain HTTP."""

    host: str
    port: int
    request: str
    seconds: float = 3.0
    threads: int = 4
    ca: str | None = None
    server_name: str | None = None


@dataclass(frozen=True)
class Outcome:
    """`p50` and `p99` in milliseconds, of one thread alone; `rate` in requests per second, of all threads."""

    p50: float
    p99: float
    rate: float


class Connection:
    """One kept-alive connection; reconnects when the server closes it, as HTTP/1.0 servers do after each answer."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._payload = job.request.encode("latin-1")
        self._context = ssl.create_default_context(cafile=job.ca) if job.ca else None
        self._socket: socket.socket | None = None

    def send(self) -> None:
        """One request and its whole answer; raises if the status is not 200."""
        if self._socket is None:
            self._socket = self._connect()
        self._socket.sendall(self._payload)
        if not self._read(self._socket):
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        plain = socket.create_connection((self._job.host, self._job.port), timeout=30)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is None:
            return plain
        return self._context.wrap_socket(plain, server_hostname=self._job.server_name)

    def _read(self, stream: socket.socket) -> bool:
        """Whether the connection stays open."""
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = stream.recv(65536)
            if not chunk:
                raise ConnectionError("closed early")
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        if b" 200 " not in lines[0] + b" ":
            raise RuntimeError(f"answered {lines[0]!r} {body[:300]!r}")
        headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(b":") for line in lines[1:])}
        left = int(headers[b"content-length"]) - len(body)
        while left > 0:
            left -= len(stream.recv(min(left, 65536)))
        return headers.get(b"connection", b"").lower() != b"close" and lines[0].startswith(b"HTTP/1.1")


def run(job: Job, connect: Callable[[Job], Connection] = Connection) -> Outcome:
    """Latency by one thread, then the rate by all."""
    alone = connect(job)
    for _ in range(50):
        alone.send()
    times = []
    deadline = time.perf_counter() + job.seconds
    while (start := time.perf_counter()) < deadline:
        alone.send()
        times.append((time.perf_counter() - start) * 1000)
    return Outcome(statistics.median(times), statistics.quantiles(times, n=100)[98], _rate(job, connect))


def _rate(job: Job, connect: Callable[[Job], Connection]) -> float:
    """From when every thread has its connection, with an answer come over it."""
    counts = [0] * job.threads
    ready = threading.Barrier(job.threads + 1)

    def work(number: int) -> None:
        connection = connect(job)
        connection.send()
        ready.wait(60)
        deadline = time.perf_counter() + job.seconds
        while time.perf_counter() < deadline:
            connection.send()
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(job.threads)]
    for thread in threads:
        thread.start()
    ready.wait(60)
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - start)


if __name__ == "__main__":
    print(json.dumps(asdict(run(Job(**json.loads(Path(sys.argv[1]).read_text()))))))
