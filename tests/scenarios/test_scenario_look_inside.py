"""`ringfence shell` in a terminal of its own, and `ringfence capture` of packets that are really sent."""

import os
import pty
import select
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from demo.story import BIN, Story
from ringfence.cli.pcap import look

pytestmark = pytest.mark.root
CONNECT = "import socket; socket.create_connection(('{}', 443), 3).close()"


def runtime_interface(story: Story) -> dict[str, str]:
    """An interface of the runtime's endpoint in the first subnet."""
    wanted = [{"Name": "description", "Values": [f"VPC Endpoint Interface {story.facts['runtime_endpoint']}"]}]
    wanted.append({"Name": "subnet-id", "Values": [story.facts["subnets"][0]]})
    found: dict[str, str] = story.client("ec2").describe_network_interfaces(Filters=wanted)["NetworkInterfaces"][0]
    return found


def start_capture(story: Story, interface: str, *options: str) -> "subprocess.Popen[bytes]":
    command = [str(BIN / "ringfence"), "capture", "--state", str(story.state), interface, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    assert b"capturing" in process.stderr.readline()
    return process


def read_pcap(data: bytes) -> list[bytes]:
    assert struct.unpack_from("<I", data)[0] == 0xA1B23C4D
    frames, at = [], 24
    while at < len(data):
        length, on_wire = struct.unpack_from("<II", data, at + 8)
        assert length == on_wire
        frames.append(data[at + 16 : at + 16 + length])
        at += 16 + length
    return frames


def test_a_capture_has_the_connection_and_nothing_else(story: Story, tmp_path: Path) -> None:
    interface = runtime_interface(story)
    address, file = interface["PrivateIpAddress"], tmp_path / "runtime.pcap"
    options = ("-w", str(file), "--protocol", "tcp", "--port", "443", "--count", "3", "--seconds", "200")
    capturing = start_capture(story, interface["NetworkInterfaceId"], *options)
    story.inside(str(BIN / "python"), "-c", CONNECT.format(address))
    _, said = capturing.communicate(timeout=240)
    assert capturing.returncode == 0
    assert b"3 packets" in said
    seen = [look(frame) for frame in read_pcap(file.read_bytes())]
    assert [one and one.flags for one in seen] == [2, 18, 16]  # the handshake
    assert seen[0] is not None
    assert (seen[0].destination, seen[0].destination_port) == (address, 443)
    if tcpdump := shutil.which("tcpdump"):
        shown = subprocess.run([tcpdump, "-nr", str(file)], capture_output=True, text=True, check=True).stdout
        assert len(shown.splitlines()) == 3
        assert f"> {address}.443: Flags [S]" in shown


def test_a_capture_to_standard_output_ends_in_time(story: Story) -> None:
    interface = runtime_interface(story)["NetworkInterfaceId"]
    capturing = start_capture(story, interface, "-w", "-", "--seconds", "0.3", "--host", "192.0.2.1")
    written, said = capturing.communicate(timeout=120)
    assert read_pcap(written) == []
    assert b"0 packets" in said
    capturing = start_capture(story, interface)
    capturing.terminate()
    assert capturing.wait(120) == 0
    capturing.communicate()


def test_captures_that_cannot_be(story: Story) -> None:
    done = story.ringfence("capture", "eni-0123456789abcdef0", "--seconds", "1")
    assert done.returncode == 1
    assert "is no network interface" in done.stderr


def test_a_shell_says_where_it_is(story: Story, tmp_path: Path) -> None:
    subnet, group = story.facts["subnets"][0], story.facts["groups"]["client"]
    command = [str(BIN / "ringfence"), "shell", "--state", str(story.state), subnet, "--groups", group, "--role", "app"]
    leader, follower = pty.openpty()
    environment = {**os.environ, "SHELL": "/bin/bash", "HOME": str(tmp_path), "TERM": "dumb"}
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=environment, start_new_session=True
    )
    os.close(follower)
    try:
        assert f"[{subnet} 10.0.1." in read_until(leader, " app] ")
        os.write(leader, b"ip -o -4 addr show dev eth0; exit 3\n")
        assert "inet 10.0.1." in read_until(leader, "inet 10.0.1.")
        drain(leader, process)
        assert process.wait(120) == 3
    finally:
        process.kill()
        process.wait(120)
        os.close(leader)


def read_until(terminal: int, wanted: str, seconds: float = 120) -> str:
    text, deadline = "", time.monotonic() + seconds
    while wanted not in text:
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        assert ready, text
        text += os.read(terminal, 4096).decode(errors="replace")
    return text


def drain(terminal: int, process: "subprocess.Popen[bytes]") -> None:
    """So that the shell can write its last words."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        if ready:
            try:
                os.read(terminal, 4096)
            except OSError:
                return
