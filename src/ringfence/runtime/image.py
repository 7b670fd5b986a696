"""The images of this machine: imported ones, unpacked, under the names that CreateModel gives; and the built-in one.

A name that was neither imported nor pulled (by reconcile.instance.image_pull) is not there. Called by reconcile and
gateway/admin/api.py; image_import.py runs the programs that unpack.

On disk: `names/<quoted name>.json` = {"name", "digest"}; `sha256-<hex>/rootfs` and `sha256-<hex>/image.json`. A
directory gets its final name once it is whole, and the name's file is written after that.
"""

import asyncio
import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

from ringfence.runtime import image_import
from ringfence.runtime.builtin import rootfs as builtin
from ringfence.runtime.driver import Image

# https://github.com/distribution/reference: host[:port]/path[:tag][@digest], in lower case but for the tag
REFERENCE = re.compile(
    r"(?P<repository>[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::[0-9]+)?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class InvalidImage(Exception):
    """The name is malformed, or what was to be imported is not an image; the message says which and why."""


class ImageStore:
    """`directory`: all state. Several processes may read it; one at a time writes. `pytorch`: see builtin.rootfs."""

    def __init__(self, directory: Path, pytorch: Path | None = None) -> None:
        self._directory = directory
        self._pytorch = pytorch
        self._adopting: dict[str, asyncio.Lock] = {}

    def resolve(self, name: str) -> Image | None:
        """The image of this name, `repository:tag` or `repository@sha256:…`; None if there is none."""
        match = REFERENCE.fullmatch(name)
        if match is None:
            return None
        if match["digest"] is None:
            imported = self._by_tag(name, f"{match['repository']}:{match['tag'] or 'latest'}")
        else:
            imported = self._by_digest(name, match["repository"], match["digest"])
        return imported or builtin.resolve(name, self._directory, pytorch=self._pytorch)

    def names(self) -> tuple[str, ...]:
        """The imported images' names, sorted; the built-in one answers to a pattern: builtin.PATTERN."""
        return tuple(sorted(entry["name"] for entry in self._entries()))

    async def import_archive(self, source: str, name: str, docker_host: str | None = None) -> Image:
        """Import under `name`, replacing what had it. `source` is a path or as skopeo writes it: `oci:DIR[:TAG]`,
        `oci-archive:FILE`, `docker-archive:FILE[:REF]`, `docker-daemon:REF`, `containers-storage:REF`.

        Raises InvalidImage; then nothing has changed.
        """
        match = REFERENCE.fullmatch(name)
        if match is None or match["digest"]:
            raise InvalidImage(f"`{name}` is not an image name: expected `repository:tag`")
        with self._work() as work:
            return await self._import(source, f"{match['repository']}:{match['tag'] or 'latest'}", work, docker_host)

    async def adopt(self, name: str, lay_out: Callable[[Path], None]) -> Image:
        """The image `name`, `repository:tag`; if it is not there, of the OCI layout that `lay_out` makes in an empty
        directory. Several who want the same one at a time unpack it once. Raises InvalidImage, and what `lay_out` does.
        """
        async with self._adopting.setdefault(name, asyncio.Lock()):
            image = self.resolve(name)
            if image is not None:
                return image
            with self._work() as work:
                layout = work / "pulled"
                layout.mkdir()
                lay_out(layout)
                return await self._import(f"oci:{layout}", name, work)

    @contextmanager
    def _work(self) -> Iterator[Path]:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._remove_abandoned()
        work = Path(mkdtemp(prefix=f".import-{os.getpid()}-", dir=self._directory))
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)

    async def _import(self, source: str, name: str, work: Path, docker_host: str | None = None) -> Image:
        try:
            facts = await image_import.unpack(source, work, docker_host)
        except image_import.ImportFailed as failure:
            raise InvalidImage(str(failure)) from None
        self._publish(work, facts, name)
        image = self.resolve(name)
        assert image is not None
        return image

    def remove(self, name: str, in_use: Collection[str] = ()) -> bool:
        """Forget the name; False if it is not there. Contents without a name go, but for digests `in_use`."""
        match = REFERENCE.fullmatch(name)
        if match is None:
            return False
        path = self._name_file(f"{match['repository']}:{match['tag'] or 'latest'}")
        if not path.exists():
            return False
        path.unlink()
        self._sweep(in_use)
        return True

    def _publish(self, work: Path, facts: image_import.Facts, name: str) -> None:
        content = {
            "digest": facts.digest,
            "entrypoint": facts.entrypoint,
            "command": facts.command,
            "env": facts.env,
            "user": facts.user,
            "working_directory": facts.working_directory,
            "labels": facts.labels,
        }
        final = self._content(facts.digest)
        if not final.exists():
            whole = work / "whole"
            whole.mkdir()
            (work / "rootfs").rename(whole / "rootfs")
            (whole / "image.json").write_text(json.dumps(content))
            whole.rename(final)
        path = self._name_file(name)
        path.parent.mkdir(exist_ok=True)
        part = work / "name.json"
        part.write_text(json.dumps({"name": name, "digest": facts.digest}))
        part.replace(path)

    def _by_tag(self, asked: str, name: str) -> Image | None:
        try:
            entry = json.loads(self._name_file(name).read_text())
        except FileNotFoundError:
            return None
        return self._load(asked, entry["digest"])

    def _by_digest(self, asked: str, repository: str, digest: str) -> Image | None:
        for entry in self._entries():
            if entry["digest"] == digest and entry["name"].rpartition(":")[0] == repository:
                return self._load(asked, digest)
        return None

    def _load(self, asked: str, digest: str) -> Image:
        content = json.loads((self._content(digest) / "image.json").read_text())
        return Image(
            name=asked,
            digest=digest,
            rootfs=self._content(digest) / "rootfs",
            entrypoint=tuple(content["entrypoint"]),
            command=tuple(content["command"]),
            env=content["env"],
            user=content["user"],
            working_directory=content["working_directory"],
            labels=content["labels"],
        )

    def _entries(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted((self._directory / "names").glob("*.json"))]

    def _name_file(self, name: str) -> Path:
        return self._directory / "names" / f"{quote(name, safe='')}.json"

    def _content(self, digest: str) -> Path:
        return self._directory / digest.replace(":", "-")

    def _remove_abandoned(self) -> None:
        """What an import left that was killed: its directory names a process that is no more."""
        for path in self._directory.glob(".import-*"):
            if not Path("/proc", path.name.split("-")[1]).exists():
                shutil.rmtree(path, ignore_errors=True)

    def _sweep(self, in_use: Collection[str]) -> None:
        keep = {self._content(digest).name for digest in (*in_use, *(entry["digest"] for entry in self._entries()))}
        for path in self._directory.glob("sha256-*"):
            if path.name not in keep:
                shutil.rmtree(path)
