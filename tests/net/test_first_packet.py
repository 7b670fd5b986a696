"""No first packet is lost: what `apply` has returned from carries traffic, however busy the kernel is."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import wire
from world import World

from ringfence.dataplane import netlink
from ringfence.dataplane.apply import Dataplane
from ringfence.dataplane.execute import LINK_GROUP, Executor, run_program
from ringfence.dataplane.plan import AddNamespaces, DeleteNamespaces

pytestmark = pytest.mark.root

ETHERTYPE = 0x88B5  # for experiments
FRAME = b"\xff" * 6 + b"\x02" * 6 + struct.pack("!H", ETHERTYPE) + bytes(46)
LINKS = 30
INSTANCES = 25


def test_a_link_sends_from_the_moment_that_it_is_activated(dataplane: Dataplane) -> None:
    """Without the activation about half of these frames are lost."""
    executor = dataplane._executor
    executor.run([AddNamespaces(("vpc-0", "i-0"))])
    here, there = executor.path("vpc-0").name, executor.path("i-0").name
    links = [
        f"link add r{n} group {LINK_GROUP} netns {here} type veth peer name h{n} netns {there}" for n in range(LINKS)
    ]
    run_program(["ip", "-batch", "-"], "".join(f"{line}\n" for line in links))
    lost = [n for n in range(LINKS) if not frame_arrives(dataplane, f"r{n}", f"h{n}")]
    assert lost == []


def frame_arrives(dataplane: Dataplane, first: str, second: str) -> bool:
    """Both ends come up, the router's first, and it sends one frame at once: the kernel has no time to notice."""
    packets = socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE)
    requests = socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE
    with ExitStack() as stack:

        def enter(device: str) -> tuple[socket.socket, socket.socket, int]:
            opened = [stack.enter_context(socket.socket(*kind)) for kind in (packets, requests)]
            opened[0].bind((device, ETHERTYPE))
            return opened[0], opened[1], socket.if_nametoindex(device)

        sender, router, router_index = dataplane._executor.inside("vpc-0", lambda: enter(first))
        receiver, host, host_index = dataplane._executor.inside("i-0", lambda: enter(second))

        def send() -> None:
            bring_up(router, router_index)
            bring_up(host, host_index)
            netlink.activate_links([first])
            sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # that it was down when bound
            sender.send(FRAME)

        dataplane._executor.inside("vpc-0", send)
        receiver.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        receiver.settimeout(wire.wait())
        try:
            return receiver.recv(100) == FRAME
        except TimeoutError:
            return False


def bring_up(requests: socket.socket, index: int) -> None:
    requests.send(struct.pack("=IHHIIBBHiII", 32, 16, 5, 1, 0, 0, 0, 0, index, 1, 1))
    netlink._check(requests.recv(1 << 16), "link")


async def test_the_first_query_of_a_fresh_instance_arrives(dataplane: Dataplane) -> None:
    """While somebody else keeps the kernel's network lock busy. A lost ARP request would cost a second."""
    world = World()
    vpc = world.vpc()
    subnet, group = world.subnet(vpc, "10.0.0.0/20"), world.group(vpc)
    await dataplane.apply(world.compile())
    stop = wire.echo(dataplane, vpc.id, "169.254.169.253", 53)
    slow = []
    try:
        with busy_kernel(dataplane):
            for _ in range(INSTANCES):
                instance = world.instance(subnet, group)
                await dataplane.apply(world.compile())
                start = time.monotonic()
                answered = wire.ask(dataplane, instance.id, "169.254.169.253", 53)
                if not answered:
                    slow.append((instance.id, time.monotonic() - start))
    finally:
        stop()
    assert slow == []


@contextmanager
def busy_kernel(dataplane: Dataplane) -> Iterator[None]:
    """Other namespaces come and go: each holds the lock for a while."""
    done = threading.Event()
    executor = Executor(f"{dataplane._prefix}x")

    def churn() -> None:
        while not done.is_set():
            executor.run([AddNamespaces(("i-churn",))])
            executor.run([DeleteNamespaces(("i-churn",))])
            done.wait(0.01)

    thread = threading.Thread(target=churn, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(60)
