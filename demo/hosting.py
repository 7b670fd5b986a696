"""Chapters three and four: the endpoint in the VPC, and calls to it through PrivateLink."""

import json
from pathlib import Path

from demo.story import BIN, Story, expect

IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"

# Nothing here names Ringfence: an unmodified client with private DNS and the instance's role.
INVOKE = """
import boto3, sys
answer = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName=sys.argv[1], ContentType="application/json", Body=sys.argv[2].encode())
print(answer["Body"].read().decode())
"""
RESOLVE = "import socket, sys; print(*sorted({a[4][0] for a in socket.getaddrinfo(sys.argv[1], 443, socket.AF_INET)}))"
DESCRIBE = (
    "import boto3, sys; print(boto3.client('sagemaker').describe_endpoint(EndpointName=sys.argv[1])['EndpointStatus'])"
)
PYTHON = str(BIN / "python")


def define(story: Story, name: str, *, instances: int, isolated: bool = False) -> None:
    """Model and endpoint configuration called `name`: the trained model in the VPC."""
    sagemaker = story.client("sagemaker")
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": story.facts["data"],
            "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
        },
        ExecutionRoleArn=story.facts["roles"]["execution"],
        VpcConfig={"Subnets": story.facts["subnets"], "SecurityGroupIds": [story.facts["groups"]["model"]]},
        EnableNetworkIsolation=isolated,
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InitialInstanceCount": instances,
        "InstanceType": "ml.m5.large",
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])


def create(story: Story, name: str, *, isolated: bool = False) -> None:
    """Model, endpoint configuration and endpoint called `name`; waits with boto3's own waiter until InService."""
    sagemaker = story.client("sagemaker")
    with story.step(f"CreateModel, CreateEndpointConfig, CreateEndpoint: {name} is InService"):
        define(story, name, instances=2, isolated=isolated)
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        sagemaker.get_waiter("endpoint_in_service").wait(
            EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )


def show_interfaces(story: Story) -> None:
    """DescribeNetworkInterfaces shows the ENIs of the model's group in the private subnets."""
    filters = [{"Name": "group-id", "Values": [story.facts["groups"]["model"]]}]
    with story.step("DescribeNetworkInterfaces shows the model's ENIs in the private subnets") as line:
        found = story.client("ec2").describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
        expect(len(found) == 2, f"there are {len(found)}")
        expect({eni["SubnetId"] for eni in found} == set(story.facts["subnets"]), "they are elsewhere")
        story.facts["model_eni"] = found[0]["NetworkInterfaceId"]
        story.facts["model_address"] = found[0]["PrivateIpAddress"]
        line.note = "\n".join(
            f"{eni['NetworkInterfaceId']} {eni['PrivateIpAddress']} in {eni['SubnetId']}" for eni in found
        )


def call(story: Story, name: str, scratch: Path) -> None:
    """Private DNS, TLS and predictions from inside the VPC, by boto3 and by the AWS CLI."""
    host = f"runtime.sagemaker.{story.region}.amazonaws.com"
    with story.step(f"from inside the VPC, {host} is the endpoint's ENIs") as line:
        addresses = story.inside(PYTHON, "-c", RESOLVE, host).split()
        expect(len(addresses) == 2 and all(address.startswith("10.0.") for address in addresses), f"it is {addresses}")
        line.note = " ".join(addresses)
    body = json.dumps({"rows": story.facts["rows"]})
    with story.step("boto3 invoke_endpoint from inside: no endpoint URL, TLS verified, real predictions") as line:
        predict(story, name, story.inside(PYTHON, "-c", INVOKE, name, body))
        line.note = f"{story.facts['classes']}"
    with story.step("aws sagemaker-runtime invoke-endpoint, the same"):
        output = scratch / "prediction.json"
        request = scratch / "request.json"
        request.write_text(body)
        command = [
            "sagemaker-runtime",
            "invoke-endpoint",
            "--endpoint-name",
            name,
            "--content-type",
            "application/json",
        ]
        story.inside(str(BIN / "aws"), *command, "--body", f"fileb://{request}", str(output))
        predict(story, name, output.read_text())
    with story.step("boto3 describe_endpoint through the sagemaker.api endpoint"):
        expect(story.inside(PYTHON, "-c", DESCRIBE, name) == "InService", "another status")


def predict(story: Story, name: str, answer: str) -> None:
    """Hold the answer of a prediction against what the model said when it was trained."""
    expect(json.loads(answer) == {"classes": story.facts["classes"]}, f"{name} answered {answer}")
