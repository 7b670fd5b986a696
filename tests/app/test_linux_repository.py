"""The Amazon Linux repositories as S3 buckets: whole, readable by yum's rules, open to read and to nothing else."""

import gzip
import hashlib
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from botocore.exceptions import ClientError

from ringfence.app.linux_repository import provide_repositories
from ringfence.resources.s3 import Bucket, S3Object
from ringfence.store.blobs import BlobStore
from ringfence.store.database import open_store
from tests.daemon import Daemon, local_daemon

REGION = "us-west-2"
SECOND = f"amazonlinux.{REGION}.amazonaws.com"
FIRST, LISTS = f"packages.{REGION}.amazonaws.com", f"repo.{REGION}.amazonaws.com"
_COMMON = "{http://linux.duke.edu/metadata/common}"
_REPO = "{http://linux.duke.edu/metadata/repo}"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        yield running


def _get(daemon: Daemon, host: str, path: str) -> bytes:
    """As yum asks: without a signature, the repository's name in the host."""
    request = urllib.request.Request(f"{daemon.url}/{path}", headers={"Host": host})
    with urllib.request.urlopen(request, timeout=60) as response:
        return bytes(response.read())


def _place(daemon: Daemon, host: str, path: str) -> tuple[str, str]:
    """The host and path that a mirror list leads to."""
    _, _, host, where = _get(daemon, host, path).decode().strip().split("/", 3)
    return host, where


LISTED = [(SECOND, "2/core/latest/x86_64/mirror.list", SECOND), (LISTS, "latest/main/mirror.list", FIRST)]


@pytest.mark.parametrize(("host", "mirrors", "leads_to"), LISTED, ids=["amazon-linux-2", "amazon-linux-1"])
def test_from_the_mirror_list_to_the_package(daemon: Daemon, host: str, mirrors: str, leads_to: str) -> None:
    """Each checksum on the way is right."""
    host, where = _place(daemon, host, mirrors)
    assert host == leads_to
    index = ElementTree.fromstring(_get(daemon, host, f"{where}/repodata/repomd.xml"))
    found = {}
    for data in index.findall(f"{_REPO}data"):
        location, checksum = data.find(f"{_REPO}location"), data.find(f"{_REPO}checksum")
        assert location is not None and checksum is not None
        found[data.get("type")] = content = _get(daemon, host, f"{where}/{location.get('href')}")
        assert hashlib.sha256(content).hexdigest() == checksum.text
    assert set(found) == {"primary", "filelists", "other"}
    (package,) = ElementTree.fromstring(gzip.decompress(found["primary"])).findall(f"{_COMMON}package")
    location, checksum = package.find(f"{_COMMON}location"), package.find(f"{_COMMON}checksum")
    assert location is not None and checksum is not None
    content = _get(daemon, host, f"{where}/{location.get('href')}")
    assert content.startswith(b"\xed\xab\xee\xdb") and hashlib.sha256(content).hexdigest() == checksum.text


@pytest.mark.skipif(shutil.which("rpm") is None, reason="there is no rpm: `apt-get install rpm`")
def test_rpm_reads_the_package(daemon: Daemon, tmp_path: Path) -> None:
    host, where = _place(daemon, *LISTED[0][:2])
    package = tmp_path / "hello.rpm"
    package.write_bytes(_get(daemon, host, f"{where}/Packages/ringfence-hello-1.0-1.noarch.rpm"))
    done = subprocess.run(["rpm", "-qp", "--list", package], capture_output=True, text=True, check=True, timeout=60)
    assert "/usr/share/ringfence-hello/hello.txt" in done.stdout


def test_open_to_read_and_to_nothing_else(daemon: Daemon) -> None:
    s3 = daemon.client("s3")
    assert SECOND not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.get_object(Bucket=SECOND, Key=LISTED[0][1])["ContentType"] == "text/plain"
    for call in (
        lambda: s3.list_objects_v2(Bucket=SECOND),
        lambda: s3.put_object(Bucket=SECOND, Key="k", Body=b"x"),
        lambda: s3.delete_object(Bucket=SECOND, Key=LISTED[0][1]),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()
    with pytest.raises(ClientError, match="BucketAlreadyExists"):
        s3.create_bucket(Bucket=SECOND, CreateBucketConfiguration={"LocationConstraint": REGION})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        _get(daemon, SECOND, "not/there")


async def test_a_later_start_makes_nothing_and_a_users_bucket_stays(tmp_path: Path) -> None:
    store, blobs = open_store(tmp_path), BlobStore(tmp_path / "blobs")
    now = datetime(2026, 1, 2, tzinfo=UTC)
    with store.transaction() as records:
        records.put(Bucket(name=LISTS, account="123456789012", region=REGION, created=now))
    await provide_repositories(store, blobs, REGION, now)
    revision, held = store.revision, len(list((tmp_path / "blobs").iterdir()))
    await provide_repositories(store, blobs, REGION, now)
    assert (store.revision, len(list((tmp_path / "blobs").iterdir()))) == (revision, held)
    with store.transaction() as records:
        mine = records.get(Bucket, LISTS)
        assert mine is not None and mine.account == "123456789012"
        assert list(records.scan(S3Object, f"{LISTS}\0")) == []
        assert list(records.scan(S3Object, f"{FIRST}\0"))
    store.close()
