"""Processing and training jobs for the scenarios: made, waited for, looked at, cleaned up."""

import json
from typing import Any

from demo.data import EC2_ACTIONS
from demo.story import Story
from tests.patience import eventually
from tests.scenarios.hosting import BUCKET

IMAGE = "123456789012.dkr.ecr.us-west-2.amazonaws.com/ringfence-python:3"
ENDED = ("Completed", "Failed", "Stopped")
_SECONDS = 200.0  # more than the 120 that a container has between SIGTERM and SIGKILL


class Jobs:
    """`role`: may do what jobs in the VPC need; the S3 gateway endpoint lets everything through."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.connect()
        self.role = self._role()
        self._endpoint = story.facts["s3_endpoint"]
        found = story.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[self._endpoint])["VpcEndpoints"][0]
        self._policy: str = found["PolicyDocument"]
        self.endpoint_policy([{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}])

    def connect(self) -> None:
        """To the daemon that runs now."""
        self.sagemaker: Any = self.story.client("sagemaker")
        self.s3: Any = self.story.client("s3")

    def endpoint_policy(self, statements: list[dict[str, Any]]) -> None:
        """Of the S3 gateway endpoint; `clean` gives it back the one that it had."""
        self.story.client("ec2").modify_vpc_endpoint(VpcEndpointId=self._endpoint, PolicyDocument=_document(statements))

    def bare_role(self) -> str:
        """The same role without its EC2 permissions, until `clean`."""
        statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        self.story.client("iam").put_role_policy(
            RoleName="jobs", PolicyName="rights", PolicyDocument=_document([statement])
        )
        return self.role

    def _role(self) -> str:
        iam, name = self.story.client("iam"), "jobs"
        principal = {"Service": "sagemaker.amazonaws.com"}
        trust = [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]
        rights = [
            {"Effect": "Allow", "Action": EC2_ACTIONS, "Resource": "*"},
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"], "Resource": "*"},
        ]
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust))["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=_document(rights))
        return arn

    @property
    def vpc(self) -> dict[str, Any]:
        return {
            "Subnets": self.story.facts["subnets"],
            "SecurityGroupIds": [self.story.facts["groups"]["model"]],
        }

    def script(self, name: str, text: str) -> dict[str, Any]:
        """A processing input that brings a program to /opt/ml/processing/code/program.py."""
        self.s3.put_object(Bucket=BUCKET, Key=f"code/{name}/program.py", Body=text.encode())
        return self.input("code", f"s3://{BUCKET}/code/{name}/program.py", "/opt/ml/processing/code")

    def input(self, name: str, uri: str, path: str, **changes: str) -> dict[str, Any]:
        data = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}
        return {"InputName": name, "S3Input": data | changes}

    def output(self, name: str, uri: str, path: str, mode: str = "EndOfJob") -> dict[str, Any]:
        return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}}

    def process(self, name: str, program: str, *, instances: int = 1, **request: Any) -> dict[str, Any]:
        """Create a processing job in the VPC that runs the program; the description once it has ended."""
        self.begin(name, program, instances=instances, **request)
        return self.settle(name)

    def begin(self, name: str, program: str, *, instances: int = 1, **request: Any) -> None:
        inputs = [self.script(name, program), *request.pop("inputs", [])]
        outputs = request.pop("outputs", [])
        given = {
            "ProcessingJobName": name,
            "RoleArn": self.role,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/program.py"],
            },
            "ProcessingResources": {
                "ClusterConfig": {"InstanceCount": instances, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
            },
            "NetworkConfig": {"VpcConfig": self.vpc},
            "ProcessingInputs": inputs,
            "ProcessingOutputConfig": {"Outputs": outputs},
        }
        self.sagemaker.create_processing_job(**{**given, **request})

    def settle(self, name: str) -> dict[str, Any]:
        return self._ended("processing", name)

    def train(self, name: str, program: str, **request: Any) -> dict[str, Any]:
        """Create a training job in the VPC that runs the program; the description once it has ended."""
        self.begin_training(name, program, **request)
        return self.settle_training(name)

    def begin_training(self, name: str, program: str, *, instances: int = 1, **request: Any) -> None:
        """The program comes by the channel `code`."""
        self.script(name, program)
        given = {
            "TrainingJobName": name,
            "RoleArn": self.role,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/program.py"],
            },
            "InputDataConfig": [self.channel("code", f"s3://{BUCKET}/code/{name}"), *request.pop("channels", [])],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/trained"},
            "ResourceConfig": {"InstanceCount": instances, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "VpcConfig": self.vpc,
        }
        self.sagemaker.create_training_job(**{**given, **request})

    def channel(self, name: str, uri: str, **changes: str) -> dict[str, Any]:
        return {
            "ChannelName": name,
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, **changes}},
        }

    def settle_training(self, name: str) -> dict[str, Any]:
        return self._ended("training", name)

    def settle_transform(self, name: str) -> dict[str, Any]:
        return self._ended("transform", name)

    def _ended(self, kind: str, name: str) -> dict[str, Any]:
        describe, noun = getattr(self.sagemaker, f"describe_{kind}_job"), f"{kind.title()}Job"

        def look() -> dict[str, Any]:
            told: dict[str, Any] = describe(**{f"{noun}Name": name})
            return told

        return eventually(look, lambda told: told[f"{noun}Status"] in ENDED, seconds=_SECONDS, pause=0.1)

    def log(self, name: str, group: str = "/aws/sagemaker/ProcessingJobs") -> dict[str, list[str]]:
        """Stream -> lines."""
        logs = self.story.client("logs")
        found = logs.filter_log_events(logGroupName=group, logStreamNamePrefix=f"{name}/")["events"]
        lines: dict[str, list[str]] = {}
        for event in found:
            lines.setdefault(event["logStreamName"], []).append(event["message"])
        return lines

    def wait_for_line(
        self, name: str, line: str, group: str = "/aws/sagemaker/ProcessingJobs", containers: int = 1
    ) -> None:
        """Until so many containers of the job have written this line."""
        logs = self.story.client("logs")

        def look() -> dict[str, list[str]]:
            groups = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
            return self.log(name, group) if groups else {}

        eventually(look, lambda found: sum(line in lines for lines in found.values()) >= containers, pause=0.1)

    def keys(self, prefix: str) -> dict[str, bytes]:
        """Key below the prefix -> content."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {
            one["Key"].removeprefix(prefix): self.s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
            for one in listed
        }

    def explain(self, name: str) -> dict[str, Any]:
        """What `ringfence explain job` says, as JSON."""
        facts: dict[str, Any] = json.loads(self.story.ringfence("explain", "job", name, "--json").stdout)
        return facts

    def faults(self, name: str) -> dict[str, str]:
        """Check -> sentence of what `ringfence explain job` finds wrong."""
        return {one["check"]: one["sentence"] for one in self.explain(name)["findings"] if one["mark"] == "wrong"}

    def interfaces(self) -> list[dict[str, Any]]:
        filters = [{"Name": "group-id", "Values": [self.story.facts["groups"]["model"]]}]
        found: list[dict[str, Any]] = self.story.client("ec2").describe_network_interfaces(Filters=filters)[
            "NetworkInterfaces"
        ]
        return found

    def clean(self) -> None:
        ec2, iam = self.story.client("ec2"), self.story.client("iam")
        ec2.modify_vpc_endpoint(VpcEndpointId=self._endpoint, PolicyDocument=self._policy)
        iam.delete_role_policy(RoleName="jobs", PolicyName="rights")
        iam.delete_role(RoleName="jobs")


def _document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
