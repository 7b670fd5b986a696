"""The daemon is killed in each phase of a job; the next one goes on, or says truthfully why it cannot."""

import os
import time

import pytest

from tests.patience import eventually
from tests.scenarios.hosting import BUCKET
from tests.scenarios.jobs import Jobs
from tests.scenarios.killing import kill_daemon

pytestmark = [pytest.mark.root, pytest.mark.slow]
PHASES = ("Starting", "Downloading", "Training", "Uploading", "Completed")

# writes a new random number at each start: one that was run twice would show another
_ONCE = """
import os, pathlib, time
model = pathlib.Path("/opt/ml/model")
print("started", flush=True)
time.sleep(1.5)
model.joinpath("large").write_bytes(os.urandom(48 << 20))
print("ended", flush=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.4, 1.0, 1.8, 2.5, 3.4])
def test_training_goes_on_after_a_kill(jobs: Jobs, delay: float) -> None:
    """The delays fall into different phases; whatever they hit, the job completes and its model is whole."""
    name = f"killed-{int(delay * 100)}"
    data = os.urandom(16 << 20)
    jobs.s3.put_object(Bucket=BUCKET, Key="bulk/data", Body=data)
    jobs.begin_training(name, _ONCE, channels=[jobs.channel("bulk", f"s3://{BUCKET}/bulk/")])
    time.sleep(delay)
    before = jobs.sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"]
    kill_daemon(jobs.story)
    jobs.story.up()
    jobs.connect()
    told = jobs.settle_training(name)
    assert told["TrainingJobStatus"] == "Completed", (before, told.get("FailureReason"))
    shown = [one["Status"] for one in told["SecondaryStatusTransitions"]]
    assert shown[-1] == "Completed" and set(shown) == set(PHASES), shown
    head = jobs.s3.head_object(Bucket=BUCKET, Key=f"trained/{name}/output/model.tar.gz")
    assert head["ContentLength"] > 48 << 20
    lines = [line for lines in jobs.log(name, "/aws/sagemaker/TrainingJobs").values() for line in lines]
    if before == "Training":
        assert lines == ["started", "ended"], "a container that ran was adopted, not run again"
    assert jobs.interfaces() == []
    assert not list((jobs.story.state / "instances").glob("i-*")), "nothing of the job is left"


def test_the_last_lines_of_a_container_are_shipped_by_the_next_daemon(jobs: Jobs) -> None:
    """It ends with more lines than are shipped at once, and the daemon is killed while its model is uploaded."""
    program = _ONCE.replace('print("ended"', 'print(("x" * 1000 + "\\n") * 30_000 + "ended"')
    jobs.begin_training("talker", program)
    described = lambda: jobs.sagemaker.describe_training_job(TrainingJobName="talker")["SecondaryStatus"]  # noqa: E731
    eventually(described, lambda phase: phase in ("Uploading", "Completed"))
    kill_daemon(jobs.story)
    jobs.story.up()
    jobs.connect()
    assert jobs.settle_training("talker")["TrainingJobStatus"] == "Completed"
    logs, group = jobs.story.client("logs"), "/aws/sagemaker/TrainingJobs"
    (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="talker/")["logStreams"]
    last = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], limit=1)["events"]
    assert [event["message"] for event in last] == ["ended"]


def test_a_container_that_is_lost_is_said_to_be(jobs: Jobs) -> None:
    jobs.begin_training("lost", "import time\nprint('started', flush=True)\ntime.sleep(600)")
    jobs.wait_for_line("lost", "started", "/aws/sagemaker/TrainingJobs")
    done = jobs.story.ringfence("down")
    assert done.returncode == 0, done.stderr
    jobs.story.up()
    jobs.connect()
    told = jobs.settle_training("lost")
    assert told["TrainingJobStatus"] == "Failed"
    assert told["FailureReason"].startswith("InternalServerError: The instance that ran the container was lost")
    assert jobs.interfaces() == []


def test_a_job_with_a_retry_strategy_begins_anew(jobs: Jobs) -> None:
    """After a failure of the platform's, and of nobody else's."""
    first = "import time\nprint('started', flush=True)\ntime.sleep(600)"
    jobs.begin_training("again", first, RetryStrategy={"MaximumRetryAttempts": 2})
    jobs.wait_for_line("again", "started", "/aws/sagemaker/TrainingJobs")
    jobs.script("again", "print('started')\nprint('ended')")  # what is downloaded when it begins anew
    assert jobs.story.ringfence("down").returncode == 0
    jobs.story.up()
    jobs.connect()
    told = jobs.settle_training("again")
    assert told["TrainingJobStatus"] == "Completed", told.get("FailureReason")
    assert told["RetryStrategy"] == {"MaximumRetryAttempts": 2}
    shown = [one["Status"] for one in told["SecondaryStatusTransitions"]]
    assert shown == ["Starting", "Downloading", "Training", *PHASES]
    lines = [line for lines in jobs.log("again", "/aws/sagemaker/TrainingJobs").values() for line in lines]
    assert sorted(lines) == ["ended", "started", "started"]
    assert jobs.interfaces() == []
    told = jobs.train("wrong", "raise SystemExit(3)", RetryStrategy={"MaximumRetryAttempts": 2})
    assert [one["Status"] for one in told["SecondaryStatusTransitions"]].count("Starting") == 1
