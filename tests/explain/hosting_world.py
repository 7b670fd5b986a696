"""A VPC in which hosting works, for the checklist's tests: everything is there, so that one thing can be broken."""

import io
import json
import tarfile
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from tests.daemon import REGION, Daemon
from tests.patience import eventually

IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
BUCKET, KEY = "checklist-models", "model.tar.gz"
SERVICES = ("sagemaker.api", "sagemaker.runtime", "sts", "logs")
EVERYTHING = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]})
EC2_ACTIONS = [
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeVpcs",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeVpcEndpoints",
]
Findings = dict[tuple[str, str], str]


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@dataclass
class World:
    """`endpoint`: ids of the VPC endpoints by service; `tables`, `subnets`: two of each."""

    daemon: Daemon
    vpc: str = ""
    subnets: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    zones: list[str] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)
    endpoint: dict[str, str] = field(default_factory=dict)
    role: str = ""

    def client(self, service: str) -> Any:
        return self.daemon.client(service)

    def user(self, service: str) -> Any:
        """A client of a user who may assume roles, which root may not."""
        key = self.client("iam").create_access_key(UserName="somebody")["AccessKey"]
        return self.daemon.client(service, (key["AccessKeyId"], key["SecretAccessKey"]))

    def explain(self, kind: str, name: str) -> dict[str, Any]:
        """What the command gets."""
        token = json.loads((self.daemon.state / "admin.json").read_text())["token"]
        request = urllib.request.Request(
            f"{self.daemon.url}/_ringfence/explain/hosting",
            json.dumps({"kind": kind, "name": name}).encode(),
            {"Authorization": f"Bearer {token}"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            told: dict[str, Any] = json.loads(answer.read())
        return told

    def findings(self, kind: str = "endpoint", name: str = "iris") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.explain(kind, name)["facts"]["findings"]
        return found

    def marks(self, kind: str = "endpoint", name: str = "iris") -> Findings:
        return {(one["check"], one["subject"]): one["mark"] for one in self.findings(kind, name)}

    def model(self, name: str, **changes: Any) -> None:
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/{KEY}"} | changes.pop("container", {})
        network = {"Subnets": self.subnets, "SecurityGroupIds": [self.groups["model"]]}
        given = {"ExecutionRoleArn": self.role, "VpcConfig": network} | changes
        self.client("sagemaker").create_model(ModelName=name, PrimaryContainer=container, **given)


def build(daemon: Daemon) -> World:
    world = World(daemon)
    _network(world)
    _endpoints(world)
    _role_and_data(world)
    world.model("iris")
    sagemaker = world.client("sagemaker")
    variant = {
        "VariantName": "one",
        "ModelName": "iris",
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.large",
    }
    sagemaker.create_endpoint_config(EndpointConfigName="iris", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="iris", EndpointConfigName="iris")
    # without namespaces its download fails; then the checklist is about what a new launch would meet
    told = sagemaker.describe_endpoint
    eventually(lambda: told(EndpointName="iris")["EndpointStatus"], lambda status: status == "Failed")
    eventually(lambda: world.explain("endpoint", "iris")["facts"]["state"]["instances"], lambda left: not left)
    return world


def _network(world: World) -> None:
    ec2 = world.client("ec2")
    world.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=world.vpc, EnableDnsHostnames={"Value": True})
    world.zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
    for number, zone in enumerate(world.zones[:2], 1):
        made = ec2.create_subnet(VpcId=world.vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)
        world.subnets.append(made["Subnet"]["SubnetId"])
        world.tables.append(ec2.create_route_table(VpcId=world.vpc)["RouteTable"]["RouteTableId"])
        ec2.associate_route_table(RouteTableId=world.tables[-1], SubnetId=world.subnets[-1])
    for name in ("model", "sagemaker", "others"):
        made = ec2.create_security_group(GroupName=name, Description=name, VpcId=world.vpc)
        world.groups[name] = made["GroupId"]
    for name in ("sagemaker", "others"):
        ec2.authorize_security_group_ingress(GroupId=world.groups[name], IpPermissions=[https_from(world, "model")])


def https_from(world: World, group: str) -> dict[str, Any]:
    pair = [{"GroupId": world.groups[group]}]
    return {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": pair}


def _endpoints(world: World) -> None:
    ec2 = world.client("ec2")
    made = ec2.create_vpc_endpoint(
        VpcId=world.vpc, ServiceName=f"com.amazonaws.{REGION}.s3", RouteTableIds=world.tables
    )
    world.endpoint["s3"] = made["VpcEndpoint"]["VpcEndpointId"]
    for service in SERVICES:
        world.endpoint[service] = interface_endpoint(world, service)


def interface_endpoint(world: World, service: str) -> str:
    group = world.groups["sagemaker" if service.startswith("sagemaker") else "others"]
    made = world.client("ec2").create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=world.vpc,
        ServiceName=f"com.amazonaws.{REGION}.{service}",
        SubnetIds=world.subnets,
        SecurityGroupIds=[group],
        PrivateDnsEnabled=True,
    )
    identifier: str = made["VpcEndpoint"]["VpcEndpointId"]
    return identifier


def trust(*services: str) -> str:
    principal = {"Service": list(services), "AWS": "123456789012"}
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


def _role_and_data(world: World) -> None:
    iam, s3 = world.client("iam"), world.client("s3")
    made = iam.create_role(RoleName="exec", AssumeRolePolicyDocument=trust("sagemaker.amazonaws.com"))
    world.role = made["Role"]["Arn"]
    iam.create_user(UserName="somebody")
    iam.put_user_policy(UserName="somebody", PolicyName="own", PolicyDocument=document(allow("sts:AssumeRole")))
    give_rights(world, EC2_ACTIONS, ["s3:GetObject", "s3:ListBucket"])
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    put_model(world)


def give_rights(world: World, ec2: list[str], s3: list[str]) -> None:
    statements = [allow(actions) for actions in (ec2, s3) if actions]
    world.client("iam").put_role_policy(RoleName="exec", PolicyName="own", PolicyDocument=document(*statements))


def put_model(world: World) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("model.joblib"))
    world.client("s3").put_object(Bucket=BUCKET, Key=KEY, Body=archive.getvalue())
