"""Endpoints for the scenarios: made, waited for, asked, cleaned up."""

import json
import time
from typing import Any

from demo.story import Story, expect

BUCKET = "scenario-models"
ENDPOINT = "iris"
IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


class Hosting:
    """Makes endpoints, waits for what becomes of them, and deletes them at the end of the test."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.sagemaker: Any = story.client("sagemaker")
        self._made: list[str] = []

    def create(self, name: str, *, instances: int = 1, role: str = "execution", **model: Any) -> dict[str, Any]:
        """Create model, configuration and endpoint `name`; the description once it is InService or Failed."""
        container = {
            "Image": IMAGE,
            "ModelDataUrl": self.story.facts["data"],
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
        }
        self.sagemaker.create_model(
            ModelName=name,
            PrimaryContainer=container | model.pop("container", {}),
            ExecutionRoleArn=self.story.facts["roles"][role],
            **model,
        )
        variant = {
            "VariantName": "one",
            "ModelName": name,
            "InitialInstanceCount": instances,
            "InstanceType": "ml.m5.large",
        }
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        self._made.append(name)
        return self.settle(name)

    def settle(self, name: str) -> dict[str, Any]:
        """Wait at most two minutes until the endpoint is neither Creating nor Updating."""
        deadline = time.monotonic() + 120
        while True:
            told: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
            if told["EndpointStatus"] not in ("Creating", "Updating"):
                return told
            expect(time.monotonic() < deadline, f"{name} is still {told['EndpointStatus']}")
            time.sleep(0.1)

    def invoke(self, name: str, **question: Any) -> Any:
        """Ask the container of the demo through the administrator's loopback."""
        runtime = self.story.client("sagemaker-runtime")
        answer = runtime.invoke_endpoint(
            EndpointName=name, ContentType="application/json", Body=json.dumps(question).encode()
        )
        return json.loads(answer["Body"].read())

    def vpc_config(self, group: str = "model") -> dict[str, Any]:
        return {"Subnets": self.story.facts["subnets"], "SecurityGroupIds": [self.story.facts["groups"][group]]}

    def clean(self) -> None:
        """Delete what was made, and wait until SageMaker has let go of the model group's ENIs."""
        for name in self._made:
            self.sagemaker.delete_endpoint(EndpointName=name)
            self.sagemaker.delete_endpoint_config(EndpointConfigName=name)
            self.sagemaker.delete_model(ModelName=name)
        filters = [{"Name": "group-id", "Values": [self.story.facts["groups"]["model"]]}]
        deadline = time.monotonic() + 60
        while self.story.client("ec2").describe_network_interfaces(Filters=filters)["NetworkInterfaces"]:
            expect(time.monotonic() < deadline, "the model's ENIs are still there")
            time.sleep(0.1)
