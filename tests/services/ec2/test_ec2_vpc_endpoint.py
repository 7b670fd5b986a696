"""VPC endpoints of both types: what they put into the VPC, their names, and what AWS refuses."""

from typing import Any

import pytest

from ringfence.resources.ec2 import VpcEndpointStatus

S3 = "com.amazonaws.us-west-2.s3"
RUNTIME = "com.amazonaws.us-west-2.sagemaker.runtime"


def _gateway(ec2: Any, vpc: str, **more: Any) -> dict[str, Any]:
    return dict(ec2("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3, **more)["VpcEndpoint"])


def _interface(ec2: Any, vpc: str, subnets: list[str], **more: Any) -> dict[str, Any]:
    given = {"VpcId": vpc, "ServiceName": RUNTIME, "VpcEndpointType": "Interface", "SubnetIds": subnets, **more}
    return dict(ec2("CreateVpcEndpoint", **given)["VpcEndpoint"])


def _routes(ec2: Any, table: str) -> list[tuple[str, str]]:
    routes = ec2("DescribeRouteTables", RouteTableIds=[table])["RouteTables"][0]["Routes"]
    return [
        (route["DestinationPrefixListId"], route["GatewayId"]) for route in routes if "DestinationPrefixListId" in route
    ]


@pytest.fixture
def vpc(ec2: Any) -> str:
    made = ec2.vpc()
    for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2("ModifyVpcAttribute", VpcId=made, **{attribute: {"Value": True}})
    return str(made)


@pytest.mark.statement("S0.18", "S0.19", "S0.20", "S0.21", "S0.24")
@pytest.mark.statement("S3.25", "S3.26", "S3.27", "S3.28", "S3.31")
@pytest.mark.statement("S4.21", "S4.22", "S4.23", "S4.24", "S4.27")
def test_a_gateway_writes_its_route(ec2: Any, vpc: str) -> None:
    table, other = (ec2("CreateRouteTable", VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2))
    endpoint = _gateway(ec2, vpc, RouteTableIds=[table])
    id = endpoint["VpcEndpointId"]
    assert endpoint["VpcEndpointType"] == "Gateway" and endpoint["State"] == "pending"
    assert endpoint["PolicyDocument"] == (
        '{"Statement":[{"Action":"*","Effect":"Allow","Principal":"*","Resource":"*"}]}'
    )
    assert _routes(ec2, table) == [("pl-68a54001", id)] and _routes(ec2, other) == []
    assert ec2.error("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3, RouteTableIds=[table]) == (
        f"RouteAlreadyExists: route table {table} already has a route with destination-prefix-list-id pl-68a54001"
    )
    assert "cannot remove VPC endpoint route" in ec2.error(
        "DeleteRoute", RouteTableId=table, DestinationPrefixListId="pl-68a54001"
    )
    ec2("ModifyVpcEndpoint", VpcEndpointId=id, AddRouteTableIds=[other], RemoveRouteTableIds=[table])
    assert _routes(ec2, table) == [] and _routes(ec2, other) == [("pl-68a54001", id)]
    assert "DependencyViolation" in ec2.error("DeleteVpc", VpcId=vpc)
    assert ec2("DeleteVpcEndpoints", VpcEndpointIds=[id, "vpce-0123456789abcdef0"])["Unsuccessful"] == [
        {
            "ResourceId": "vpce-0123456789abcdef0",
            "Error": {
                "Code": "InvalidVpcEndpointId.NotFound",
                "Message": "The Vpc Endpoint Id 'vpce-0123456789abcdef0' does not exist",
            },
        }
    ]
    assert _routes(ec2, other) == [] and ec2("DescribeVpcEndpoints")["VpcEndpoints"] == []


def test_deleting_a_table_leaves_the_gateway(ec2: Any, vpc: str) -> None:
    table = ec2("CreateRouteTable", VpcId=vpc)["RouteTable"]["RouteTableId"]
    id = _gateway(ec2, vpc, RouteTableIds=[table])["VpcEndpointId"]
    ec2("DeleteRouteTable", RouteTableId=table)
    assert ec2("DescribeVpcEndpoints")["VpcEndpoints"][0]["RouteTableIds"] == []
    assert ec2("DeleteVpcEndpoints", VpcEndpointIds=[id])["Unsuccessful"] == []


@pytest.mark.statement("S1.4", "S2.3", "S2.4")
def test_an_interface_endpoint_has_interfaces_and_names(ec2: Any, vpc: str) -> None:
    subnets = [ec2.subnet(vpc), ec2.subnet(vpc, "10.0.2.0/24", "us-west-2b")]
    group = ec2.group(vpc)
    endpoint = _interface(ec2, vpc, subnets, SecurityGroupIds=[group])
    id = endpoint["VpcEndpointId"]
    assert endpoint["PrivateDnsEnabled"] and endpoint["Groups"] == [{"GroupId": group, "GroupName": "web"}]
    names = [entry["DnsName"] for entry in endpoint["DnsEntries"]]
    label = names[0].removeprefix(f"{id}-").partition(".")[0]
    tail = "runtime.sagemaker.us-west-2.vpce.amazonaws.com"
    assert len(label) == 8 and names == [
        f"{id}-{label}.{tail}",
        f"{id}-{label}-us-west-2a.{tail}",
        f"{id}-{label}-us-west-2b.{tail}",
        "runtime.sagemaker.us-west-2.amazonaws.com",
    ]
    wanted = endpoint["NetworkInterfaceIds"]
    interfaces = ec2("DescribeNetworkInterfaces", NetworkInterfaceIds=wanted)["NetworkInterfaces"]
    assert [one["SubnetId"] for one in interfaces] == subnets
    first = interfaces[0]
    assert first["InterfaceType"] == "vpc_endpoint" and first["RequesterManaged"] is True
    assert first["RequesterId"] == "727180483921" and first["Description"] == f"VPC Endpoint Interface {id}"
    assert first["Status"] == "in-use" and first["Attachment"]["InstanceOwnerId"] == "amazon-aws"
    assert "in use" in ec2.error("DeleteNetworkInterface", NetworkInterfaceId=wanted[0])
    assert "AuthFailure" in ec2.error("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=wanted[0], Groups=[group])
    assert "DependencyViolation" in ec2.error("DeleteSubnet", SubnetId=subnets[0])
    assert "DependencyViolation" in ec2.error("DeleteSecurityGroup", GroupId=group)
    ec2("DeleteVpcEndpoints", VpcEndpointIds=[id])
    assert ec2("DescribeNetworkInterfaces")["NetworkInterfaces"] == []
    ec2("DeleteSecurityGroup", GroupId=group)


def test_the_state_is_the_reconcilers(ec2: Any, vpc: str) -> None:
    id = _gateway(ec2, vpc)["VpcEndpointId"]
    with ec2.store.transaction() as records:
        records.put(VpcEndpointStatus(id=id, state="available"))
    found = ec2("DescribeVpcEndpoints", Filters=[{"Name": "vpc-endpoint-state", "Values": ["available"]}])
    assert [one["State"] for one in found["VpcEndpoints"]] == ["available"]


def test_changing_an_interface_endpoint(ec2: Any, vpc: str) -> None:
    first, second = ec2.subnet(vpc), ec2.subnet(vpc, "10.0.2.0/24", "us-west-2b")
    group = ec2.group(vpc)
    id = _interface(ec2, vpc, [first])["VpcEndpointId"]
    default = ec2("DescribeVpcEndpoints")["VpcEndpoints"][0]["Groups"][0]["GroupId"]
    ec2(
        "ModifyVpcEndpoint",
        VpcEndpointId=id,
        AddSubnetIds=[second],
        RemoveSubnetIds=[first],
        AddSecurityGroupIds=[group],
        RemoveSecurityGroupIds=[default],
        SubnetConfigurations=[{"SubnetId": second, "Ipv4": "10.0.2.77"}],
        PrivateDnsEnabled=False,
    )
    (endpoint,) = ec2("DescribeVpcEndpoints")["VpcEndpoints"]
    assert endpoint["SubnetIds"] == [second] and len(endpoint["DnsEntries"]) == 2
    (interface,) = ec2("DescribeNetworkInterfaces")["NetworkInterfaces"]
    assert interface["PrivateIpAddress"] == "10.0.2.77"
    assert [one["GroupId"] for one in interface["Groups"]] == [group]
    assert "at least one security group" in ec2.error(
        "ModifyVpcEndpoint", VpcEndpointId=id, RemoveSecurityGroupIds=[group]
    )


def test_policies(ec2: Any, vpc: str) -> None:
    id = _gateway(ec2, vpc)["VpcEndpointId"]
    policy = '{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}]}'
    ec2("ModifyVpcEndpoint", VpcEndpointId=id, PolicyDocument=policy)
    assert ec2("DescribeVpcEndpoints")["VpcEndpoints"][0]["PolicyDocument"] == policy
    ec2("ModifyVpcEndpoint", VpcEndpointId=id, ResetPolicy=True)
    assert '"Action":"*"' in ec2("DescribeVpcEndpoints")["VpcEndpoints"][0]["PolicyDocument"]
    assert ec2.error("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3, PolicyDocument='{"Statement" []}') == (
        "InvalidPolicyDocument: The Policy Document is not valid. Syntax error at position (1,14)."
    )


@pytest.mark.parametrize(
    "policy",
    [
        "not json",
        "[]",
        '{"Statement":[]}',
        '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
        '{"Statement":[{"Effect":"Perhaps","Principal":"*","Action":"*","Resource":"*"}]}',
        '{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"Odd":{"a":"b"}}}]}',
    ],
)
def test_documents_that_are_no_endpoint_policy(ec2: Any, vpc: str, policy: str) -> None:
    error = ec2.error("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3, PolicyDocument=policy)
    assert error.startswith("InvalidPolicyDocument: The Policy Document is not valid. Syntax error at position (1,1)")


def test_one_subnet_per_zone(ec2: Any, vpc: str) -> None:
    first, second = ec2.subnet(vpc), ec2.subnet(vpc, "10.0.2.0/24")
    given = {"VpcId": vpc, "ServiceName": RUNTIME, "VpcEndpointType": "Interface"}
    assert ec2.error("CreateVpcEndpoint", SubnetIds=[first, second], **given) == (
        f"DuplicateSubnetsInSameZone: Found another VPC endpoint subnet in the availability zone of {second}. VPC "
        "endpoint subnets should be in different availability zones supported by the VPC endpoint service."
    )
    assert "InvalidSubnetID.NotFound" in ec2.error("CreateVpcEndpoint", SubnetIds=["subnet-0123456789abcdef0"], **given)


def test_private_dns_needs_both_attributes_and_no_rival(ec2: Any, vpc: str) -> None:
    subnet = ec2.subnet(vpc)
    given = {"VpcId": vpc, "ServiceName": RUNTIME, "VpcEndpointType": "Interface", "SubnetIds": [subnet]}
    ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": False})
    assert ec2.error("CreateVpcEndpoint", PrivateDnsEnabled=True, **given) == (
        "InvalidParameter: Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes "
        f"set to true for {vpc}"
    )
    ec2("CreateVpcEndpoint", PrivateDnsEnabled=False, **given)
    ec2("ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": True})
    ec2("CreateVpcEndpoint", PrivateDnsEnabled=True, **given)
    assert ec2.error("CreateVpcEndpoint", PrivateDnsEnabled=True, **given) == (
        "InvalidParameter: private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
        f"runtime.sagemaker.us-west-2.amazonaws.com in the VPC {vpc}"
    )


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (
            {"ServiceName": "com.amazonaws.us-west-2.nothing"},
            "InvalidServiceName: The Vpc Endpoint Service 'com.amazonaws.us-west-2.nothing' does not exist",
        ),
        ({"ServiceName": "com.amazonaws.eu-west-1.s3"}, "InvalidServiceName:"),
        ({"ServiceName": RUNTIME}, "Endpoint type (Gateway) does not match available service types ([Interface])."),
        ({"SubnetIds": ["subnet-0123456789abcdef0"]}, "Subnet IDs are only supported for Interface"),
        ({"VpcEndpointType": "Interface", "RouteTableIds": ["rtb-0"]}, "Route table IDs are only supported"),
        ({"RouteTableIds": ["rtb-0123456789abcdef0"]}, "InvalidRouteTableID.NotFound"),
        ({"IpAddressType": "dualstack"}, "NotImplemented"),
        (
            {"VpcEndpointType": "Interface", "PrivateDnsEnabled": True},
            "To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC",
        ),
    ],
)
def test_what_aws_refuses(ec2: Any, vpc: str, change: dict[str, Any], error: str) -> None:
    assert error in ec2.error("CreateVpcEndpoint", **{"VpcId": vpc, "ServiceName": S3, **change})


def test_services(ec2: Any) -> None:
    found = ec2("DescribeVpcEndpointServices")
    assert RUNTIME in found["ServiceNames"] and S3 in found["ServiceNames"]
    kinds = [one["ServiceType"][0]["ServiceType"] for one in found["ServiceDetails"] if one["ServiceName"] == S3]
    assert kinds == ["Gateway", "Interface"]
    (runtime,) = ec2("DescribeVpcEndpointServices", ServiceNames=[RUNTIME])["ServiceDetails"]
    assert runtime["PrivateDnsName"] == "runtime.sagemaker.us-west-2.amazonaws.com"
    assert runtime["Owner"] == "amazon" and len(runtime["AvailabilityZones"]) == 4
    assert "InvalidServiceName" in ec2.error("DescribeVpcEndpointServices", ServiceNames=["x"])


def test_prefix_lists(ec2: Any) -> None:
    filters = [{"Name": "prefix-list-name", "Values": [S3]}]
    (listed,) = ec2("DescribePrefixLists", Filters=filters)["PrefixLists"]
    (managed,) = ec2("DescribeManagedPrefixLists", Filters=filters)["PrefixLists"]
    assert listed["PrefixListId"] == managed["PrefixListId"] == "pl-68a54001" and managed["OwnerId"] == "AWS"
    entries = ec2("GetManagedPrefixListEntries", PrefixListId="pl-68a54001")["Entries"]
    assert sorted(entry["Cidr"] for entry in entries) == sorted(listed["Cidrs"])
    assert "InvalidPrefixListID.NotFound" in ec2.error("GetManagedPrefixListEntries", PrefixListId="pl-00000000")
