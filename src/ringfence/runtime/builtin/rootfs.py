"""The built-in images: AWS's scikit-learn, XGBoost and PyTorch containers, and a plain Python, made of this machine
without a download.

Its root is a small directory of ours; /usr and a Python environment, the daemon's or PyTorch's own, are mounted
read-only over it, at their own paths, and nothing else of this machine is there: no /home, no /root but a Python
environment that lies there, no /var, of /etc only what programs need to run. What it serves and trains with lies beside
this file. The tag of a name selects no version: what the Python environment has is what runs. Called by image.py.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from tempfile import mkdtemp

from ringfence.runtime.builtin.environment import Python, find_python
from ringfence.runtime.builtin.registry import framework_of
from ringfence.runtime.driver import Image, Mount

PROGRAMS = Path(__file__).parent
INSIDE = "/opt/ringfence/ringfence/runtime/builtin"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOST = Path("/")
DIRECTORIES = (
    "dev", "etc", "etc/ssl/certs", "opt/ml/model", "opt/ml/models", "opt/ringfence/bin", INSIDE.lstrip("/"), "proc",
    "root", "run", "sys", "tmp", "usr", "var/tmp", "var/log", "var/lib", "var/cache",
)  # fmt: skip
# of everybody: runc gives a tmpfs the mode of the directory that it covers
WRITABLE = ("tmp", "var/tmp")
# On a merged-/usr system each of these is a link; elsewhere it is a directory and is mounted.
TOP_LEVEL = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
COPIED = ("etc/ld.so.cache", "etc/ld.so.conf", "etc/mime.types", "etc/protocols", "etc/services", "etc/os-release")
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    "etc/hosts": "",
    "etc/hostname": "",
    "etc/resolv.conf": "",
}
_CAPABLE = "com.amazonaws.sagemaker.capabilities"
LABELS = {f"{_CAPABLE}.accept-bind-to-port": "true", f"{_CAPABLE}.multi-models": "true"}


def this_python() -> Python:
    """The environment that runs the daemon; a prefix inside /usr is there anyway."""
    wanted = {Path(sys.prefix), Path(sys.base_prefix)}
    outside = [path for path in wanted if not path.is_relative_to("/usr")]
    return Python(Path(sys.executable), tuple(sorted(outside)))


def resolve(name: str, directory: Path, python: Python | None = None, pytorch: Path | None = None) -> Image | None:
    """The image if the name is of one of these containers and its framework is installed; made on first use.

    `pytorch`: where `make pytorch` puts its environment.
    """
    framework = framework_of(name)
    if framework is None:
        return None
    if framework.own:
        python = find_python(pytorch) if pytorch else None
    elif framework.installed():
        python = python or this_python()
    else:
        python = None
    return build_image(name, directory, python, framework.module) if python else None


def build_image(name: str, directory: Path, python: Python, module: str) -> Image:
    """The image of a Python environment; its root is made on first use. `module`: of its framework."""
    files, links, mounts = _plan(python)
    plan = json.dumps([files, links, DIRECTORIES, WRITABLE, COPIED], sort_keys=True)
    tree = hashlib.sha256(plan.encode() + _copied_state()).hexdigest()
    rootfs = directory / f"builtin-{tree[:16]}"
    if not rootfs.exists():
        _build(rootfs, files, links)
    program = b"".join(path.read_bytes() for path in sorted(PROGRAMS.glob("*.py")))
    return Image(
        name=name,
        digest="sha256:" + hashlib.sha256(f"{module}{tree}".encode() + program).hexdigest(),
        rootfs=rootfs,
        command=("serve",),
        env={
            "PATH": f"/opt/ringfence/bin:{python.executable.parent}:{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
            "RINGFENCE_FRAMEWORK": module,
        },
        working_directory="/opt/ml",
        labels=LABELS,
        mounts=mounts,
    )


def _plan(python: Python) -> tuple[dict[str, str], dict[str, str], tuple[Mount, ...]]:
    """Files and links of the root, and what is mounted over it."""
    commands = {}
    for name in ("serve", "train"):
        commands[f"opt/ringfence/bin/{name}"] = f'#!/bin/sh\nexec "{python.executable}" /opt/ringfence/{name}.py "$@"\n'
        commands[f"opt/ringfence/{name}.py"] = (
            # guarded, because the workers of a multi-model server import their parent's main module
            f"from ringfence.runtime.builtin.{name} import main\n\n"
            'if __name__ == "__main__":\n    raise SystemExit(main())\n'
        )
    links = {"etc/mtab": "/proc/self/mounts", "var/run": "/run", "etc/localtime": "/usr/share/zoneinfo/Etc/UTC"}
    mounts = [Mount(HOST / "usr", "/usr", layered=True)]
    for top in TOP_LEVEL:
        path = HOST / top
        if path.is_symlink():
            links[top] = str(path.readlink())
        elif path.is_dir():
            mounts.append(Mount(path, f"/{top}"))
    # programs in /usr can be links through here (Debian's alternatives): links hold no secrets
    for path in sorted((HOST / "etc/alternatives").glob("*")):
        if path.is_symlink():
            links[f"etc/alternatives/{path.name}"] = str(path.readlink())
    mounts += [Mount(prefix, str(prefix), layered=True) for prefix in python.prefixes]
    mounts.append(Mount(PROGRAMS, INSIDE))
    return {**FILES, **commands}, links, tuple(mounts)


def _copied_state() -> bytes:
    """Changes whenever a file that is copied from this machine does."""
    found = [(name, (HOST / name).stat()) for name in COPIED if (HOST / name).is_file()]
    return json.dumps([(name, stat.st_mtime_ns, stat.st_size) for name, stat in found]).encode()


def _build(rootfs: Path, files: dict[str, str], links: dict[str, str]) -> None:
    """Make the tree beside its final place and rename it, so that it is there whole or not at all."""
    rootfs.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = Path(mkdtemp(prefix=".builtin-", dir=rootfs.parent))
    part.chmod(0o755)
    try:
        for name in DIRECTORIES:
            (part / name).mkdir(parents=True, exist_ok=True)
        for name in WRITABLE:
            (part / name).chmod(0o1777)
        for name, content in files.items():
            (part / name).write_text(content)
        for path in (part / "opt/ringfence/bin").iterdir():
            path.chmod(0o755)
        for name, target in links.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).symlink_to(target)
        for name in COPIED:
            if (HOST / name).is_file():
                shutil.copyfile(HOST / name, part / name)
        part.rename(rootfs)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        if not rootfs.exists():  # else another process was faster
            raise
