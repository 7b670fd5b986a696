"""Endpoints for the scenarios: made, waited for, asked, cleaned up."""

import json
from typing import Any

from botocore.exceptions import ClientError

from demo.story import Story
from tests.patience import eventually

BUCKET = "scenario-models"
ENDPOINT = "iris"
IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


class Hosting:
    """Makes endpoints, waits for what becomes of them, and deletes them at the end of the test."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.sagemaker: Any = story.client("sagemaker")
        self._made: list[str] = []
        self._models: list[str] = []
        self._configs: list[str] = []

    def create(self, name: str, *, instances: int = 1, role: str = "execution", **model: Any) -> dict[str, Any]:
        """Create model, configuration and endpoint `name`; the description once it is InService or Failed."""
        config = model.pop("config", {})
        self.create_model(name, role=role, **model)
        return self.create_endpoint(name, self.variant("one", name, InitialInstanceCount=instances), **config)

    def create_model(self, name: str, *, role: str = "execution", **model: Any) -> None:
        container = {
            "Image": IMAGE,
            "ModelDataUrl": self.story.facts["data"],
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
        }
        containers = model.pop("containers", None)
        primary = {"PrimaryContainer": container | model.pop("container", {})}
        self.sagemaker.create_model(
            ModelName=name,
            **({"Containers": containers} if containers else primary),
            ExecutionRoleArn=self.story.facts["roles"][role],
            **model,
        )
        self._models.append(name)

    def variant(self, name: str, model: str, **more: Any) -> dict[str, Any]:
        """A production variant of one instance."""
        return {
            "VariantName": name,
            "ModelName": model,
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.large",
        } | more

    def create_config(self, name: str, *variants: dict[str, Any], **config: Any) -> None:
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=list(variants), **config)
        self._configs.append(name)

    def create_endpoint(self, name: str, *variants: dict[str, Any], **config: Any) -> dict[str, Any]:
        """Configuration and endpoint `name` of models that are there; the description once InService or Failed."""
        self.create_config(name, *variants, **config)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        self._made.append(name)
        return self.settle(name)

    def settle(self, name: str) -> dict[str, Any]:
        """Wait until the endpoint has come to rest."""

        def look() -> dict[str, Any]:
            told: dict[str, Any] = self.sagemaker.describe_endpoint(EndpointName=name)
            return told

        moving = ("Creating", "Updating", "RollingBack")
        return eventually(look, lambda told: told["EndpointStatus"] not in moving, seconds=180, pause=0.1)

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
        """Delete what was made, and wait until nothing of it is left: no endpoint, no ENI of the model group."""
        for name in self._made:
            self.delete(name)
        eventually(self._left, lambda left: not left & set(self._made), pause=0.1)
        for name in self._configs:
            self.sagemaker.delete_endpoint_config(EndpointConfigName=name)
        for name in self._models:
            self.sagemaker.delete_model(ModelName=name)
        filters = [{"Name": "group-id", "Values": [self.story.facts["groups"]["model"]]}]
        ec2 = self.story.client("ec2")
        eventually(
            lambda: ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"],
            lambda found: not found,
            pause=0.1,
        )

    def delete(self, name: str) -> None:
        """As soon as that is possible: what is being made, changed or deleted cannot be deleted."""

        def delete() -> bool:
            try:
                self.sagemaker.delete_endpoint(EndpointName=name)
            except ClientError as error:
                if "in-progress endpoint" not in str(error) and "Could not find endpoint" not in str(error):
                    raise
                return "Could not find endpoint" in str(error)
            return True

        eventually(delete, seconds=180, pause=0.1)

    def _left(self) -> set[str]:
        """The endpoints that there are, those that are being deleted too."""
        pages = self.sagemaker.get_paginator("list_endpoints").paginate()
        return {one["EndpointName"] for page in pages for one in page["Endpoints"]}


def events_of(story: Story, endpoint: str) -> list[dict[str, Any]]:
    """What its containers have written as far as it is shipped, a moment later; the first line makes the group."""
    logs, group = story.client("logs"), f"/aws/sagemaker/Endpoints/{endpoint}"
    try:
        found: list[dict[str, Any]] = logs.filter_log_events(logGroupName=group)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return found
