"""Importing images made by hand, through skopeo and umoci; names, digests, removal, and images that mean harm."""

import contextlib
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from oci_image import Layer, write_layout

from ringfence.runtime.image import ImageStore, InvalidImage

pytestmark = pytest.mark.root  # umoci gives files their owners

NAME = "123456789012.dkr.ecr.us-west-2.amazonaws.com/my-model:latest"
CONFIG = {
    "Entrypoint": ["/bin/sh"],
    "Cmd": ["-c", "true"],
    "Env": ["A=1", "B=x=y"],
    "User": "model",
    "WorkingDir": "/srv",
    "Labels": {"l": "1"},
}


def small_layer() -> bytes:
    layer = Layer()
    layer.file("hello", b"hello\n")
    return layer.finish()


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    write_layout(tmp_path / "layout", [small_layer()], CONFIG)
    return tmp_path / "layout"


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


def left_over(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "images").iterdir() if path.name.startswith(".")]


async def test_import_of_a_layout(tmp_path: Path, layout: Path, store: ImageStore) -> None:
    assert store.resolve(NAME) is None
    image = await store.import_archive(str(layout), NAME)
    index = json.loads((layout / "index.json").read_text())
    assert image.digest == index["manifests"][0]["digest"]
    assert (image.entrypoint, image.command) == (("/bin/sh",), ("-c", "true"))
    assert image.env == {"A": "1", "B": "x=y"}
    assert (image.user, image.working_directory, image.labels) == ("model", "/srv", {"l": "1"})
    assert (image.rootfs / "hello").read_text() == "hello\n"
    assert store.resolve(NAME) == image
    assert store.names() == (NAME,)
    assert left_over(tmp_path) == []


async def test_a_killed_import_is_swept_by_the_next(tmp_path: Path, layout: Path, store: ImageStore) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / f"images/.import-{dead.pid}-x/rootfs").mkdir(parents=True)
    assert store.names() == ()
    await store.import_archive(str(layout), NAME)
    assert left_over(tmp_path) == []


async def test_names_with_and_without_tag_and_digest(layout: Path, store: ImageStore) -> None:
    image = await store.import_archive(f"oci:{layout}:latest", NAME.removesuffix(":latest"))
    repository = NAME.removesuffix(":latest")
    assert store.resolve(repository) is not None
    by_digest = store.resolve(f"{repository}@{image.digest}")
    assert by_digest is not None and by_digest.rootfs == image.rootfs
    assert store.resolve(f"{repository}:other") is None
    assert store.resolve(f"{repository}@sha256:{'0' * 64}") is None
    assert store.resolve("../../etc/passwd") is None


async def test_archives_of_both_kinds(tmp_path: Path, layout: Path, store: ImageStore) -> None:
    for kind in ("oci-archive", "docker-archive"):
        archive = tmp_path / f"{kind} with:colon.tar"
        plain = tmp_path / "plain.tar"
        subprocess.run(
            ["skopeo", "--insecure-policy", "copy", "-q", f"oci:{layout}:latest", f"{kind}:{plain}:x/y:z"], check=True
        )
        plain.rename(archive)
        image = await store.import_archive(str(archive), f"{kind}:1")
        assert (image.rootfs / "hello").read_text() == "hello\n"


async def test_removal_keeps_what_another_name_or_a_container_uses(layout: Path, store: ImageStore) -> None:
    image = await store.import_archive(str(layout), NAME)
    await store.import_archive(str(layout), "other:1")
    assert store.remove(NAME)
    assert not store.remove(NAME)
    assert image.rootfs.exists()
    assert store.remove("other:1", in_use=(image.digest,))
    assert image.rootfs.exists()
    assert store.names() == ()
    await store.import_archive(str(layout), NAME)
    assert store.remove(NAME)
    assert not image.rootfs.exists()


async def test_a_name_moves_to_the_new_image(tmp_path: Path, layout: Path, store: ImageStore) -> None:
    first = await store.import_archive(str(layout), NAME)
    write_layout(tmp_path / "second", [small_layer()], {**CONFIG, "User": ""})
    second = await store.import_archive(str(tmp_path / "second"), NAME)
    assert first.digest != second.digest
    assert store.resolve(NAME) == second


@pytest.mark.parametrize("name", ["", "UPPER:1", "a b", "../x", "a@sha256:" + "0" * 64, "-x", "a:" + "t" * 129])
async def test_bad_names(layout: Path, store: ImageStore, name: str) -> None:
    with pytest.raises(InvalidImage, match="not an image name"):
        await store.import_archive(str(layout), name)


async def test_what_is_not_an_image(tmp_path: Path, store: ImageStore) -> None:
    (tmp_path / "text").write_text("no")
    with tarfile.open(tmp_path / "some.tar", "w") as tar:
        tar.add(tmp_path / "text", "text")
    (tmp_path / "empty").mkdir()
    for source in ("/nowhere", str(tmp_path / "text"), str(tmp_path / "some.tar"), str(tmp_path / "empty"), "oci:/no"):
        with pytest.raises(InvalidImage):
            await store.import_archive(source, NAME)
    assert store.resolve(NAME) is None
    assert left_over(tmp_path) == []


async def test_a_blob_with_another_digest_is_refused(tmp_path: Path, layout: Path, store: ImageStore) -> None:
    for blob in (layout / "blobs/sha256").iterdir():
        content = blob.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InvalidImage):
        await store.import_archive(str(layout), NAME)
    assert store.resolve(NAME) is None
    assert left_over(tmp_path) == []


def bad_layer(outside: Path, how: str) -> bytes:
    layer = Layer()
    up = "../" * 30
    match how:
        case "dots":
            layer.file(f"{up}{outside}/evil".replace("//", "/"), b"evil")
        case "absolute":
            layer.file(f"{outside}/evil", b"evil")
        case "symlink":
            layer.link("way", str(outside))
            layer.file("way/evil", b"evil")
        case "relative symlink":
            layer.link("way", f"{up}{outside}".replace("//", "/"))
            layer.file("way/evil", b"evil")
        case "hardlink":
            layer.link("evil", f"{up}{outside}/secret".replace("//", "/"), tarfile.LNKTYPE)
        case "whiteout":
            layer.file(f"{up}{outside}/.wh.secret".replace("//", "/"), b"")
    return layer.finish()


@pytest.mark.parametrize("how", ["dots", "absolute", "symlink", "relative symlink", "hardlink", "whiteout"])
async def test_a_layer_cannot_leave_its_root(tmp_path: Path, store: ImageStore, how: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    write_layout(tmp_path / "bad", [bad_layer(outside, how)], {})
    with contextlib.suppress(InvalidImage):  # refused, or what climbs lands inside the root
        await store.import_archive(str(tmp_path / "bad"), NAME)
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == "secret"
    assert (outside / "secret").stat().st_nlink == 1
