"""The SageMaker Python SDK v2, unmodified, against AWS_ENDPOINT_URL: fit, process, deploy, predict, delete.

Also part of `make test`, so most of it is one wait: the flows run at the same time.
"""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.sdk.conftest import World, environment, found

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(600)]
VENV = ".venv-sdk2"
FLOWS = {
    "flow2.py": "fit deploy model serverless many process xgboost features",
    "flow2_inference.py": "asynchronous capture pipeline transform script framework local tuner",
}
Flows = tuple[dict[str, dict[str, Any]], str]


@pytest.fixture(scope="module")
def flows(world: World) -> Flows:
    """What both programs found, run side by side; their output."""
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda named: world.run(VENV, named[0], *named[1].split()), FLOWS.items()))
    return {name: row for results, _ in done for name, row in results.items()}, "".join(text for _, text in done)


def test_fit(flows: Flows) -> None:
    results, output = flows
    assert results["fit"]["status"] == "Completed"
    assert {"Key": "flow", "Value": "fit"} in results["fit"]["tags"]
    assert "fitted 64 rows on algo-1" in output, "wait=True streams the container's log"
    assert results["xgboost"]["answer"] == [10, 15]
    assert "train-rmse:" in output


def test_deploy_predict_delete(world: World, flows: Flows) -> None:
    results, _ = flows
    for name in ("deploy", "model"):
        assert [round(value) for value in results[name]["answer"]] == [10]
    assert [round(value) for value in results["deploy"]["lines"]] == [10, 15]
    assert world.daemon.client("sagemaker").list_models()["Models"] == []
    assert world.daemon.client("sagemaker").list_endpoints()["Endpoints"] == []


def test_process(flows: Flows) -> None:
    results, output = flows
    assert results["process"]["out"] == "2\n4\n6"
    assert "prepared 3 numbers of numbers.txt" in output
    for name in ("script", "framework"):
        assert results[name] == {"flow": name, "out": "3\n6\n9", "status": "Completed"}
    assert results["local"]["out"] == "5\n6", "the SDK uploads what is local"


def test_a_feature_group_is_made_of_a_frame(flows: Flows) -> None:
    results, _ = flows
    assert results["features"]["status"] == "Created"
    told = results["features"]
    assert told["record"] == {"id": "b", "at": "1767323045.5", "age": "2"}
    assert told["definitions"] == ["id", "at", "age", "height"]
    assert (told["parameters"], told["searched"]) == ([{"Key": "unit", "Value": "year"}], ["age"])
    assert (told["listed"], told["batch"]) == (["flow-features"], ["a", "b"]), "c is deleted"
    without_table, without_query = told["refused"]
    assert without_table == "RuntimeError: No metastore is configured with FeatureGroup flow-features."
    assert "Ringfence does not implement the service 'athena'" in without_query


def test_asynchronous_inference(flows: Flows) -> None:
    """The SDK sends no content type: the object that it uploads has one, and so has the answer's."""
    assert [round(value) for value in flows[0]["asynchronous"]["answer"]] == [10, 15, 15, 10]


def test_data_capture_begins_and_ends(flows: Flows) -> None:
    assert '"endpointInput"' in flows[0]["capture"]["captured"]
    assert (flows[0]["capture"]["sampled"], flows[0]["capture"]["after"]) == (20, "Stopped")


def test_containers_in_series(flows: Flows) -> None:
    """[3, 4] doubled by the first, 2 * 6 + 8 by the second."""
    assert [round(value) for value in flows[0]["pipeline"]["answer"]] == [20]


def test_many_models_of_one_endpoint(flows: Flows) -> None:
    assert flows[0]["many"]["models"] == ["first.tar.gz", "more/second.tar.gz"]
    assert [round(value) for value in flows[0]["many"]["answers"]] == [10, 10]


def test_serverless_inference(flows: Flows) -> None:
    assert [round(value) for value in flows[0]["serverless"]["answer"]] == [10]
    assert flows[0]["serverless"]["config"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 2}


def test_transform(flows: Flows) -> None:
    assert [round(one) for one in json.loads(flows[0]["transform"]["out"])] == [10, 15]


def test_tuning_is_refused_by_name(flows: Flows) -> None:
    assert "does not implement the operation sagemaker:CreateHyperParameterTuningJob" in flows[0]["tuner"]["error"]


def test_on_the_internet_nothing_needs_to_be_told(world: World) -> None:
    """Where names resolve, the default bucket is found by sts at its hard-coded host, and no endpoint is given."""
    python, state = environment(VENV), world.daemon.state
    command = [
        *(str(environment(".venv").parent / "ringfence"), "exec", "--state", str(state), "--internet"),
        *("--role", world.role, "--", str(python), str(world.program("flow2.py")), *world.arguments(), "bucket"),
    ]
    env = {name: value for name, value in world.daemon.env.items() if not name.startswith("AWS_")}
    env |= {"AWS_DEFAULT_REGION": "us-west-2"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert found(done.stdout)["bucket"]["bucket"] == "sagemaker-us-west-2-123456789012"


def test_all_image_names_of_the_sdk_are_known() -> None:
    program = """
import json, sagemaker.image_uris as uris
from sagemaker.fw_utils import *
names = []
for framework, version in (("sklearn", "1.2-1"), ("xgboost", "1.7-1")):
    known = uris.config_for_framework(framework)["training"]["versions"][version]["registries"]
    for region in known:
        if not region.startswith("us-iso"):
            names.append(uris.retrieve(framework, region, version=version, instance_type="ml.m5.large"))
print(json.dumps(names))
"""
    done = subprocess.run([str(environment(VENV)), "-c", program], capture_output=True, text=True, check=True)
    from ringfence.runtime.builtin.registry import framework_of

    names = json.loads(done.stdout.splitlines()[-1])
    assert len(names) > 60
    assert [name for name in names if framework_of(name) is None] == []
