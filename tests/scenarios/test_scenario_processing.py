"""Processing jobs and a VPC: https://docs.aws.amazon.com/sagemaker/latest/dg/process-vpc.html"""

import json

import pytest

from tests.patience import eventually
from tests.scenarios.hosting import BUCKET
from tests.scenarios.jobs import IMAGE, Jobs

pytestmark = pytest.mark.root

_COUNT = """
import json, os, pathlib, socket, sys
rows = pathlib.Path("/opt/ml/processing/input/rows")
out = pathlib.Path("/opt/ml/processing/output")
config = json.loads(pathlib.Path("/opt/ml/config/resourceconfig.json").read_text())
job = json.loads(pathlib.Path("/opt/ml/config/processingjobconfig.json").read_text())
(out / "deep").mkdir()
total = sum(int(path.read_text()) for path in sorted(rows.rglob("*")) if path.is_file())
(out / "deep" / "total.txt").write_text(str(total))
(out / "link").symlink_to("/etc/passwd")
told = {"hosts": config, "job": job["ProcessingJobName"], "arguments": sys.argv[1:],
        "colour": os.environ.get("COLOUR"), "host": socket.gethostname(), "me": socket.gethostbyname("algo-1")}
(out / "told.json").write_text(json.dumps(told))
print("counted", total)
pathlib.Path("/opt/ml/output/message").write_text("all rows counted")
"""

# each host listens; the first connects to all others and tells them to end
_MEET = """
import json, socket, sys, time
config = json.load(open("/opt/ml/config/resourceconfig.json"))
if config["current_host"] == "algo-1":
    for peer in config["hosts"]:
        if peer != "algo-1":
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    socket.create_connection((peer, 29500), 1).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        sys.exit(4)
                    time.sleep(0.2)
else:
    with socket.create_server(("", 29500)) as server:
        server.settimeout(90)
        server.accept()
print("met")
"""


@pytest.mark.statement("S4.4", "S4.8", "S4.9", "S4.10", "S4.12", "S4.17", "S2.23", "S2.31", "S4.47")
def test_a_job_in_the_vpc_reads_computes_and_writes(jobs: Jobs) -> None:
    for name, content in (("a", b"1"), ("deep/b", b"2"), ("deep/c", b"39")):
        jobs.s3.put_object(Bucket=BUCKET, Key=f"rows/{name}", Body=content)
    told = jobs.process(
        "count",
        _COUNT,
        inputs=[jobs.input("rows", f"s3://{BUCKET}/rows", "/opt/ml/processing/input/rows")],
        outputs=[jobs.output("all", f"s3://{BUCKET}/counted/", "/opt/ml/processing/output")],
        Environment={"COLOUR": "red"},
        AppSpecification={
            "ImageUri": "123456789012.dkr.ecr.us-west-2.amazonaws.com/ringfence-python:3",
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/program.py"],
            "ContainerArguments": ["--fast", "1"],
        },
    )
    assert told["ProcessingJobStatus"] == "Completed", (told.get("FailureReason"), jobs.log("count"))
    assert told["ExitMessage"] == "all rows counted"
    assert told["ProcessingStartTime"] <= told["ProcessingEndTime"]
    written = jobs.keys("counted/")
    assert written.keys() == {"deep/total.txt", "told.json"}, "links are not uploaded"
    assert written["deep/total.txt"] == b"42"
    seen = json.loads(written["told.json"])
    assert seen["hosts"] == {"current_host": "algo-1", "hosts": ["algo-1"]}
    assert (seen["job"], seen["arguments"], seen["colour"]) == ("count", ["--fast", "1"], "red")
    assert seen["host"] == "algo-1"
    ((stream, lines),) = jobs.log("count").items()
    assert stream.startswith("count/algo-1-") and "counted 42" in lines
    shown = jobs.story.ringfence("logs", "count", "-f")
    assert shown.returncode == 0 and f"{stream.partition('/')[2]}  counted 42" in shown.stdout
    assert "ExitMessage: all rows counted" in shown.stdout
    assert jobs.faults("count") == {}
    assert jobs.interfaces() == []


@pytest.mark.statement("S4.14", "S4.37", "S4.38")
def test_hosts_of_a_job_talk_only_if_their_group_admits_itself(jobs: Jobs) -> None:
    told = jobs.process("apart", _MEET.replace("PATIENCE", "2"), instances=2)
    assert told["ProcessingJobStatus"] == "Failed"
    assert told["FailureReason"].startswith("AlgorithmError")
    assert "admits no traffic from its own members" in jobs.faults("apart")["peers"]
    assert "exit code" in jobs.faults("apart")["container"]
    ec2, group = jobs.story.client("ec2"), jobs.story.facts["groups"]["model"]
    own = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=own)
    try:
        told = jobs.process("together", _MEET.replace("PATIENCE", "60"), instances=2)
        assert told["ProcessingJobStatus"] == "Completed", (told.get("FailureReason"), jobs.log("together"))
    finally:
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=own)
    assert {stream.split("/")[1][:6] for stream in jobs.log("together")} == {"algo-1", "algo-2"}


def test_objects_are_shared_out_between_hosts(jobs: Jobs) -> None:
    for name in "abc":
        jobs.s3.put_object(Bucket=BUCKET, Key=f"shards/{name}", Body=name.encode())
    path = "/opt/ml/processing/input/shards"
    shards = jobs.input("shards", f"s3://{BUCKET}/shards/", path, S3DataDistributionType="ShardedByS3Key")
    program = """
import json, os
print("".join(sorted(os.listdir("/opt/ml/processing/input/shards"))))
"""
    told = jobs.process("shared", program, instances=2, inputs=[shards])
    assert told["ProcessingJobStatus"] == "Completed", told.get("FailureReason")
    assert sorted(line for lines in jobs.log("shared").values() for line in lines) == ["ac", "b"]


def test_a_manifest_names_the_objects(jobs: Jobs) -> None:
    jobs.s3.put_object(Bucket=BUCKET, Key="listed/deep/one", Body=b"1")
    jobs.s3.put_object(Bucket=BUCKET, Key="listed/two", Body=b"2")
    manifest = json.dumps([{"prefix": f"s3://{BUCKET}/listed/"}, "deep/one"])
    jobs.s3.put_object(Bucket=BUCKET, Key="lists/manifest.json", Body=manifest.encode())
    path = "/opt/ml/processing/input/listed"
    listed = jobs.input("listed", f"s3://{BUCKET}/lists/manifest.json", path, S3DataType="ManifestFile")
    program = "import os\nprint([(d, f) for d, _, f in os.walk('/opt/ml/processing/input/listed') if f])"
    told = jobs.process("listed", program, inputs=[listed])
    assert told["ProcessingJobStatus"] == "Completed", told.get("FailureReason")
    assert jobs.log("listed").popitem()[1] == ["[('/opt/ml/processing/input/listed/deep', ['one'])]"]


@pytest.mark.statement("S2.30", "S2.31", "S4.5")
def test_isolation_leaves_the_platforms_transfers_alone(jobs: Jobs) -> None:
    program = """
import os, pathlib, socket
told = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in os.environ]
for target in (("169.254.170.2", 80), ("10.0.0.2", 53), ("198.51.100.80", 80)):
    try:
        socket.create_connection(target, 2)
        told.append("connected")
    except OSError as error:
        told.append(error.errno)
pathlib.Path("/opt/ml/processing/output/told").write_text(repr(told))
"""
    told = jobs.process(
        "isolated",
        program,
        outputs=[jobs.output("all", f"s3://{BUCKET}/isolated", "/opt/ml/processing/output")],
        NetworkConfig={"VpcConfig": jobs.vpc, "EnableNetworkIsolation": True},
    )
    assert told["ProcessingJobStatus"] == "Completed", (told.get("FailureReason"), jobs.log("isolated"))
    assert jobs.keys("isolated/") == {"told": b"[False, 101, 101, 101]"}, "network is unreachable"


@pytest.mark.statement("S4.16", "S4.28")
def test_without_a_way_to_s3_the_reason_is_awss(jobs: Jobs) -> None:
    ec2, table = jobs.story.client("ec2"), jobs.story.facts["table"]
    endpoint = jobs.story.facts["s3_endpoint"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[table])
    try:
        told = jobs.process("nowhere", "pass")
        assert f"{table}, which has neither a route" in jobs.faults("nowhere")["s3-route"]
        shown = jobs.story.ringfence("explain", "job", "nowhere")
        assert shown.returncode == 1 and "the likely cause: the job reaches S3 by no route" in shown.stdout
    finally:
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[table])
    assert told["ProcessingJobStatus"] == "Failed"
    assert told["FailureReason"] == (
        f"ClientError: Failed to download data. ListObjectsV2 failed for s3://{BUCKET}/code/nowhere/program.py "
        "nextToken:[null]: Unable to execute request to S3"
    )
    assert jobs.interfaces() == []
    jobs.endpoint_policy([{"Effect": "Allow", "Principal": "*", "Action": "s3:List*", "Resource": "*"}])
    told = jobs.process("refused", "pass")
    assert endpoint in jobs.faults("refused")["s3-rights"]
    assert "AccessDenied (403)" in told["FailureReason"] and "VPC endpoint policy" in told["FailureReason"]


def test_a_role_without_ec2_permissions_makes_no_interface(jobs: Jobs) -> None:
    told = jobs.process("rightless", "pass", RoleArn=jobs.bare_role())
    assert told["FailureReason"] == "InternalServerError: We encountered an internal error.  Please try again."
    assert "lacks ec2:DescribeSubnets" in jobs.faults("rightless")["ec2-rights"]


def test_a_missing_image_and_a_missing_program(jobs: Jobs) -> None:
    image = "123456789012.dkr.ecr.us-west-2.amazonaws.com/nothing:1"
    told = jobs.process("imageless", "pass", AppSpecification={"ImageUri": image})
    assert told["FailureReason"] == (
        f"ClientError: API error (404): manifest for {image} not found: manifest unknown: Requested image not found"
    )
    application = {"ImageUri": IMAGE, "ContainerEntrypoint": ["no-such-program"]}
    told = jobs.process("startless", "pass", AppSpecification=application)
    assert told["FailureReason"].startswith("AlgorithmError: CannotStartContainerError")
    assert 'exec: "no-such-program": executable file not found in $PATH' in told["FailureReason"]


def test_continuous_output_is_there_while_the_job_runs(jobs: Jobs) -> None:
    program = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
pathlib.Path("/opt/ml/processing/live/first").write_text("1")
time.sleep(600)
"""
    jobs.begin(
        "live", program, outputs=[jobs.output("live", f"s3://{BUCKET}/live", "/opt/ml/processing/live", "Continuous")]
    )
    eventually(lambda: jobs.keys("live/"), lambda there: there == {"first": b"1"}, pause=0.2)
    told = jobs.sagemaker.describe_processing_job(ProcessingJobName="live")
    assert told["ProcessingJobStatus"] == "InProgress"
    jobs.sagemaker.stop_processing_job(ProcessingJobName="live")
    assert jobs.settle("live")["ProcessingJobStatus"] == "Stopped"
