"""The SageMaker Python SDK v3, unmodified, against AWS_ENDPOINT_URL. It asks IAM what the role may before each job."""

import json

import pytest

from tests.sdk.conftest import World

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]
VENV = ".venv-sdk3"


def test_fit_deploy_predict_delete(world: World) -> None:
    results, output = world.run(VENV, "flow3.py", "fit", "deploy")
    assert results["fit"]["status"] == "Completed"
    assert results["fit"]["model"].endswith("/output/model.tar.gz")
    assert "fitted 64 rows on algo-1" in output, "logs=True streams the container's log"
    assert [round(value) for value in results["deploy"]["answer"]] == [10]


def test_a_model_is_built_deployed_and_transforms(world: World) -> None:
    """ModelBuilder packs the job's artifact and the user's code into one archive."""
    results, _ = world.run(VENV, "flow3.py", "build", "transform")
    assert [round(value) for value in results["build"]["answer"]] == [10]
    assert results["build"]["data"].endswith("/model.tar.gz")
    assert [round(value) for value in json.loads(results["transform"]["out"])] == [10, 15]
    sagemaker = world.daemon.client("sagemaker")
    assert sagemaker.list_models()["Models"] == sagemaker.list_endpoints()["Endpoints"] == []


def test_process(world: World) -> None:
    results, output = world.run(VENV, "flow3.py", "process")
    assert results["process"]["out"] == "2\n4\n6"
    assert "prepared 3 numbers of numbers.txt" in output
