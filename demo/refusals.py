"""Chapter five: what must fail does, for the right reason, and `ringfence explain` names what decided."""

import json

from demo.hosting import INVOKE, PYTHON
from demo.story import BIN, Story, expect

CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3); print('connected')"


def show(story: Story, name: str, bucket: str) -> None:
    """Five refusals, each with the words that the client or `ringfence explain` says."""
    body = json.dumps({"rows": story.facts["rows"]})
    with story.step("another endpoint through this VPC endpoint: its policy does not allow it") as line:
        line.note = story.inside_fails(PYTHON, "-c", INVOKE, "another-endpoint", body)
        expect("no VPC endpoint policy allows the sagemaker:InvokeEndpoint action" in line.note, line.note)
        line.note += _explain_call(story, f"policy of VPC endpoint {story.facts['runtime_endpoint']}, statement 1")
    with story.step("the same call from the internet, by the identity bound to VPC endpoints") as line:
        line.note = story.outside_fails(PYTHON, "-c", INVOKE, name, body)
        expect("no identity-based policy allows the sagemaker:InvokeEndpoint action" in line.note, line.note)
        line.note += _explain_call(story, "aws:SourceVpce is absent")
    _port(story)
    _internet(story, name)
    with story.step("the bucket from outside the VPC, by the execution role") as line:
        copy = [str(BIN / "aws"), "s3", "cp", f"s3://{bucket}/iris/model.tar.gz", "-"]
        line.note = story.outside_fails(*copy, role="execution")
        expect("403" in line.note or "explicit deny in a resource-based policy" in line.note, line.note)
        get = [str(BIN / "aws"), "s3api", "get-object", "--bucket", bucket, "--key", "iris/model.tar.gz", "/dev/null"]
        line.note = story.outside_fails(*get, role="execution")
        expect("explicit deny in a resource-based policy" in line.note, line.note)
        line.note += _explain_call(story, f"policy of bucket `{bucket}`", "aws:SourceVpce")


def _port(story: Story) -> None:
    address = story.facts["model_address"]
    with story.step(f"port 8080 of the container's ENI ({address}) from the client group: admitted"):
        expect(story.inside(PYTHON, "-c", CONNECT, address, "8080") == "connected", "not connected")
    with story.step("port 8080 of the container's ENI from another group: dropped") as line:
        said = story.inside_fails(PYTHON, "-c", CONNECT, address, "8080", group="stranger")
        expect("timed out" in said, said)
        line.note = _explain(story, "--from-group", "stranger", "--to", story.facts["model_eni"], "--port", "8080")


def _internet(story: Story, name: str) -> None:
    with story.step("the internet from inside the container: no route") as line:
        probe = json.dumps({"connect": ["198.51.100.80", 80]})
        answer = json.loads(story.inside(PYTHON, "-c", INVOKE, name, probe))["connect"]
        expect(answer != "connected", "it connected")
        line.note = f"{answer}\n" + _explain(
            story, "--from", story.facts["model_eni"], "--to", "198.51.100.80", "--port", "80"
        )


def _explain(story: Story, *question: str) -> str:
    """The sentence and the remedy of `ringfence explain path` for a path that has to be closed."""
    if question[0] == "--from-group":
        where = ("--from-subnet", story.facts["subnets"][0], "--from-group", story.facts["groups"][question[1]])
        question = (*where, *question[2:])
    done = story.ringfence("explain", "path", *question)
    expect(done.returncode == 1, f"explain path: exit {done.returncode} {done.stdout} {done.stderr}")
    return "\n".join(done.stdout.strip().splitlines()[-2:])


def _explain_call(story: Story, *named: str) -> str:
    """What decided on the last denied call, and the remedy, by `ringfence explain call`; it must name these."""
    done = story.ringfence("explain", "call", "--last", "--denied")
    expect(done.returncode == 1, f"explain call: exit {done.returncode} {done.stdout} {done.stderr}")
    said = [row for row in done.stdout.splitlines() if row.startswith(("denied: ", "to mend it: "))]
    expect(all(name in said[0] for name in named), said[0])
    return "".join(f"\n{row}" for row in said[:2])
