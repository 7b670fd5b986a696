"""What the tables of bad input speak of: two VPCs, groups, a role, a bucket, a model, an endpoint; how to check a line.

Not a test file.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from daemon import REGION, Daemon, local_daemon

IMAGE = f"246618743249.dkr.ecr.{REGION}.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
LOOSE = Config(parameter_validation=False, retries={"total_max_attempts": 1}, read_timeout=120)
_QUIET_SECONDS = 0.6


# parameters of an operation, made of the ids of the world
Parameters = Callable[[SimpleNamespace], dict[str, Any]]


class Case(NamedTuple):
    """An operation as boto3 calls it; the code and a part of the message of the error that it must get."""

    operation: str
    parameters: Parameters
    code: str
    text: str = ""


@dataclass
class World:
    """A local daemon with things in it. `ids` by the names that the tables use; `clients` check nothing beforehand."""

    daemon: Daemon
    ids: SimpleNamespace = field(default_factory=SimpleNamespace)
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self.daemon.client(service, config=LOOSE)
        return self.clients[service]

    @property
    def revision(self) -> int:
        assert self.daemon.app is not None
        return self.daemon.app.store.revision


@contextmanager
def open_world(state: Path) -> Iterator[World]:
    with local_daemon(state) as daemon:
        world = World(daemon)
        _build_network(world)
        _build_iam(world)
        _build_s3(world)
        _build_sagemaker(world)
        _build_logs(world)
        _await_quiet(world)
        yield world


def _build_network(world: World) -> None:
    ec2, ids = world.client("ec2"), world.ids
    ids.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ids.other_vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=ids.vpc, EnableDnsHostnames={"Value": True})

    def subnet(vpc: str, block: str, zone: str) -> str:
        made = ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=REGION + zone)
        return str(made["Subnet"]["SubnetId"])

    ids.subnet = subnet(ids.vpc, "10.0.0.0/24", "a")
    ids.subnet_b = subnet(ids.vpc, "10.0.1.0/24", "b")
    ids.same_zone = subnet(ids.vpc, "10.0.2.0/24", "a")
    ids.small = subnet(ids.vpc, "10.0.3.0/28", "b")
    ids.other_subnet = subnet(ids.other_vpc, "10.1.0.0/24", "b")
    ids.group = ec2.create_security_group(VpcId=ids.vpc, GroupName="own", Description="own")["GroupId"]
    ids.other_group = ec2.create_security_group(VpcId=ids.other_vpc, GroupName="far", Description="far")["GroupId"]
    ids.user_group = ec2.create_security_group(VpcId=ids.vpc, GroupName="uses", Description="uses")["GroupId"]
    permission = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
    ec2.authorize_security_group_ingress(
        GroupId=ids.user_group, IpPermissions=[{**permission, "UserIdGroupPairs": [{"GroupId": ids.group}]}]
    )
    filters = [{"Name": "vpc-id", "Values": [ids.vpc]}]
    ids.main_table = ec2.describe_route_tables(Filters=filters)["RouteTables"][0]["RouteTableId"]
    filters.append({"Name": "group-name", "Values": ["default"]})
    ids.default_group = ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"]
    ids.table = ec2.create_route_table(VpcId=ids.vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=ids.table, SubnetId=ids.subnet)
    ids.other_table = ec2.create_route_table(VpcId=ids.other_vpc)["RouteTable"]["RouteTableId"]
    ids.gateway = _endpoint(world, "s3", RouteTableIds=[ids.table])
    options = {"SubnetIds": [ids.subnet], "SecurityGroupIds": [ids.group], "PrivateDnsEnabled": True}
    ids.interface = _endpoint(world, "sagemaker.api", VpcEndpointType="Interface", **options)
    ids.eni = ec2.create_network_interface(SubnetId=ids.subnet)["NetworkInterface"]["NetworkInterfaceId"]
    described = ec2.describe_vpc_endpoints(VpcEndpointIds=[ids.interface])["VpcEndpoints"][0]
    ids.used_eni = described["NetworkInterfaceIds"][0]


def _endpoint(world: World, service: str, **options: Any) -> str:
    name = f"com.amazonaws.{REGION}.{service}"
    made = world.client("ec2").create_vpc_endpoint(VpcId=world.ids.vpc, ServiceName=name, **options)
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def _build_iam(world: World) -> None:
    iam, ids = world.client("iam"), world.ids
    ids.role = iam.create_role(RoleName="execution", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    ids.managed = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    iam.attach_role_policy(RoleName="execution", PolicyArn=ids.managed)
    iam.create_user(UserName="nobody")
    ids.key = iam.create_access_key(UserName="nobody")["AccessKey"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    ids.policy = iam.create_policy(PolicyName="own", PolicyDocument=policy)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="nobody", PolicyArn=ids.policy)


def _build_s3(world: World) -> None:
    s3 = world.client("s3")
    s3.create_bucket(Bucket="bad-input", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="bad-input", Key="there", Body=b"content")
    upload = s3.create_multipart_upload(Bucket="bad-input", Key="parts")
    world.ids.upload = upload["UploadId"]
    s3.upload_part(Bucket="bad-input", Key="parts", UploadId=world.ids.upload, PartNumber=1, Body=b"small")
    s3.upload_part(Bucket="bad-input", Key="parts", UploadId=world.ids.upload, PartNumber=2, Body=b"last")


def _build_sagemaker(world: World) -> None:
    sagemaker, ids = world.client("sagemaker"), world.ids
    networks = {"taken": [ids.subnet, ids.subnet_b], "one-zone": [ids.subnet, ids.same_zone]}
    for name, subnets in networks.items():
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ids.role,
            PrimaryContainer={"Image": IMAGE},
            VpcConfig={"Subnets": subnets, "SecurityGroupIds": [ids.group]},
        )
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(ModelName=name)])
    sagemaker.create_endpoint(EndpointName="taken", EndpointConfigName="taken")


def _build_logs(world: World) -> None:
    logs = world.client("logs")
    logs.create_log_group(logGroupName="/bad/input")
    logs.create_log_stream(logGroupName="/bad/input", logStreamName="stream")


def variant(**members: Any) -> dict[str, Any]:
    """A production variant, right but for `members`."""
    usual = {"VariantName": "v", "ModelName": "taken", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    return {**usual, **members}


def _await_quiet(world: World) -> None:
    """The reconciler writes too: wait until it has nothing more to say."""
    deadline = time.monotonic() + 120
    seen, since = world.revision, time.monotonic()
    while time.monotonic() - since < _QUIET_SECONDS:
        assert time.monotonic() < deadline, "the reconciler never comes to rest"
        time.sleep(0.05)
        if world.revision != seen:
            seen, since = world.revision, time.monotonic()


def cases(*table: Case) -> pytest.MarkDecorator:
    """Parametrize a test with a table, one name a line."""
    return pytest.mark.parametrize("case", table, ids=lambda case: f"{case.operation}-{case.code}-{case.text[:30]}")


def check(world: World, service: str, case: Case) -> None:
    """AWS's error, 4xx, with a request id; and nothing has changed."""
    before = world.revision
    with pytest.raises(ClientError) as caught:
        getattr(world.client(service), case.operation)(**case.parameters(world.ids))
    told = caught.value.response
    assert told["Error"]["Code"] == case.code, told["Error"]
    assert case.text in told["Error"]["Message"]
    # what Ringfence does not have is its own fault, not the client's
    assert 400 <= told["ResponseMetadata"]["HTTPStatusCode"] < 500 or case.code == "NotImplemented"
    assert told["ResponseMetadata"]["RequestId"]
    assert world.revision == before, "something has changed"
