"""Replies in pieces of every size, and what is no reply."""

import itertools
import random

import pytest

from ringfence.gateway.invocation.container_reply import BadReply, ContainerReply

LIMIT = 1000

# The bytes, whether the connection closes behind them, and: status, body, whether it may be used again.
REPLIES = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", False, (200, b"abc", True)),
    "no reason": (b"HTTP/1.1 418\r\ncontent-length:3\r\n\r\nabc", False, (418, b"abc", True)),
    "close": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: Close\r\n\r\nabc", False, (200, b"abc", False)),
    "1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", False, (200, b"abc", False)),
    "1.0 kept": (
        b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc",
        False,
        (200, b"abc", True),
    ),
    "until the end": (b"HTTP/1.1 200 OK\r\n\r\nabc", True, (200, b"abc", False)),
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
        False,
        (200, b"abc0123456789", True),
    ),
    "trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\na\r\n00\r\nX: y\r\nZ: 1\r\n\r\n",
        False,
        (200, b"a", True),
    ),
    "chunked with a length": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n1\r\na\r\n0\r\n\r\n",
        False,
        (200, b"a", False),
    ),
    "continue": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
        False,
        (200, b"a", True),
    ),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False, (200, b"", True)),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", False, (204, b"", True)),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", False, (304, b"", True)),
    "as long as may be": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000,
        False,
        (200, b"x" * 1000, True),
    ),
}
BAD = {
    "not HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "header": b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "folded": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
    "control": b"HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n",
    "bare CR": b"HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: c\r\n\r\n",
    "negative": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "too long": b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
    "far too long": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "chunk end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
    "chunks too long": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n" + b"x" * 500 + b"\r\n1f5\r\n",
    "endless chunk line": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 5000,
    "endless trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: bcdefgh\r\n" * 101,
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
    "endless body": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
}


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("pieces", ["whole", "bytes", "random"])
def test_a_reply_in_pieces(name: str, pieces: str) -> None:
    raw, closes, expected = REPLIES[name]
    reply = ContainerReply(LIMIT)
    assert not reply.begun
    cuts = _cut(raw, pieces)
    done = [reply.feed(piece) for piece in cuts]
    assert not any(done[:-1])
    assert (reply.end() if closes else done[-1]) is True
    assert (reply.status, reply.body, reply.keeps_alive) == expected


@pytest.mark.parametrize("name", [name for name, (_, closes, _) in REPLIES.items() if not closes])
def test_a_reply_that_breaks_off_is_none(name: str) -> None:
    raw = REPLIES[name][0]
    for end in range(len(raw) - 1):
        reply = ContainerReply(LIMIT)
        assert not reply.feed(raw[:end])
        assert not reply.end()


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("pieces", ["whole", "bytes"])
def test_what_is_no_reply(name: str, pieces: str) -> None:
    reply = ContainerReply(LIMIT)
    with pytest.raises(BadReply):
        for piece in _cut(BAD[name], pieces):
            assert not reply.feed(piece)


def test_bytes_behind_a_reply_end_the_connection() -> None:
    reply = ContainerReply(LIMIT)
    assert reply.feed(REPLIES["length"][0] + b"x")
    assert (reply.body, reply.keeps_alive) == (b"abc", False)


def test_headers_are_joined_and_keep_their_bytes() -> None:
    reply = ContainerReply(LIMIT)
    reply.feed("HTTP/1.1 200 OK\r\nX-A:  ä \r\nx-a:\tb\r\nE:\r\nContent-Length: 0\r\n\r\n".encode())
    assert reply.headers == {"x-a": "ä, b", "e": "", "content-length": "0"}


def test_noise_never_breaks_the_reader() -> None:
    """Anything ends in a reply, a BadReply, or waiting for more."""
    chance = random.Random(7)
    seeds = [raw for raw, _, _ in REPLIES.values()] + list(BAD.values())
    for _ in range(3000):
        raw = bytearray(chance.choice(seeds)[:400])
        for _ in range(chance.randrange(1, 4)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        reply = ContainerReply(LIMIT)
        try:
            for piece in _cut(bytes(raw), "random", chance):
                if reply.feed(piece):
                    break
            reply.end()
        except BadReply:
            continue
        assert len(reply.body) <= LIMIT


def _cut(raw: bytes, pieces: str, chance: random.Random | None = None) -> list[bytes]:
    if pieces == "whole":
        return [raw]
    if pieces == "bytes":
        return [raw[place : place + 1] for place in range(len(raw))]
    chance = chance or random.Random(raw)
    places = sorted({0, len(raw), *(chance.randrange(len(raw)) for _ in range(4))})
    return [raw[start:end] for start, end in itertools.pairwise(places)]
