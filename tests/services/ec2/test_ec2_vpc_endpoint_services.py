"""VPC endpoints of every service in the table: names, policies, zones, private DNS, and what is refused."""

from typing import Any

import pytest

from ringfence.network.service import SERVICES, ServiceFacts
from ringfence.services.ec2.availability_zone import REGIONS

REGION = "us-west-2"
S3, DYNAMODB = f"com.amazonaws.{REGION}.s3", f"com.amazonaws.{REGION}.dynamodb"
RUNTIME_FIPS = f"com.amazonaws.{REGION}.sagemaker.runtime-fips"
STUDIO = f"aws.sagemaker.{REGION}.studio"
POLICY = '{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}'
OFFERED = [facts for facts in SERVICES if facts.endpoints]


@pytest.fixture
def vpc(ec2: Any) -> str:
    made = ec2.vpc()
    for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2("ModifyVpcAttribute", VpcId=made, **{attribute: {"Value": True}})
    return str(made)


def _interface(ec2: Any, vpc: str, name: str, **more: Any) -> dict[str, Any]:
    given = {"VpcId": vpc, "ServiceName": name, "VpcEndpointType": "Interface", **more}
    return dict(ec2("CreateVpcEndpoint", **given)["VpcEndpoint"])


def _described(ec2: Any, id: str) -> dict[str, Any]:
    return dict(ec2("DescribeVpcEndpoints", VpcEndpointIds=[id])["VpcEndpoints"][0])


@pytest.mark.statement("S0.41", "S3.48", "S1.3", "S1.5", "S1.8", "S1.10", "S1.11")
@pytest.mark.parametrize("facts", OFFERED, ids=lambda facts: facts.service)
def test_every_offered_service_has_interface_endpoints_under_its_names(ec2: Any, vpc: str, facts: ServiceFacts) -> None:
    """What DescribeVpcEndpointServices lists is what an endpoint then has."""
    name = facts.endpoint_service_name(REGION)
    listed = ec2("DescribeVpcEndpointServices", ServiceNames=[name])["ServiceDetails"]
    (detail,) = (one for one in listed if one["ServiceType"] == [{"ServiceType": "Interface"}])
    private = [one["PrivateDnsName"] for one in detail.get("PrivateDnsNames", [])]
    made = _interface(ec2, vpc, name, SubnetIds=[ec2.subnet(vpc)], PrivateDnsEnabled=False)
    regional, zonal = (entry["DnsName"].removeprefix("*.") for entry in made["DnsEntries"])
    (tail,) = detail["BaseEndpointDnsNames"]
    assert regional.startswith(f"{made['VpcEndpointId']}-") and regional.endswith(f".{tail}")
    assert zonal == regional.replace(f".{tail}", f"-{REGION}a.{tail}")
    if private and facts.service != "s3":
        ec2("ModifyVpcEndpoint", VpcEndpointId=made["VpcEndpointId"], PrivateDnsEnabled=True)
        entries = _described(ec2, made["VpcEndpointId"])["DnsEntries"]
        assert [entry["DnsName"] for entry in entries[2:]] == private


def test_the_names_of_studio_and_the_gateways(ec2: Any) -> None:
    (studio,) = ec2("DescribeVpcEndpointServices", ServiceNames=[STUDIO])["ServiceDetails"]
    assert studio["PrivateDnsName"] == f"*.studio.{REGION}.sagemaker.aws"
    assert studio["BaseEndpointDnsNames"] == [f"studio.{REGION}.vpce.sagemaker.aws"]
    for name in (S3, DYNAMODB):
        kinds = ec2("DescribeVpcEndpointServices", ServiceNames=[name])["ServiceDetails"]
        assert kinds[0]["BaseEndpointDnsNames"] == [f"{name.rpartition('.')[2]}.{REGION}.amazonaws.com"]
        assert [one["ServiceType"][0]["ServiceType"] for one in kinds] == ["Gateway", "Interface"]


@pytest.mark.statement("S1.14", "S2.14")
@pytest.mark.parametrize("region", REGIONS)
def test_every_region_has_those_of_sagemaker(ec2: Any, region: str) -> None:
    offered = ec2("DescribeVpcEndpointServices", region=region)["ServiceNames"]
    for name in ("studio", "notebook"):
        assert f"aws.sagemaker.{region}.{name}" in offered
    for name in ("api", "runtime", "featurestore-runtime"):
        assert f"com.amazonaws.{region}.sagemaker.{name}" in offered


def test_global_services_have_none(ec2: Any, vpc: str) -> None:
    for short in ("iam", "organizations", "route53"):
        name = f"com.amazonaws.{REGION}.{short}"
        given = {"VpcId": vpc, "ServiceName": name, "VpcEndpointType": "Interface"}
        said = f"InvalidServiceName: The Vpc Endpoint Service '{name}' does not exist"
        assert ec2.error("CreateVpcEndpoint", **given) == said


def test_fips_is_where_aws_has_it(ec2: Any) -> None:
    assert RUNTIME_FIPS in ec2("DescribeVpcEndpointServices")["ServiceNames"]
    elsewhere = ec2("DescribeVpcEndpointServices", region="eu-west-1")["ServiceNames"]
    assert "com.amazonaws.eu-west-1.sagemaker.runtime" in elsewhere
    assert not [name for name in elsewhere if "fips" in name]


@pytest.mark.statement("S2.35")
def test_runtime_fips_has_no_endpoint_policy(ec2: Any, vpc: str) -> None:
    (detail,) = ec2("DescribeVpcEndpointServices", ServiceNames=[RUNTIME_FIPS])["ServiceDetails"]
    assert detail["VpcEndpointPolicySupported"] is False
    given = {"VpcId": vpc, "ServiceName": RUNTIME_FIPS, "VpcEndpointType": "Interface"}
    refused = "InvalidParameter: Endpoint policies are not supported for this service."
    assert ec2.error("CreateVpcEndpoint", PolicyDocument=POLICY, **given) == refused
    id = _interface(ec2, vpc, RUNTIME_FIPS)["VpcEndpointId"]
    assert ec2.error("ModifyVpcEndpoint", VpcEndpointId=id, PolicyDocument=POLICY) == refused
    api = _interface(ec2, vpc, f"com.amazonaws.{REGION}.sagemaker.api-fips", PolicyDocument=POLICY)
    assert api["PolicyDocument"] == POLICY


def test_a_zone_that_the_service_is_not_in(ec2: Any) -> None:
    """us-east-1e is use1-az5 here; the zone without SageMaker's endpoints is found by its id, not its letter."""
    east = {"region": "us-east-1"}
    name = "com.amazonaws.us-east-1.sagemaker.api"
    (detail,) = ec2("DescribeVpcEndpointServices", ServiceNames=[name], **east)["ServiceDetails"]
    assert "use1-az3" not in detail["AvailabilityZoneIds"] and len(detail["AvailabilityZones"]) == 5
    vpc = ec2("CreateVpc", CidrBlock="10.0.0.0/16", **east)["Vpc"]["VpcId"]
    zones = ec2("DescribeAvailabilityZones", **east)["AvailabilityZones"]
    zone = next(one["ZoneName"] for one in zones if one["ZoneId"] == "use1-az3")
    asked = {"VpcId": vpc, "CidrBlock": "10.0.1.0/24", "AvailabilityZone": zone}
    subnet = ec2("CreateSubnet", **asked, **east)["Subnet"]["SubnetId"]
    given = {"VpcId": vpc, "VpcEndpointType": "Interface", "SubnetIds": [subnet], "PrivateDnsEnabled": False}
    assert ec2.error("CreateVpcEndpoint", ServiceName=name, **given, **east) == (
        f"InvalidParameter: The VPC endpoint service {name} does not support the availability zone of the subnet: "
        f"{subnet}."
    )
    ec2("CreateVpcEndpoint", ServiceName="com.amazonaws.us-east-1.sts", **given, **east)


def test_a_gateway_endpoint_for_dynamodb(ec2: Any, vpc: str) -> None:
    table = ec2("CreateRouteTable", VpcId=vpc)["RouteTable"]["RouteTableId"]
    made = ec2("CreateVpcEndpoint", VpcId=vpc, ServiceName=DYNAMODB, RouteTableIds=[table])["VpcEndpoint"]
    (listed,) = ec2("DescribePrefixLists", Filters=[{"Name": "prefix-list-name", "Values": [DYNAMODB]}])["PrefixLists"]
    routes = ec2("DescribeRouteTables", RouteTableIds=[table])["RouteTables"][0]["Routes"]
    (route,) = (one for one in routes if "DestinationPrefixListId" in one)
    assert (route["DestinationPrefixListId"], route["GatewayId"]) == (listed["PrefixListId"], made["VpcEndpointId"])
    assert made["DnsOptions"] == {"DnsRecordIpType": "service-defined"}
    # the interface endpoint of it has no private name, which nobody has to ask for
    assert _interface(ec2, vpc, DYNAMODB)["PrivateDnsEnabled"] is False
    given = {"VpcId": vpc, "ServiceName": DYNAMODB, "VpcEndpointType": "Interface", "PrivateDnsEnabled": True}
    assert ec2.error("CreateVpcEndpoint", **given) == (
        f"InvalidParameter: Private DNS can't be enabled because the service {DYNAMODB} does not provide a private DNS "
        "name."
    )


class TestPrivateDnsOfS3:
    NEEDS = "To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC {} must have a Gateway endpoint"

    @pytest.fixture
    def subnet(self, ec2: Any, vpc: str) -> str:
        return str(ec2.subnet(vpc))

    def test_the_default_is_for_inbound_resolvers_and_needs_a_gateway(self, ec2: Any, vpc: str, subnet: str) -> None:
        given = {"VpcId": vpc, "ServiceName": S3, "VpcEndpointType": "Interface", "SubnetIds": [subnet]}
        assert self.NEEDS.format(vpc) in ec2.error("CreateVpcEndpoint", PrivateDnsEnabled=True, **given)
        ec2("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3)
        made = ec2("CreateVpcEndpoint", PrivateDnsEnabled=True, **given)["VpcEndpoint"]
        assert made["DnsOptions"] == {"DnsRecordIpType": "ipv4", "PrivateDnsOnlyForInboundResolverEndpoint": True}
        names = [entry["DnsName"] for entry in made["DnsEntries"]]
        assert all(name.startswith("*.vpce-") for name in names[:2])
        assert names[2:4] == [f"s3.{REGION}.amazonaws.com", f"*.s3.{REGION}.amazonaws.com"]

    def test_for_all_of_the_vpc_without_a_gateway_and_back(self, ec2: Any, vpc: str, subnet: str) -> None:
        everybody = {"PrivateDnsOnlyForInboundResolverEndpoint": False}
        made = _interface(ec2, vpc, S3, SubnetIds=[subnet], PrivateDnsEnabled=True, DnsOptions=everybody)
        id = made["VpcEndpointId"]
        assert made["DnsOptions"]["PrivateDnsOnlyForInboundResolverEndpoint"] is False
        only = {"PrivateDnsOnlyForInboundResolverEndpoint": True}
        assert self.NEEDS.format(vpc) in ec2.error("ModifyVpcEndpoint", VpcEndpointId=id, DnsOptions=only)
        ec2("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3)
        ec2("ModifyVpcEndpoint", VpcEndpointId=id, DnsOptions=only)
        assert _described(ec2, id)["DnsOptions"]["PrivateDnsOnlyForInboundResolverEndpoint"] is True
        ec2("ModifyVpcEndpoint", VpcEndpointId=id, PrivateDnsEnabled=False)
        assert _described(ec2, id)["DnsOptions"] == {"DnsRecordIpType": "ipv4"}

    def test_the_option_needs_private_names(self, ec2: Any, vpc: str, subnet: str) -> None:
        only = {"PrivateDnsOnlyForInboundResolverEndpoint": True}
        ec2("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3)
        given = {"VpcId": vpc, "ServiceName": S3, "VpcEndpointType": "Interface", "SubnetIds": [subnet]}
        needs = "PrivateDnsOnlyForInboundResolverEndpoint requires PrivateDnsEnabled to be true."
        assert needs in ec2.error("CreateVpcEndpoint", DnsOptions=only, **given)
        id = _interface(ec2, vpc, S3, SubnetIds=[subnet])["VpcEndpointId"]
        assert needs in ec2.error("ModifyVpcEndpoint", VpcEndpointId=id, DnsOptions=only)

    def test_no_other_service_has_the_option(self, ec2: Any, vpc: str) -> None:
        name = f"com.amazonaws.{REGION}.sts"
        only = {"PrivateDnsOnlyForInboundResolverEndpoint": True}
        given = {"VpcId": vpc, "ServiceName": name, "VpcEndpointType": "Interface", "DnsOptions": only}
        assert ec2.error("CreateVpcEndpoint", **given) == (
            "InvalidParameter: PrivateDnsOnlyForInboundResolverEndpoint not supported for this service."
        )


def test_filters_and_pages(ec2: Any, vpc: str) -> None:
    gateway = ec2("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3)["VpcEndpoint"]["VpcEndpointId"]
    tag = [{"ResourceType": "vpc-endpoint", "Tags": [{"Key": "team", "Value": "ml"}]}]
    sts = _interface(ec2, vpc, f"com.amazonaws.{REGION}.sts", TagSpecifications=tag)["VpcEndpointId"]
    logs = _interface(ec2, vpc, f"com.amazonaws.{REGION}.logs")["VpcEndpointId"]
    for name, value, found in [
        ("vpc-endpoint-type", "Interface", {sts, logs}),
        ("service-name", f"com.amazonaws.{REGION}.s*", {gateway, sts}),
        ("vpc-endpoint-id", logs, {logs}),
        ("tag:team", "ml", {sts}),
        ("vpc-endpoint-state", "available", set()),
        ("vpc-id", vpc, {gateway, sts, logs}),
        ("service-region", "eu-west-1", set()),
    ]:
        told = ec2("DescribeVpcEndpoints", Filters=[{"Name": name, "Values": [value]}])["VpcEndpoints"]
        assert {one["VpcEndpointId"] for one in told} == found, name
    first = ec2("DescribeVpcEndpoints", MaxResults=2)
    second = ec2("DescribeVpcEndpoints", MaxResults=2, NextToken=first["NextToken"])
    seen = [one["VpcEndpointId"] for page in (first, second) for one in page["VpcEndpoints"]]
    assert sorted(seen) == sorted([gateway, sts, logs]) and "NextToken" not in second
    assert "is invalid" in ec2.error("DescribeVpcEndpoints", Filters=[{"Name": "nothing", "Values": ["x"]}])
    page = ec2("DescribeVpcEndpointServices", MaxResults=3)
    rest = ec2("DescribeVpcEndpointServices", NextToken=page["NextToken"])
    offers = sum(len(facts.endpoints) for facts in SERVICES)
    assert len(page["ServiceDetails"]) == 3 and len(rest["ServiceDetails"]) == offers - 3


def test_quotas(ec2: Any, vpc: str) -> None:
    for _ in range(20):
        ec2("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3)
    assert ec2.error("CreateVpcEndpoint", VpcId=vpc, ServiceName=S3).startswith("VpcEndpointLimitExceeded: ")
    given = {"VpcId": vpc, "ServiceName": f"com.amazonaws.{REGION}.sts", "VpcEndpointType": "Interface"}
    for _ in range(50):
        ec2("CreateVpcEndpoint", PrivateDnsEnabled=False, **given)
    said = ec2.error("CreateVpcEndpoint", PrivateDnsEnabled=False, **given)
    assert said.startswith("VpcEndpointLimitExceeded: ")
