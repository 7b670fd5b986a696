"""Studio for the scenarios: a role, a domain in the demo's VPC, its profiles; made, waited for, taken away."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.network import wait_available
from demo.story import BIN, Story, expect
from tests.patience import eventually

GROUP = "studio"
CLIENT = Path(__file__).with_name("studio_client.py")


class Studio:
    """`role`: of the apps. Its group lets apps out, and in only what AWS's page asks for: TCP 8192-65535 of itself."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.connect()
        self.domains: list[str] = []
        self.role = self._make_role()
        self.group = self._make_group()
        self.endpoints: list[str] = []
        self.door = {
            "GroupId": story.facts["groups"]["endpoint"],
            "IpPermissions": [
                {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": self.group}]}
            ],
        }
        self._ec2.authorize_security_group_ingress(**self.door)

    def connect(self) -> None:
        """To the daemon that runs now."""
        self.sagemaker: Any = self.story.client("sagemaker")
        self._ec2: Any = self.story.client("ec2")

    def make_endpoint(self, service: str = "aws.sagemaker.{region}.studio") -> str:
        """Studio's own or another one, with private DNS, open to the groups of clients and of apps."""
        made = self._ec2.create_vpc_endpoint(
            VpcEndpointType="Interface",
            VpcId=self.story.facts["vpc"],
            ServiceName=service.format(region=self.story.region),
            SubnetIds=self.story.facts["subnets"],
            SecurityGroupIds=[self.story.facts["groups"]["endpoint"]],
            PrivateDnsEnabled=True,
        )
        id: str = made["VpcEndpoint"]["VpcEndpointId"]
        self.endpoints.append(id)
        wait_available(self.story, [id])
        return id

    @contextmanager
    def endpoint_policy(self, statements: list[dict[str, Any]]) -> Iterator[None]:
        """Of the endpoint for SageMaker's API, and back."""
        found = self._ec2.describe_vpc_endpoints()["VpcEndpoints"]
        (api,) = [one for one in found if one["ServiceName"].endswith(".sagemaker.api")]
        id, before = api["VpcEndpointId"], api["PolicyDocument"]
        self._ec2.modify_vpc_endpoint(VpcEndpointId=id, PolicyDocument=_document(statements))
        try:
            yield
        finally:
            self._ec2.modify_vpc_endpoint(VpcEndpointId=id, PolicyDocument=before)

    def browse(self, *where: str, **asked: Any) -> dict[str, Any]:
        """What a browser saw that stands where `ringfence exec` puts it: in the VPC, if nothing is said."""
        facts = self.story.facts
        client = ("--subnet", facts["subnets"][0], "--security-group", facts["groups"]["client"])
        command = (str(BIN / "python"), str(CLIENT), json.dumps(asked))
        done = self.story.ringfence("exec", *(where or client), "--role", facts["roles"]["app"], *command)
        expect(done.returncode == 0, done.stderr[-2000:])
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def allow(self, *statements: dict[str, Any]) -> None:
        """What the role of the browsers may do, beside what the demo gives it."""
        self.story.client("iam").put_role_policy(
            RoleName=self.story.facts["roles"]["app"].rpartition("/")[2],
            PolicyName="studio",
            PolicyDocument=_document(list(statements)),
        )

    def make_domain(self, name: str = "team", **changes: Any) -> str:
        """A VpcOnly domain that is InService."""
        settings = {"ExecutionRole": self.role, "SecurityGroups": [self.group]}
        given = {
            "DomainName": name,
            "AuthMode": "IAM",
            "DefaultUserSettings": settings,
            "SubnetIds": self.story.facts["subnets"],
            "VpcId": self.story.facts["vpc"],
            "AppNetworkAccessType": "VpcOnly",
        }
        id: str = self.sagemaker.create_domain(**{**given, **changes})["DomainId"]
        self.domains.append(id)
        self.settle(lambda: self.sagemaker.describe_domain(DomainId=id))
        return id

    def make_profile(self, domain: str, name: str) -> str:
        arn: str = self.sagemaker.create_user_profile(DomainId=domain, UserProfileName=name)["UserProfileArn"]
        self.settle(lambda: self.sagemaker.describe_user_profile(DomainId=domain, UserProfileName=name))
        return arn

    def make_app(self, domain: str, profile: str, kind: str = "JupyterLab", **changes: Any) -> dict[str, Any]:
        """The app's description once it is InService or has failed."""
        who = {"DomainId": domain, "UserProfileName": profile, "AppType": kind, "AppName": "default"}
        size = {"ResourceSpec": {"InstanceType": "ml.t3.medium"}} if kind == "KernelGateway" else {}
        self.sagemaker.create_app(**who, **size, **changes)
        return self.settle(lambda: self.sagemaker.describe_app(**who), ("InService", "Failed"))

    def log(self, domain: str, owner: str, kind: str = "JupyterLab") -> str:
        """What the app wrote, as far as it is shipped."""
        logs, stream = self.story.client("logs"), f"{domain}/{owner}/{kind}/default"
        try:
            events = logs.get_log_events(logGroupName="/aws/sagemaker/studio", logStreamName=stream)
        except logs.exceptions.ResourceNotFoundException:
            return ""
        return "\n".join(one["message"] for one in events["events"])

    def delete_app(self, domain: str, profile: str, kind: str = "JupyterLab") -> None:
        who = {"DomainId": domain, "UserProfileName": profile, "AppType": kind, "AppName": "default"}
        self.sagemaker.delete_app(**who)
        self.settle(lambda: self.sagemaker.describe_app(**who), ("Deleted",))

    def settle(self, look: Any, wanted: tuple[str, ...] = ("InService",)) -> dict[str, Any]:
        told: dict[str, Any] = eventually(look, lambda told: told["Status"] in wanted, seconds=200, pause=0.1)
        return told

    def delete_domain(self, id: str, keep: str = "Delete") -> None:
        """With all that is in it, in AWS's order; the groups, which AWS leaves behind, too."""
        for app in self.sagemaker.list_apps(DomainIdEquals=id, MaxResults=100)["Apps"]:
            if app["Status"] != "Deleted":
                who = {
                    name: app[name] for name in ("UserProfileName", "SpaceName", "AppType", "AppName") if name in app
                }
                self.sagemaker.delete_app(DomainId=id, **who)
                self.settle(lambda who=who: self.sagemaker.describe_app(DomainId=id, **who), ("Deleted",))
        for space in self.sagemaker.list_spaces(DomainIdEquals=id)["Spaces"]:
            self.sagemaker.delete_space(DomainId=id, SpaceName=space["SpaceName"])
        self._until_empty(lambda: self.sagemaker.list_spaces(DomainIdEquals=id)["Spaces"])
        for profile in self.sagemaker.list_user_profiles(DomainIdEquals=id)["UserProfiles"]:
            self.sagemaker.delete_user_profile(DomainId=id, UserProfileName=profile["UserProfileName"])
        self._until_empty(lambda: self.sagemaker.list_user_profiles(DomainIdEquals=id)["UserProfiles"])
        self.sagemaker.delete_domain(DomainId=id, RetentionPolicy={"HomeEfsFileSystem": keep})
        self._until_empty(lambda: [one for one in self.sagemaker.list_domains()["Domains"] if one["DomainId"] == id])
        self.domains.remove(id)
        self._delete_groups(id)

    def clean(self) -> None:
        for id in list(self.domains):
            self.delete_domain(id)
        if self.endpoints:
            self._ec2.delete_vpc_endpoints(VpcEndpointIds=self.endpoints)
        self._ec2.revoke_security_group_ingress(**self.door)
        self._ec2.delete_security_group(GroupId=self.group)
        iam = self.story.client("iam")
        iam.delete_role_policy(RoleName=GROUP, PolicyName="rights")
        iam.delete_role(RoleName=GROUP)

    def nfs_groups(self, id: str) -> dict[str, dict[str, Any]]:
        """By the ends of their names: `inbound`, `outbound`."""
        names = {f"security-group-for-{way}-nfs-{id}": way for way in ("inbound", "outbound")}
        found = self._ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": list(names)}])
        return {names[one["GroupName"]]: one for one in found["SecurityGroups"]}

    def _delete_groups(self, id: str) -> None:
        groups = self.nfs_groups(id).values()
        for group in groups:
            if group["IpPermissions"]:
                self._ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
            if group["IpPermissionsEgress"]:
                self._ec2.revoke_security_group_egress(
                    GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"]
                )
        for group in groups:
            self._ec2.delete_security_group(GroupId=group["GroupId"])

    def _until_empty(self, look: Any) -> None:
        eventually(look, lambda left: not left, pause=0.1)

    def _make_role(self) -> str:
        iam, principal = self.story.client("iam"), {"Service": "sagemaker.amazonaws.com"}
        trust = [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]
        rights = [{"Effect": "Allow", "Action": ["sagemaker:List*", "sagemaker:Describe*"], "Resource": "*"}]
        arn: str = iam.create_role(RoleName=GROUP, AssumeRolePolicyDocument=_document(trust))["Role"]["Arn"]
        iam.put_role_policy(RoleName=GROUP, PolicyName="rights", PolicyDocument=_document(rights))
        return arn

    def _make_group(self) -> str:
        made = self._ec2.create_security_group(GroupName=GROUP, Description="apps", VpcId=self.story.facts["vpc"])
        id: str = made["GroupId"]
        own = {"IpProtocol": "tcp", "FromPort": 8192, "ToPort": 65535, "UserIdGroupPairs": [{"GroupId": id}]}
        self._ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=[own])
        return id


def _document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
