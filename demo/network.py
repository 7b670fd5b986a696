"""First chapter: the private VPC, its groups, the S3 gateway endpoint and the SageMaker interface endpoints."""

import json
import time

from demo.story import Story, expect

GROUPS = {
    "model": "model containers",
    "endpoint": "interface endpoints",
    "client": "applications that may call the model",
    "stranger": "applications that may not",
}


def build(story: Story, bucket: str, endpoint_name: str) -> None:
    """VPC, subnets, groups and endpoints; their ids go into `story.facts`."""
    story.chapter("1  A private VPC")
    _subnets(story)
    _groups(story)
    _gateway_endpoint(story, bucket)
    _interface_endpoints(story, endpoint_name)


def _subnets(story: Story) -> None:
    ec2 = story.client("ec2")
    with story.step("VPC 10.0.0.0/16, private subnets in two availability zones, a route table") as line:
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        zones = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]][:2]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
            for number, zone in enumerate(zones, start=1)
        ]
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        for subnet in subnets:
            ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        story.facts |= {"vpc": vpc, "subnets": subnets, "table": table}
        line.note = f"{vpc}, {subnets[0]} ({zones[0]}), {subnets[1]} ({zones[1]}), {table}"


def _groups(story: Story) -> None:
    ec2 = story.client("ec2")
    with story.step("security groups: 8080 of the model and 443 of the endpoints, from the client group only"):
        groups = {
            name: ec2.create_security_group(GroupName=name, Description=text, VpcId=story.facts["vpc"])["GroupId"]
            for name, text in GROUPS.items()
        }
        for target, port, source in (("model", 8080, "client"), ("endpoint", 443, "client")):
            pair = [{"GroupId": groups[source]}]
            permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": pair}
            ec2.authorize_security_group_ingress(GroupId=groups[target], IpPermissions=[permission])
        story.facts["groups"] = groups


def _gateway_endpoint(story: Story, bucket: str) -> None:
    ec2 = story.client("ec2")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OnlyTheModelBucket",
                "Effect": "Allow",
                "Principal": "*",
                "Action": ["s3:GetObject", "s3:ListBucket"],
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
            }
        ],
    }
    with story.step(
        "S3 gateway endpoint with a policy of its own; its route appears in the route table by itself"
    ) as line:
        endpoint = ec2.create_vpc_endpoint(
            VpcId=story.facts["vpc"],
            ServiceName=f"com.amazonaws.{story.region}.s3",
            RouteTableIds=[story.facts["table"]],
            PolicyDocument=json.dumps(policy),
        )["VpcEndpoint"]["VpcEndpointId"]
        story.facts["s3_endpoint"] = endpoint
        table = ec2.describe_route_tables(RouteTableIds=[story.facts["table"]])["RouteTables"][0]
        routes = [route for route in table["Routes"] if route.get("GatewayId") == endpoint]
        expect(len(routes) == 1, f"the routes are {table['Routes']}")
        line.note = f"{routes[0]['DestinationPrefixListId']} -> {endpoint}"


def _interface_endpoints(story: Story, endpoint_name: str) -> None:
    ec2 = story.client("ec2")
    account = story.client("sts").get_caller_identity()["Account"]
    policy = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "sagemaker:InvokeEndpoint",
                "Resource": f"arn:aws:sagemaker:{story.region}:{account}:endpoint/{endpoint_name}",
            }
        ]
    }
    with story.step(
        "interface endpoints sagemaker.api and sagemaker.runtime, private DNS, a policy for one endpoint"
    ) as line:
        made = {}
        for service, document in (("sagemaker.api", None), ("sagemaker.runtime", policy)):
            made[service] = ec2.create_vpc_endpoint(
                VpcEndpointType="Interface",
                VpcId=story.facts["vpc"],
                ServiceName=f"com.amazonaws.{story.region}.{service}",
                SubnetIds=story.facts["subnets"],
                SecurityGroupIds=[story.facts["groups"]["endpoint"]],
                PrivateDnsEnabled=True,
                **({"PolicyDocument": json.dumps(document)} if document else {}),
            )["VpcEndpoint"]["VpcEndpointId"]
        story.facts["runtime_endpoint"] = made["sagemaker.runtime"]
        line.note = "\n".join(f"{service}: {endpoint}" for service, endpoint in made.items())
    with story.step("the interface endpoints are available"):
        wait_available(story, list(made.values()))


def wait_available(story: Story, endpoints: list[str]) -> None:
    """Until the VPC endpoints' state is `available`, at most two minutes."""
    ec2 = story.client("ec2")
    deadline = time.monotonic() + 120
    while True:
        states = {one["State"] for one in ec2.describe_vpc_endpoints(VpcEndpointIds=endpoints)["VpcEndpoints"]}
        if states == {"available"}:
            return
        expect(time.monotonic() < deadline, f"their states are {states}")
        time.sleep(0.1)
