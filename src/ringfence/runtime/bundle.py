"""The files of one container, where the runtime looks for them: configuration, generated files, the layer it writes to.

Not what stands in the configuration (`spec`). Called by oci.py.
"""

import json
import os
import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

from ringfence.runtime.cgroup import Cgroups
from ringfence.runtime.driver import ContainerSpec
from ringfence.runtime.spec import Host, User, build_config, build_files, layers_of, resolve_user


@dataclass(frozen=True, slots=True)
class Place:
    """Where one container's files are."""

    directory: Path

    def read(self, name: str) -> str | None:
        """A small file's text; None if it is not there or still empty."""
        try:
            return (self.directory / name).read_text().strip() or None
        except OSError:
            return None


def write_bundle(spec: ContainerSpec, place: Place, cgroups: Cgroups) -> None:
    generated = place.directory / "files"
    for name in ("files", "rootfs"):
        (place.directory / name).mkdir(parents=True)
    _make_layer(spec, place.directory / "layer")
    spec.log.parent.mkdir(parents=True, exist_ok=True)
    for name, content in build_files(spec).items():
        (generated / name).write_text(content)
    for layer in layers_of(spec, place.directory).values():
        (layer / "upper").mkdir(parents=True)
        (layer / "work").mkdir()
    (place.directory / "lower").symlink_to(spec.image.rootfs.absolute())
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    host = Host(
        cores=os.cpu_count() or 1,
        files=files if files != resource.RLIM_INFINITY else 1 << 30,
        swap=cgroups.can_limit_swap(),
        unified=cgroups.unified,
    )
    bundle = build_config(spec, host, _find_user(spec), cgroups.path(spec.id), generated)
    (place.directory / "config.json").write_text(json.dumps(bundle))


def _make_layer(spec: ContainerSpec, layer: Path) -> None:
    """What the container writes over its image: in its own directory, or by a link on the instance's volume."""
    if spec.layer is None:
        layer.mkdir()
        return
    remove_directory(spec.layer)  # of a container before this one
    spec.layer.mkdir(parents=True)
    layer.symlink_to(spec.layer)
    (layer / "tmp").mkdir()
    (layer / "tmp").chmod(0o1777)


def _find_user(spec: ContainerSpec) -> User:
    return resolve_user(
        spec.image.user, _read_inside(spec.image.rootfs, "etc/passwd"), _read_inside(spec.image.rootfs, "etc/group")
    )


def _read_inside(rootfs: Path, name: str) -> str:
    """A file of the image, if it is one: its links must not lead to a file of this machine."""
    path = (rootfs / name).resolve()
    if not path.is_relative_to(rootfs.resolve()) or not path.is_file():
        return ""
    return path.read_text(errors="replace")


def remove_directory(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        shutil.rmtree(path)  # again, to say what is in the way
