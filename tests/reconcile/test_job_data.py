"""What goes in and out of a job's directories: paths of objects, files that a container left, archives, parts."""

import asyncio
import os
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from reconcile_machine import NoTransfers, Session

from ringfence.core.call import Principal
from ringfence.reconcile.instance import s3_client
from ringfence.reconcile.instance.s3_client import Refused, S3Client
from ringfence.reconcile.instance.s3_read import fetch_object, stream_object
from ringfence.reconcile.job.archive import write_archive
from ringfence.reconcile.job.object import parts_of, relative, shuffle, take_share
from ringfence.reconcile.job.pipe import wrap
from ringfence.reconcile.job.tree import list_files, open_beneath, read_head
from ringfence.services.sagemaker.job_source import Source

ROLE = Session(Principal(kind="role", account="1", arn="arn", id="AROA:s"))


@pytest.mark.parametrize(
    ("key", "prefix", "expected"),
    [
        ("train/a/b.csv", "train/", "a/b.csv"),
        ("train/a/b.csv", "train", "a/b.csv"),
        ("train/a/b.csv", "", "train/a/b.csv"),
        ("data/train/b.csv", "data/train/b.csv", "b.csv"),
        ("data/train-2/b.csv", "data/train", "train-2/b.csv"),
    ],
)
def test_where_an_object_goes(key: str, prefix: str, expected: str) -> None:
    assert relative(key, prefix) == expected


def hostile(directory: Path) -> Path:
    """What a container may leave to lead the platform elsewhere."""
    tree, secret = directory / "tree", directory / "secret"
    (tree / "inner").mkdir(parents=True)
    secret.mkdir()
    (secret / "key").write_text("secret")
    (tree / "good").write_text("good")
    (tree / "inner" / "deep").write_text("deep")
    (tree / "link").symlink_to(secret / "key")
    (tree / "folder").symlink_to(secret)
    os.mkfifo(tree / "pipe")
    return tree


def test_links_and_pipes_are_neither_listed_nor_opened(tmp_path: Path) -> None:
    tree = hostile(tmp_path)
    assert [one.relative for one in list_files(tree)] == ["good", "inner/deep"]
    for name in ("link", "folder/key", "pipe"):
        with pytest.raises(OSError), open_beneath(tree, name):
            raise AssertionError(f"`{name}` was opened")
    assert read_head(tree, "link", 10) is None
    assert read_head(tree, "good", 3) == "goo"
    (tree / "folder").rename(tmp_path / "elsewhere")
    assert list_files(tmp_path / "elsewhere") == [], "the directory itself is a link"


def test_an_archive_has_the_files_of_all_hosts(tmp_path: Path) -> None:
    one, two = hostile(tmp_path / "1"), hostile(tmp_path / "2")
    (two / "good").write_text("the last host's")
    (two / "more").write_text("more")
    assert write_archive([one, two], tmp_path / "model.tar.gz") == 3
    with tarfile.open(tmp_path / "model.tar.gz") as tar:
        found = {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
    assert found == {"good": b"the last host's", "inner/deep": b"deep", "more": b"more"}


def test_what_no_file_can_be_called() -> None:
    assert parts_of("a//b/c.csv") == ("a", "b", "c.csv")
    assert [parts_of(key) for key in ("..", "a/../b", "./a", "a\0b", "x" * 256, "")] == [None] * 6


def test_a_shuffled_order_is_the_same_on_every_host() -> None:
    order = shuffle(range(100), 3, 0)
    assert sorted(order) == list(range(100)) and order == shuffle(range(100), 3, 0)
    assert order != shuffle(range(100), 3, 1) and order != shuffle(range(100), 4, 0)
    sharded = Source("c", "s3://b/", "/p", sharded=True)
    assert sorted([*take_share(order, sharded, (0, 2)), *take_share(order, sharded, (1, 2))]) == list(range(100))


def test_a_record_is_padded_to_four_bytes() -> None:
    assert wrap(b"abcde") == bytes.fromhex("0a23d7ce05000000") + b"abcde\0\0\0"


class Flaky:
    """An S3 that answers the requests for one object with what it is told to, one after the other."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.ranges: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        answer, content = self.answers.pop(0), b"0123456789"
        self.ranges.append(request.headers.get("Range", "").partition("-")[0])
        if answer == "busy":
            return web.Response(status=503, text="<Error><Code>SlowDown</Code><Message>slow</Message></Error>")
        version = answer.removesuffix(" breaks")
        if request.headers.get("If-Match", version) != version:
            return web.Response(status=412, text="<Error><Code>PreconditionFailed</Code><Message>m</Message></Error>")
        offset = int((request.headers.get("Range") or "bytes=0-")[6:].partition("-")[0])
        response = web.StreamResponse(headers={"ETag": version})
        response.content_length = len(content) - offset
        await response.prepare(request)
        await response.write(content[offset : offset + 4] if answer.endswith("breaks") else content[offset:])
        if answer.endswith("breaks"):
            await asyncio.sleep(0.05)  # until it was read
            assert request.transport is not None
            request.transport.close()
        return response


@asynccontextmanager
async def flaky(monkeypatch: pytest.MonkeyPatch, *answers: str) -> AsyncIterator[tuple[Flaky, S3Client]]:
    made, app = Flaky(*answers), web.Application()
    app.router.add_route("*", "/{tail:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    monkeypatch.setattr(S3Client, "_place", lambda self, bucket, key: f"{url}/{key}")
    monkeypatch.setattr(s3_client, "_PAUSE", 0.001)
    async with aiohttp.ClientSession() as session:
        yield made, S3Client(session, lambda: ROLE, "us-west-2", NoTransfers())
    await runner.cleanup()


async def test_a_broken_download_goes_on_where_it_broke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with flaky(monkeypatch, "busy", "v1 breaks", "busy", "v1 breaks", "v1") as (server, client):
        await fetch_object(client, "b", "k", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"0123456789"
    assert server.ranges == ["bytes=0", "bytes=0", "bytes=4", "bytes=4", "bytes=8"]


async def test_an_object_that_changes_is_read_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with flaky(monkeypatch, "v1 breaks", "v2", "v2") as (server, client):
        await fetch_object(client, "b", "k", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"0123456789" and server.ranges == ["bytes=0", "bytes=4", "bytes=0"]


async def test_a_stream_of_a_changed_object_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async with flaky(monkeypatch, "v1 breaks", "v2") as (_, client):
        with pytest.raises(Refused, match="PreconditionFailed"):
            [chunk async for chunk in stream_object(client, "b", "k")]


async def test_an_s3_that_stays_busy_is_named_as_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    async with flaky(monkeypatch, *["busy"] * 6) as (_, client):
        with pytest.raises(Refused, match="SlowDown"):
            await client.read("b", "k", 10)


class Parts:
    """S3's part of an upload in parts. `refusing`: the number of the part that gets a 403."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        self.object: bytes | None = None
        self.aborted = False
        self.refusing = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        match request.method:
            case "POST" if "uploads" in request.query:
                name = "http://s3.amazonaws.com/doc/2006-03-01/"
                return web.Response(text=f'<R xmlns="{name}"><UploadId>u</UploadId></R>')
            case "POST":
                self.object = b"".join(self.parts[number] for number in sorted(self.parts))
            case "DELETE":
                self.aborted = True
            case "PUT" if request.query.get("partNumber") == self.refusing:
                return web.Response(status=403, text="<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
            case "PUT":
                self.parts[request.query.get("partNumber", "whole")] = body
        return web.Response(headers={"ETag": '"tag"'})


@pytest.fixture
async def parts(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Parts, S3Client]]:
    made, app = Parts(), web.Application()
    app.router.add_route("*", "/{tail:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    monkeypatch.setattr(S3Client, "_place", lambda self, bucket, key: f"{url}/{key}")
    monkeypatch.setattr(s3_client, "_LARGEST_PUT", 10)
    monkeypatch.setattr(s3_client, "_PART", 4)
    async with aiohttp.ClientSession() as session:
        yield made, S3Client(session, lambda: ROLE, "us-west-2", NoTransfers())
    await runner.cleanup()


async def test_a_large_object_goes_in_parts(parts: tuple[Parts, S3Client], tmp_path: Path) -> None:
    server, client = parts
    (tmp_path / "large").write_bytes(b"0123456789ab")
    with (tmp_path / "large").open("rb") as file:
        await client.put("b", "k", file, 12)
    assert server.object == b"0123456789ab" and len(server.parts) == 3 and not server.aborted


async def test_an_upload_that_is_refused_leaves_no_parts(parts: tuple[Parts, S3Client], tmp_path: Path) -> None:
    server, client = parts
    server.refusing = "2"
    (tmp_path / "large").write_bytes(b"0123456789ab")
    with (tmp_path / "large").open("rb") as file, pytest.raises(Refused) as refused:
        await client.put("b", "k", file, 12)
    assert (refused.value.status, refused.value.code) == (403, "AccessDenied")
    assert server.object is None and server.aborted
