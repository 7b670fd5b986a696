"""Downloads from a server that speaks S3's part of it, on this machine's loopback."""

import asyncio
import gzip
import io
import socket
import tarfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import dns.message
import dns.rrset
import pytest
from aiohttp import web
from reconcile_machine import FakeNetwork, NoTransfers, Session

from ringfence.core.call import Principal
from ringfence.reconcile.hosting import model_archive
from ringfence.reconcile.hosting.model_download import DownloadFailed, ModelDownload
from ringfence.reconcile.instance import namespace_http
from ringfence.reconcile.instance.namespace_http import NamespaceResolver
from ringfence.reconcile.instance.s3_client import S3Client
from ringfence.services.sagemaker.container import ModelData

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROLE = Session(Principal(kind="role", account="1", arn="arn", id="AROA:s"))
NONE = NoTransfers()


def archive(*members: tuple[str, bytes], link: str | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo("link")
            info.type, info.linkname = tarfile.SYMTYPE, link
            tar.addfile(info)
    return buffer.getvalue()


class Server:
    """`objects`: key -> content. `broken`: how many requests get a 503 first. `requests`: what was asked."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.broken = 0
        self.requests: list[web.Request] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        if self.broken:
            self.broken -= 1
            return web.Response(status=503)
        if "list-type" in request.query:
            keys = sorted(key for key in self.objects if key.startswith(request.query["prefix"]))
            after = request.query.get("continuation-token", "")
            keys = [key for key in keys if key > after]
            more = f"<NextContinuationToken>{keys[0]}</NextContinuationToken>" if len(keys) > 1 else ""
            body = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys[:1])
            return web.Response(
                text=f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{body}{more}</ListBucketResult>'
            )
        content = self.objects.get(request.path.removeprefix("/"))
        return web.Response(status=404) if content is None else web.Response(body=content)


def long_name(size: int) -> bytes:
    """Few bytes, of which a reader that trusts it makes many in memory: a gigabyte of name is a megabyte of gzip."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, size
    return gzip.compress(header.tobuf() + b"n" * size + bytes(1024))


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    monkeypatch.setattr(S3Client, "_place", lambda self, bucket, key: f"{made.url}/{key}")
    yield made
    await runner.cleanup()


async def download(directory: Path, url: str, form: str = "tar") -> Path:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    async with aiohttp.ClientSession() as session:
        data = ModelData(url, bucket, key, form)  # type: ignore[arg-type]
        await ModelDownload(S3Client(session, lambda: ROLE, "us-west-2", NONE), data).into(directory / "model")
    return directory / "model"


async def test_a_tar_is_unpacked_and_requests_are_signed(server: Server, tmp_path: Path) -> None:
    server.objects["a/model.tar.gz"] = archive(("model.joblib", b"m"), ("code/inference.py", b"c"))
    server.broken = 1
    model = await download(tmp_path, "s3://models/a/model.tar.gz")
    assert (model / "code/inference.py").read_bytes() == b"c"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
    headers = server.requests[-1].headers
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/")
    assert "/us-west-2/s3/aws4_request" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "token"


async def test_an_object_and_a_prefix(server: Server, tmp_path: Path) -> None:
    server.objects = {"m/one": b"1", "m/sub/two": b"2", "m/sub/": b"", "other": b"3"}
    assert (await download(tmp_path, "s3://models/other", "object") / "other").read_bytes() == b"3"
    model = await download(tmp_path, "s3://models/m/", "prefix")
    found = {str(path.relative_to(model)): path.read_bytes() for path in model.rglob("*") if path.is_file()}
    assert found == {"one": b"1", "sub/two": b"2"}


@pytest.mark.parametrize(
    "content",
    [
        b"not an archive",
        archive(("../escape", b"x")),
        archive(("/etc/escape", b"x"))[:-20],
        archive(link="../../escape"),
        long_name(2 << 20),
        gzip.compress(b"corrupt")[:-8] + bytes(8),
    ],
    ids=["no archive", "a path that leads out", "cut short", "a link that leads out", "a long name", "corrupt"],
)
async def test_archives_that_are_not_fit(server: Server, tmp_path: Path, content: bytes) -> None:
    server.objects["model.tar.gz"] = content
    with pytest.raises(DownloadFailed) as caught:
        await download(tmp_path, "s3://models/model.tar.gz")
    assert caught.value.reason.startswith('Failed to extract model data archive for container "container_1" from URL')
    assert not (tmp_path / "escape").exists()


async def test_an_archive_of_too_many_members(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_archive, "_MOST_MEMBERS", 3)
    server.objects["model.tar.gz"] = archive(*((f"m{number}", b"x") for number in range(3)))
    model = await download(tmp_path, "s3://models/model.tar.gz")
    assert sorted(path.name for path in model.iterdir()) == ["m0", "m1", "m2"]
    server.objects["model.tar.gz"] = archive(*((f"m{number}", b"x") for number in range(4)))
    with pytest.raises(DownloadFailed):
        await download(tmp_path, "s3://models/model.tar.gz")


async def test_keys_that_lead_out(server: Server, tmp_path: Path) -> None:
    server.objects = {"m/../../escape": b"x"}
    with pytest.raises(DownloadFailed):
        await download(tmp_path, "s3://models/m/", "prefix")
    assert not (tmp_path / "escape").exists()


async def test_what_is_refused_and_what_is_not_reached(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed) as caught:
        await download(tmp_path, "s3://models/none.tar.gz")
    assert caught.value.reason == (
        'Failed to download model data for container "container_1" from URL: "s3://models/none.tar.gz". Please ensure '
        "that there is an object located at the URL and that the role passed to CreateModel has permissions to "
        "download the object."
    )
    assert len(server.requests) == 1, "a refusal is final"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(DownloadFailed) as caught:
            await download(tmp_path, "s3://models/none.tar.gz")
    assert caught.value.reason == (
        'Failed to download model data from URL "s3://models/none.tar.gz". Please ensure that an S3 VPC endpoint '
        "exists in route table or NAT gateway for the VPC mode and the URL is reachable from within the subnets "
        "provided."
    )


def test_the_url_follows_the_bucket() -> None:
    def url(bucket: str, key: str) -> str:
        return S3Client(None, lambda: ROLE, "us-west-2", NONE)._url(bucket, key)  # type: ignore[arg-type]

    assert url("models", "a b/é+.tar.gz") == "https://models.s3.us-west-2.amazonaws.com/a%20b/%C3%A9%2B.tar.gz"
    assert url("my.models", "k") == "https://s3.us-west-2.amazonaws.com/my.models/k"


async def test_names_are_asked_of_the_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    class Answering(asyncio.DatagramProtocol):
        asked = 0

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
            self.asked += 1
            query = dns.message.from_wire(data)
            response = dns.message.make_response(query)
            if query.question[0].name.to_text() == "there.":
                response.answer.append(dns.rrset.from_text("there.", 60, "IN", "A", "10.0.0.5", "10.0.1.5"))
            if self.asked > 1:  # the first answer is lost
                self.transport.sendto(response.to_wire(), address)  # type: ignore[attr-defined]

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Answering, local_addr=("127.0.0.1", 0))
    monkeypatch.setattr(namespace_http, "_DNS_PORT", transport.get_extra_info("sockname")[1])
    resolver = NamespaceResolver(FakeNetwork(), "i-1", ("127.0.0.1",))
    assert {found["host"] for found in await resolver.resolve("there", 443)} == {"10.0.0.5", "10.0.1.5"}
    with pytest.raises(OSError, match="has no address"):
        await resolver.resolve("nowhere", 443)
    transport.close()
