"""`python -m ringfence.reconcile.instance.transfer_process CONTROL CA`: the bytes of one HTTPS request after another.

TLS and the disk cost a processor each byte of a large object: a process of its own does that beside the daemon. It is
given everything: requests that are signed already, files that are open, connections that were made in an instance's
namespace. It has neither credentials nor a privilege, and ends with the daemon. Started and told by `transfer`.
"""

import json
import os
import select
import socket
import ssl
import sys
from dataclasses import dataclass, field
from typing import Any

from ringfence.reconcile.instance.child_process import drop_privileges

_MESSAGE = 1 << 17
_CHUNK = 256 << 10  # of more, the processor's own memory holds too little by the time that it is written
_STALL = 60_000  # milliseconds
_LONGEST_HEAD, _LONGEST_REFUSAL = 1 << 16, 1 << 16


class Connection:
    """TLS on a socket that is connected. The engine works in memory, so that the kernel is asked for much at a time."""

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self.host = host
        self._plain = plain
        plain.setblocking(False)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._buffer = memoryview(bytearray(_CHUNK))
        self._ahead = bytearray()

    def close(self) -> None:
        self._plain.close()

    def greet(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._push()
                self._pull()
            else:
                self._push()
                return

    def write(self, data: memoryview | bytes) -> None:
        self._tls.write(data)
        self._push()

    def is_answered(self) -> bool:
        """Whether something has come, without waiting for it."""
        if not self._wait(select.POLLIN, 0):
            return False
        self._pull()
        try:
            self._ahead += self._tls.read(_LONGEST_HEAD)
        except ssl.SSLWantReadError:  # of TLS itself
            return False
        return True

    def read_head(self) -> bytes:
        while (end := self._ahead.find(b"\r\n\r\n")) < 0:
            if len(self._ahead) > _LONGEST_HEAD:
                raise ConnectionError("the head of the answer does not end")
            piece = memoryview(bytearray(_LONGEST_HEAD))
            self._ahead += piece[: self._decrypt(piece)]
        head = bytes(self._ahead[:end])
        del self._ahead[: end + 4]
        return head

    def read_into(self, view: memoryview) -> int:
        """At least one byte."""
        if not self._ahead:
            return self._decrypt(view)
        count = min(len(view), len(self._ahead))
        view[:count] = self._ahead[:count]
        del self._ahead[:count]
        return count

    def _decrypt(self, view: memoryview) -> int:
        while True:
            try:
                count: int = self._tls.read(len(view), view)  # type: ignore[assignment]  # with a buffer, how many
            except ssl.SSLWantReadError:
                self._push()
                self._pull()
                continue
            if not count:
                raise ConnectionError("the answer ended early")
            return count

    def _pull(self) -> None:
        while True:
            try:
                count = self._plain.recv_into(self._buffer)
            except BlockingIOError:
                self._wait_for(select.POLLIN)
                continue
            if not count:
                raise ConnectionError("the connection was closed")
            self._incoming.write(self._buffer[:count])
            return

    def _push(self) -> None:
        left = memoryview(self._outgoing.read())
        while left:
            try:
                left = left[self._plain.send(left) :]
            except BlockingIOError:
                self._wait_for(select.POLLOUT)

    def _wait_for(self, event: int) -> None:
        if not self._wait(event, _STALL):
            raise TimeoutError("the other side has stopped")

    def _wait(self, event: int, milliseconds: int) -> bool:
        poll = select.poll()
        poll.register(self._plain, event)
        return bool(poll.poll(milliseconds))


@dataclass
class Told:
    """What the daemon is told of one request. `moved`: bytes of the body, whether or not the request failed.

    `failure`: in words, None if there was an answer. `file_error`: its errno if the file was what failed. `stale`: it
    was a kept connection, closed by now. `kept`: whether the connection serves the next request to the same host.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    refusal: str = ""
    moved: int = 0
    failure: str | None = None
    stale: bool = False
    kept: bool = False
    file_error: int | None = None


class FileFailed(Exception):
    """The file could not be read or written."""

    def __init__(self, error: int) -> None:
        super().__init__(os.strerror(error))
        self.error = error


class Request:
    """One request on one connection, its body from or into an open file."""

    def __init__(self, connection: Connection, task: dict[str, Any], file: int) -> None:
        self._connection = connection
        self._task = task
        self._file = file
        self._chunk = memoryview(bytearray(_CHUNK))
        self.told = Told()

    def run(self) -> bool:
        """Whether the connection may be used again."""
        whole = self._send()
        head = self._connection.read_head().decode("latin-1").split("\r\n")
        self.told.status = int(head[0].split(" ")[1])
        lines = (line.partition(":") for line in head[1:] if line)
        self.told.headers = {name.lower(): value.strip() for name, _, value in lines}
        length = int(self.told.headers["content-length"])
        if self.told.status in (200, 206) and self._task["method"] == "GET":
            if length > self._task["length"]:
                raise ConnectionError("the answer is longer than what was asked for")
            self._receive(length)
        else:
            read = self._read(min(length, _LONGEST_REFUSAL))
            self.told.refusal = read.decode("utf-8", "replace")
            whole = whole and len(read) == length
        return whole and self.told.headers.get("connection", "").lower() != "close"

    def _send(self) -> bool:
        """Whether all was sent: S3 may refuse before it has read everything, and read no more."""
        self._connection.write(self._task["head"].encode("latin-1"))
        offset, left = self._task["offset"], self._task["length"] if self._task["method"] == "PUT" else 0
        while left:
            if self._connection.is_answered():
                return False
            count = _on_file(os.preadv, self._file, [self._chunk[: min(left, _CHUNK)]], offset)
            if not count:
                raise ConnectionError("the file became shorter while it was uploaded")
            try:
                self._connection.write(self._chunk[:count])
            except ConnectionError:
                return False  # what S3 said before it closed may be there to be read
            offset, left = offset + count, left - count
            self.told.moved += count
        return True

    def _receive(self, length: int) -> None:
        offset, left = self._task["offset"], length
        while left:
            filled, wanted = 0, min(left, _CHUNK)
            try:
                while filled < wanted:
                    filled += self._connection.read_into(self._chunk[filled:wanted])
            finally:
                done = 0
                while done < filled:
                    done += _on_file(os.pwritev, self._file, [self._chunk[done:filled]], offset + done)
                self.told.moved += filled
                offset, left = offset + filled, left - filled

    def _read(self, length: int) -> bytes:
        filled = 0
        while filled < length:
            filled += self._connection.read_into(self._chunk[filled:length])
        return bytes(self._chunk[:filled])


class Transfers:
    """Answers the daemon's messages, one after another. One connection is kept for the next request."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._kept: Connection | None = None

    def perform(self, task: dict[str, Any], descriptors: list[int]) -> Told:
        """`descriptors`: the file's, and the connection's if the kept one is not to be used."""
        file, *given = descriptors
        told, used = Told(), bool(self._kept) and not given
        connection, self._kept = self._kept, None
        try:
            if given:
                if connection is not None:
                    connection.close()
                connection = Connection(socket.socket(fileno=given[0]), self._context, task["host"])
                connection.greet()
            assert connection is not None and connection.host == task["host"], "the daemon knows what is kept"
            request = Request(connection, task, file)
            told = request.told
            if request.run():
                told.kept, self._kept, connection = True, connection, None
        except FileFailed as failed:
            told.failure, told.file_error = str(failed), failed.error
        except (OSError, ValueError, KeyError, IndexError) as failure:
            told.failure = str(failure) or type(failure).__name__
            told.stale = used and not told.status and isinstance(failure, OSError)
        finally:
            if connection is not None:
                connection.close()
            os.close(file)
        return told


def _on_file(call: Any, *arguments: Any) -> int:
    try:
        count: int = call(*arguments)
    except OSError as failure:
        raise FileFailed(failure.errno or 0) from None
    return count


def main(control: int, bundle: str, daemon: int) -> int:
    context = ssl.create_default_context(cafile=bundle)
    "imported here, while its file may be read".encode("idna")
    drop_privileges(daemon)
    transfers = Transfers(context)
    with socket.socket(fileno=control) as daemon_end:
        while True:
            message, descriptors, _, _ = socket.recv_fds(daemon_end, _MESSAGE, 2)
            if not message:
                return 0
            told = transfers.perform(json.loads(message), descriptors)
            daemon_end.send(json.dumps(told.__dict__).encode())


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
