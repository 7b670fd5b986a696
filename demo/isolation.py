"""Chapter six: a second endpoint whose container has no network at all."""

import json

from demo.hosting import INVOKE, PYTHON, create, predict
from demo.story import Story, expect


def show(story: Story, name: str) -> None:
    """Predictions work; the container sees loopback only."""
    create(story, name, isolated=True)
    runtime = story.facts["runtime_endpoint"]
    with story.step("the VPC endpoint's policy is changed to admit it; predictions work"):
        allow = {"Effect": "Allow", "Principal": "*", "Action": "sagemaker:InvokeEndpoint", "Resource": "*"}
        story.client("ec2").modify_vpc_endpoint(
            VpcEndpointId=runtime, PolicyDocument=json.dumps({"Statement": [allow]})
        )
        predict(story, name, story.inside(PYTHON, "-c", INVOKE, name, json.dumps({"rows": story.facts["rows"]})))
    with story.step("its container has nothing but loopback") as line:
        seen = json.loads(story.inside(PYTHON, "-c", INVOKE, name, json.dumps({"interfaces": True})))["interfaces"]
        expect(seen == ["lo"], f"it has {seen}")
        line.note = f"interfaces: {seen}"
