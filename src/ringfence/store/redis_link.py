"""A client of a Redis or Valkey server: one connection, shared by all who ask at the same time. RESP2.

Not what is kept there: `store.online_records`. A client of our own for seven commands, because every call of Feature
Store waits for it: concurrent callers' commands go into one socket without waiting for each other's answers.

INVARIANT: answers come in the order of the commands, and a caller that goes away leaves its place in the line: its
answer is read and dropped, never given to the next one.
https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Union
from urllib.parse import parse_qs, unquote, urlsplit

Word = bytes | str | int
Reply = Union[bytes, int, None, "list[Reply]"]

_SECONDS = 5.0  # for a connection, and for an answer
_PORT = 6379
# What a server says that is not the one to ask, or not yet; the next connection may find another behind the name.
_NOT_HERE = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "NOAUTH", "MOVED")
# What one says that has no memory, disk or replica left for this command.
_NOT_NOW = ("MISCONF", "OOM", "NOREPLICAS")


class RedisUnavailable(Exception):
    """There was no answer. The command may have been carried out all the same."""


class RedisError(Exception):
    """The server's own words: `NOSCRIPT No matching script`."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where a server is, and how it is greeted. `str` of it has no secrets."""

    host: str
    port: int
    database: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{'rediss' if self.tls else 'redis'}://{self.host}:{self.port}/{self.database}"


def read_address(url: str) -> RedisAddress:
    """Of `redis[s]://[user][:password@]host[:port][/database][?ssl_ca_certs=FILE]`; ValueError for anything else."""
    parts = urlsplit(url)
    options = parse_qs(parts.query, strict_parsing=bool(parts.query))
    if parts.scheme not in ("redis", "rediss"):
        raise ValueError("it must start with redis:// or rediss://")
    if not parts.hostname:
        raise ValueError("it names no host")
    if options.keys() - {"ssl_ca_certs"} or (options and parts.scheme == "redis"):
        raise ValueError("the one option is ssl_ca_certs, with rediss://")
    number = parts.path.strip("/")
    if number and not number.isdigit():
        raise ValueError(f"`{number}` is not the number of a database")
    tls = None
    if parts.scheme == "rediss":
        tls = ssl.create_default_context(cafile=options.get("ssl_ca_certs", [None])[0])
    user, password = (unquote(one) if one else None for one in (parts.username, parts.password))
    return RedisAddress(parts.hostname, parts.port or _PORT, int(number or 0), user, password, tls)


class Redis:
    """Connects when it is first asked, and again when a connection has broken."""

    def __init__(self, address: RedisAddress) -> None:
        self.address = address
        self._link: _Link | None = None
        self._connecting: asyncio.Task[_Link] | None = None

    async def run(self, *words: Word) -> Reply:
        """The answer to one command. Raises RedisUnavailable, RedisError."""
        link = self._link
        if link is None or link.broken:
            link = await self._connected()
        return await link.ask(words)

    async def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._link is not None:
            await self._link.close()
            self._link = None

    async def _connected(self) -> "_Link":
        """All who ask meanwhile wait for one attempt, and fail with it: none waits for those of others in turn."""
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect(), name=f"connect {self.address}")
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> "_Link":
        address = self.address
        try:
            async with asyncio.timeout(_SECONDS):
                streams = await asyncio.open_connection(address.host, address.port, ssl=address.tls)
        except (OSError, TimeoutError) as error:
            raise RedisUnavailable(f"{address} cannot be reached: {error or 'no answer'}") from error
        link = _Link(str(address), *streams)
        try:
            await self._greet(link)
        except BaseException as error:
            await link.close()
            if isinstance(error, RedisError):
                raise RedisUnavailable(f"{address} refused the connection: {error}") from error
            raise
        self._link = link
        return link

    async def _greet(self, link: "_Link") -> None:
        address = self.address
        if address.password is not None:
            await link.ask(("AUTH", *([address.user] if address.user else []), address.password))
        if address.database:
            await link.ask(("SELECT", address.database))
        await link.ask(("PING",))


class _Link:
    """One connection. `broken`: nothing more will come of it."""

    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.broken = False
        self._name = name
        self._reader, self._writer = reader, writer
        self._waiting: deque[asyncio.Future[Reply | RedisError]] = deque()
        self._task = asyncio.create_task(self._read(), name=f"read {name}")

    async def ask(self, words: Sequence[Word]) -> Reply:
        if self.broken:
            raise RedisUnavailable(f"{self._name} closed the connection")
        answer: asyncio.Future[Reply | RedisError] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._writer.write(encode(words))
        try:
            async with asyncio.timeout(_SECONDS):
                found = await answer
        except TimeoutError:
            self._break(f"{self._name} did not answer within {_SECONDS:.0f} s")
            raise RedisUnavailable(f"{self._name} did not answer within {_SECONDS:.0f} s") from None
        if not isinstance(found, RedisError):
            return found
        if str(found).startswith(_NOT_HERE):
            self._break(f"{self._name} answered: {found}")
        if str(found).startswith(_NOT_HERE + _NOT_NOW):
            raise RedisUnavailable(f"{self._name} answered: {found}")
        raise found

    async def close(self) -> None:
        self._break(f"the connection to {self._name} was closed")
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        try:
            while True:
                reply = await read_reply(self._reader)
                answer = self._waiting.popleft()
                if not answer.done():
                    answer.set_result(reply)
        except (OSError, EOFError, ValueError, IndexError) as error:
            self._break(f"{self._name} closed the connection: {error}")

    def _break(self, reason: str) -> None:
        self.broken = True
        self._writer.close()
        while self._waiting:
            answer = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(RedisUnavailable(reason))


def encode(words: Sequence[Word]) -> bytes:
    """A command as an array of bulk strings."""
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


async def read_reply(reader: asyncio.StreamReader) -> Reply | RedisError:
    """One whole answer. Raises ValueError for what is no RESP2, EOFError at the end."""
    line = await reader.readuntil(b"\r\n")
    kind, rest = line[:1], line[1:-2]
    match kind:
        case b"+":
            return rest
        case b"-":
            return RedisError(rest.decode(errors="replace"))
        case b":":
            return int(rest)
        case b"$":
            size = int(rest)
            return None if size < 0 else (await reader.readexactly(size + 2))[:-2]
        case b"*":
            count = int(rest)
            found = [await read_reply(reader) for _ in range(count)] if count >= 0 else None
            return found  # type: ignore[return-value]  # an error within an array stays one: nothing of ours asks for any
        case _:
            raise ValueError(f"{line[:40]!r} is no answer of Redis")
