"""OCI layouts made by hand for the tests: a shell and a few programs of this machine, or whatever is put in a layer."""

import gzip
import hashlib
import io
import json
import platform
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Layer:
    """A layer's tar, member by member."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._tar = tarfile.TarFile(fileobj=self._bytes, mode="w")

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), mode
        self._tar.addfile(member, io.BytesIO(content))

    def directory(self, name: str, mode: int = 0o755) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.mode = tarfile.DIRTYPE, mode
        self._tar.addfile(member)

    def link(self, name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        self._tar.addfile(member)

    def finish(self) -> bytes:
        self._tar.close()
        return self._bytes.getvalue()


def shell_layer(*programs: str) -> Layer:
    """/bin/sh and the programs of this machine, each with the libraries that it needs."""
    layer = Layer()
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp"):
        layer.directory(name)
    layer.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nmodel:x:1000:1000::/:/bin/sh\n")
    layer.file("etc/group", b"root:x:0:\nmodel:x:1000:\n")
    libraries: set[str] = set()
    for program in ("sh", *programs):
        path = Path(shutil.which(program) or program).resolve()
        layer.file(f"bin/{program}", path.read_bytes(), 0o755)
        listed = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=True).stdout
        libraries.update(re.findall(r"(/\S+) \(0x", listed))
    for library in sorted(libraries):
        layer.file(library.lstrip("/"), Path(library).read_bytes(), 0o755)
    return layer


def write_layout(
    directory: Path, layers: list[bytes], config: dict[str, Any], tag: str = "latest", architecture: str | None = None
) -> None:
    """An OCI layout with one image; for this machine if `architecture` is not given."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    content = {
        "architecture": architecture or ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]},
        "history": [{"created_by": "test"} for _ in layers],
    }
    media = "application/vnd.oci.image"
    packed = [{"mediaType": f"{media}.layer.v1.tar+gzip", **put(gzip.compress(layer, mtime=0))} for layer in layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{media}.manifest.v1+json",
        "config": {"mediaType": f"{media}.config.v1+json", **put(json.dumps(content).encode())},
        "layers": packed,
    }
    described = {"mediaType": f"{media}.manifest.v1+json", **put(json.dumps(manifest).encode())}
    described["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [described]}))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
