"""The machine, or the store alone, of the reconciler's tests; containers answer /ping through one real server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from reconcile_machine import Machine

from ringfence.resources import hosted_container
from ringfence.store.database import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty one, for what needs no machine."""
    store = open_store(tmp_path / "state")
    yield store
    store.close()


@pytest.fixture
async def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Machine]:
    made = Machine(tmp_path)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status = b"500 sick" if made.driver.sick else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    monkeypatch.setattr(hosted_container, "FIRST_PORT", server.sockets[0].getsockname()[1])
    yield made
    server.close()
    await server.wait_closed()
    made.store.close()
