"""Root in a real container on a real ENI, and what it gets at: its own ENI's flows and nothing beside them."""

import asyncio
import json
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import wire
from world import World

from ringfence.config import Config
from ringfence.dataplane.apply import Dataplane
from ringfence.runtime.driver import ContainerSpec, Exited, Image
from ringfence.runtime.image import ImageStore
from ringfence.runtime.oci import OciDriver

pytestmark = pytest.mark.root
SKLEARN = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"

# Each line is an attempt; the answer is what it gave, or the error that it earned.
ATTEMPTS = r"""
import ctypes, glob, json, os, socket, subprocess
libc = ctypes.CDLL(None, use_errno=True)

def call(name, *given):
    if getattr(libc, name)(*given) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return "done"

def say(path, text):
    with open(path, "w") as file:
        file.write(text)
    return "written"

def reach(address, port, seconds=0.5):
    with socket.create_connection((address, port), seconds):
        return "connected"

def abstract(name):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("\0" + name)
        return "connected"

attempts = {
    "who": lambda: os.getuid(),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW) and "open",
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) and "open",
    "raw icmp": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) and "open",
    "vsock": lambda: socket.socket(40, socket.SOCK_STREAM) and "open",
    "netfilter": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) and _flush(),
    "transparent": lambda: socket.socket().setsockopt(0, 19, 1) or "set",
    "second address": lambda: _address(),
    "namespace of the machine": lambda: call("setns", os.open("/proc/1/ns/net", 0), 0),
    "user namespace": lambda: call("unshare", 0x10000000),
    "network namespace": lambda: call("unshare", 0x40000000),
    "clone with namespaces": lambda: call("syscall", 56, 0x10000000 | 17, 0, 0, 0, 0),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "mount proc": lambda: call("mount", b"proc", b"/tmp", b"proc", 0, None),
    "pivot": lambda: call("syscall", 155, b"/", b"/tmp"),
    "handle": lambda: call("syscall", 304, 0, None, 0),
    "bpf": lambda: call("syscall", 321, 0, None, 0),
    "device": lambda: os.mknod("/tmp/disk", 0o60666, os.makedev(254, 0)) or open("/tmp/disk", "rb").read(1) and "read",
    "kmsg": lambda: os.mknod("/tmp/kmsg", 0o20666, os.makedev(1, 11)) or open("/tmp/kmsg", "rb").read(1) and "read",
    "sysctl": lambda: say("/proc/sys/net/ipv4/ip_forward", "1"),
    "core pattern": lambda: say("/proc/sys/kernel/core_pattern", "|/tmp/x"),
    "sysrq": lambda: say("/proc/sysrq-trigger", "h"),
    "memory of the kernel": lambda: open("/proc/kcore", "rb").read(1) and "read",
    "cgroup": lambda: [say(path, "1") for path in glob.glob("/sys/fs/cgroup/**/memory.*limit*", recursive=True)[:1]
                       or ["/sys/fs/cgroup/memory.max"]] and "written",
    "release agent": lambda: say("/sys/fs/cgroup/release_agent", "/tmp/x"),
    "uevent helper": lambda: say("/sys/kernel/uevent_helper", "/tmp/x"),
    "other processes": lambda: sorted(int(one) for one in os.listdir("/proc") if one.isdigit()) == [1] and "alone",
    "runtime's sockets": lambda: [one for one in glob.glob("/run/**/*", recursive=True) if "sock" in one],
    "namespaces of others": lambda: os.listdir("/run/netns"),
    "the machine's secrets": lambda: [one for one in ("/root/.ssh", "/etc/shadow", "/boot") if os.path.exists(one)],
    "links": lambda: sorted(name for _, name in socket.if_nameindex()),
    "abstract socket": lambda: abstract(NAME),
    "loopback of the machine": lambda: reach("127.0.0.1", PORT),
    "router": lambda: reach("10.0.1.1", PORT),
    "neighbour": lambda: reach("10.0.1.6", 80),
    "others' credentials": lambda: reach("169.254.170.2", 80),
    "friend": lambda: reach("10.0.1.7", 80, 20),
}

def _flush():
    import struct
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    sock.settimeout(1)
    sock.send(struct.pack("=IHHII", 20, 0x102, 0x5, 1, 0) + struct.pack("=BBH", 2, 0, 0))
    code = struct.unpack_from("=i", sock.recv(4096), 16)[0]
    if code:
        raise OSError(-code, os.strerror(-code))
    return "flushed"

def _address():
    import struct
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    sock.settimeout(1)
    body = struct.pack("=BBBBI", 2, 32, 0, 0, socket.if_nametoindex("eth0"))
    for kind in (2, 1):
        body += struct.pack("=HH4s", 8, kind, socket.inet_aton("10.0.1.6"))
    sock.send(struct.pack("=IHHII", 16 + len(body), 20, 0x405, 1, 0) + body)
    code = struct.unpack_from("=i", sock.recv(4096), 16)[0]
    if code:
        raise OSError(-code, os.strerror(-code))
    return "added"

found = {}
for name, attempt in attempts.items():
    try:
        found[name] = attempt()
    except OSError as error:
        found[name] = f"refused: {error}"
print(json.dumps(found))
"""
# What is no error: it is how a fenced container looks.
PLAIN = {
    "who": 0,
    "other processes": "alone",
    "runtime's sockets": [],
    "the machine's secrets": [],
    "friend": "connected",
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(state=tmp_path / secrets.token_hex(4))


@pytest.fixture
async def driver(config: Config) -> AsyncIterator[OciDriver]:
    made = OciDriver(config)
    try:
        yield made
    finally:
        await made.remove_everything()


@pytest.fixture
def abstract_name() -> Iterator[str]:
    name = f"ringfence-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"\0{name}")
        sock.listen()
        yield name


async def attack(driver: OciDriver, config: Config, image: Image, namespace: Path, *facts: object) -> dict[str, Any]:
    id = "i-" + secrets.token_hex(4)
    script = f"NAME, PORT = {facts!r}\n{ATTEMPTS}"
    log = config.instances / id / "log"
    command = (sys.executable, "-c", script)
    limits = {"memory_bytes": 1 << 30, "cpus": 1, "pids": 64}
    await driver.start(
        ContainerSpec(id=id, image=image, network_namespace=namespace, log=log, args=command, **limits)  # type: ignore[arg-type]
    )
    assert await asyncio.wait_for(driver.wait(id), 200) == Exited(0), log.read_text()
    found: dict[str, Any] = json.loads(log.read_text().splitlines()[-1])
    return found


@pytest.mark.parametrize("isolated", [False, True])
async def test_root_in_a_container(
    dataplane: Dataplane, driver: OciDriver, config: Config, abstract_name: str, isolated: bool
) -> None:
    image = ImageStore(config.images).resolve(SKLEARN)
    assert image is not None
    world = World()
    vpc = world.vpc()
    subnet, group, opened = world.subnet(vpc, "10.0.1.0/24"), world.group(vpc), world.group(vpc)
    world.rule(opened, port=80, cidr_ipv4="10.0.1.5/32")
    attacker = world.instance(subnet, group, address="10.0.1.5", isolated=isolated)
    victim = world.instance(subnet, group, address="10.0.1.6", role_arn="arn:aws:iam::123456789012:role/r")
    friend = world.instance(subnet, opened, address="10.0.1.7")
    topology = world.compile()
    await dataplane.apply(topology)
    name = topology.instances[attacker.id].isolated_namespace if isolated else attacker.id
    with (
        wire.listen(dataplane, victim.id, "10.0.1.6", 80),
        wire.listen(dataplane, victim.id, "169.254.170.2", 80),
        wire.listen(dataplane, friend.id, "10.0.1.7", 80),
        wire.listen(dataplane, vpc.id, "0.0.0.0", 9),
        socket.socket() as listening,
    ):
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        found = await attack(driver, config, image, dataplane.namespace_path(name), abstract_name, port)
    expected = PLAIN | {"links": ["lo"] if isolated else ["eth0", "lo"]}
    if isolated:
        del expected["friend"]
    through = {what: got for what, got in found.items() if not str(got).startswith("refused: ")}
    assert through == expected, found
