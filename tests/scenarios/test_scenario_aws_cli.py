"""The AWS CLI, unmodified, as scripts use it: waiters, `s3 cp` and `sync`, paging, formats, exit codes.

Its waiters look at once and then every 30 to 120 seconds, so that they are asked about what has come to rest.
"""

import json
import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from demo.story import BIN, Story
from tests.scenarios.hosting import BUCKET, Hosting
from tests.scenarios.jobs import Jobs
from tests.scenarios.perl_model import write_perl_model

pytestmark = [pytest.mark.root, pytest.mark.slow]

NAME = "123456789012.dkr.ecr.us-west-2.amazonaws.com/cli:1"


class Cli:
    """`aws …`: what it printed, or with `fails` what it complained of."""

    def __init__(self, story: Story) -> None:
        self._env = {**os.environ, **story.environment, "AWS_PAGER": ""}

    def __call__(self, *arguments: str, fails: bool = False, given: bytes | None = None) -> str:
        done = subprocess.run(
            [str(BIN / "aws"), *arguments], env=self._env, input=given, capture_output=True, timeout=100, check=False
        )
        # for an error of the service: 255 in version 1, 254 in version 2
        assert done.returncode in ((254, 255) if fails else (0,)), (done.returncode, done.stderr.decode()[-2000:])
        return (done.stderr if fails else done.stdout).decode()

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--output", "json"))


@pytest.fixture
def cli(story: Story) -> Cli:
    return Cli(story)


def test_large_objects_and_whole_trees(cli: Cli, tmp_path: Path) -> None:
    """Above 8 MB the CLI uploads in parts and downloads ranges, several at a time."""
    large, tree, copy = tmp_path / "large", tmp_path / "tree", tmp_path / "copy"
    large.write_bytes(os.urandom(40 * 2**20))
    target = f"s3://{BUCKET}/cli"
    cli("s3", "cp", str(large), f"{target}/large", "--only-show-errors")
    cli("s3", "cp", f"{target}/large", f"{target}/again", "--only-show-errors")  # UploadPartCopy
    cli("s3", "cp", f"{target}/again", str(tmp_path / "back"), "--only-show-errors")
    assert (tmp_path / "back").read_bytes() == large.read_bytes()
    cli("s3", "cp", "-", f"{target}/piped", given=b"piped")
    assert cli("s3", "cp", f"{target}/piped", "-") == "piped"
    assert urllib.request.urlopen(cli("s3", "presign", f"{target}/piped").strip(), timeout=10).read() == b"piped"
    for name in ("a.txt", "of/b ü.txt", "of/c.csv"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    assert cli("s3", "sync", str(tree), f"{target}/tree").count("upload:") == 3
    assert cli("s3", "sync", str(tree), f"{target}/tree") == ""
    (tree / "a.txt").unlink()
    assert "delete:" in cli("s3", "sync", str(tree), f"{target}/tree", "--delete")
    cli("s3", "sync", f"{target}/tree", str(copy), "--exclude", "*.csv")
    assert [str(path.relative_to(copy)) for path in copy.rglob("*.*")] == ["of/b ü.txt"]
    assert "Total Objects: 5" in cli("s3", "ls", target, "--recursive", "--summarize")
    cli("s3", "rm", target, "--recursive", "--only-show-errors")
    assert "NoSuchBucket" in cli("s3", "ls", "s3://no-such-bucket-of-mine", fails=True)


def test_jobs_are_waited_for(cli: Cli, jobs: Jobs, story: Story) -> None:
    jobs.process("cli-good", "print('good')")
    cli("sagemaker", "wait", "processing-job-completed-or-stopped", "--processing-job-name", "cli-good")
    jobs.process("cli-bad", "raise SystemExit(3)")
    waited = ("sagemaker", "wait", "processing-job-completed-or-stopped", "--processing-job-name", "cli-bad")
    assert "terminal failure state" in cli(*waited, fails=True)
    jobs.train("cli-fit", "print('fitted')")
    cli("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", "cli-fit")
    listed = ("sagemaker", "list-processing-jobs", "--name-contains", "cli-", "--sort-by", "Name")
    names = "ProcessingJobSummaries[].[ProcessingJobName,ProcessingJobStatus]"
    shown = cli(*listed, "--sort-order", "Ascending", "--query", names, "--output", "text")
    assert shown.split() == ["cli-bad", "Failed", "cli-good", "Completed"]
    first = cli.json(*listed, "--max-items", "1", "--page-size", "1")
    assert len(first["ProcessingJobSummaries"]) == 1
    rest = cli.json(*listed, "--starting-token", first["NextToken"])
    assert len(rest["ProcessingJobSummaries"]) == 1
    group = ("logs", "filter-log-events", "--log-group-name", "/aws/sagemaker/ProcessingJobs")
    events = cli.json(*group, "--log-stream-name-prefix", "cli-good/", "--filter-pattern", "good")["events"]
    assert [event["message"] for event in events] == ["good"]
    assert "ValidationException" in cli(
        "sagemaker", "describe-processing-job", "--processing-job-name", "cli-none", fails=True
    )


def test_an_endpoint_is_asked_and_its_configuration_copied(
    cli: Cli, story: Story, hosting: Hosting, tmp_path: Path
) -> None:
    layout = write_perl_model(tmp_path)
    assert story.ringfence("image", "import", str(layout), NAME).returncode == 0
    told = hosting.create("cli", containers=[{"Image": NAME}])
    assert told["EndpointStatus"] == "InService"
    cli("sagemaker", "wait", "endpoint-in-service", "--endpoint-name", "cli")
    answer = tmp_path / "answer"
    invoke = ("sagemaker-runtime", "invoke-endpoint", "--endpoint-name", "cli", "--content-type", "text/plain")
    cli(*invoke, "--body", "hello", str(answer))
    assert answer.read_text() == "model(8080): hello"
    assert "ModelError" in cli(*invoke, "--body", "fail", str(answer), fails=True)
    table = cli("sagemaker", "list-endpoints", "--name-contains", "cli", "--output", "table")
    assert "ListEndpoints" in table and "InService" in table
    config = cli.json("sagemaker", "describe-endpoint-config", "--endpoint-config-name", "cli")
    again = {"EndpointConfigName": "cli-again", "ProductionVariants": config["ProductionVariants"]}
    (tmp_path / "again.json").write_text(json.dumps(again))
    cli("sagemaker", "create-endpoint-config", "--cli-input-json", f"file://{tmp_path / 'again.json'}")
    cli("sagemaker", "delete-endpoint-config", "--endpoint-config-name", "cli-again")
    cli("sagemaker", "wait", "endpoint-deleted", "--endpoint-name", "cli-never")
