"""The OCI configuration: what a container is denied, and how image and request are merged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ringfence.runtime.driver import ContainerSpec, Image, Mount
from ringfence.runtime.spec import BadUser, Host, User, build_config, build_files, load_seccomp, resolve_user

GIB = 1024**3
HOST = Host(cores=4, files=20000, swap=True, unified=False)
ROOT = User(0, 0, "/root")
IMAGE = Image(
    name="x:latest", digest="sha256:0", rootfs=Path("/img"), env={"A": "image", "PATH": "/p"}, command=("cmd",)
)
SPEC = ContainerSpec(
    id="i-1",
    image=IMAGE,
    network_namespace=Path("/run/netns/n"),
    log=Path("/log"),
    memory_bytes=GIB,
    cpus=2,
    pids=100,
)


def config(spec: ContainerSpec = SPEC, host: Host = HOST, user: User = ROOT) -> dict[str, Any]:
    return build_config(spec, host, user, "/rf/i-1/container", Path("/gen"))


def test_nothing_is_permitted() -> None:
    process = config()["process"]
    assert process["noNewPrivileges"] is True
    assert set(process["capabilities"]) == {"bounding", "effective", "inheritable", "permitted", "ambient"}
    assert not any(process["capabilities"].values())
    assert config()["root"] == {"path": "rootfs", "readonly": True}
    assert config()["linux"]["resources"]["devices"] == [{"allow": False, "access": "rwm"}]


@pytest.mark.parametrize("unified", [True, False])
def test_namespaces(unified: bool) -> None:
    found = {n["type"]: n.get("path") for n in config(host=replace(HOST, unified=unified))["linux"]["namespaces"]}
    own = {"pid", "mount", "ipc", "uts"} | ({"cgroup"} if unified else set())
    assert found == {"network": "/run/netns/n", **dict.fromkeys(own)}


def test_limits() -> None:
    resources = config()["linux"]["resources"]
    assert resources["memory"] == {"limit": GIB, "swap": GIB}
    assert resources["cpu"] == {"period": 100000, "quota": 200000}
    assert resources["pids"] == {"limit": 100}
    assert config(host=replace(HOST, swap=False))["linux"]["resources"]["memory"] == {"limit": GIB}


def test_cpus_are_never_more_than_this_machine_has() -> None:
    assert config(replace(SPEC, cpus=96))["linux"]["resources"]["cpu"]["quota"] == 400000


def test_open_files_are_clamped() -> None:
    (nofile,) = (r for r in config()["process"]["rlimits"] if r["type"] == "RLIMIT_NOFILE")
    assert (nofile["soft"], nofile["hard"]) == (20000, 20000)


@pytest.mark.parametrize(
    ("image_entrypoint", "entrypoint", "args", "expected"),
    [
        ((), None, ("serve",), ["serve"]),
        (("/e", "-x"), None, ("serve",), ["/e", "-x", "serve"]),
        (("/e",), None, (), ["/e", "cmd"]),
        ((), None, (), ["cmd"]),
        (("/e",), ("python3",), ("a.py",), ["python3", "a.py"]),
        (("/e",), ("python3",), (), ["python3"]),
    ],
)
def test_arguments(image_entrypoint: Any, entrypoint: Any, args: Any, expected: list[str]) -> None:
    spec = replace(SPEC, image=replace(IMAGE, entrypoint=image_entrypoint), entrypoint=entrypoint, args=args)
    assert config(spec)["process"]["args"] == expected


def test_environment_of_the_request_wins() -> None:
    spec = replace(SPEC, ca_bundle=Path("/ca.pem"), env={"A": "model", "AWS_CA_BUNDLE": "/mine"})
    env = dict(entry.split("=", 1) for entry in config(spec)["process"]["env"])
    assert env["A"] == "model"
    assert env["PATH"] == "/p"
    assert env["AWS_CA_BUNDLE"] == "/mine"
    assert env["SSL_CERT_FILE"] == env["REQUESTS_CA_BUNDLE"] == "/etc/ringfence/ca.pem"
    assert env["HOME"] == "/root"


def test_mounts_lie_over_each_other_in_order() -> None:
    image = replace(IMAGE, mounts=(Mount(Path("/a/b"), "/a/b"), Mount(Path("/usr"), "/usr")))
    spec = replace(SPEC, image=image, mounts=(Mount(Path("/o"), "/opt/ml/output", read_only=False),))
    mounts = config(spec)["mounts"]
    targets = [mount["destination"] for mount in mounts]
    assert targets.index("/usr") < targets.index("/a/b") < targets.index("/opt/ml/output") < targets.index("/etc/hosts")
    options = {mount["destination"]: mount["options"] for mount in mounts}
    assert "ro" in options["/usr"] and "nosuid" in options["/usr"] and "nodev" in options["/usr"]
    assert "rw" in options["/opt/ml/output"]
    assert "ro" in options["/sys"] and "ro" in options["/sys/fs/cgroup"]


def test_generated_files() -> None:
    spec = replace(
        SPEC, hostname="algo-1", hosts=(("10.0.1.7", "algo-1"), ("10.0.2.7", "algo-2")), nameservers=("10.0.0.2",),
        search=("us-west-2.compute.internal",),
    )  # fmt: skip
    assert build_files(spec) == {
        "hosts": "127.0.0.1\tlocalhost\n10.0.1.7\talgo-1\n10.0.2.7\talgo-2\n",
        "hostname": "algo-1\n",
        "resolv.conf": "search us-west-2.compute.internal\nnameserver 10.0.0.2\n",
    }
    assert build_files(SPEC)["resolv.conf"] == ""
    assert build_files(replace(SPEC, hostname="h"))["hosts"] == "127.0.0.1\tlocalhost\n127.0.0.1\th\n"


PASSWD = "root:x:0:0:root:/root:/bin/sh\nmodel:x:1000:1001::/home/model:/bin/sh\n"
GROUP = "root:x:0:\nmodel:x:1001:\ndata:x:50:model\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", User(0, 0, "/root")),
        ("root", User(0, 0, "/root")),
        ("model", User(1000, 1001, "/home/model", (50,))),
        ("1000", User(1000, 1001, "/home/model", (50,))),
        ("model:data", User(1000, 50, "/home/model")),
        ("1234", User(1234, 0, "/")),
        ("1234:5", User(1234, 5, "/")),
    ],
)
def test_users(user: str, expected: User) -> None:
    assert resolve_user(user, PASSWD, GROUP) == expected


@pytest.mark.parametrize("user", ["nobody", "model:nogroup"])
def test_an_unknown_user_is_refused(user: str) -> None:
    with pytest.raises(BadUser):
        resolve_user(user, PASSWD, GROUP)


def test_an_image_without_passwd_runs_as_root() -> None:
    assert resolve_user("", "", "") == User(0, 0, "/")


DANGEROUS = """
    mount umount2 pivot_root chroot move_mount fsopen fsmount open_tree mount_setattr ptrace
    process_vm_readv process_vm_writev bpf keyctl add_key request_key kexec_load kexec_file_load init_module
    finit_module delete_module perf_event_open unshare setns clone3 userfaultfd reboot swapon swapoff
    open_by_handle_at io_uring_setup io_uring_enter io_uring_register pidfd_getfd settimeofday clock_settime
    sethostname syslog iopl ioperm acct quotactl fanotify_init"""


def test_seccomp_denies_by_default_and_allows_nothing_dangerous() -> None:
    profile = load_seccomp()
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {n for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for n in rule["names"]}
    free = {
        n for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule
        for n in rule["names"]
    }  # fmt: skip
    assert not allowed & set(DANGEROUS.split())
    assert not free & {"clone", "socket", "personality"}
    assert {"execve", "futex", "openat", "epoll_wait", "mmap", "fork", "accept4", "getrandom", "rseq"} <= free
