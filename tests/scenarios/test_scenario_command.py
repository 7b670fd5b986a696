"""The `ringfence` command on a running daemon, as a person uses it."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from demo.story import BIN, Story
from tests.patience import eventually

pytestmark = pytest.mark.root
PYTHON = str(BIN / "python")
WHO = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"


def _exec(story: Story, *arguments: str) -> tuple[int, str, str]:
    done = story.ringfence("exec", *arguments)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def _private(story: Story) -> tuple[str, ...]:
    return ("--subnet", story.facts["subnets"][0], "--security-group", story.facts["groups"]["client"])


def test_exit_code_and_output_are_the_commands_own(story: Story) -> None:
    assert _exec(story, *_private(story), "sh", "-c", "echo out; echo err >&2; exit 7") == (7, "out", "err")
    assert _exec(story, *_private(story), "no-such-command-here")[0] == 127


def test_a_command_sees_its_instance_and_not_the_machine(story: Story) -> None:
    code, out, _ = _exec(story, *_private(story), "ip", "-o", "-4", "addr", "show", "dev", "eth0")
    assert code == 0
    assert " 10.0.1." in out
    assert "/24" in out
    code, out, _ = _exec(story, *_private(story), "cat", "/etc/resolv.conf")
    assert out.startswith("nameserver 10.0.0.2")
    assert "10.0.0.2" not in Path("/etc/resolv.conf").read_text()


def test_role_gives_credentials_and_none_keeps_the_callers(story: Story) -> None:
    code, out, err = _exec(story, "--internet", "--role", "app", PYTHON, "-c", WHO)
    assert code == 0, err
    assert ":assumed-role/app/i-" in out


def test_role_that_trusts_no_compute_service_is_refused_at_once(story: Story) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    story.client("iam").create_role(RoleName="only-lambda", AssumeRolePolicyDocument=document)
    code, _, err = _exec(story, *_private(story), "--role", "only-lambda", "true")
    assert code == 1
    assert "no role trust policy allows the sts:AssumeRole action" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--subnet", "subnet-0123456789abcdef0"), "InvalidSubnetID.NotFound"),
        (("--internet", "--role", "nobody"), "NoSuchEntity"),
        (("--internet", "--source-ip", "10.0.0.1"), "no host on the internet can be `10.0.0.1`"),
        (("--internet", "--source-ip", "x"), "is not an IPv4 address"),
    ],
)
def test_places_that_do_not_exist(story: Story, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = _exec(story, *arguments, "true")
    assert code == 1
    assert message in err


def test_source_address_is_the_one_asked_for(story: Story) -> None:
    """aws:SourceIp is what the packets carry."""
    allow = {
        "Effect": "Allow",
        "Action": "s3:ListAllMyBuckets",
        "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/25"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    story.client("iam").put_role_policy(RoleName="app", PolicyName="by-address", PolicyDocument=document)
    listing = (str(BIN / "aws"), "s3api", "list-buckets")
    code, _, err = _exec(story, "--internet", "--source-ip", "192.0.2.99", "--role", "app", *listing)
    assert code == 0, err
    code, _, err = _exec(story, "--internet", "--source-ip", "192.0.2.199", "--role", "app", *listing)
    assert "AccessDenied" in err
    assert code != 0


def test_two_commands_at_once_have_two_addresses(story: Story) -> None:
    command = [str(BIN / "ringfence"), "exec", "--state", str(story.state), *_private(story)]
    command += ["sh", "-c", "ip -o -4 addr show dev eth0; cat"]  # until its input ends
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    addresses = {process.stdout.readline().split()[3] for process in started if process.stdout is not None}
    for process in started:
        process.communicate(timeout=120)
    assert len(addresses) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_ends_the_command_ends_its_program(story: Story, number: signal.Signals) -> None:
    """Nothing is left in the namespace of an instance that has ended."""
    command = [str(BIN / "ringfence"), "exec", "--state", str(story.state), *_private(story)]
    program = ["sh", "-c", "echo $$; exec sleep 600"]
    with subprocess.Popen([*command, *program], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        child = Path("/proc") / running.stdout.readline().strip()
        running.send_signal(number)
        assert running.wait(120) in (128 + number, -number)
    eventually(lambda: not child.exists())  # the kernel kills it, a moment after


def test_explain_path_from_an_instance_in_words(story: Story) -> None:
    where = ("--from-subnet", story.facts["subnets"][0], "--from-group", story.facts["groups"]["client"])
    host = f"runtime.sagemaker.{story.region}.amazonaws.com"
    done = story.ringfence("explain", "path", *where, "--to", host)
    assert done.returncode == 0, done.stdout
    assert host in done.stdout
    done = story.ringfence("explain", "path", *where, "--to", "internet", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["reachable"] is False


def test_status_shows_what_there_is(story: Story) -> None:
    told = json.loads(story.ringfence("status", "--json").stdout)
    assert [story.facts["vpc"], "10.0.0.0/16"] in told["tables"]["VPCs"]
    assert told["applied_revision"] is not None


def test_admin_interface_needs_its_token(story: Story) -> None:
    import urllib.error
    import urllib.request

    url = story.environment["AWS_ENDPOINT_URL"] + "/_ringfence/status"
    for headers in ({}, {"Authorization": "Bearer x"}):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(url, headers=headers))
        assert caught.value.code == 401
