"""`ringfence explain path --live`: the kernel's own rules beside the model's, for one packet and nothing else."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from demo.story import BIN, Story
from tests.patience import eventually

pytestmark = pytest.mark.root
TABLE = "ringfence-probe"


def place(story: Story, group: str = "client") -> str:
    return f"{story.facts['subnets'][0]}:{story.facts['groups'][group]}"


def ask(story: Story, *question: str) -> tuple[int, dict[str, Any]]:
    done = story.ringfence("explain", "path", "--live", "--json", *question)
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, told


def namespaces(story: Story) -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split()[0] for line in listed if line.startswith(story.facts["prefix"])]


def nft(namespace: str, *words: str) -> str:
    command = ["ip", "netns", "exec", namespace, "nft", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.fixture(autouse=True)
def nothing_stays_behind(story: Story) -> Iterator[None]:
    """No namespace that was not there, and no table of ours; the daemon may meanwhile tidy up after an earlier test."""
    before = namespaces(story)
    yield
    eventually(lambda: set(namespaces(story)) <= set(before))
    assert not any(TABLE in nft(name, "list", "tables") for name in before)


QUESTIONS: dict[str, tuple[tuple[str, ...], str, int]] = {
    "an endpoint's name": (("--to", "runtime.sagemaker.us-west-2.amazonaws.com"), "connected", 0),
    "a port that nobody serves": (("--to", "runtime.sagemaker.us-west-2.amazonaws.com", "--port", "80"), "silence", 1),
    "s3": (("--to", "s3.us-west-2.amazonaws.com"), "connected", 0),
    "the internet": (("--to", "internet"), "silence", 1),
    "the resolver": (("--to", "10.0.0.2", "--port", "53", "--protocol", "udp"), "silence", 0),
    "nobody": (("--to", "10.0.2.77"), "silence", 1),
    "a ping": (("--to", "10.0.2.77", "--protocol", "icmp"), "silence", 1),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_model_and_kernel_agree(story: Story, question: str) -> None:
    to, outcome, code = QUESTIONS[question]
    returned, told = ask(story, "--from", place(story), *to)
    assert returned == code, told
    assert told["agree"] is True
    for path in told["paths"]:
        assert path["live"]["outcome"] == outcome, path
        assert path["live"]["agree"] is True, path


def test_the_rules_are_the_kernels_own(story: Story) -> None:
    _, told = ask(story, "--from", place(story), "--to", "runtime.sagemaker.us-west-2.amazonaws.com")
    met = [row["kernel"]["rule"] for row in told["paths"][0]["live"]["rows"] if row["kernel"]]
    assert [rule.partition("-")[0] for rule in met][:1] == ["sgr"]
    assert "service" in met
    _, told = ask(story, "--from", place(story, "stranger"), "--to", story.facts["runtime_endpoint"])
    stopped = [row for path in told["paths"] for row in path["live"]["rows"] if row["kernel"]]
    assert any(row["kernel"]["verdict"] == "drop" and row["agree"] for row in stopped)


def test_from_the_internet(story: Story) -> None:
    code, told = ask(story, "--from", "internet", "--to", "s3.us-west-2.amazonaws.com")
    assert code == 0, told
    assert told["paths"][0]["live"]["outcome"] == "connected"


@contextmanager
def standing(story: Story) -> Iterator[str]:
    """A `ringfence exec` that lasts; its instance."""
    subnet, group = place(story).split(":")
    where = ("--state", str(story.state), "--subnet", subnet, "--security-group", group)
    command = [str(BIN / "ringfence"), "exec", *where, "sh", "-c", "ip -4 -o addr show dev eth0; cat"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[3].partition("/")[0]
    finally:
        process.communicate()


def test_a_rule_that_somebody_planted_is_found(story: Story) -> None:
    """The kernel drops what the model lets through: said loudly, with an exit code of its own."""
    router = next(name for name in namespaces(story) if name.endswith(story.facts["vpc"]))
    question: tuple[str, ...] = ("--to", story.facts["runtime_endpoint"])
    planted = ("insert", "rule", "inet", "ringfence", "route", "tcp", "dport", "443", "drop", "comment", '"planted"')
    with standing(story) as instance:  # before, so that no change of the network mends it meanwhile
        question = ("--from", instance, *question)
        assert ask(story, *question)[0] == 0
        nft(router, *planted)
        try:
            done = story.ringfence("explain", "path", "--live", *question)
        finally:
            listed = nft(router, "-a", "list", "chain", "inet", "ringfence", "route").splitlines()
            handle = next(line.rpartition(" ")[2] for line in listed if "planted" in line)
            nft(router, "delete", "rule", "inet", "ringfence", "route", "handle", handle)
        assert ask(story, *question)[0] == 0
    assert done.returncode == 2, done.stdout
    assert "!!! MODEL AND KERNEL DISAGREE on the verdict" in done.stdout
    assert "✗ planted drop" in done.stdout
