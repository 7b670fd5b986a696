"""Internet gateways and the routes to them."""

from typing import Any


def test_the_life_of_a_gateway(ec2: Any) -> None:
    vpc = ec2.vpc()
    gateway = ec2("CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    table = ec2("DescribeRouteTables")["RouteTables"][0]["RouteTableId"]
    route = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}
    assert "belong to different networks" in ec2.error("CreateRoute", **route)
    both = {"InternetGatewayId": gateway, "VpcId": vpc}
    ec2("AttachInternetGateway", **both)
    assert "Resource.AlreadyAssociated" in ec2.error("AttachInternetGateway", **both)
    ec2("CreateRoute", **route)
    assert "RouteAlreadyExists" in ec2.error("CreateRoute", **route)
    inside = {**route, "DestinationCidrBlock": "10.0.1.0/24"}
    assert "equal to or more specific" in ec2.error("CreateRoute", **inside)
    ec2("ReplaceRoute", **route)
    assert "DependencyViolation" in ec2.error("DeleteVpc", VpcId=vpc)
    assert "DependencyViolation" in ec2.error("DeleteInternetGateway", InternetGatewayId=gateway)
    ec2("DetachInternetGateway", **both)
    routes = ec2("DescribeRouteTables")["RouteTables"][0]["Routes"]
    assert [one["State"] for one in routes] == ["active", "blackhole"]
    ec2("DeleteRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    ec2("DeleteInternetGateway", InternetGatewayId=gateway)
    ec2("DeleteVpc", VpcId=vpc)


def test_account_attributes(ec2: Any) -> None:
    found = ec2("DescribeAccountAttributes", AttributeNames=["default-vpc"])["AccountAttributes"]
    assert found == [{"AttributeName": "default-vpc", "AttributeValues": [{"AttributeValue": "none"}]}]
