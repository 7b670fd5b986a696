"""The client of Redis: its words, its errors, and that no answer ever comes to another caller. On a real server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.redis_server import PROGRAMS, RedisServer, has_tls, offer_tls, redis_server
from ringfence.store import redis_link
from ringfence.store.redis_link import Redis, RedisError, RedisUnavailable, encode, read_address, read_reply

needs_server = pytest.mark.skipif(not PROGRAMS, reason="there is no Redis: `apt-get install redis-tools`")


@pytest.fixture(params=PROGRAMS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis", program=request.param) as running:
        yield running


def test_commands_are_arrays_of_bulk_strings() -> None:
    assert encode(("SET", b"k\r\n", "ä", 7)) == b"*4\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$2\r\n\xc3\xa4\r\n$1\r\n7\r\n"


@pytest.mark.parametrize(
    ("wire", "reply"),
    [
        (b"+OK\r\n", b"OK"),
        (b":-3\r\n", -3),
        (b"$-1\r\n", None),
        (b"$0\r\n\r\n", b""),
        (b"$4\r\na\r\nb\r\n", b"a\r\nb"),
        (b"*-1\r\n", None),
        (b"*3\r\n:1\r\n$-1\r\n*1\r\n+x\r\n", [1, None, [b"x"]]),
    ],
)
async def test_answers(wire: bytes, reply: object) -> None:
    assert await read_reply(_fed(wire)) == reply


async def test_what_is_no_answer() -> None:
    error = await read_reply(_fed(b"-ERR no such thing\r\n"))
    assert isinstance(error, RedisError) and str(error) == "ERR no such thing"
    for wire in (b"HTTP/1.1 400 Bad Request\r\n", b"$x\r\n"):
        with pytest.raises(ValueError):
            await read_reply(_fed(wire))
    with pytest.raises(EOFError):
        await read_reply(_fed(b"$5\r\nab"))


def _fed(wire: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(wire)
    reader.feed_eof()
    return reader


def test_addresses() -> None:
    found = read_address("rediss://me:p%40ss@store.example:6380/2")
    assert (found.host, found.port, found.database, found.user) == ("store.example", 6380, 2, "me")
    assert found.password == "p@ss" and found.tls is not None
    assert str(found) == "rediss://store.example:6380/2" and "p@ss" not in repr(found)
    plain = read_address("redis://:secret@localhost")
    assert (plain.port, plain.database, plain.user, plain.password) == (6379, 0, None, "secret")
    wrong = ("http://localhost", "localhost:6379", "redis://", "redis://h/x", "redis://h:99999", "redis://h?db=1")
    for url in (*wrong, "redis://h?ssl_ca_certs=/x"):
        with pytest.raises(ValueError):
            read_address(url)


@needs_server
async def test_a_caller_that_goes_away_leaves_its_answer_to_nobody(server: RedisServer) -> None:
    redis = Redis(read_address(server.url))
    for number in range(50):
        await redis.run("SET", f"k{number}", number)
    gone = [asyncio.create_task(redis.run("GET", f"k{number}")) for number in range(25)]
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    found = await asyncio.gather(*(redis.run("GET", f"k{number}") for number in range(25, 50)))
    assert found == [str(number).encode() for number in range(25, 50)]
    with pytest.raises(RedisError, match="wrong number of arguments"):
        await redis.run("GET")
    assert await redis.run("GET", "k1") == b"1"
    await redis.close()


@needs_server
async def test_a_server_that_is_gone_and_comes_back(server: RedisServer) -> None:
    redis = Redis(read_address(server.url))
    await redis.run("SET", "k", "v")
    waiting = asyncio.create_task(redis.run("BLPOP", "never", 0))
    await asyncio.sleep(0.1)
    server.kill()
    with pytest.raises(RedisUnavailable, match="closed the connection"):
        await waiting
    with pytest.raises(RedisUnavailable, match="cannot be reached"):
        await redis.run("GET", "k")
    server.start()
    assert await redis.run("GET", "k") == b"v"
    await redis.close()


async def test_callers_of_a_silent_server_fail_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and never answers: nobody waits for the attempts of all those before."""
    monkeypatch.setattr(redis_link, "_SECONDS", 0.3)
    attempts = 0

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    redis = Redis(read_address(f"redis://127.0.0.1:{port}"))
    gone = asyncio.create_task(redis.run("GET", "k"))
    await asyncio.sleep(0.05)
    gone.cancel()  # the others' attempt goes on without the one who began it
    found = await asyncio.gather(*(redis.run("GET", "k") for _ in range(50)), return_exceptions=True)
    assert all(isinstance(one, RedisUnavailable) for one in found) and attempts == 1
    with pytest.raises(RedisUnavailable, match="did not answer within"):
        await redis.run("GET", "k")
    assert attempts == 2
    await redis.close()
    listening.close()


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_password_a_database_and_what_a_server_refuses(tmp_path: Path, program: str) -> None:
    with redis_server(tmp_path / "redis", "--requirepass", "secret", program=program) as server:
        base = f"127.0.0.1:{server.port}"
        redis = Redis(read_address(f"redis://:secret@{base}/3"))
        await redis.run("SET", "k", "v")
        other = Redis(read_address(f"redis://default:secret@{base}/0"))
        assert await other.run("GET", "k") is None
        for url in (f"redis://:wrong@{base}", f"redis://{base}", f"redis://:secret@{base}/99"):
            with pytest.raises(RedisUnavailable) as caught:
                await Redis(read_address(url)).run("GET", "k")
            assert "wrong" not in str(caught.value).replace("WRONGPASS", "")
        await redis.run("CONFIG", "SET", "maxmemory", 1)
        full, read = await asyncio.gather(redis.run("SET", "k", "w"), redis.run("GET", "k"), return_exceptions=True)
        assert isinstance(full, RedisUnavailable) and "OOM" in str(full) and read == b"v"
        await redis.run("REPLICAOF", "127.0.0.1", 1)
        with pytest.raises(RedisUnavailable, match="READONLY"):
            await redis.run("SET", "k", "w")
        await redis.close()
        await other.close()


@pytest.mark.parametrize("program", PROGRAMS)
async def test_tls_is_verified(tmp_path: Path, program: str) -> None:
    if not has_tls(program):
        pytest.skip(f"this {program} was built without TLS")
    port, certificate, options = offer_tls(tmp_path)
    with redis_server(tmp_path / "redis", *options, program=program):
        redis = Redis(read_address(f"rediss://localhost:{port}?ssl_ca_certs={certificate}"))
        await redis.run("SET", "k", "v")
        assert await redis.run("GET", "k") == b"v"
        await redis.close()
        with pytest.raises(RedisUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await Redis(read_address(f"rediss://localhost:{port}")).run("GET", "k")
