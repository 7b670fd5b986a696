"""What goes in and out of a job's directories: paths of objects, files that a container left, archives, parts."""

import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from reconcile_machine import Session

from ringfence.core.call import Principal
from ringfence.reconcile import s3_client
from ringfence.reconcile.job_archive import write_archive
from ringfence.reconcile.job_input import relative
from ringfence.reconcile.job_tree import list_files, open_beneath, read_head
from ringfence.reconcile.s3_client import Refused, S3Client

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
    monkeypatch.setattr(S3Client, "_url", lambda self, bucket, key: f"{url}/{key}")
    monkeypatch.setattr(s3_client, "_LARGEST_PUT", 10)
    monkeypatch.setattr(s3_client, "_PART", 4)
    async with aiohttp.ClientSession() as session:
        yield made, S3Client(session, lambda: ROLE, "us-west-2")
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
