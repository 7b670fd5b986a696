"""`sudo` of notebook instances: what its options mean. That it makes one root is tested in a real one, in scenarios."""

import pwd

import pytest

from ringfence.runtime.builtin.sudo import Misused, command_of, environment_of, parse

ANN = pwd.struct_passwd(("ann", "x", 5, 5, "", "/home/ann", "/bin/bash"))


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["id", "-u"], ["id", "-u"]),
        (["-u", "ann", "--", "ls", "-l"], ["ls", "-l"]),
        (["-nE", "A=b", "env"], ["env"]),
        (["-u", "ann", "-i"], ["/bin/bash", "-l"]),
        (["-i", "echo", "a b"], ["/bin/bash", "-l", "-c", "echo 'a b'"]),
        (["-s"], ["/bin/bash"]),
    ],
)
def test_what_runs(arguments: list[str], command: list[str]) -> None:
    assert command_of(parse(arguments), ANN) == command


@pytest.mark.parametrize("arguments", [[], ["-u"], ["-b", "true"], ["-u", "ann"], ["--askpass", "true"]])
def test_what_is_refused(arguments: list[str]) -> None:
    with pytest.raises(Misused):
        parse(arguments)


def test_environment() -> None:
    """Root finds the machine's credentials, and nothing else of the user's unless that is asked for."""
    given = {"AWS_REGION": "us-west-2", "LD_PRELOAD": "/tmp/evil.so", "PATH": "/tmp", "HOME": "/tmp"}
    found = environment_of(parse(["A=b", "env"]), ANN, given)
    assert found["AWS_REGION"] == "us-west-2" and found["A"] == "b" and "LD_PRELOAD" not in found
    assert (found["HOME"], found["USER"]) == ("/home/ann", "ann") and not found["PATH"].startswith("/tmp")
    kept = environment_of(parse(["-E", "env"]), ANN, given)
    assert (kept["PATH"], kept["HOME"]) == ("/tmp", "/home/ann")
