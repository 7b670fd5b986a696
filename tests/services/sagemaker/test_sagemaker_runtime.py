from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sagemaker_caller import ACCOUNT, IMAGE, NOW, ROLE, SageMaker, allow, role, variant

from ringfence.core.errors import ServiceError
from ringfence.core.results import Forward, ForwardReply
from ringfence.resources.sagemaker import Capacity, EndpointStatus
from ringfence.store.database import open_store

KEY = f"{ACCOUNT}/us-west-2/ep"
GROUP = "/aws/sagemaker/Endpoints/ep"


@pytest.fixture
def sagemaker(tmp_path: Path) -> SageMaker:
    """An endpoint that serves two variants."""
    made = SageMaker(open_store(tmp_path))
    made.model()
    made.config(
        "config",
        variant(VariantName="big", InitialVariantWeight=3.0, InitialInstanceCount=2),
        variant(VariantName="small", InitialVariantWeight=1.0),
        variant(VariantName="shadow", InitialVariantWeight=0.0),
    )
    made.endpoint()
    status(made)
    return made


def status(made: SageMaker, **changes: Any) -> None:
    given: dict[str, Any] = {
        "endpoint_key": KEY,
        "status": "InService",
        "generation": 1,
        "modified": NOW,
        "serving_generation": 1,
        "instances": {"big": ("i-1", "i-2"), "small": ("i-3",), "shadow": ("i-4",)},
    }
    made.put(EndpointStatus(**{**given, **changes}))


def invoke(made: SageMaker, **request: Any) -> Forward:
    given = {"EndpointName": "ep", "Body": b"1,2"}
    found = made("InvokeEndpoint", "sagemaker-runtime", **{**given, **request})
    assert isinstance(found, Forward)
    return found


def refusal(made: SageMaker, **request: Any) -> ServiceError:
    return made.error("InvokeEndpoint", "sagemaker-runtime", **{"EndpointName": "ep", "Body": b"", **request})


def test_forwards_to_an_instance_and_makes_the_result_of_its_reply(sagemaker: SageMaker) -> None:
    forward = invoke(sagemaker, ContentType="text/csv", Accept="text/csv", CustomAttributes="a", TargetVariant="small")
    assert (forward.instance_ids, forward.method, forward.path, forward.body) == (
        ("i-3",),
        "POST",
        "/invocations",
        b"1,2",
    )
    assert dict(forward.headers) == {
        "Content-Type": "text/csv",
        "Accept": "text/csv",
        "X-Amzn-SageMaker-Custom-Attributes": "a",
    }
    reply = ForwardReply(200, {"content-type": "text/csv", "X-Amzn-SageMaker-Custom-Attributes": "b"}, b"3")
    assert forward.finish(reply) == {
        "Body": b"3",
        "ContentType": "text/csv",
        "CustomAttributes": "b",
        "InvokedProductionVariant": "small",
    }


def test_variants_by_weight_and_instances_at_random(sagemaker: SageMaker) -> None:
    counts = Counter(invoke(sagemaker).instance_ids[0] for _ in range(400))
    assert counts["i-4"] == 0
    assert 60 < counts["i-3"] < 140
    assert min(counts["i-1"], counts["i-2"]) > 100


def test_a_container_that_answers_with_an_error(sagemaker: SageMaker) -> None:
    with pytest.raises(ServiceError) as caught:
        invoke(sagemaker).finish(ForwardReply(500, {}, b"no luck"))
    error = caught.value
    assert (error.code, error.status) == ("ModelError", 424)
    assert error.message == (
        'Received server error (500) from primary with message "no luck". See https://us-west-2.console.aws.amazon.com'
        f"/cloudwatch/home?region=us-west-2#logEventViewer:group={GROUP} in account {ACCOUNT} for more information."
    )
    assert error.fields == {
        "OriginalStatusCode": 500,
        "OriginalMessage": "no luck",
        "LogStreamArn": f"arn:aws:logs:us-west-2:{ACCOUNT}:log-group:{GROUP}",
    }


@pytest.mark.parametrize(
    ("failure", "text"), [("timeout", "Your invocation timed out while waiting"), ("refused", "connection was refused")]
)
def test_a_container_that_does_not_answer(sagemaker: SageMaker, failure: str, text: str) -> None:
    with pytest.raises(ServiceError) as caught:
        invoke(sagemaker).finish(ForwardReply(0, {}, b"", failure))
    assert caught.value.fields["OriginalStatusCode"] == 0
    assert caught.value.message.startswith("Received server error (0) from primary with message ")
    assert text in caught.value.message


def test_endpoints_that_do_not_serve(sagemaker: SageMaker) -> None:
    error = refusal(sagemaker, EndpointName="none")
    assert (error.code, error.message) == ("ValidationError", f"Endpoint none of account {ACCOUNT} not found.")
    status(sagemaker, status="Failed", serving_generation=None, instances={})
    assert refusal(sagemaker).message == f"Endpoint ep of account {ACCOUNT} is not InService."
    status(sagemaker, status="OutOfService", instances={"big": (), "small": (), "shadow": ()})
    assert (refusal(sagemaker).code, refusal(sagemaker).status) == ("ServiceUnavailable", 503)
    status(sagemaker)
    sagemaker("DeleteEndpoint", EndpointName="ep")
    assert refusal(sagemaker).message == f"Endpoint ep of account {ACCOUNT} is not InService."


def test_what_is_refused(sagemaker: SageMaker) -> None:
    assert "Ringfence does not implement EnableExplanations." in refusal(sagemaker, EnableExplanations="m").message
    assert "Variant other not found" in refusal(sagemaker, TargetVariant="other").message


@pytest.fixture
def many(tmp_path: Path) -> SageMaker:
    """An endpoint of a pipeline: one container with a model of its own, then one with many."""
    made = SageMaker(open_store(tmp_path / "many"))
    made.put(role(policies={"data": allow("s3:*")}))
    single = {"Image": IMAGE, "ContainerHostname": "first"}
    multi = {"Image": IMAGE, "ModelDataUrl": "s3://models/many", "Mode": "MultiModel"}
    made("CreateModel", ModelName="model", Containers=[single, multi], ExecutionRoleArn=ROLE)
    made.config("config", variant(VariantName="one", InitialInstanceCount=2))
    made.endpoint()
    status(made, instances={"one": ("i-1", "i-2")})
    return made


def test_the_target_model_goes_to_the_container_that_has_many(many: SageMaker) -> None:
    first = invoke(many, TargetModel="a/b.tar.gz")
    assert (first.port, first.target_model, set(first.instance_ids)) == (8080, None, {"i-1", "i-2"})
    second = first.finish(ForwardReply(200, {}, b"x", instance_id="i-2"))
    assert isinstance(second, Forward)
    assert (second.port, second.target_model, second.instance_ids) == (8081, "a/b.tar.gz", ("i-2",))
    refused = ServiceError("ModelNotReadyException", "not yet", 429)
    with pytest.raises(ServiceError, match="not yet"):
        second.finish(ForwardReply(429, {}, b"", None, "i-2", 0.0, refused))


def test_who_needs_a_target_model_and_who_has_none(sagemaker: SageMaker, many: SageMaker) -> None:
    assert refusal(many).message == "Request request is missing a target model header."
    assert refusal(sagemaker, TargetModel="m").message == (
        "Endpoint ep is not a multi-model endpoint and does not support target model header."
    )
    asked = {"EndpointName": "ep", "Body": b""}
    error = many.error("InvokeEndpointWithResponseStream", "sagemaker-runtime", **asked)
    assert error.message == "Request request is missing a target model header."


def test_many_models_do_not_go_with_asynchronous_inference_and_batch_transform(many: SageMaker) -> None:
    multi = {"Image": IMAGE, "ModelDataUrl": "s3://models/many", "Mode": "MultiModel"}
    many("CreateModel", ModelName="multi", PrimaryContainer=multi, ExecutionRoleArn=ROLE)
    config = {"ProductionVariants": [variant(ModelName="multi")], "EndpointConfigName": "queue"}
    later = {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://models/out"}}}
    assert "asynchronous inference" in many.error("CreateEndpointConfig", **config, **later).message
    error = many.error(
        "CreateTransformJob",
        TransformJobName="t",
        ModelName="multi",
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://models/in"}}},
        TransformOutput={"S3OutputPath": "s3://models/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    assert error.message == "A model with the container mode MultiModel cannot be used with batch transform."


def test_current_weights_split_the_traffic(sagemaker: SageMaker) -> None:
    """Desired ones do not, until the reconciler has reached them."""
    capacities = {"big": Capacity(weight=0.0, count=2), "small": Capacity(weight=0.0, count=1)}
    status(sagemaker, capacities=capacities | {"shadow": Capacity(weight=1.0, count=1)})
    assert {invoke(sagemaker).instance_ids for _ in range(20)} == {("i-4",)}


def test_a_variant_without_a_healthy_container(sagemaker: SageMaker) -> None:
    status(sagemaker, instances={"big": ("i-1", "i-2"), "small": (), "shadow": ("i-4",)})
    error = refusal(sagemaker, TargetVariant="small")
    assert (error.code, error.status) == ("ServiceUnavailable", 503)
    assert {invoke(sagemaker).instance_ids for _ in range(40)} == {("i-1",), ("i-2",)}


def test_least_outstanding_requests_leaves_the_choice_to_the_gateway(tmp_path: Path) -> None:
    made = SageMaker(open_store(tmp_path))
    made.model()
    made.config("config", variant(RoutingConfig={"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}))
    made.endpoint()
    status(made, instances={"AllTraffic": ("i-1", "i-2", "i-3")})
    seen = {invoke(made).instance_ids for _ in range(40)}
    assert seen == {("i-1", "i-2", "i-3"), ("i-2", "i-3", "i-1"), ("i-3", "i-1", "i-2")}
    told = made("DescribeEndpoint", EndpointName="ep")["ProductionVariants"][0]
    assert told["RoutingConfig"] == {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}


def pipeline(tmp_path: Path, mode: str) -> SageMaker:
    """An endpoint of a model with the containers `container-1` (or `a`) and `b`."""
    made = SageMaker(open_store(tmp_path))
    first = {"ContainerHostname": "a"} if mode == "Direct" else {}
    containers = [{"Image": IMAGE, **first}, {"Image": IMAGE, "ContainerHostname": "b"}]
    execution = {"InferenceExecutionConfig": {"Mode": mode}}
    made("CreateModel", ModelName="model", Containers=containers, ExecutionRoleArn=ROLE, **execution)
    made.config("config")
    made.endpoint()
    status(made, instances={"AllTraffic": ("i-1",)})
    return made


def test_a_serial_pipeline_asks_each_container_what_the_one_before_it_answered(tmp_path: Path) -> None:
    made = pipeline(tmp_path, "Serial")
    first = invoke(made, ContentType="text/csv", Accept="text/x", CustomAttributes="mine")
    assert (first.port, first.body, first.timeout) == (8080, b"1,2", 60.0)
    reply = ForwardReply(200, {"Content-Type": "text/y"}, b"halfway", instance_id="i-1", seconds=20.0)
    second = first.finish(reply)
    assert isinstance(second, Forward)
    assert (second.port, second.body, second.instance_ids, second.timeout) == (8081, b"halfway", ("i-1",), 40.0)
    assert dict(second.headers) == {
        "Content-Type": "text/y",
        "Accept": "text/x",
        "X-Amzn-SageMaker-Custom-Attributes": "mine",
    }
    result = second.finish(ForwardReply(200, {"content-type": "text/x"}, b"done"))
    assert result == {"Body": b"done", "ContentType": "text/x", "InvokedProductionVariant": "AllTraffic"}
    with pytest.raises(ServiceError, match=r"server error \(500\) from container-1 with"):
        first.finish(ForwardReply(500, {}, b"no"))
    with pytest.raises(ServiceError, match="for a response from container b"):
        second.finish(ForwardReply(0, {}, b"", "timeout"))
    assert "execution mode Direct only" in refusal(made, TargetContainerHostname="b").message
    error = made.error("InvokeEndpointWithResponseStream", "sagemaker-runtime", EndpointName="ep", Body=b"")
    assert "cannot be streamed" in error.message


def test_a_direct_model_asks_the_container_that_is_named(tmp_path: Path) -> None:
    made = pipeline(tmp_path, "Direct")
    asked = invoke(made, TargetContainerHostname="b")
    assert asked.port == 8081
    assert asked.finish(ForwardReply(200, {}, b"1"))["Body"] == b"1"
    assert "is needed" in refusal(made).message
    assert "no container with the hostname c" in refusal(made, TargetContainerHostname="c").message
