"""Notebook instances for the scenarios: with a role and a group of their own in the demo's VPC."""

import base64
import json
from typing import Any

from demo.data import EC2_ACTIONS
from demo.network import wait_available
from demo.story import BIN, Story, expect
from tests.patience import eventually
from tests.scenarios.studio import CLIENT

NAME = "notebooks"
RIGHTS = ["sagemaker:List*", "sagemaker:Describe*", *EC2_ACTIONS]
ENDED = ("Stopped", "Failed")


class Notebooks:
    """`role`: of the instances. Their group lets them out to everywhere, and through the endpoints' 443."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.connect()
        self.role = self._make_role()
        made = self._ec2.create_security_group(GroupName=NAME, Description=NAME, VpcId=story.facts["vpc"])
        self.group: str = made["GroupId"]
        pair = [{"GroupId": self.group}]
        self.door = {
            "GroupId": story.facts["groups"]["endpoint"],
            "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": pair}],
        }
        self._ec2.authorize_security_group_ingress(**self.door)

    def connect(self) -> None:
        """To the daemon that runs now."""
        self.sagemaker: Any = self.story.client("sagemaker")
        self._ec2: Any = self.story.client("ec2")

    def create(self, name: str, **changes: Any) -> str:
        """In the demo's VPC, without DirectInternetAccess, if nothing else is said."""
        given = {
            "NotebookInstanceName": name, "InstanceType": "ml.t3.medium", "RoleArn": self.role,
            "SubnetId": self.story.facts["subnets"][0], "SecurityGroupIds": [self.group],
            "DirectInternetAccess": "Disabled",
        }  # fmt: skip
        wanted = {member: value for member, value in {**given, **changes}.items() if value is not None}
        arn: str = self.sagemaker.create_notebook_instance(**wanted)["NotebookInstanceArn"]
        return arn

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.sagemaker.describe_notebook_instance(NotebookInstanceName=name)
        return found

    def settle(self, name: str, *wanted: str) -> dict[str, Any]:
        """Its description once it is in one of these states; an error if it has come to rest in another."""
        rest = (*wanted, *ENDED)
        found = eventually(
            lambda: self.describe(name), lambda told: told["NotebookInstanceStatus"] in rest, seconds=200, pause=0.1
        )
        told = f"it is {found['NotebookInstanceStatus']}: {found.get('FailureReason')}"
        expect(found["NotebookInstanceStatus"] in wanted, told)
        return found

    def start(self, name: str) -> dict[str, Any]:
        self.sagemaker.start_notebook_instance(NotebookInstanceName=name)
        return self.settle(name, "InService")

    def stop(self, name: str) -> dict[str, Any]:
        self.sagemaker.stop_notebook_instance(NotebookInstanceName=name)
        return self.settle(name, "Stopped")

    def delete(self, name: str) -> None:
        if self.settle(name, "InService", *ENDED)["NotebookInstanceStatus"] == "InService":
            self.stop(name)
        self.sagemaker.delete_notebook_instance(NotebookInstanceName=name)
        eventually(lambda: name not in [one["NotebookInstanceName"] for one in self.listed()], pause=0.1)

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sagemaker.list_notebook_instances(MaxResults=100)["NotebookInstances"]
        return found

    def configure(self, name: str, **scripts: str) -> str:
        hooks = {hook: [{"Content": base64.b64encode(text.encode()).decode()}] for hook, text in scripts.items()}
        self.sagemaker.create_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name, **hooks)
        return name

    def log(self, stream: str) -> str:
        events = self.story.client("logs").get_log_events(
            logGroupName="/aws/sagemaker/NotebookInstances", logStreamName=stream
        )
        return "\n".join(one["message"] for one in events["events"])

    def interfaces(self, name: str) -> list[dict[str, Any]]:
        """Those that SageMaker made for it."""
        text = (
            "[Do not delete] Network Interface created to access resources in your VPC for SageMaker Notebook Instance"
        )
        found = self._ec2.describe_network_interfaces(Filters=[{"Name": "description", "Values": [f"{text} {name}"]}])
        shown: list[dict[str, Any]] = found["NetworkInterfaces"]
        return shown

    def make_endpoint(self) -> str:
        """`aws.sagemaker.<region>.notebook` with private DNS; to be deleted by whoever asked for it."""
        made = self._ec2.create_vpc_endpoint(
            VpcEndpointType="Interface",
            VpcId=self.story.facts["vpc"],
            ServiceName=f"aws.sagemaker.{self.story.region}.notebook",
            SubnetIds=self.story.facts["subnets"],
            SecurityGroupIds=[self.story.facts["groups"]["endpoint"]],
            PrivateDnsEnabled=True,
        )
        id: str = made["VpcEndpoint"]["VpcEndpointId"]
        wait_available(self.story, [id])
        return id

    def delete_endpoint(self, id: str) -> None:
        self._ec2.delete_vpc_endpoints(VpcEndpointIds=[id])
        left = self._ec2.describe_vpc_endpoints
        eventually(lambda: id not in [one["VpcEndpointId"] for one in left()["VpcEndpoints"]], pause=0.1)

    def browse(self, *where: str, **asked: Any) -> dict[str, Any]:
        """What a browser saw that stands where `ringfence exec` puts it: in the VPC, if nothing is said."""
        facts = self.story.facts
        client = ("--subnet", facts["subnets"][0], "--security-group", facts["groups"]["client"])
        told = {"lab": "", "cookie_name": "__Host-NotebookSession", **asked}
        command = (str(BIN / "python"), str(CLIENT), json.dumps(told))
        done = self.story.ringfence("exec", *(where or client), "--role", facts["roles"]["app"], *command)
        expect(done.returncode == 0, done.stderr[-2000:])
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def run(self, name: str, cell: str) -> str:
        """What a cell prints."""
        told = self.browse("--internet", notebook=name, run=cell)
        expect("output" in told, f"{told}")
        printed: str = told["output"]
        return printed

    def allow(self, **condition: Any) -> None:
        """What the role of the browsers may do: open notebook instances, on this condition."""
        statement = {"Effect": "Allow", "Action": "sagemaker:CreatePresignedNotebookInstanceUrl", "Resource": "*"}
        self.story.client("iam").put_role_policy(
            RoleName=self.story.facts["roles"]["app"].rpartition("/")[2],
            PolicyName="notebook",
            PolicyDocument=_document([{**statement, **({"Condition": condition} if condition else {})}]),
        )

    def _forbid(self) -> None:
        """What `allow` gave."""
        iam, role = self.story.client("iam"), self.story.facts["roles"]["app"].rpartition("/")[2]
        if "notebook" in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            iam.delete_role_policy(RoleName=role, PolicyName="notebook")

    def clean(self) -> None:
        for one in self.listed():
            self.delete(one["NotebookInstanceName"])
        self._forbid()
        for config in self.sagemaker.list_notebook_instance_lifecycle_configs()["NotebookInstanceLifecycleConfigs"]:
            name = config["NotebookInstanceLifecycleConfigName"]
            self.sagemaker.delete_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=name)
        self._ec2.revoke_security_group_ingress(**self.door)
        self._ec2.delete_security_group(GroupId=self.group)
        iam = self.story.client("iam")
        iam.delete_role_policy(RoleName=NAME, PolicyName="rights")
        iam.delete_role(RoleName=NAME)

    def give_rights(self, *actions: str) -> None:
        """To the instances' role: those that it needs, if none are named."""
        statement = {"Effect": "Allow", "Action": list(actions) or RIGHTS, "Resource": "*"}
        self.story.client("iam").put_role_policy(
            RoleName=NAME, PolicyName="rights", PolicyDocument=_document([statement])
        )

    def _make_role(self) -> str:
        iam = self.story.client("iam")
        trust = {"Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole", "Effect": "Allow"}
        arn: str = iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=_document([trust]))["Role"]["Arn"]
        self.give_rights()
        return arn


def _document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
