"""A shadow variant beside a production variant, both real: it is asked the same, and nobody hears of it."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from demo.story import Story
from tests.patience import eventually
from tests.scenarios.hosting import Hosting
from tests.scenarios.killing import signal_containers
from tests.scenarios.load import patient_runtime
from tests.scenarios.perl_model import write_perl_model

pytestmark = pytest.mark.root

NAME = "123456789012.dkr.ecr.us-west-2.amazonaws.com/shadowed:1"
BUCKET = "shadow-answers"


def test_the_shadow_is_asked_the_same_and_disturbs_nobody(story: Story, hosting: Hosting, tmp_path: Path) -> None:
    assert story.ringfence("image", "import", str(write_perl_model(tmp_path)), NAME).returncode == 0
    s3, iam = story.client("s3"), story.client("iam")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    role = story.facts["roles"]["execution"].rpartition("/")[2]
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="shadow", PolicyDocument=document)
    hosting.create_model("proven", containers=[{"Image": NAME}])
    hosting.create_model("candidate", containers=[{"Image": NAME, "Environment": {"NAME": "candidate", "SLOW": "2"}}])
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}",
        "CaptureOptions": [{"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/plain"]},
    }
    told = hosting.create_endpoint(
        "shadowed",
        hosting.variant("production", "proven"),
        ShadowProductionVariants=[hosting.variant("shadow", "candidate")],
        DataCaptureConfig=capture,
    )
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    shadow = told["ShadowProductionVariants"][0]
    assert (shadow["VariantName"], shadow["CurrentInstanceCount"], shadow["CurrentWeight"]) == ("shadow", 1, 1.0)
    runtime = patient_runtime(story)
    for number in range(3):
        answer = runtime.invoke_endpoint(EndpointName="shadowed", Body=b"1,2", InferenceId=f"id-{number}")
        assert answer["Body"].read() == b"model(8080): 1,2"
        assert answer["InvokedProductionVariant"] == "production"
    with pytest.raises(ClientError, match="Variant shadow not found"):
        runtime.invoke_endpoint(EndpointName="shadowed", Body=b"", TargetVariant="shadow")
    assert _captured(s3, "shadowed/production/") == {f"id-{number}": "model(8080): 1,2" for number in range(3)}
    assert _captured(s3, "shadowed/shadow/") == {f"id-{number}": "candidate(8080): 1,2" for number in range(3)}

    _kill_shadow(story)
    for _ in range(20):
        assert runtime.invoke_endpoint(EndpointName="shadowed", Body=b"3")["Body"].read() == b"model(8080): 3"
        assert hosting.sagemaker.describe_endpoint(EndpointName="shadowed")["EndpointStatus"] == "InService"
    hosting.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="shadowed", DesiredWeightsAndCapacities=[{"VariantName": "shadow", "DesiredWeight": 0.0}]
    )
    assert hosting.settle("shadowed")["ShadowProductionVariants"][0]["CurrentWeight"] == 0.0
    # the weights are current once every instance serves: the killed one has been replaced
    assert hosting.settle("shadowed")["ShadowProductionVariants"][0]["CurrentInstanceCount"] == 1
    iam.delete_role_policy(RoleName=role, PolicyName="shadow")


def _captured(s3: Any, prefix: str) -> dict[str, str]:
    """Inference id -> answer, once three are there."""

    def look() -> list[dict[str, Any]]:
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]
        text = "".join(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode() for key in keys)
        return [json.loads(line) for line in text.splitlines()]

    lines = eventually(look, lambda lines: len(lines) >= 3, pause=0.2)
    return {line["eventMetadata"]["inferenceId"]: line["captureData"]["endpointOutput"]["data"] for line in lines}


def _kill_shadow(story: Story) -> None:
    """Every process of the candidate's container."""
    told = json.loads(story.ringfence("explain", "endpoint", "shadowed", "--json").stdout)
    instance = next(one["id"] for one in told["state"]["instances"] if one["variant"] == "shadow")
    signal_containers(story, signal.SIGKILL, instance)
