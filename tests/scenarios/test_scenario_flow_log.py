"""Flow logs see the traffic of a model's and of a job's container, as AWS's pages promise; windows are its shortest."""

import json
import subprocess
from collections.abc import Callable

import pytest

from demo.story import Story
from ringfence.network.flow import FIELDS
from tests.patience import eventually
from tests.scenarios.hosting import BUCKET, Hosting
from tests.scenarios.jobs import Jobs

pytestmark = pytest.mark.root
FORMAT = " ".join(f"${{{name}}}" for name in FIELDS)
GROUP = "/scenario/flows"
WAIT = 240  # seconds: a window of 60, wherever in it the traffic comes, and the reading after it


def make_log(story: Story) -> str:
    iam = story.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="flow-logs", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    names = "CreateLogGroup CreateLogStream PutLogEvents DescribeLogGroups DescribeLogStreams"
    allow = {"Effect": "Allow", "Action": [f"logs:{name}" for name in names.split()], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName="flow-logs", PolicyName="deliver", PolicyDocument=policy)
    made = story.client("ec2").create_flow_logs(
        ResourceType="VPC", ResourceIds=[story.facts["vpc"]], TrafficType="ALL", MaxAggregationInterval=60,
        LogGroupName=GROUP, DeliverLogsPermissionArn=role, LogFormat=FORMAT,
    )  # fmt: skip
    assert not made["Unsuccessful"]
    router = f"{story.facts['prefix']}-{story.facts['vpc']}"
    command = ["ip", "netns", "exec", router, "nft", "list", "tables"]
    # what comes before the first reading is not counted
    eventually(lambda: b"ringfence_flows" in subprocess.run(command, capture_output=True, check=True).stdout)
    return str(made["FlowLogIds"][0])


def read(story: Story, interface: str) -> list[dict[str, str]]:
    logs = story.client("logs")
    try:
        told = logs.get_log_events(logGroupName=GROUP, logStreamName=f"{interface}-all", startFromHead=True)
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [dict(zip(FIELDS, event["message"].split(), strict=True)) for event in told["events"]]


def until(delivered: Callable[[], bool]) -> None:
    eventually(delivered, seconds=WAIT, pause=1)


_ROWS = b"0123456789abcdef" * 8192
_ASK = """
import socket, time
print("runs", flush=True)
try:
    socket.create_connection(({address!r}, 443), 1)
except OSError:
    print("refused")
time.sleep(1)
"""


def process(jobs: Jobs, address: str) -> str:
    """A processing job that reads rows from S3 and asks the address in vain; the id of its interface, which is gone."""
    jobs.s3.put_object(Bucket=BUCKET, Key="flows/rows", Body=_ROWS)
    rows = jobs.input("rows", f"s3://{BUCKET}/flows/", "/opt/ml/processing/input/rows")
    jobs.begin("flows", _ASK.format(address=address), inputs=[rows])
    (interface,) = eventually(jobs.interfaces)  # as long as the job is there
    told = jobs.settle("flows")
    assert told["ProcessingJobStatus"] == "Completed", told.get("FailureReason")
    return str(interface["NetworkInterfaceId"])


@pytest.mark.slow
@pytest.mark.statement("S3.5", "S4.3")
def test_the_containers_traffic_is_in_the_flow_log(story: Story, hosting: Hosting, jobs: Jobs) -> None:
    ec2 = story.client("ec2")
    private = [{"Name": "interface-type", "Values": ["vpc_endpoint"]}]
    target, other = ec2.describe_network_interfaces(Filters=private)["NetworkInterfaces"][:2]
    address = target["PrivateIpAddress"]
    log = make_log(story)
    try:
        # not the model's target: their interfaces may have had the same address, one after the other
        job = process(jobs, other["PrivateIpAddress"])
        told = hosting.create("monitored", VpcConfig=hosting.vpc_config())
        assert told["EndpointStatus"] == "InService", told.get("FailureReason")
        filters = [{"Name": "group-id", "Values": [story.facts["groups"]["model"]]}]
        model = {
            one["NetworkInterfaceId"]: one
            for one in ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
        }
        # the endpoint's group admits clients only
        assert hosting.invoke("monitored", connect=[address, 443])["connect"] != "connected"

        def refused() -> list[dict[str, str]]:
            found = read(story, target["NetworkInterfaceId"])
            return [one for one in found if one["action"] == "REJECT" and one["pkt-srcaddr"] in own]

        own = {one["PrivateIpAddress"] for one in model.values()}

        def attempted() -> list[dict[str, str]]:
            return [one for id in model for one in read(story, id) if one["dstaddr"] == address]

        def packets(lines: list[dict[str, str]]) -> int:
            return sum(int(one["packets"]) for one in lines)

        until(lambda: 0 < packets(refused()) == packets(attempted()))
        assert {(one["dstaddr"], one["dstport"], one["flow-direction"]) for one in refused()} == {
            (address, "443", "ingress")
        }
        assert {(one["action"], one["flow-direction"], one["traffic-path"]) for one in attempted()} == {
            ("ACCEPT", "egress", "1")
        }
        sent = [one for id in model for one in read(story, id)]
        # the model's download came by the gateway endpoint
        size = story.client("s3").head_object(Bucket=BUCKET, Key="iris/model.tar.gz")["ContentLength"]
        loaded = [one for one in sent if one["pkt-src-aws-service"] == "S3" and one["flow-direction"] == "ingress"]
        assert sum(int(one["bytes"]) for one in loaded) > size and {one["action"] for one in loaded} == {"ACCEPT"}
        assert {one["traffic-path"] for one in sent if one["pkt-dst-aws-service"] == "S3"} == {"7"}
        # neither the resolver nor what the platform asks of the container
        assert not {"53", "8080"} & {port for one in sent for port in (one["srcport"], one["dstport"])}
        assert {one["instance-id"] for one in sent} == {"-"}
        until(lambda: other["PrivateIpAddress"] in {one["dstaddr"] for one in read(story, job)})
        seen = read(story, job)
        asked = [one for one in seen if one["dstaddr"] == other["PrivateIpAddress"]]
        assert {(one["action"], one["flow-direction"]) for one in asked} == {("ACCEPT", "egress")}
        loaded = [one for one in seen if one["pkt-src-aws-service"] == "S3" and one["flow-direction"] == "ingress"]
        assert sum(int(one["bytes"]) for one in loaded) > len(_ROWS), "the job's data came by its interface"
        assert ec2.describe_flow_logs(FlowLogIds=[log])["FlowLogs"][0]["DeliverLogsStatus"] == "SUCCESS"
    finally:
        ec2.delete_flow_logs(FlowLogIds=[log])
