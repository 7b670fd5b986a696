"""Real containers: what they serve, what they cannot do, how they are found again, and that nothing is left."""

import asyncio
import contextlib
import json
import os
import pickle
import secrets
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from oci_image import shell_layer, write_layout

from ringfence.config import Config
from ringfence.runtime.driver import Absent, ContainerSpec, Exited, Image, Mount, Running, StartFailed, volume_of
from ringfence.runtime.image import ImageStore
from ringfence.runtime.oci import OciDriver
from tests.patience import eventually_on_loop

pytestmark = pytest.mark.root

SKLEARN = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
MIB = 1024**2
GIB = 1024**3


@dataclass
class Stage:
    """A driver with its own state, and an empty network namespace with loopback."""

    driver: OciDriver
    config: Config
    namespace: Path

    def spec(self, image: Image, *command: str, **more: Any) -> ContainerSpec:
        id = "i-" + secrets.token_hex(4)
        facts: dict[str, Any] = {"memory_bytes": GIB, "cpus": 1, "pids": 256, **more}
        log = self.config.instances / id / "log"
        return ContainerSpec(id=id, image=image, network_namespace=self.namespace, log=log, args=command, **facts)

    async def run(self, image: Image, *command: str, **more: Any) -> tuple[Exited, str]:
        """Run to the end and read the log."""
        spec = self.spec(image, *command, **more)
        await self.driver.start(spec)
        state = await asyncio.wait_for(self.driver.wait(spec.id), 120)
        assert isinstance(state, Exited)
        return state, spec.log.read_text()

    async def shell(self, image: Image, script: str, **more: Any) -> tuple[Exited, str]:
        return await self.run(image, "sh", "-c", script, **more)

    async def python(self, image: Image, script: str, **more: Any) -> tuple[Exited, str]:
        return await self.run(image, sys.executable, "-c", script, **more)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(state=tmp_path / secrets.token_hex(4))


@pytest.fixture
def namespace() -> Iterator[Path]:
    name = f"rftest{secrets.token_hex(4)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield Path("/run/netns") / name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
async def stage(config: Config, namespace: Path) -> AsyncIterator[Stage]:
    made = Stage(OciDriver(config), config, namespace)
    try:
        yield made
    finally:
        await made.driver.remove_everything()
        await eventually_on_loop(lambda: traces(config), lambda left: not left)


@pytest.fixture(scope="session")
def shell_image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    directory = tmp_path_factory.mktemp("shell")
    layer = shell_layer("cat", "sleep", "ls", "id", "touch").finish()
    write_layout(directory / "layout", [layer], {"Env": ["PATH=/bin"]})
    return asyncio.run(ImageStore(directory / "images").import_archive(str(directory / "layout"), "shell:1"))


@pytest.fixture
def builtin(config: Config) -> Image:
    image = ImageStore(config.images).resolve(SKLEARN)
    assert image is not None
    return image


def traces(config: Config) -> list[str]:
    """What of this daemon's is left on the machine, outside its state directory."""
    places = (*Path("/sys/fs/cgroup").glob(f"*/{config.prefix}"), *Path("/run").glob(f"{config.prefix}*"))
    found = [str(path) for path in places]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(config.state) in line]
    return found + processes(str(config.state)) + processes(f"/run/{config.prefix}")


def processes(word: str) -> list[str]:
    """The command lines that have it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_text()
            if word in command:
                found.append(command)
    return found


def request(namespace: Path, method: str, path: str, body: str = "") -> tuple[int, str]:
    """An HTTP request to the container through the namespace's loopback."""
    script = f"""
import http.client, time
for attempt in range(2000):
    try:
        c = http.client.HTTPConnection("127.0.0.1", 8080, timeout=100)
        c.request({method!r}, {path!r}, body={body!r}.encode(), headers={{"Content-Type": "application/json"}})
        r = c.getresponse()
        print(r.status, r.read().decode(), end="")
        break
    except ConnectionRefusedError:
        time.sleep(0.05)
"""
    done = subprocess.run(
        ["ip", "netns", "exec", namespace.name, sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    status, _, text = done.stdout.partition(" ")
    return int(status), text


def make_model(directory: Path) -> Path:
    import joblib
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    (directory / "code").mkdir(parents=True)
    joblib.dump(LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True)), directory / "model.joblib")
    (directory / "code/inference.py").write_text(
        "import os, joblib\ndef model_fn(directory):\n    return joblib.load(os.path.join(directory, 'model.joblib'))\n"
    )
    return directory


async def test_a_scikit_learn_model_is_served(tmp_path: Path, stage: Stage, builtin: Image) -> None:
    model = make_model(tmp_path / "model")
    spec = stage.spec(builtin, "serve", mounts=(Mount(model, "/opt/ml/model"),))
    await stage.driver.start(spec)
    assert await asyncio.to_thread(request, stage.namespace, "GET", "/ping") == (200, "")
    rows = "[[5.1, 3.5, 1.4, 0.2], [6.2, 3.4, 5.4, 2.3]]"
    assert await asyncio.to_thread(request, stage.namespace, "POST", "/invocations", rows) == (200, "[0, 2]")
    await stage.driver.stop(spec.id, grace=10)
    assert stage.driver.state(spec.id) == Exited(0)
    assert '"POST /invocations HTTP/1.1" 200' in spec.log.read_text()
    await stage.driver.delete(spec.id)
    assert stage.driver.state(spec.id) == Absent()
    assert stage.driver.list_ids() == ()


async def test_no_privilege_at_all(stage: Stage, shell_image: Image) -> None:
    state, log = await stage.shell(shell_image, "id -u; cat /proc/self/status")
    assert state == Exited(0)
    status = dict(line.split(":\t", 1) for line in log.splitlines() if ":\t" in line)
    assert {status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert log.startswith("0\n")


async def test_own_namespaces(stage: Stage, shell_image: Image) -> None:
    spec = stage.spec(shell_image, "sh", "-c", "ls -l /proc/self/ns; sleep 60")
    await stage.driver.start(spec)
    state = stage.driver.state(spec.id)
    assert isinstance(state, Running)
    for kind in ("pid", "mnt", "ipc", "uts", "net"):
        assert os.readlink(f"/proc/{state.pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
    assert os.stat(f"/proc/{state.pid}/ns/net").st_ino == stage.namespace.stat().st_ino


async def test_the_root_is_read_only_and_the_rest_as_asked(tmp_path: Path, stage: Stage, shell_image: Image) -> None:
    for name in ("model", "output"):
        (tmp_path / name).mkdir()
    mounts = (Mount(tmp_path / "model", "/opt/ml/model"), Mount(tmp_path / "output", "/opt/ml/output", read_only=False))
    places = "/ /etc /bin /opt/ml/model /sys /proc/sys/kernel /opt/ml/output /tmp /dev/shm /run"
    script = f"for d in {places}; do touch $d/x 2>/dev/null && echo $d; done; true"
    _, log = await stage.shell(shell_image, script, mounts=mounts)
    assert log.split() == ["/opt/ml/output", "/tmp", "/dev/shm", "/run"]
    assert (tmp_path / "output/x").exists()


async def test_a_writable_root_is_the_containers_own(stage: Stage, shell_image: Image) -> None:
    state, _ = await stage.shell(shell_image, "touch /mine", read_only_root=False)
    assert state == Exited(0)
    assert not (shell_image.rootfs / "mine").exists()


async def test_files_of_the_machine_are_not_there(stage: Stage, builtin: Image) -> None:
    script = '''
import os, json
hidden = """/etc/shadow /etc/ssh /etc/machine-id /root/.ssh /root/.bashrc /home /var/lib/dpkg /boot /run/netns
    /proc/1/root/etc/shadow""".split()
seen = [path for path in hidden if os.path.exists(path)]
pids = [p for p in os.listdir("/proc") if p.isdigit()]
print(json.dumps([seen, pids, sorted(os.listdir("/")), sorted(os.listdir("/dev"))]))
'''
    state, log = await stage.python(builtin, script)
    assert state == Exited(0), log
    seen, pids, top, devices = json.loads(log)
    # the Python environment itself may lie below one of these
    assert [path for path in seen if not any(str(m.target).startswith(path) for m in builtin.mounts)] == []
    assert pids == ["1"]
    assert not {"sda", "vda", "kmsg", "mem", "kvm", "fuse"} & set(devices)
    assert "boot" not in top


async def test_dangerous_calls_are_refused(stage: Stage, builtin: Image) -> None:
    script = """
import ctypes, errno, json, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    ctypes.set_errno(0)
    return errno.errorcode[ctypes.get_errno()] if libc.syscall(number, *args) < 0 else "done"
tried = {
    "mount": call(165, b"none", b"/tmp", b"tmpfs", 0, 0), "unshare": call(272, 0x10000000), "ptrace": call(101, 0, 0),
    "bpf": call(321, 0, 0, 0), "keyctl": call(250, 0, 0), "userfaultfd": call(323, 0), "io_uring": call(425, 1, 0),
    "setns": call(308, 0, 0), "clone newuser": call(56, 0x10000011, 0, 0, 0, 0), "clone3": call(435, 0, 0),
    "perf_event_open": call(298, 0, 0, -1, -1, 0),
}
for family in (17, 38, 40):
    try:
        socket.socket(family, socket.SOCK_STREAM if family == 40 else socket.SOCK_DGRAM); tried[str(family)] = "done"
    except OSError as e:
        tried[str(family)] = errno.errorcode[e.errno]
print(json.dumps(tried))
"""
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86_64")
    state, log = await stage.python(builtin, script)
    assert state == Exited(0), log
    tried = json.loads(log)
    assert set(tried.values()) <= {"EPERM", "ENOSYS"}, tried
    assert tried["clone3"] == "ENOSYS", "glibc falls back to clone for this error only"


async def test_memory_limit(stage: Stage, builtin: Image) -> None:
    state, _ = await stage.python(builtin, "x = b'x' * (512 << 20); print('survived')", memory_bytes=64 * MIB)
    assert state == Exited(137, out_of_memory=True)


async def test_pids_limit(stage: Stage, builtin: Image) -> None:
    script = """
import os, time
n = 0
try:
    while n < 100:
        if os.fork() == 0:
            time.sleep(60)
        n += 1
except OSError as error:
    print(n, error.errno)
"""
    _, log = await stage.python(builtin, script, pids=20)
    started, number = log.split()
    assert 10 <= int(started) < 20
    assert int(number) == 11


async def test_cpu_limit(stage: Stage, shell_image: Image) -> None:
    script = "cat /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us"
    _, log = await stage.shell(shell_image, script, cpus=0.5)
    assert log.split()[0] == "50000"


async def test_generated_files_and_environment(tmp_path: Path, stage: Stage, shell_image: Image) -> None:
    (tmp_path / "ca.pem").write_text("AUTHORITY\n")
    files = "/etc/hosts /etc/hostname /etc/resolv.conf $SSL_CERT_FILE /etc/ssl/certs/ca-certificates.crt"
    _, log = await stage.shell(
        shell_image,
        f"cat {files} /proc/sys/kernel/hostname; echo $FOO",
        hostname="algo-1",
        hosts=(("10.0.1.9", "algo-1"),),
        nameservers=("10.0.0.2",),
        search=("x.internal",),
        ca_bundle=tmp_path / "ca.pem",
        env={"FOO": "bar"},
    )
    assert log == (
        "127.0.0.1\tlocalhost\n10.0.1.9\talgo-1\nalgo-1\nsearch x.internal\nnameserver 10.0.0.2\n"
        "AUTHORITY\nAUTHORITY\nalgo-1\nbar\n"
    )


async def test_the_image_says_who_runs(stage: Stage, shell_image: Image) -> None:
    _, log = await stage.shell(replace(shell_image, user="model"), "id -u; id -g")
    assert log == "1000\n1000\n"
    with pytest.raises(StartFailed, match="unable to find user nobody-here"):
        await stage.shell(replace(shell_image, user="nobody-here"), "id")


async def test_missing_serve(stage: Stage, shell_image: Image) -> None:
    spec = stage.spec(shell_image, "serve")
    with pytest.raises(StartFailed) as caught:
        await stage.driver.start(spec)
    assert caught.value.reason == 'exec: "serve": executable file not found in $PATH'
    assert stage.driver.state(spec.id) == Absent()
    assert 'exec: "serve": executable file not found in $PATH' in spec.log.read_text()


async def test_missing_namespace(stage: Stage, shell_image: Image) -> None:
    with pytest.raises(StartFailed, match="nowhere"):
        await stage.driver.start(replace(stage.spec(shell_image, "sh"), network_namespace=Path("/run/netns/nowhere")))


async def test_an_id_is_used_once(stage: Stage, shell_image: Image) -> None:
    spec = stage.spec(shell_image, "sleep", "60")
    await stage.driver.start(spec)
    with pytest.raises(ValueError, match="delete it first"):
        await stage.driver.start(spec)
    assert isinstance(stage.driver.state(spec.id), Running)
    with pytest.raises(ValueError, match="cannot name a container"):
        await stage.driver.start(replace(spec, id="../x"))


async def test_exit_code_and_both_streams(stage: Stage, shell_image: Image) -> None:
    state, log = await stage.shell(shell_image, "echo out; echo err >&2; exit 7")
    assert state == Exited(7)
    assert sorted(log.split()) == ["err", "out"]


async def test_streams_are_opened_by_name(stage: Stage, shell_image: Image) -> None:
    """As nginx's images do, and scripts that truncate what they write to: no line before is lost."""
    script = "echo 1; echo 2 > /dev/stdout; echo 3 >> /dev/stderr; echo 4 > /proc/1/fd/1; echo 5"
    for user in ("", "model"):
        assert await stage.shell(replace(shell_image, user=user), script) == (Exited(0), "1\n2\n3\n4\n5\n")


async def test_all_that_was_written_is_in_the_log(stage: Stage, builtin: Image) -> None:
    """More than a pipe holds, with pauses and without, to the last byte before the end."""
    script = """
import os, time
for n in range(40_000):
    os.write(1, b"%0127d\\n" % n)
    if n % 8_000 == 0:
        time.sleep(0.02)
os._exit(3)
"""
    state, log = await stage.python(builtin, script)
    assert state == Exited(3)
    assert log.split() == [f"{n:0127d}" for n in range(40_000)]


async def test_a_full_disk_loses_lines_and_ends_nobody(stage: Stage, shell_image: Image) -> None:
    spec = replace(stage.spec(shell_image, "sh", "-c", "echo 1; sleep 0.2; echo 2 || exit 1"), log=Path("/dev/full"))
    await stage.driver.start(spec)
    assert await asyncio.wait_for(stage.driver.wait(spec.id), 120) == Exited(0)


async def test_no_signal_is_ignored(stage: Stage, shell_image: Image) -> None:
    _, log = await stage.shell(shell_image, "exec cat /proc/self/status")
    status = dict(line.split(":\t", 1) for line in log.splitlines() if ":\t" in line)
    # 32 and 33 are the C library's own: whom `posix_spawn` has started, as `make` starts all, has them ignored
    others = ~(1 << 31 | 1 << 32)
    assert {int(status[name], 16) & others for name in ("SigIgn", "SigBlk", "SigCgt")} == {0}


async def test_one_process_for_all_containers(stage: Stage, shell_image: Image) -> None:
    specs = [stage.spec(shell_image, "sleep", "60") for _ in range(3)]
    await asyncio.gather(*(stage.driver.start(spec) for spec in specs))
    mine = f"/run/{stage.config.prefix}-containers"
    await eventually_on_loop(lambda: len(processes(mine)) == 1)
    shims = {(stage.config.instances / spec.id / "container/shim").read_text().split()[0] for spec in specs}
    assert len(shims) == 1


async def test_stop_kills_who_does_not_listen(stage: Stage, shell_image: Image) -> None:
    spec = stage.spec(shell_image, "sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done")
    await stage.driver.start(spec)
    # until then it is the runtime's own process, which does listen
    await eventually_on_loop(spec.log.read_text, lambda text: text == "deaf\n")
    await stage.driver.stop(spec.id, grace=0.3)
    assert stage.driver.state(spec.id) == Exited(137)
    await stage.driver.stop(spec.id)


DAEMON = """
import asyncio, os, pickle, sys
from ringfence.runtime.oci import OciDriver
config, specs = pickle.load(sys.stdin.buffer)
async def main():
    driver = OciDriver(config)
    for spec in specs:
        await driver.start(spec)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""


async def test_a_later_daemon_adopts(stage: Stage, shell_image: Image) -> None:
    """Start from another process, kill -9 that one, and find running and ended containers again."""
    specs = [
        stage.spec(shell_image, "sh", "-c", "while [ ! -e /opt/go/x ]; do sleep 0.05; done; exit 5",
                  mounts=(Mount(stage.config.state / "go", "/opt/go"),)),
        stage.spec(shell_image, "sh", "-c", "exit 6"),
    ]  # fmt: skip
    (stage.config.state / "go").mkdir(parents=True)
    given = pickle.dumps((stage.config, specs))
    daemon = subprocess.run([sys.executable, "-c", DAEMON], input=given, timeout=200, check=False)
    assert daemon.returncode == -9
    assert stage.driver.list_ids() == tuple(sorted(spec.id for spec in specs))
    assert isinstance(stage.driver.state(specs[0].id), Running)
    assert await asyncio.wait_for(stage.driver.wait(specs[1].id), 120) == Exited(6)
    (stage.config.state / "go/x").touch()
    assert await asyncio.wait_for(stage.driver.wait(specs[0].id), 120) == Exited(5)
    await eventually_on_loop(lambda: not processes(f"/run/{stage.config.prefix}"))


async def test_the_watcher_killed_leaves_no_lie(stage: Stage, shell_image: Image) -> None:
    spec = stage.spec(shell_image, "sleep", "60")
    await stage.driver.start(spec)
    shim = int((stage.config.instances / spec.id / "container/shim").read_text().split()[0])
    os.killpg(shim, 9)
    await asyncio.sleep(0.1)
    assert isinstance(stage.driver.state(spec.id), Running)
    await stage.driver.stop(spec.id, grace=0.1)
    assert stage.driver.state(spec.id) == Exited(None)
    assert await stage.shell(shell_image, "exit 4") == (Exited(4), ""), "the next container gets another watcher"


async def test_what_a_killed_daemon_had_prepared_and_not_started_is_started(stage: Stage, shell_image: Image) -> None:
    spec = stage.spec(shell_image, "sh", "-c", "echo once")
    prepared = stage.config.instances / spec.id / "container"
    (prepared / "layer").mkdir(parents=True)
    (prepared / "config.json").write_text("{}")
    assert stage.driver.state(spec.id) == Absent()
    await stage.driver.start(spec)
    assert await asyncio.wait_for(stage.driver.wait(spec.id), 120) == Exited(0)
    assert spec.log.read_text() == "once\n"
    await stage.driver.delete(spec.id)


async def test_delete_kills_what_runs(stage: Stage, shell_image: Image) -> None:
    spec = stage.spec(shell_image, "sh", "-c", "sleep 60 & sleep 60")
    await stage.driver.start(spec)
    state = stage.driver.state(spec.id)
    assert isinstance(state, Running)
    await stage.driver.delete(spec.id)
    assert not Path(f"/proc/{state.pid}").exists()
    assert stage.driver.state(spec.id) == Absent()
    assert spec.log.parent.exists(), "the log is not the driver's to remove"
    await stage.driver.delete(spec.id)


async def test_everything_goes_even_without_its_files(stage: Stage, shell_image: Image) -> None:
    spec = stage.spec(shell_image, "sleep", "60")
    await stage.driver.start(spec)
    state = stage.driver.state(spec.id)
    assert isinstance(state, Running)
    while stage.config.instances.exists():  # the shim may write there still
        shutil.rmtree(stage.config.instances, ignore_errors=True)
    await stage.driver.remove_everything()
    assert not Path(f"/proc/{state.pid}").exists()


@pytest.mark.skipif(not Path("/dev/loop-control").exists(), reason="no loop devices here")
async def test_volumes_that_outlive_instances_are_unmounted_with_everything(stage: Stage, shell_image: Image) -> None:
    directory = stage.config.volumes / "vol-1"
    await stage.driver.open_volume(directory, 1 << 30)
    (volume_of(directory) / "kept").write_text("1")
    await stage.driver.start(stage.spec(shell_image, "sleep", "60"))
    await stage.driver.remove_everything()
    assert str(stage.config.volumes) not in Path("/proc/mounts").read_text()
    await stage.driver.open_volume(directory, 1 << 30)
    assert (volume_of(directory) / "kept").exists()


async def test_many_at_once(stage: Stage, shell_image: Image) -> None:
    specs = [stage.spec(shell_image, "sh", "-c", f"exit {n}") for n in range(6)]
    await asyncio.gather(*(stage.driver.start(spec) for spec in specs))
    states = await asyncio.wait_for(asyncio.gather(*(stage.driver.wait(spec.id) for spec in specs)), 120)
    assert states == [Exited(n) for n in range(6)]


async def test_crun_is_used_only_where_it_works(stage: Stage, shell_image: Image) -> None:
    stage.driver = OciDriver(stage.config, prefer="crun")
    assert await stage.shell(shell_image, "echo here") == (Exited(0), "here\n")
    with pytest.raises(StartFailed) as caught:
        await stage.driver.start(stage.spec(shell_image, "serve"))
    assert caught.value.reason == 'exec: "serve": executable file not found in $PATH'
