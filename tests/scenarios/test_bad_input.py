# ruff: noqa: E501 (tables: one line a case)
"""Bad input through boto3, its own checks off: AWS's error, 4xx, a request id, and nothing has changed.

Each line: service, operation, parameters (a function of the ids of the world), the error's code, a part of its message.
What comes before an operation is known, or cannot be sent by boto3, is in test_bad_request.
"""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from bad_input_world import IMAGE, Case, Parameters, World, cases, check, open_world, variant


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("bad")) as made:
        yield made


NONE = "0123456789abcdef0"
FIELD = "failed to satisfy constraint"


@cases(
    Case("create_vpc", lambda i: {}, "MissingParameter"),
    Case("create_vpc", lambda i: {"CidrBlock": "10.0.0.0/8"}, "InvalidVpc.Range"),
    Case("create_vpc", lambda i: {"CidrBlock": "10.0.0.0"}, "InvalidParameterValue"),
    Case("create_vpc", lambda i: {"CidrBlock": "300.0.0.0/16"}, "InvalidParameterValue"),
    Case("create_vpc", lambda i: {"CidrBlock": ""}, "InvalidParameterValue"),
    Case("create_vpc", lambda i: {"CidrBlock": "10.9.0.0/16", "InstanceTenancy": "sometimes"}, "InvalidParameterValue"),
    Case("create_vpc", lambda i: {"CidrBlock": "10.9.0.0/16", "AmazonProvidedIpv6CidrBlock": True}, "NotImplemented"),
    Case("create_vpc", lambda i: {"CidrBlock": "10.9.0.0/16", "DryRun": True}, "DryRunOperation"),
    Case("delete_vpc", lambda i: {"VpcId": i.vpc}, "DependencyViolation", "has dependencies"),
    Case(
        "delete_vpc", lambda i: {"VpcId": f"vpc-{NONE}"}, "InvalidVpcID.NotFound", f"The vpc ID 'vpc-{NONE}' does not"
    ),
    Case("delete_vpc", lambda i: {"VpcId": "vpc-xyz"}, "InvalidVpcID.Malformed"),
    Case("delete_vpc", lambda i: {"VpcId": i.subnet}, "InvalidVpcID.Malformed"),
    Case("describe_vpcs", lambda i: {"MaxResults": -1}, "InvalidParameterValue"),
    Case("describe_vpcs", lambda i: {"MaxResults": "many"}, "InvalidParameterValue"),
    Case("describe_vpcs", lambda i: {"NextToken": "made-up"}, "InvalidNextToken"),
    Case("describe_vpcs", lambda i: {"Filters": [{"Name": "colour", "Values": ["red"]}]}, "InvalidParameterValue"),
    Case("modify_vpc_attribute", lambda i: {"VpcId": i.vpc}, "InvalidParameterCombination"),
    Case("create_subnet", lambda i: {"CidrBlock": "10.0.9.0/24"}, "MissingParameter"),
    Case("create_subnet", lambda i: {"VpcId": i.vpc}, "MissingParameter"),
    Case("create_subnet", lambda i: {"VpcId": i.vpc, "CidrBlock": "10.0.0.128/25"}, "InvalidSubnet.Conflict"),
    Case("create_subnet", lambda i: {"VpcId": i.vpc, "CidrBlock": "10.2.0.0/24"}, "InvalidSubnet.Range"),
    Case("create_subnet", lambda i: {"VpcId": i.vpc, "CidrBlock": "10.0.9.0/29"}, "InvalidSubnet.Range"),
    Case("create_subnet", lambda i: {"VpcId": f"vpc-{NONE}", "CidrBlock": "10.0.9.0/24"}, "InvalidVpcID.NotFound"),
    Case(
        "create_subnet",
        lambda i: {"VpcId": i.vpc, "CidrBlock": "10.0.9.0/24", "AvailabilityZone": "eu-west-1a"},
        "InvalidParameterValue",
    ),
    Case("delete_subnet", lambda i: {"SubnetId": i.subnet}, "DependencyViolation"),
    Case("delete_subnet", lambda i: {"SubnetId": f"subnet-{NONE}"}, "InvalidSubnetID.NotFound"),
)
def test_ec2_vpc_and_subnet(world: World, case: Case) -> None:
    check(world, "ec2", case)


def _rule(**members: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}], **members}


def _ingress(**members: Any) -> Parameters:
    return lambda i: {"GroupId": i.group, "IpPermissions": [_rule(**members)]}


@cases(
    Case("create_security_group", lambda i: {"GroupName": "own", "Description": "d", "VpcId": i.vpc}, "InvalidGroup.Duplicate"),
    Case("create_security_group", lambda i: {"GroupName": "sg-own", "Description": "d", "VpcId": i.vpc}, "InvalidParameterValue"),
    Case("create_security_group", lambda i: {"GroupName": "default", "Description": "d", "VpcId": i.vpc}, "InvalidParameterValue"),
    Case("create_security_group", lambda i: {"GroupName": "n" * 256, "Description": "d", "VpcId": i.vpc}, "InvalidParameterValue"),
    Case("create_security_group", lambda i: {"GroupName": "new", "Description": "d" * 256, "VpcId": i.vpc}, "InvalidParameterValue"),
    Case("create_security_group", lambda i: {"GroupName": "new", "VpcId": i.vpc}, "MissingParameter", "GroupDescription"),
    Case("create_security_group", lambda i: {"GroupName": "new", "Description": "d", "VpcId": f"vpc-{NONE}"}, "InvalidVpcID.NotFound"),
    Case("delete_security_group", lambda i: {"GroupId": i.group}, "DependencyViolation", "has a dependent object"),
    Case("delete_security_group", lambda i: {"GroupId": i.default_group}, "CannotDelete"),
    Case("delete_security_group", lambda i: {"GroupId": f"sg-{NONE}"}, "InvalidGroup.NotFound"),
    Case("delete_security_group", lambda i: {"GroupId": "sg-"}, "InvalidGroupId.Malformed"),
    Case("authorize_security_group_ingress", _ingress(FromPort=-5), "InvalidParameterValue"),
    Case("authorize_security_group_ingress", _ingress(FromPort=65536, ToPort=65536), "InvalidParameterValue"),
    Case("authorize_security_group_ingress", _ingress(FromPort=444), "InvalidParameterValue"),
    Case("authorize_security_group_ingress", _ingress(IpProtocol="tpc"), "InvalidParameterValue"),
    Case("authorize_security_group_ingress", _ingress(IpRanges=[{"CidrIp": "10.0.0.0/33"}]), "InvalidParameterValue"),
    Case("authorize_security_group_ingress", _ingress(IpRanges=[]), "MissingParameter"),
    Case("authorize_security_group_ingress", _ingress(IpRanges=[{"CidrIp": "10.0.0.0/8"}] * 2), "InvalidParameterValue", "must not appear multiple times"),
    Case("authorize_security_group_ingress", lambda i: {"GroupId": i.group}, "MissingParameter"),
    Case("authorize_security_group_ingress", lambda i: {"GroupId": i.group, "IpPermissions": []}, "MissingParameter"),
    Case(
        "authorize_security_group_ingress",
        lambda i: {"GroupId": i.group, "IpPermissions": [_rule(IpRanges=[], UserIdGroupPairs=[{"GroupId": i.other_group}])]},
        "InvalidGroup.NotFound",
    ),
    Case(
        "authorize_security_group_ingress",
        lambda i: {"GroupId": i.group, "IpPermissions": [_rule(IpRanges=[], UserIdGroupPairs=[{"GroupId": i.group, "VpcPeeringConnectionId": "pcx-1"}])]},
        "InvalidVpcPeeringConnectionId.Malformed",
    ),
    Case(
        "authorize_security_group_ingress",
        lambda i: {"GroupId": i.group, "IpPermissions": [_rule(IpRanges=[], PrefixListIds=[{"PrefixListId": "pl-12345678"}])]},
        "InvalidPrefixListID.NotFound",
    ),
    Case(
        "authorize_security_group_egress",
        lambda i: {
            "GroupId": i.group,
            "IpPermissions": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
        },
        "InvalidPermission.Duplicate",
    ),
    Case("revoke_security_group_ingress", _ingress(), "InvalidPermission.NotFound"),
    Case(
        "revoke_security_group_ingress",
        lambda i: {"GroupId": i.group, "SecurityGroupRuleIds": [f"sgr-{NONE}"]},
        "InvalidSecurityGroupRuleId.NotFound",
    ),
)  # fmt: skip
def test_ec2_security_group(world: World, case: Case) -> None:
    check(world, "ec2", case)


@cases(
    Case("create_network_interface", lambda i: {}, "MissingParameter", "SubnetId"),
    Case("create_network_interface", lambda i: {"SubnetId": f"subnet-{NONE}"}, "InvalidSubnetID.NotFound"),
    Case("create_network_interface", lambda i: {"SubnetId": i.subnet, "Groups": [i.other_group]}, "InvalidParameter", "different networks"),
    Case("create_network_interface", lambda i: {"SubnetId": i.subnet, "Groups": [f"sg-{NONE}"]}, "InvalidGroup.NotFound"),
    Case("create_network_interface", lambda i: {"SubnetId": i.subnet, "PrivateIpAddress": "10.0.0.2"}, "InvalidParameterValue"),
    Case("create_network_interface", lambda i: {"SubnetId": i.subnet, "PrivateIpAddress": "10.0.1.9"}, "InvalidParameterValue"),
    Case("create_network_interface", lambda i: {"SubnetId": i.subnet, "InterfaceType": "efa"}, "NotImplemented"),
    Case("create_network_interface", lambda i: {"SubnetId": i.subnet, "Ipv6AddressCount": 1}, "NotImplemented"),
    Case("delete_network_interface", lambda i: {"NetworkInterfaceId": f"eni-{NONE}"}, "InvalidNetworkInterfaceID.NotFound"),
    Case("delete_network_interface", lambda i: {"NetworkInterfaceId": i.used_eni}, "InvalidParameterValue"),
    Case("create_route", lambda i: {"RouteTableId": i.table, "DestinationCidrBlock": "0.0.0.0/0"}, "MissingParameter"),
    Case("create_route", lambda i: {"RouteTableId": i.table, "GatewayId": f"igw-{NONE}", "DestinationCidrBlock": "0.0.0.0/0"}, "InvalidInternetGatewayID.NotFound"),
    Case("delete_route", lambda i: {"RouteTableId": i.table, "DestinationCidrBlock": "10.0.0.0/16"}, "InvalidParameterValue"),
    Case("delete_route", lambda i: {"RouteTableId": i.table, "DestinationCidrBlock": "0.0.0.0/0"}, "InvalidRoute.NotFound"),
    Case("delete_route_table", lambda i: {"RouteTableId": i.table}, "DependencyViolation"),
    Case("delete_route_table", lambda i: {"RouteTableId": i.main_table}, "DependencyViolation"),
    Case("associate_route_table", lambda i: {"RouteTableId": i.other_table, "SubnetId": i.subnet}, "InvalidParameterValue"),
    Case("associate_route_table", lambda i: {"RouteTableId": i.main_table, "SubnetId": i.subnet}, "Resource.AlreadyAssociated"),
    Case("associate_route_table", lambda i: {"RouteTableId": i.table}, "MissingParameter"),
    Case("create_tags", lambda i: {"Resources": [f"vpc-{NONE}"], "Tags": [{"Key": "k", "Value": "v"}]}, "InvalidVpcID.NotFound"),
    Case("create_tags", lambda i: {"Resources": [i.vpc], "Tags": [{"Key": "aws:k", "Value": "v"}]}, "InvalidParameterValue"),
    Case("create_tags", lambda i: {"Resources": [i.vpc], "Tags": [{"Key": "k" * 128, "Value": "v" * 257}]}, "InvalidParameterValue"),
    Case("create_tags", lambda i: {"Resources": [i.vpc], "Tags": [{"Key": str(n)} for n in range(51)]}, "TagLimitExceeded"),
    Case("create_tags", lambda i: {"Resources": [i.vpc]}, "MissingParameter"),
    Case("delete_tags", lambda i: {"Resources": [i.vpc], "Tags": [{"Value": "v"}]}, "MissingParameter", "Tag.Key"),
    Case("create_tags", lambda i: {"Resources": [i.vpc], "Tags": [{"Key": "k", "Value": "1"}, {"Key": "k", "Value": "2"}]}, "InvalidParameterValue", "Duplicate tag key"),
    Case("run_instances", lambda i: {"MinCount": 1, "MaxCount": 1}, "NotImplemented", "RunInstances"),
)  # fmt: skip
def test_ec2_interfaces_routes_and_tags(world: World, case: Case) -> None:
    check(world, "ec2", case)


def _vpce(**members: Any) -> Parameters:
    """An interface endpoint for the runtime, right but for `members`; a function takes the ids."""

    def parameters(i: SimpleNamespace) -> dict[str, Any]:
        usual = {
            "VpcId": i.vpc,
            "VpcEndpointType": "Interface",
            "ServiceName": "com.amazonaws.us-west-2.sagemaker.runtime",
            "SubnetIds": [i.subnet],
            "SecurityGroupIds": [i.group],
        }
        given = {name: value(i) if callable(value) else value for name, value in members.items()}
        return {name: value for name, value in (usual | given).items() if value is not None}

    return parameters


S3 = {
    "ServiceName": "com.amazonaws.us-west-2.s3",
    "VpcEndpointType": "Gateway",
    "SubnetIds": None,
    "SecurityGroupIds": None,
}


@cases(
    Case("create_vpc_endpoint", _vpce(VpcId=None), "MissingParameter", "VpcId"),
    Case("create_vpc_endpoint", _vpce(VpcId=f"vpc-{NONE}"), "InvalidVpcID.NotFound"),
    Case("create_vpc_endpoint", _vpce(ServiceName="com.amazonaws.us-west-2.nothing"), "InvalidServiceName"),
    Case("create_vpc_endpoint", _vpce(ServiceName="com.amazonaws.eu-west-1.sagemaker.runtime"), "InvalidServiceName"),
    Case("create_vpc_endpoint", _vpce(VpcEndpointType="Tunnel"), "InvalidParameter"),
    Case("create_vpc_endpoint", _vpce(VpcEndpointType="Gateway"), "InvalidParameter"),
    Case("create_vpc_endpoint", _vpce(SubnetIds=lambda i: [i.subnet, i.same_zone]), "DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet"),
    Case("create_vpc_endpoint", _vpce(SubnetIds=lambda i: [i.other_subnet]), "InvalidParameter"),
    Case("create_vpc_endpoint", _vpce(SubnetIds=[f"subnet-{NONE}"]), "InvalidSubnetID.NotFound"),
    Case("create_vpc_endpoint", _vpce(SecurityGroupIds=lambda i: [i.other_group]), "InvalidParameter"),
    Case("create_vpc_endpoint", _vpce(SecurityGroupIds=[f"sg-{NONE}"]), "InvalidGroup.NotFound"),
    Case("create_vpc_endpoint", _vpce(PolicyDocument="not json"), "InvalidPolicyDocument"),
    Case("create_vpc_endpoint", _vpce(PolicyDocument='{"Statement":[{"Effect":"Maybe"}]}'), "InvalidPolicyDocument"),
    Case("create_vpc_endpoint", _vpce(PolicyDocument="{" + " " * 20480 + "}"), "InvalidPolicyDocument"),
    Case("create_vpc_endpoint", _vpce(ServiceName="com.amazonaws.us-west-2.sagemaker.api", PrivateDnsEnabled=True, SubnetIds=lambda i: [i.subnet_b]), "InvalidParameter", "conflicting DNS domain"),
    Case("create_vpc_endpoint", _vpce(VpcId=lambda i: i.other_vpc, SubnetIds=lambda i: [i.other_subnet], SecurityGroupIds=None, PrivateDnsEnabled=True), "InvalidParameter", "enableDnsSupport and enableDnsHostnames"),
    Case("create_vpc_endpoint", _vpce(**S3, RouteTableIds=lambda i: [i.table]), "RouteAlreadyExists"),
    Case("create_vpc_endpoint", _vpce(**S3, RouteTableIds=lambda i: [i.other_table]), "InvalidParameter"),
    Case("create_vpc_endpoint", _vpce(**S3, RouteTableIds=[f"rtb-{NONE}"]), "InvalidRouteTableID.NotFound"),
    Case("create_vpc_endpoint", _vpce(IpAddressType="ipv6"), "NotImplemented"),
    Case("modify_vpc_endpoint", lambda i: {"VpcEndpointId": f"vpce-{NONE}"}, "InvalidVpcEndpointId.NotFound"),
    Case("modify_vpc_endpoint", lambda i: {"VpcEndpointId": i.gateway, "PolicyDocument": "[]"}, "InvalidPolicyDocument"),
    Case("modify_vpc_endpoint", lambda i: {"VpcEndpointId": i.gateway, "AddSubnetIds": [i.subnet]}, "InvalidParameter"),
    Case("describe_vpc_endpoints", lambda i: {"VpcEndpointIds": [f"vpce-{NONE}"]}, "InvalidVpcEndpointId.NotFound"),
    Case("delete_vpc_endpoints", lambda i: {}, "MissingParameter"),
)  # fmt: skip
def test_ec2_vpc_endpoint(world: World, case: Case) -> None:
    check(world, "ec2", case)


def _model(container: dict[str, Any] | None = None, **members: Any) -> Parameters:
    def parameters(i: SimpleNamespace) -> dict[str, Any]:
        usual = {
            "ModelName": "new",
            "ExecutionRoleArn": i.role,
            "PrimaryContainer": {"Image": IMAGE, **(container or {})},
        }
        given = {name: value(i) if callable(value) else value for name, value in members.items()}
        return {name: value for name, value in (usual | given).items() if value is not None}

    return parameters


def _network(
    subnets: Callable[[SimpleNamespace], list[str]], groups: Callable[[SimpleNamespace], list[str]]
) -> Parameters:
    return _model(VpcConfig=lambda i: {"Subnets": subnets(i), "SecurityGroupIds": groups(i)})


@cases(
    Case("create_model", _model(ModelName=None), "ValidationException", "Value null at 'modelName'"),
    Case("create_model", _model(ModelName="m" * 64), "ValidationException", "Member must have length less than or equal to 63"),
    Case("create_model", _model(ModelName="under_score"), "ValidationException", "regular expression pattern"),
    Case("create_model", _model(ModelName=""), "ValidationException", FIELD),
    Case("create_model", _model(ModelName=7), "SerializationException"),
    Case("create_model", _model(ModelName=["m"]), "SerializationException"),
    Case("create_model", _model(ModelName="taken"), "ValidationException", "Cannot create already existing model"),
    Case("create_model", _model(PrimaryContainer=None), "ValidationException"),
    Case("create_model", _model(Containers=lambda i: [{"Image": IMAGE}]), "ValidationException"),
    Case("create_model", _model({"Image": "i" * 256}), "ValidationException", "less than or equal to 255"),
    Case("create_model", _model({"Image": "docker.io/library/python:3"}), "ValidationException", "non-ECR image"),
    Case("create_model", _model({"Mode": "Triple"}), "ValidationException", "enum value set: [SingleModel, MultiModel]"),
    Case("create_model", _model({"Mode": "MultiModel"}), "ValidationException", "Value null at 'primaryContainer.modelDataUrl'"),
    Case("create_model", _model({"Environment": {"K" * 1025: "v"}}), "ValidationException", FIELD),
    Case("create_model", _model({"Environment": {"K": 5}}), "SerializationException"),
    Case("create_model", _model({"ModelDataUrl": "ftp://host/model.tar.gz"}), "ValidationException"),
    Case("create_model", _model({"ModelDataUrl": "s3://nowhere-at-all/model.tar.gz"}), "ValidationException", "Could not access model data at s3://nowhere-at-all"),
    Case("create_model", _model({"ModelDataUrl": "s3://bad-input/absent"}), "ValidationException", "Could not"),
    Case("create_model", _model(ExecutionRoleArn=None), "ValidationException"),
    Case("create_model", _model(ExecutionRoleArn="arn:aws:iam::123456789012:role/absent"), "ValidationException"),
    Case("create_model", _model(ExecutionRoleArn="arn:aws:iam::999999999999:role/execution"), "AccessDeniedException", "iam:PassRole"),
    Case("create_model", _model(ExecutionRoleArn="execution"), "ValidationException", FIELD),
    Case("create_model", _model(Tags=[{"Key": "k"}]), "ValidationException", "Value null at 'tags.1.member.value'"),
    Case("create_model", _model(Tags=[{"Key": str(n), "Value": ""} for n in range(51)]), "ValidationException", "less than or equal to 50"),
    Case("create_model", _model(VpcConfig={"Subnets": [], "SecurityGroupIds": ["sg-1"]}), "ValidationException", "Value '[]' at 'vpcConfig.subnets' failed to satisfy constraint: Member must have length greater than or equal to 1"),
    Case("create_model", _model(VpcConfig={"Subnets": ["subnet-1"]}), "ValidationException", "Value null at 'vpcConfig.securityGroupIds'"),
    Case("create_model", _model(VpcConfig={"Subnets": ["subnet-1"] * 17, "SecurityGroupIds": ["sg-1"]}), "ValidationException", "less than or equal to 16"),
    Case("create_model", _model(VpcConfig={"Subnets": ["a b"], "SecurityGroupIds": ["sg-1"]}), "ValidationException", FIELD),
    Case("create_model", _network(lambda i: [i.subnet, f"subnet-{NONE}"], lambda i: [i.group]), "ValidationException", "does not exist"),
    Case("create_model", _network(lambda i: [i.subnet, i.other_subnet], lambda i: [i.group]), "ValidationException", "same VPC"),
    Case("create_model", _network(lambda i: [i.subnet, i.subnet_b], lambda i: [i.other_group]), "ValidationException", "different networks"),
    Case("create_model", _network(lambda i: [i.subnet, i.subnet_b], lambda i: [f"sg-{NONE}"]), "ValidationException", "does not exist"),
    Case("describe_model", lambda i: {"ModelName": "absent"}, "ValidationException", "Could not find model"),
    Case("delete_model", lambda i: {"ModelName": "absent"}, "ValidationException", "Could not find model"),
    Case("list_models", lambda i: {"MaxResults": 0}, "ValidationException", "greater than or equal to 1"),
    Case("list_models", lambda i: {"MaxResults": 101}, "ValidationException", "less than or equal to 100"),
    Case("list_models", lambda i: {"SortBy": "Colour"}, "ValidationException", "enum value set"),
    Case("list_models", lambda i: {"NextToken": "made up"}, "ValidationException"),
    Case("create_model", _model(Tags=[{"Key": "k", "Value": "1"}] * 2), "ValidationException", "unique"),
    Case("list_pipelines", lambda i: {}, "NotImplemented", "ListPipelines"),
)  # fmt: skip
def test_sagemaker_model(world: World, case: Case) -> None:
    check(world, "sagemaker", case)


def _training(**members: Any) -> Parameters:
    def given(i: SimpleNamespace) -> dict[str, Any]:
        usual = {
            "TrainingJobName": "t",
            "RoleArn": i.role,
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": "s3://bad-input/out"},
            "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        return {name: value for name, value in {**usual, **members}.items() if value is not None}

    return given


def _channel(**members: Any) -> dict[str, Any]:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bad-input/", **members.pop("data", {})}}
    return {"InputDataConfig": [{"ChannelName": "c", "DataSource": source, **members}]}


def _processing(**members: Any) -> Parameters:
    def given(i: SimpleNamespace) -> dict[str, Any]:
        cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
        usual = {
            "ProcessingJobName": "p",
            "RoleArn": i.role,
            "AppSpecification": {"ImageUri": IMAGE},
            "ProcessingResources": {"ClusterConfig": cluster},
        }
        return {name: value for name, value in {**usual, **members}.items() if value is not None}

    return given


def _output(path: str, uri: str = "s3://bad-input/out") -> dict[str, Any]:
    return {"OutputName": "o", "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": "EndOfJob"}}


@cases(
    Case("create_training_job", lambda i: {}, "ValidationException", "trainingJobName"),
    Case("create_training_job", lambda i: {"TrainingJobName": "t"}, "ValidationException"),
    Case("create_training_job", _training(TrainingJobName="t_t"), "ValidationException", FIELD),
    Case("create_training_job", _training(TrainingJobName="t" * 64), "ValidationException", FIELD),
    Case("create_training_job", _training(RoleArn="arn:aws:iam::123456789012:role/absent"), "ValidationException", "Could not assume role"),
    Case("create_training_job", _training(OutputDataConfig={"S3OutputPath": "file:///tmp"}), "ValidationException"),
    Case("create_training_job", _training(OutputDataConfig={"S3OutputPath": "s3://bad-input", "KmsKeyId": "k"}), "ValidationException", "KmsKeyId"),
    Case("create_training_job", _training(ResourceConfig={"InstanceCount": 0, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}), "ValidationException", FIELD),
    Case("create_training_job", _training(ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.tiny", "VolumeSizeInGB": 1}), "ValidationException", FIELD),
    Case("create_training_job", _training(StoppingCondition={"MaxRuntimeInSeconds": 28 * 86400 + 1}), "ValidationException"),
    Case("create_training_job", _training(HyperParameters={str(n): "1" for n in range(101)}), "ValidationException", FIELD),
    Case("create_training_job", _training(**_channel(data={"S3Uri": "https://bad-input/"})), "ValidationException", "s3://bucket/key"),
    Case("create_training_job", _training(**_channel(InputMode="Stream")), "ValidationException", FIELD),
    Case("create_training_job", _training(**_channel(CompressionType="Gzip")), "ValidationException", "Pipe input mode"),
    Case("create_training_job", _training(**_channel(InputMode="FastFile", data={"S3DataType": "ManifestFile"})), "ValidationException", "FastFile"),
    Case("create_training_job", _training(**_channel(data={"S3DataType": "AugmentedManifestFile", "AttributeNames": ["a"]})), "ValidationException", "Pipe input mode"),
    Case("create_training_job", _training(**_channel(InputMode="Pipe", data={"S3DataType": "AugmentedManifestFile"})), "ValidationException", "AttributeNames"),
    Case("create_training_job", _training(**_channel(ChannelName="..")), "ValidationException", "name of a directory"),
    Case("create_training_job", _training(EnableManagedSpotTraining=True), "ValidationException", "Invalid MaxWaitTimeInSeconds"),
    Case("create_training_job", _training(StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}), "ValidationException", "EnableManagedSpotTraining is false"),
    Case("create_training_job", _training(CheckpointConfig={"S3Uri": "s3://bad-input/c", "LocalPath": "/opt/ml/model/c"}), "ValidationException", "CheckpointConfig.LocalPath"),
    Case("create_training_job", _training(CheckpointConfig={"S3Uri": "http://bad-input/c"}), "ValidationException", FIELD),
    Case("create_training_job", _training(RetryStrategy={"MaximumRetryAttempts": 31}), "ValidationException", FIELD),
    Case("create_training_job", _training(**_channel(RecordWrapperType="RecordIO")), "ValidationException", "Pipe input mode"),
    Case("create_training_job", _training(InputDataConfig=_channel()["InputDataConfig"] * 2), "ValidationException", "unique"),
    Case("create_training_job", _training(VpcConfig={"Subnets": [], "SecurityGroupIds": []}), "ValidationException", FIELD),
    Case("create_training_job", _training(Tags=[{"Key": "aws:x", "Value": ""}]), "ValidationException"),
    Case("stop_training_job", lambda i: {"TrainingJobName": "absent"}, "ValidationException", "Could not find training job"),
    Case("list_training_jobs", lambda i: {"StatusEquals": "Tired"}, "ValidationException", FIELD),
    Case("list_training_jobs", lambda i: {"NextToken": "made-up"}, "ValidationException"),
    Case("create_processing_job", lambda i: {"ProcessingJobName": "p"}, "ValidationException"),
    Case("create_processing_job", _processing(AppSpecification={"ImageUri": "python:3"}), "ValidationException", "non-ECR image"),
    Case("create_processing_job", _processing(AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": []}), "ValidationException", FIELD),
    Case("create_processing_job", _processing(Environment={"k": "v" * 257}), "ValidationException", FIELD),
    Case("create_processing_job", _processing(ProcessingOutputConfig={"Outputs": [_output("/etc")]}), "ValidationException", "LocalPath"),
    Case("create_processing_job", _processing(ProcessingOutputConfig={"Outputs": [_output("/opt/ml/processing/../o")]}), "ValidationException", "LocalPath"),
    Case("create_processing_job", _processing(ProcessingOutputConfig={"Outputs": [_output("/opt/ml/processing/o", "s3:/x")]}), "ValidationException"),
    Case("create_processing_job", _processing(StoppingCondition={"MaxRuntimeInSeconds": 0}), "ValidationException", FIELD),
    Case("create_processing_job", _processing(ExperimentConfig={"TrialName": "t"}), "ValidationException", "ExperimentConfig"),
    Case("describe_processing_job", lambda i: {"ProcessingJobName": "absent"}, "ValidationException", "Could not find processing job"),
    Case("list_processing_jobs", lambda i: {"MaxResults": 101}, "ValidationException", FIELD),
)  # fmt: skip
def test_sagemaker_job(world: World, case: Case) -> None:
    check(world, "sagemaker", case)


def _config(*variants: dict[str, Any], **members: Any) -> Parameters:
    return lambda i: {"EndpointConfigName": "new", "ProductionVariants": list(variants), **members}


def _pair(name: str, config: str) -> Parameters:
    return lambda i: {"EndpointName": name, "EndpointConfigName": config}


@cases(
    Case("create_endpoint_config", _config(), "ValidationException", "greater than or equal to 1"),
    Case("create_endpoint_config", _config(*[variant(VariantName=f"v{n}") for n in range(11)]), "ValidationException", "less than or equal to 10"),
    Case("create_endpoint_config", _config(variant(InitialInstanceCount=0)), "ValidationException", "greater than or equal to 1"),
    Case("create_endpoint_config", _config(variant(InitialInstanceCount=-3)), "ValidationException", "greater than or equal to 1"),
    Case("create_endpoint_config", _config(variant(InitialInstanceCount="two")), "SerializationException"),
    Case("create_endpoint_config", _config(variant(InitialInstanceCount=1.5)), "SerializationException"),
    Case("create_endpoint_config", _config(variant(InitialVariantWeight=-1.0)), "ValidationException", "greater than or equal to 0"),
    Case("create_endpoint_config", _config(variant(InitialVariantWeight=0.0)), "ValidationException"),
    Case("create_endpoint_config", _config(variant(InstanceType="ml.abacus.small")), "ValidationException", "enum value set"),
    Case("create_endpoint_config", _config(variant(ModelName="absent")), "ValidationException", "Could not find model"),
    Case("create_endpoint_config", _config(variant(), variant()), "ValidationException", "unique"),
    Case("create_endpoint_config", _config(variant(ServerlessConfig={"MemorySizeInMB": 1024, "MaxConcurrency": 1})), "ValidationException", "cannot be specified with ServerlessConfig"),
    Case("create_endpoint_config", _config(variant(ContainerStartupHealthCheckTimeoutInSeconds=59)), "ValidationException", FIELD),
    Case("create_endpoint_config", _config(variant(), EndpointConfigName="taken"), "ValidationException", "Cannot create already existing endpoint configuration"),
    Case("create_endpoint_config", _config(variant(), EndpointConfigName="-x"), "ValidationException", FIELD),
    Case("create_endpoint_config", _config(variant(), KmsKeyId="alias/key"), "ValidationException", "does not implement"),
    Case("describe_endpoint_config", lambda i: {"EndpointConfigName": "absent"}, "ValidationException", "Could not find endpoint configuration"),
    Case("create_endpoint", _pair("new", "absent"), "ValidationException", "Could not find endpoint configuration"),
    Case("create_endpoint", _pair("taken", "taken"), "ValidationException", "Cannot create already existing endpoint"),
    Case("create_endpoint", _pair("TAKEN", "taken"), "ValidationException", "Cannot create already existing endpoint"),
    Case("create_endpoint", _pair("new", "one-zone"), "ValidationException", "at least two Availability Zones"),
    Case("create_endpoint", lambda i: {"EndpointName": "new"}, "ValidationException", "Value null at 'endpointConfigName'"),
    Case("create_endpoint", _pair("n" * 64, "taken"), "ValidationException", FIELD),
    Case("describe_endpoint", lambda i: {"EndpointName": "absent"}, "ValidationException", "Could not find endpoint"),
    Case("delete_endpoint", lambda i: {"EndpointName": "absent"}, "ValidationException", "Could not find endpoint"),
    Case("update_endpoint", _pair("taken", "taken"), "ValidationException", "Cannot update in-progress endpoint"),
    Case("update_endpoint", _pair("absent", "taken"), "ValidationException", "Could not find endpoint"),
    Case("list_tags", lambda i: {"ResourceArn": "arn:aws:sagemaker:us-west-2:123456789012:model/absent"}, "ValidationException"),
    Case("list_tags", lambda i: {"ResourceArn": "arn:aws:sagemaker:eu-west-1:123456789012:model/taken"}, "ValidationException"),
    Case("list_tags", lambda i: {"ResourceArn": "arn:aws:sagemaker:us-west-2:999999999999:model/taken"}, "AccessDeniedException"),
    Case("list_tags", lambda i: {"ResourceArn": "model/taken"}, "ValidationException"),
    Case("add_tags", lambda i: {"ResourceArn": "arn:aws:sagemaker:us-west-2:123456789012:model/taken", "Tags": [{"Key": "aws:x", "Value": ""}]}, "ValidationException"),
)  # fmt: skip
def test_sagemaker_endpoint(world: World, case: Case) -> None:
    check(world, "sagemaker", case)


@cases(
    Case("invoke_endpoint", lambda i: {"EndpointName": "absent", "Body": b"x"}, "ValidationError", "Endpoint absent of account 123456789012 not found."),
    Case("invoke_endpoint", lambda i: {"EndpointName": "taken", "Body": b"x"}, "ValidationError", "is not InService"),
    Case("invoke_endpoint", lambda i: {"EndpointName": "n" * 64, "Body": b"x"}, "ValidationError", FIELD),
    Case("invoke_endpoint", lambda i: {"EndpointName": "taken", "Body": b"x", "TargetModel": "m" * 1025}, "ValidationError", FIELD),
    Case("invoke_endpoint", lambda i: {"EndpointName": "taken", "Body": b"x", "CustomAttributes": "a" * 1025}, "ValidationError", FIELD),
    Case("invoke_endpoint_async", lambda i: {"EndpointName": "absent", "InputLocation": "s3://b/k"}, "ValidationError"),
)  # fmt: skip
def test_sagemaker_runtime(world: World, case: Case) -> None:
    check(world, "sagemaker-runtime", case)
