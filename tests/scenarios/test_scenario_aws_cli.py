"""The AWS CLI, unmodified, as scripts use it: waiters, `s3 cp` and `sync`, paging, formats, exit codes.

Its waiters look at once and then every 30 to 120 seconds, so that they are asked about what has come to rest.
"""

import json
import os
import time
import urllib.request
from pathlib import Path

import pytest

from demo.story import Story
from tests.patience import eventually
from tests.scenarios.aws_cli import Cli
from tests.scenarios.hosting import BUCKET, Hosting
from tests.scenarios.jobs import Jobs
from tests.scenarios.perl_model import write_perl_model

pytestmark = [pytest.mark.root, pytest.mark.slow]

NAME = "123456789012.dkr.ecr.us-west-2.amazonaws.com/cli:1"


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
    (tmp_path / "copied").mkdir()
    cli("s3", "cp", f"{target}/", str(tmp_path / "copied"), "--recursive", "--include", "*", "--only-show-errors")
    assert sorted(path.name for path in (tmp_path / "copied").iterdir()) == ["again", "large"]
    cli("s3", "cp", "-", f"{target}/piped", given=b"piped")
    assert cli("s3", "cp", f"{target}/piped", "-") == "piped"
    assert urllib.request.urlopen(cli("s3", "presign", f"{target}/piped").strip(), timeout=60).read() == b"piped"
    for name in ("a.txt", "of/b ü.txt", "of/c.csv"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
        os.utime(tree / name, (time.time() - 60,) * 2)  # S3 tells of whole seconds: newer than that is sent again
    assert cli("s3", "sync", str(tree), f"{target}/tree").count("upload:") == 3
    assert cli("s3", "sync", str(tree), f"{target}/tree") == ""
    (tree / "a.txt").unlink()
    assert "delete:" in cli("s3", "sync", str(tree), f"{target}/tree", "--delete")
    cli("s3", "sync", f"{target}/tree", str(copy), "--exclude", "*.csv")
    assert [str(path.relative_to(copy)) for path in copy.rglob("*.*")] == ["of/b ü.txt"]
    assert "Total Objects: 5" in cli("s3", "ls", target, "--recursive", "--summarize")
    cli("s3", "rm", target, "--recursive", "--only-show-errors")
    assert "NoSuchBucket" in cli("s3", "ls", "s3://no-such-bucket-of-mine", fails=True)


def test_the_registry_is_logged_in_to(cli: Cli) -> None:
    """The password that `docker login` gets is the user AWS's."""
    assert len(cli("ecr", "get-login-password").strip()) > 100
    token = cli.json("ecr", "get-authorization-token")["authorizationData"][0]
    assert token["proxyEndpoint"].endswith("123456789012.dkr.ecr.us-west-2.amazonaws.com")


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


def test_an_asynchronous_endpoint_is_asked(cli: Cli, story: Story, hosting: Hosting, tmp_path: Path) -> None:
    """Input and answer by S3, which the CLI looks at itself: it has no waiter for the answer of a request."""
    assert story.ringfence("image", "import", str(write_perl_model(tmp_path)), NAME).returncode == 0
    role, bucket = story.facts["roles"]["execution"].rpartition("/")[2], "cli-answers"
    story.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    statement = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{bucket}/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = story.client("iam")
    iam.put_role_policy(RoleName=role, PolicyName="cli", PolicyDocument=document)
    try:
        output = {"OutputConfig": {"S3OutputPath": f"s3://{bucket}/answers"}}
        told = hosting.create("cli-later", containers=[{"Image": NAME}], config={"AsyncInferenceConfig": output})
        assert told["EndpointStatus"] == "InService"
        given = f"s3://{bucket}/questions/hello"
        story.client("s3").put_object(Bucket=bucket, Key="questions/hello", Body=b"hello")
        ask = ("sagemaker-runtime", "invoke-endpoint-async", "--endpoint-name", "cli-later", "--input-location", given)
        answered = cli.json(*ask, "--inference-id", "mine")
        assert answered["InferenceId"] == "mine"
        _await_object(story, bucket, answered["OutputLocation"].removeprefix(f"s3://{bucket}/"))
        assert cli("s3", "cp", answered["OutputLocation"], "-") == "model(8080): hello"
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="cli")
        cli("s3", "rb", f"s3://{bucket}", "--force")


def _await_object(story: Story, bucket: str, key: str) -> None:
    s3 = story.client("s3")
    eventually(lambda: s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents"), pause=0.1)
