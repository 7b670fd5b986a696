"""Warm pools: https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html"""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.patience import eventually
from tests.scenarios.jobs import IMAGE, Jobs
from tests.scenarios.killing import kill_daemon

pytestmark = pytest.mark.root
GROUP = "/aws/sagemaker/TrainingJobs"

# what was in the cache, what was left elsewhere, and my address
_VISIT = """
import os, pathlib, socket
cache, model = pathlib.Path("/opt/ml/sagemaker/warmpoolcache"), pathlib.Path("/opt/ml/model")
print("cache", sorted(one.name for one in cache.iterdir()) if cache.exists() else "none")
print("left", sorted(one.name for one in model.iterdir()), os.path.exists("/srv/mine"), flush=True)
print("address", socket.gethostbyname(socket.gethostname()))
name = os.environ["TRAINING_JOB_NAME"]
if cache.exists():
    (cache / name).touch()
(model / name).touch()
pathlib.Path("/srv").mkdir(exist_ok=True)
pathlib.Path("/srv/mine").touch()
"""


def resources(seconds: int, count: int = 1) -> dict[str, Any]:
    given = {"InstanceCount": count, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    return {"ResourceConfig": given | {"KeepAlivePeriodInSeconds": seconds}}


def pool(jobs: Jobs, name: str) -> dict[str, Any]:
    found: dict[str, Any] = jobs.sagemaker.describe_training_job(TrainingJobName=name)["WarmPoolStatus"]
    return found


def told(jobs: Jobs, name: str) -> list[str]:
    return [line for lines in jobs.log(name, GROUP).values() for line in lines]


def wait_for_nothing_left(jobs: Jobs) -> None:
    instances = (jobs.story.state / "instances").glob
    eventually(lambda: [*jobs.interfaces(), *instances("i-*")], lambda left: not left, pause=0.1)


def test_a_matching_job_takes_the_cluster_and_its_cache(jobs: Jobs) -> None:
    first = jobs.train("pool-a", _VISIT, **resources(600))
    assert first["TrainingJobStatus"] == "Completed", (first.get("FailureReason"), told(jobs, "pool-a"))
    assert pool(jobs, "pool-a")["Status"] == "Available"
    (interface,) = jobs.interfaces()
    jobs.train("pool-other", _VISIT, EnableNetworkIsolation=True)
    assert pool(jobs, "pool-a")["Status"] == "Available", "a job that does not match leaves it alone"
    second = jobs.train("pool-b", _VISIT, **resources(600))
    assert second["TrainingJobStatus"] == "Completed", (second.get("FailureReason"), told(jobs, "pool-b"))
    (same,) = jobs.interfaces()
    assert same == interface
    reused = pool(jobs, "pool-a")
    assert (reused["Status"], reused["ReusedByJob"]) == ("Reused", "pool-b")
    assert reused["ResourceRetainedBillableTimeInSeconds"] >= 0
    before, after = told(jobs, "pool-a"), told(jobs, "pool-b")
    assert before[:2] == ["cache []", "left [] False"]
    assert after == ["cache ['pool-a']", "left [] False", before[2]], "the address is the same, nothing else is left"
    listed = jobs.sagemaker.list_training_jobs(WarmPoolStatusEquals="Available", NameContains="pool-")
    assert [one["TrainingJobName"] for one in listed["TrainingJobSummaries"]] == ["pool-b"]
    jobs.sagemaker.update_training_job(TrainingJobName="pool-b", ResourceConfig={"KeepAlivePeriodInSeconds": 0})
    wait_for_nothing_left(jobs)
    assert pool(jobs, "pool-b")["Status"] == "Terminated"
    with pytest.raises(ClientError, match="has no warm pool"):
        jobs.sagemaker.update_training_job(TrainingJobName="pool-b", ResourceConfig={"KeepAlivePeriodInSeconds": 9})


def test_a_pool_outlives_the_daemon_and_not_its_time(jobs: Jobs) -> None:
    algorithm = {"TrainingImage": IMAGE, "TrainingInputMode": "File", "ContainerEntrypoint": ["false"]}
    failed = jobs.train("pool-c", _VISIT, AlgorithmSpecification=algorithm, **resources(600))
    assert failed["TrainingJobStatus"] == "Failed"
    assert pool(jobs, "pool-c")["Status"] == "Available", "what the algorithm did is no fault of the cluster's"
    kill_daemon(jobs.story)
    jobs.story.up()
    jobs.connect()
    assert len(jobs.interfaces()) == 1
    began = time.monotonic()
    last = jobs.train("pool-d", _VISIT, **resources(2))
    assert last["TrainingJobStatus"] == "Completed", (last.get("FailureReason"), told(jobs, "pool-d"))
    assert pool(jobs, "pool-c")["ReusedByJob"] == "pool-d"
    wait_for_nothing_left(jobs)
    ended = pool(jobs, "pool-d")
    assert ended["Status"] == "Terminated"
    assert 2 <= ended["ResourceRetainedBillableTimeInSeconds"] <= time.monotonic() - began
