"""Flow logs through the API of a daemon: what is made, shown, refused; policies of buckets; roles that are passed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from daemon import ACCOUNT, REGION, Daemon, local_daemon

from ringfence.network.flow import DEFAULT_FORMAT

ROLE = f"arn:aws:iam::{ACCOUNT}:role/flow"
TO_GROUP: dict[str, Any] = {"LogGroupName": "flows", "DeliverLogsPermissionArn": ROLE}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("flow-logs")) as running:
        trust = {"Effect": "Allow", "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        running.client("iam").create_role(RoleName="flow", AssumeRolePolicyDocument=document)
        yield running


class Api:
    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.ec2 = daemon.client("ec2")
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        made = self.ec2.create_network_interface(SubnetId=self.subnet)
        self.interface = made["NetworkInterface"]["NetworkInterfaceId"]

    def create(self, kind: str = "VPC", *ids: str, client: Any = None, **more: Any) -> dict[str, Any]:
        request = {"ResourceType": kind, "ResourceIds": ids or (self.vpc,), "TrafficType": "ALL", **more}
        return (client or self.ec2).create_flow_logs(**request)

    def refused(self, *arguments: Any, **more: Any) -> str:
        with pytest.raises(ClientError) as caught:
            self.create(*arguments, **more)
        return f"{caught.value.response['Error']['Code']}: {caught.value.response['Error']['Message']}"

    def one(self, id: str) -> dict[str, Any]:
        return self.ec2.describe_flow_logs(FlowLogIds=[id])["FlowLogs"][0]

    def clean(self) -> None:
        found = self.ec2.describe_flow_logs()["FlowLogs"]
        if found:
            self.ec2.delete_flow_logs(FlowLogIds=[one["FlowLogId"] for one in found])
        self.ec2.delete_network_interface(NetworkInterfaceId=self.interface)
        self.ec2.delete_subnet(SubnetId=self.subnet)
        self.ec2.delete_vpc(VpcId=self.vpc)


@pytest.fixture
def api(daemon: Daemon) -> Iterator[Api]:
    made = Api(daemon)
    yield made
    made.clean()


def test_one_to_a_log_group(api: Api) -> None:
    tags = [{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "Name", "Value": "all"}]}]
    made = api.create(**TO_GROUP, TagSpecifications=tags)
    assert made["Unsuccessful"] == [] and made["FlowLogIds"][0].startswith("fl-0")
    found = api.one(made["FlowLogIds"][0])
    found.pop("CreationTime")
    assert found == {
        "FlowLogId": made["FlowLogIds"][0], "FlowLogStatus": "ACTIVE", "ResourceId": api.vpc, "TrafficType": "ALL",
        "LogDestinationType": "cloud-watch-logs", "LogGroupName": "flows", "DeliverLogsPermissionArn": ROLE,
        "LogFormat": DEFAULT_FORMAT, "MaxAggregationInterval": 600, "Tags": [{"Key": "Name", "Value": "all"}],
    }  # fmt: skip


def test_all_kinds_of_targets_and_a_group_by_its_arn(api: Api) -> None:
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:by-arn:*"
    for kind, id in (("VPC", api.vpc), ("Subnet", api.subnet), ("NetworkInterface", api.interface)):
        made = api.create(kind, id, LogDestination=arn, DeliverLogsPermissionArn=ROLE, MaxAggregationInterval=60)
        found = api.one(made["FlowLogIds"][0])
        assert (found["ResourceId"], found["LogGroupName"], found["LogDestination"]) == (id, "by-arn", arn)
        assert found["MaxAggregationInterval"] == 60


def test_several_at_once_and_those_that_could_not_be_made(api: Api) -> None:
    missing = "subnet-0123456789abcdef0"
    made = api.create("Subnet", api.subnet, missing, **TO_GROUP)
    assert len(made["FlowLogIds"]) == 1
    (failed,) = made["Unsuccessful"]
    assert (failed["ResourceId"], failed["Error"]["Code"]) == (missing, "InvalidSubnetID.NotFound")
    again = api.create("Subnet", api.subnet, **TO_GROUP)
    assert again["FlowLogIds"] == []
    assert again["Unsuccessful"][0]["Error"] == {
        "Code": "FlowLogAlreadyExists",
        "Message": "Error. There is an existing Flow Log with the same configuration and log destination.",
    }
    other = api.create("Subnet", api.subnet, **TO_GROUP, LogFormat="${version} ${bytes}")
    assert other["Unsuccessful"]
    assert api.create("Subnet", api.subnet, **{**TO_GROUP, "LogGroupName": "elsewhere"})["FlowLogIds"]


def test_a_client_token_makes_one(api: Api) -> None:
    first = api.create("Subnet", api.subnet, **TO_GROUP, ClientToken="t")
    again = api.create("Subnet", api.subnet, **TO_GROUP, ClientToken="t")
    assert first["FlowLogIds"] == again["FlowLogIds"] and again["ClientToken"] == "t"
    assert "IdempotentParameterMismatch" in api.refused("VPC", api.vpc, **TO_GROUP, ClientToken="t")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"LogGroupName": "flows"}, "InvalidParameter: DeliverLogsPermissionArn can't be empty"),
        ({"DeliverLogsPermissionArn": ROLE}, "InvalidParameter: LogDestination can't be empty"),
        ({**TO_GROUP, "LogDestination": "arn:aws:s3:::b"}, "InvalidParameter: Please only provide LogGroupName"),
        ({**TO_GROUP, "MaxAggregationInterval": 120}, "InvalidParameter: Invalid Flow Log Max Aggregation Interval"),
        ({**TO_GROUP, "LogFormat": "${version} ${nothing}"}, "InvalidParameter: The LogFormat is not valid"),
        ({**TO_GROUP, "DestinationOptions": {"PerHourPartition": True}}, "InvalidParameter: DestinationOptions"),
        ({"LogDestinationType": "s3"}, "InvalidParameter: LogDestination can't be empty"),
        ({"LogDestinationType": "s3", "LogDestination": "bucket"}, "InvalidParameter: LogDestination: bucket is not"),
        (
            {"LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::b/AWSLogs/x"},
            "InvalidParameter: AWSLogs is a reserved term",
        ),
        (
            {
                "LogDestinationType": "s3",
                "LogDestination": "arn:aws:s3:::b",
                "DestinationOptions": {"FileFormat": "parquet"},
            },
            "NotImplemented: Ringfence does not implement flow logs in Parquet.",
        ),
        ({"LogDestinationType": "kinesis-data-firehose"}, "NotImplemented"),
        ({**TO_GROUP, "DeliverCrossAccountRole": ROLE}, "NotImplemented"),
        ({**TO_GROUP, "ResourceType": "TransitGateway"}, "NotImplemented"),
        ({**TO_GROUP, "DryRun": True}, "DryRunOperation"),
    ],
)
def test_what_is_refused(api: Api, more: dict[str, Any], said: str) -> None:
    assert api.refused(**more).startswith(said)
    assert api.ec2.describe_flow_logs()["FlowLogs"] == []


def test_listing(api: Api) -> None:
    whole = api.create("VPC", api.vpc, **TO_GROUP)["FlowLogIds"][0]
    refused = api.create("Subnet", api.subnet, **{**TO_GROUP, "LogGroupName": "no"}, TrafficType="REJECT")
    part = refused["FlowLogIds"][0]

    def found(**filters: str) -> list[str]:
        wanted = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
        return [one["FlowLogId"] for one in api.ec2.describe_flow_logs(Filter=wanted)["FlowLogs"]]

    assert found(resource_id=api.vpc) == found(traffic_type="ALL") == found(log_group_name="flows") == [whole]
    assert found(flow_log_id=part) == found(traffic_type="REJECT") == [part]
    assert sorted(found(log_destination_type="cloud-watch-logs")) == sorted([whole, part])
    assert found(deliver_log_status="SUCCESS") == []
    first = api.ec2.describe_flow_logs(MaxResults=1)
    second = api.ec2.describe_flow_logs(MaxResults=1, NextToken=first["NextToken"])
    assert {one["FlowLogs"][0]["FlowLogId"] for one in (first, second)} == {whole, part} and "NextToken" not in second
    assert api.ec2.delete_flow_logs(FlowLogIds=[whole])["Unsuccessful"] == []
    assert found() == [part]
    with pytest.raises(ClientError, match=r"InvalidFlowLogId.NotFound.*TotalCount: 1"):
        api.ec2.delete_flow_logs(FlowLogIds=[whole, part])
    assert found() == [part]


def test_the_role_must_be_passed(api: Api) -> None:
    iam = api.daemon.client("iam")
    iam.create_user(UserName="maker")
    key = iam.create_access_key(UserName="maker")["AccessKey"]
    maker = api.daemon.client("ec2", (key["AccessKeyId"], key["SecretAccessKey"]))
    allow: dict[str, Any] = {"Effect": "Allow", "Action": ["ec2:CreateFlowLogs"], "Resource": "*"}

    def grant(*statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": statements}
        iam.put_user_policy(UserName="maker", PolicyName="p", PolicyDocument=json.dumps(document))

    grant(allow)
    assert "iam:PassRole" in api.refused(**TO_GROUP, client=maker)
    passing = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": ROLE}
    service = {"StringEquals": {"iam:PassedToService": "vpc-flow-logs.amazonaws.com"}}
    grant(allow, {**passing, "Condition": service})
    assert api.create(**TO_GROUP, client=maker)["FlowLogIds"]
    to_bucket = {"LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::some-flows"}
    assert "logs:CreateLogDelivery" in api.refused(**to_bucket, client=maker)


def test_a_bucket_of_ones_own_lets_the_delivery_in(api: Api) -> None:
    s3 = api.daemon.client("s3")
    s3.create_bucket(Bucket="own-flows", CreateBucketConfiguration={"LocationConstraint": REGION})
    mine = {"Sid": "Mine", "Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "s3:GetObject"}
    policy = {"Version": "2012-10-17", "Statement": [{**mine, "Resource": "arn:aws:s3:::own-flows/*"}]}
    s3.put_bucket_policy(Bucket="own-flows", Policy=json.dumps(policy))
    absent = api.create(LogDestinationType="s3", LogDestination="arn:aws:s3:::no-such-flows")
    assert absent["Unsuccessful"][0]["Error"]["Message"] == "LogDestination: no-such-flows does not exist"
    options = {"HiveCompatiblePartitions": True}
    wanted = {"LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::own-flows/deep/"}
    made = api.create(**wanted, DestinationOptions=options)
    found = api.one(made["FlowLogIds"][0])
    assert found["DestinationOptions"] == {**options, "PerHourPartition": False, "FileFormat": "plain-text"}
    statements = json.loads(s3.get_bucket_policy(Bucket="own-flows")["Policy"])["Statement"]
    assert [one["Sid"] for one in statements] == ["Mine", "AWSLogDeliveryWrite1", "AWSLogDeliveryAclCheck1"]
    assert statements[1]["Resource"] == f"arn:aws:s3:::own-flows/deep/AWSLogs/{ACCOUNT}/*"
    api.create("Subnet", api.subnet, **wanted)
    assert len(json.loads(s3.get_bucket_policy(Bucket="own-flows")["Policy"])["Statement"]) == 3
