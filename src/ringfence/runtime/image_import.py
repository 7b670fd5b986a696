"""The edge that unpacks foreign images: runs skopeo (any source to an OCI layout) and umoci (layout to a root).

Not the store of images (image.py calls this and publishes the result). Nothing of an image is run here, and nothing
that it says about itself is believed before the blobs' digests are checked, which skopeo does.
"""

import asyncio
import json
import os
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT = 3600.0
TRANSPORTS = ("oci", "oci-archive", "docker-archive", "docker-daemon", "containers-storage")
ERROR_TAIL = 600


class ImportFailed(Exception):
    """Why this is not an image; shown to the user."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the image's config says, of `rootfs` in the work directory."""

    digest: str
    entrypoint: list[str]
    command: list[str]
    env: dict[str, str]
    user: str
    working_directory: str
    labels: dict[str, str]


async def unpack(source: str, work: Path, docker_host: str | None = None) -> Facts:
    """Unpack the image into `work/rootfs`; `work` is an empty directory that the caller removes.

    `docker_host`: where the Docker of `docker-daemon:` listens, if not at its usual socket.
    """
    layout = work / "layout"
    host = ["--src-daemon-host", docker_host] if docker_host else []
    copy = ("skopeo", "--insecure-policy", "copy", "--quiet", *host)
    await _run(*copy, find_source(source, work), f"oci:{layout}:image")
    facts = read_facts(layout)
    await _run("umoci", "raw", "unpack", "--image", f"{layout}:image", str(work / "rootfs"))
    shutil.rmtree(layout)
    return facts


def find_source(source: str, work: Path) -> str:
    """`source` as skopeo takes it. A plain path is looked at; a path that skopeo could misread gets a plain link."""
    transport, _, rest = source.partition(":")
    if transport in ("docker-daemon", "containers-storage") and rest:
        return source
    if transport in TRANSPORTS and rest:
        return f"{transport}:{_link(rest, work)}"
    path = Path(source)
    if path.is_dir() and (path / "index.json").exists():
        return f"oci:{_link(source, work)}"
    if path.is_file():
        return f"{_archive_kind(path)}:{_link(source, work)}"
    raise ImportFailed(
        f"`{source}` is neither an OCI layout, an image archive nor one of {', '.join(f'{t}:…' for t in TRANSPORTS)}"
    )


def _link(rest: str, work: Path) -> str:
    """The path of a `path[:reference]`, behind a link without colons; the longest existing path wins."""
    path, reference = rest, ""
    while not Path(path).exists():
        path, colon, tail = path.rpartition(":")
        if not colon:
            raise ImportFailed(f"`{rest}` does not exist")
        reference = f":{tail}{reference}"
    link = work / "source"
    link.symlink_to(Path(path).absolute())
    return f"{link}{reference}"


def _archive_kind(path: Path) -> str:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = os.path.normpath(member.name)
                if name in ("oci-layout", "index.json"):
                    return "oci-archive"
                if name in ("manifest.json", "repositories"):
                    return "docker-archive"
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ImportFailed(f"`{path}` is not a readable tar archive: {error}") from None
    raise ImportFailed(f"`{path}` is a tar archive but not an image: it has neither index.json nor manifest.json")


def read_facts(layout: Path) -> Facts:
    """The manifest's digest and the config of the one image in an OCI layout."""
    try:
        index = json.loads((layout / "index.json").read_text())
        digest = index["manifests"][0]["digest"]
        manifest = _blob(layout, digest)
        content = _blob(layout, manifest["config"]["digest"])
        config = content.get("config") or {}
        return Facts(
            digest=digest,
            entrypoint=list(config.get("Entrypoint") or []),
            command=list(config.get("Cmd") or []),
            env=dict(entry.split("=", 1) for entry in config.get("Env") or [] if "=" in entry),
            user=config.get("User") or "",
            working_directory=config.get("WorkingDir") or "/",
            labels=dict(config.get("Labels") or {}),
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ImportFailed(f"the image's manifest or config is malformed: {error!r}") from None


def _blob(layout: Path, digest: str) -> Any:
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or not value.isalnum():
        raise ValueError(f"unexpected digest `{digest}`")
    return json.loads((layout / "blobs" / algorithm / value).read_text())


async def _run(*command: str) -> None:
    """Run a program to its end; its last words become the error."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except FileNotFoundError:
        raise ImportFailed(f"`{command[0]}` is not installed: needed to import images") from None
    try:
        output, _ = await asyncio.wait_for(process.communicate(), TIMEOUT)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        tail = output.decode(errors="replace").strip()[-ERROR_TAIL:]
        raise ImportFailed(f"`{command[0]}` failed: {tail}")
