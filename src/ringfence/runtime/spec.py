"""A container's specification as an OCI runtime configuration and the small files that are mounted into it. Pure.

What SageMaker's hosting contract asks
(https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html) is in ContainerSpec already; what
every container here is denied is in this file and in seccomp.json. Called by oci.py.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

from ringfence.runtime.driver import ContainerSpec, Mount

Json = dict[str, Any]

CPU_PERIOD = 100_000  # microseconds
NOFILE = 1_048_576
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CA_BUNDLE = "/etc/ringfence/ca.pem"
# Debian, Ubuntu and Alpine read this one without any variable
SYSTEM_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CA_VARIABLES = ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
# https://github.com/opencontainers/runc/blob/main/libcontainer/specconv/example.go, and powercap (CVE-2020-8694)
MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
)  # fmt: skip
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class BadUser(Exception):
    """The image wants to run as somebody that its /etc/passwd does not know."""


@dataclass(frozen=True, slots=True)
class Host:
    """What the configuration must know of this machine. `files`: an open-file limit cannot be raised above it.

    `swap`: swap can be limited here. `unified`: cgroup v2 only.
    """

    cores: int
    files: int
    swap: bool
    unified: bool


@dataclass(frozen=True, slots=True)
class User:
    uid: int
    gid: int
    home: str
    groups: tuple[int, ...] = ()


def build_config(spec: ContainerSpec, host: Host, user: User, cgroup: str, generated: Path) -> Json:
    """The bundle's config.json. `generated`: where `build_files` were written. `cgroup`: absolute, below each root."""
    limit = min(host.files, NOFILE)
    layers = layers_of(spec, generated.parent)
    return {
        "ociVersion": "1.0.2",
        "hostname": spec.hostname,
        "root": {"path": "rootfs", "readonly": spec.read_only_root},
        "process": {
            "terminal": False,
            "user": {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)},
            "args": list(_args(spec)),
            "env": [f"{name}={value}" for name, value in _environment(spec, user).items()],
            "cwd": spec.image.working_directory or "/",
            "capabilities": {
                # no inheritable nor ambient ones: who stops being root has none
                **{kind: list(spec.capabilities) for kind in ("bounding", "effective", "permitted")},
                **{kind: [] for kind in ("inheritable", "ambient")},
            },
            "noNewPrivileges": True,
            "rlimits": [
                {"type": "RLIMIT_NOFILE", "soft": limit, "hard": limit},
                {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
            ],
        },
        "mounts": [
            *_system_mounts(spec, generated.parent / "layer"),
            *(_overlay(mount, layers[mount]) if mount in layers else _bind(mount) for mount in _binds(spec, generated)),
        ],
        "linux": {
            "namespaces": _namespaces(spec, host),
            "cgroupsPath": cgroup,
            "resources": _resources(spec, host),
            "maskedPaths": list(MASKED),
            "readonlyPaths": list(READ_ONLY),
            "seccomp": load_seccomp(),
        },
    }


def build_files(spec: ContainerSpec) -> dict[str, str]:
    """/etc/hosts, hostname and resolv.conf by file name."""
    lines = [("127.0.0.1", "localhost"), *spec.hosts]
    if spec.hostname not in (name for _, name in lines):
        lines.insert(1, ("127.0.0.1", spec.hostname))
    resolver = [f"search {' '.join(spec.search)}"] if spec.search else []
    resolver += [f"nameserver {address}" for address in spec.nameservers]
    return {
        "hosts": "".join(hosts_lines(lines)),
        "hostname": f"{spec.hostname}\n",
        "resolv.conf": "".join(f"{line}\n" for line in resolver),
    }


def hosts_lines(hosts: Iterable[tuple[str, str]]) -> list[str]:
    """Of /etc/hosts, from (address, name)."""
    return [f"{address}\t{name}\n" for address, name in hosts]


def resolve_user(user: str, passwd: str, group: str) -> User:
    """The image's `user` by its own /etc/passwd and /etc/group; numbers need no entry, as with docker run."""
    name, _, group_name = user.partition(":")
    people = [fields for line in passwd.splitlines() if len(fields := line.split(":")) >= 6]
    entry = next((f for f in people if name in (f[0], f[2])), None) if name else None
    if not name:
        entry = next((f for f in people if f[2] == "0"), None)
    if entry is None and name and not name.isdecimal():
        raise BadUser(f"unable to find user {name}: no matching entries in passwd file")
    uid = int(entry[2]) if entry else int(name or 0)
    home = entry[5] if entry else "/"
    groups = [fields for line in group.splitlines() if len(fields := line.split(":")) >= 4]
    if group_name:
        return User(uid, _group_id(group_name, groups), home)
    others = tuple(int(f[2]) for f in groups if entry and entry[0] in f[3].split(","))
    return User(uid, int(entry[3]) if entry else 0, home, others)


def load_seccomp() -> Json:
    """The system calls that containers may make; others fail with ENOSYS, or EPERM if they exist to rule a machine."""
    loaded: Json = json.loads(files("ringfence.runtime").joinpath("seccomp.json").read_text())
    return loaded


def _group_id(name: str, groups: list[list[str]]) -> int:
    entry = next((f for f in groups if name in (f[0], f[2])), None)
    if entry is None and not name.isdecimal():
        raise BadUser(f"unable to find group {name}: no matching entries in group file")
    return int(entry[2]) if entry else int(name)


def _args(spec: ContainerSpec) -> tuple[str, ...]:
    if spec.entrypoint is not None:
        return (*spec.entrypoint, *spec.args)
    return (*spec.image.entrypoint, *(spec.args or spec.image.command))


def _environment(spec: ContainerSpec, user: User) -> Mapping[str, str]:
    """The image's variables, then ours, then those of the caller: a model that brings its own CA bundle gets it."""
    authorities = dict.fromkeys(CA_VARIABLES, CA_BUNDLE) if spec.ca_bundle else {}
    return {
        "PATH": DEFAULT_PATH,
        "HOME": user.home,
        "HOSTNAME": spec.hostname,
        **spec.image.env,
        **authorities,
        **spec.env,
    }


def _namespaces(spec: ContainerSpec, host: Host) -> list[Json]:
    own = ["pid", "mount", "ipc", "uts", *(["cgroup"] if host.unified else [])]
    return [{"type": "network", "path": str(spec.network_namespace)}, *({"type": kind} for kind in own)]


def _resources(spec: ContainerSpec, host: Host) -> Json:
    memory: Json = {"limit": spec.memory_bytes}
    if host.swap:
        memory["swap"] = spec.memory_bytes  # memory and swap together: no swap at all
    cpus = min(spec.cpus, host.cores)
    return {
        "devices": [{"allow": False, "access": "rwm"}],
        "memory": memory,
        "cpu": {"period": CPU_PERIOD, "quota": max(int(cpus * CPU_PERIOD), 1000)},
        "pids": {"limit": spec.pids},
    }


def _system_mounts(spec: ContainerSpec, layer: Path) -> list[Json]:
    """What is no file of anybody's: kernel file systems and memory. The limit on memory covers what they hold."""
    plain = ["nosuid", "noexec", "nodev"]
    temporary = _mount("tmpfs", "/tmp", ["nosuid", "nodev", "mode=1777", f"size={spec.memory_bytes // 2}"])  # noqa: S108
    if spec.layer is not None:
        temporary = _bind(Mount(layer / "tmp", "/tmp", read_only=False))  # noqa: S108
    return [
        _mount("proc", "/proc", plain),
        _mount("tmpfs", "/dev", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount("devpts", "/dev/pts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        _mount("tmpfs", "/dev/shm", [*plain, "mode=1777", f"size={spec.shm_bytes}"]),  # noqa: S108
        _mount("mqueue", "/dev/mqueue", plain),
        _mount("sysfs", "/sys", [*plain, "ro"]),
        _mount("cgroup", "/sys/fs/cgroup", [*plain, "relatime", "ro"]),
        temporary,
        _mount("tmpfs", "/run", [*plain, "mode=755", "size=65536k"]),
    ]


def _mount(kind: str, target: str, options: list[str]) -> Json:
    return {"destination": target, "type": kind, "source": kind, "options": options}


def _binds(spec: ContainerSpec, generated: Path) -> list[Mount]:
    """The image's, the caller's, then ours, each lot with what lies inside another after it."""
    ours = [Mount(generated / name, f"/etc/{name}") for name in ("hosts", "hostname", "resolv.conf")]
    if spec.ca_bundle:
        ours += [Mount(spec.ca_bundle, CA_BUNDLE), Mount(spec.ca_bundle, SYSTEM_CA_BUNDLE)]
    lots = (spec.image.mounts, spec.mounts, ours)
    return [mount for lot in lots for mount in sorted(lot, key=lambda m: len(PurePosixPath(m.target).parts))]


def layers_of(spec: ContainerSpec, directory: Path) -> dict[Mount, Path]:
    """Mount -> the directory, below that of the container, whose `upper` holds what is written over it."""
    if spec.read_only_root:
        return {}
    return {mount: directory / "layer" / str(n) for n, mount in enumerate(spec.image.mounts) if mount.layered}


def _overlay(mount: Mount, layer: Path) -> Json:
    places = {"lowerdir": mount.source, "upperdir": layer / "upper", "workdir": layer / "work"}
    # https://docs.kernel.org/filesystems/overlayfs.html: colons and commas part directories and options
    told = [
        f"{name}={str(path).replace(':', chr(92) + ':').replace(',', chr(92) + ',')}" for name, path in places.items()
    ]
    return {
        "destination": mount.target,
        "type": "overlay",
        "source": "overlay",
        "options": [*told, "nosuid", "nodev"],
    }


def _bind(mount: Mount) -> Json:
    options = ["bind", "nosuid", "nodev", "ro" if mount.read_only else "rw"]
    return {"destination": mount.target, "type": "bind", "source": str(mount.source), "options": options}
