"""Shadow variants: configured, described, and asked beside the production variant; without a container."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sagemaker_caller import ACCOUNT, IMAGE, NOW, ROLE, SageMaker, variant

from ringfence.core.results import Forward, ForwardReply
from ringfence.resources.sagemaker import EndpointStatus
from ringfence.store.database import open_store

KEY = f"{ACCOUNT}/us-west-2/ep"
SHADOW = variant(VariantName="Shadow", ModelName="candidate")
CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://captured/a",
    "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
}


@pytest.fixture
def sagemaker(tmp_path: Path) -> SageMaker:
    made = SageMaker(open_store(tmp_path))
    made.model()
    made.model("candidate")
    return made


def configure(made: SageMaker, production: dict[str, Any], shadow: dict[str, Any], **more: Any) -> None:
    made(
        "CreateEndpointConfig",
        EndpointConfigName="config",
        ProductionVariants=[production],
        ShadowProductionVariants=[shadow],
        **more,
    )


def pipeline(made: SageMaker, name: str) -> None:
    made("CreateModel", ModelName=name, ExecutionRoleArn=ROLE, Containers=[{"Image": IMAGE}, {"Image": IMAGE}])


def serve(made: SageMaker, shadows: tuple[str, ...] = ("i-2",), **changes: Any) -> SageMaker:
    made.endpoint()
    given = {"generation": 1, "serving_generation": 1, "instances": {"AllTraffic": ("i-1",), "Shadow": shadows}}
    made.put(EndpointStatus(endpoint_key=KEY, status="InService", modified=NOW, **{**given, **changes}))
    return made


def invoke(made: SageMaker, operation: str = "InvokeEndpoint", **request: Any) -> Forward:
    found = made(operation, "sagemaker-runtime", EndpointName="ep", **{"Body": b"1,2", **request})
    assert isinstance(found, Forward)
    return found


def test_both_kinds_are_described_apart(sagemaker: SageMaker) -> None:
    configure(sagemaker, variant(), SHADOW)
    told = sagemaker("DescribeEndpointConfig", EndpointConfigName="config")
    assert told["ShadowProductionVariants"] == [{**SHADOW, "InitialVariantWeight": 1.0}]
    serve(sagemaker)
    told = sagemaker("DescribeEndpoint", EndpointName="ep")
    assert [one["VariantName"] for one in told["ProductionVariants"]] == ["AllTraffic"]
    assert [one["VariantName"] for one in told["ShadowProductionVariants"]] == ["Shadow"]
    assert told["ShadowProductionVariants"][0]["CurrentInstanceCount"] == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ShadowProductionVariants": [SHADOW, variant(VariantName="Third")]}, "you can only specify one variant"),
        ({"ProductionVariants": [variant(), variant(VariantName="Other")]}, "you can only specify one variant"),
        ({"ShadowProductionVariants": [variant(VariantName="alltraffic")]}, "must be unique"),
        ({"ShadowProductionVariants": [{"VariantName": "v"}]}, "shadowProductionVariants.1.member.modelName"),
        ({"ShadowProductionVariants": [{**SHADOW, "ModelName": "nope"}]}, "Could not find model"),
        ({"ShadowProductionVariants": [{**SHADOW, "ModelName": "two"}]}, "multi-container endpoints"),
        ({"ProductionVariants": [variant(ModelName="two")]}, "multi-container endpoints"),
        (
            {"ShadowProductionVariants": [{**SHADOW, "EnableSSMAccess": True}]},
            "ShadowProductionVariants[0].EnableSSMAccess",
        ),
        ({"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://a/b"}}}, "asynchronous inference"),
    ],
)
def test_what_shadow_variants_do_not_go_with(sagemaker: SageMaker, changes: dict[str, Any], words: str) -> None:
    pipeline(sagemaker, "two")
    given = {"ProductionVariants": [variant()], "ShadowProductionVariants": [SHADOW], **changes}
    error = sagemaker.error("CreateEndpointConfig", EndpointConfigName="config", **given)
    assert error.code == "ValidationException" and words in error.message


def test_a_model_that_became_a_pipeline_is_seen_when_the_endpoint_is_made(sagemaker: SageMaker) -> None:
    configure(sagemaker, variant(), SHADOW)
    sagemaker("DeleteModel", ModelName="candidate")
    pipeline(sagemaker, "candidate")
    error = sagemaker.error("CreateEndpoint", EndpointName="ep", EndpointConfigName="config")
    assert "multi-container endpoints" in error.message


def test_the_shadow_is_asked_the_same_and_answers_nobody(sagemaker: SageMaker) -> None:
    configure(sagemaker, variant(), SHADOW, DataCaptureConfig=CAPTURE)
    serve(sagemaker)
    forward = invoke(sagemaker, ContentType="text/csv", InferenceId="mine")
    copy = forward.shadow
    assert copy is not None and forward.invoked is not None and copy.invoked is not None
    assert (copy.instance_ids, copy.invoked.variant) == (("i-2",), "Shadow")
    assert (copy.path, copy.body, copy.headers) == (forward.path, forward.body, forward.headers)
    result = forward.finish(ForwardReply(200, {}, b"3"))
    assert result == {"Body": b"3", "InvokedProductionVariant": "AllTraffic"}
    answer = copy.finish(ForwardReply(200, {}, b"4"))
    assert forward.capture is not None and copy.capture is not None and isinstance(answer, dict)
    kept, shadowed = forward.capture(result), copy.capture(answer)
    assert (kept.variant, shadowed.variant) == ("AllTraffic", "Shadow")
    assert kept.event_id != shadowed.event_id and b'"inferenceId":"mine"' in shadowed.write()


def test_a_streamed_answer_is_copied_whole(sagemaker: SageMaker) -> None:
    configure(sagemaker, variant(), SHADOW, DataCaptureConfig=CAPTURE)
    forward = invoke(serve(sagemaker), "InvokeEndpointWithResponseStream")
    assert forward.stream is not None and forward.shadow is not None
    assert (forward.shadow.stream, forward.shadow.capture) == (None, None)


def test_its_weight_against_the_production_variants_is_its_share(sagemaker: SageMaker) -> None:
    configure(sagemaker, variant(InitialVariantWeight=2.0), {**SHADOW, "InitialVariantWeight": 0.5})
    serve(sagemaker)
    share = Counter(invoke(sagemaker).shadow is not None for _ in range(400))[True] / 400
    assert 0.17 < share < 0.33  # a quarter; four standard deviations are 0.087


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_no_copy_for_weight_nought_or_without_an_instance(sagemaker: SageMaker, weight: float) -> None:
    configure(sagemaker, variant(), {**SHADOW, "InitialVariantWeight": weight})
    serve(sagemaker, shadows=() if weight else ("i-2",))
    assert invoke(sagemaker).shadow is None


def test_callers_cannot_reach_it(sagemaker: SageMaker) -> None:
    configure(sagemaker, variant(), SHADOW)
    serve(sagemaker)
    request = {"EndpointName": "ep", "Body": b"", "TargetVariant": "Shadow"}
    error = sagemaker.error("InvokeEndpoint", "sagemaker-runtime", **request)
    assert error.message == "Variant Shadow not found in endpoint configuration config."


def test_its_weight_and_count_change_and_cannot_carry_the_endpoint(sagemaker: SageMaker) -> None:
    configure(sagemaker, variant(), SHADOW)
    serve(sagemaker)
    change = [{"VariantName": "AllTraffic", "DesiredWeight": 0.0}]
    error = sagemaker.error("UpdateEndpointWeightsAndCapacities", EndpointName="ep", DesiredWeightsAndCapacities=change)
    assert "greater than 0" in error.message
    change = [{"VariantName": "Shadow", "DesiredWeight": 0.0, "DesiredInstanceCount": 2}]
    sagemaker("UpdateEndpointWeightsAndCapacities", EndpointName="ep", DesiredWeightsAndCapacities=change)
    told = sagemaker("DescribeEndpoint", EndpointName="ep")["ShadowProductionVariants"][0]
    assert (told["DesiredWeight"], told["DesiredInstanceCount"]) == (0.0, 2)
