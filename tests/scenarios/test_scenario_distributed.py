"""Jobs of several hosts: https://docs.aws.amazon.com/sagemaker/latest/dg/process-vpc.html, train-vpc.html"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scenarios.hosting import BUCKET
from tests.scenarios.jobs import Jobs

pytestmark = pytest.mark.root

# A ring: every host passes what it got to the next until each has every gradient, then all hold the same mean.
ALL_REDUCE = """
import array, json, os, pathlib, socket, sys, time
folder = pathlib.Path("/opt/ml/config")
if not folder.exists():
    folder = pathlib.Path("/opt/ml/input/config")
config = json.loads((folder / "resourceconfig.json").read_text())
hosts, me = config["hosts"], config["current_host"]
place = hosts.index(me)
following = hosts[(place + 1) % len(hosts)]
deadline = time.monotonic() + PATIENCE

def until_there(what):
    while True:
        try:
            return what()
        except OSError as error:
            if time.monotonic() > deadline:
                print("no way to", following, type(error).__name__, flush=True)
                sys.exit(7)
            time.sleep(0.1)

server = socket.create_server(("0.0.0.0", 29500))
server.settimeout(PATIENCE + 2)
until_there(lambda: socket.gethostbyname(following))
sender = until_there(lambda: socket.create_connection((following, 29500), 1))
receiver, _ = server.accept()
own = array.array("d", [float(place + 1)] * SIZE)
total, passing = array.array("d", own), own
for _ in hosts[1:]:
    sender.sendall(passing.tobytes()) if place == 0 else None
    data = bytearray()
    while len(data) < SIZE * 8:
        data += receiver.recv(1 << 16)
    sender.sendall(passing.tobytes()) if place else None
    passing = array.array("d", bytes(data))
    total = array.array("d", (a + b for a, b in zip(total, passing)))
mean = sum(total) / len(total) / len(hosts)
print("mean", mean, flush=True)
pathlib.Path("/opt/ml/output/message").write_text(f"mean {mean}")
"""
HASTY = ALL_REDUCE.replace("SIZE", "50_000").replace("PATIENCE", "8")  # for those who will not meet
SMALL = ALL_REDUCE.replace("SIZE", "50_000").replace("PATIENCE", "90")


@pytest.fixture
def own_group(jobs: Jobs) -> Iterator[str]:
    """The model group, which admits its own members."""
    ec2, group = jobs.story.client("ec2"), jobs.story.facts["groups"]["model"]
    own = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=own)
    yield group
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=own)


def lines(jobs: Jobs, name: str, kind: str) -> list[str]:
    found = jobs.log(name, f"/aws/sagemaker/{kind}Jobs")
    return sorted(line for written in found.values() for line in written)


@pytest.mark.statement("S4.37", "S4.38")
def test_an_all_reduce_of_three_hosts_needs_the_groups_own_rule(jobs: Jobs) -> None:
    told = jobs.process("alone", HASTY, instances=3)
    assert told["ProcessingJobStatus"] == "Failed"
    assert any(line.startswith("no way to algo-") for line in lines(jobs, "alone", "Processing"))
    group = jobs.story.facts["groups"]["model"]
    (finding, *_) = [
        one for one in jobs.explain("alone")["findings"] if (one["check"], one["mark"]) == ("peers", "wrong")
    ]
    assert group in finding["sentence"] and "admits no traffic from its own members" in finding["sentence"]
    assert f"ingress rule for all traffic to {group} whose source is {group} itself" in finding["remedy"]


@pytest.mark.statement("S4.37")
def test_an_all_reduce_of_processing_and_of_training(jobs: Jobs, own_group: str) -> None:
    told = jobs.process("ring", SMALL, instances=3)
    assert told["ProcessingJobStatus"] == "Completed", (told.get("FailureReason"), jobs.log("ring"))
    assert told["ExitMessage"] == "mean 2.0"
    assert lines(jobs, "ring", "Processing") == ["mean 2.0"] * 3
    assert "peers" not in jobs.faults("ring")
    told = jobs.train("ring", SMALL, instances=2)
    assert told["TrainingJobStatus"] == "Completed", (told.get("FailureReason"), lines(jobs, "ring", "Training"))
    assert lines(jobs, "ring", "Training") == ["mean 1.5"] * 2


def test_hosts_of_a_job_without_a_vpc_reach_each_other(jobs: Jobs) -> None:
    told = jobs.process("vpcless", SMALL, instances=2, NetworkConfig={})
    assert told["ProcessingJobStatus"] == "Completed", (told.get("FailureReason"), jobs.log("vpcless"))


_OUTSIDE = """
import errno, os, socket
told = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" in os.environ]
for target in (("169.254.170.2", 80), ("10.0.0.2", 53), ("198.51.100.80", 80)):
    try:
        socket.create_connection(target, 2)
        told.append("connected")
    except OSError as error:
        told.append(errno.errorcode[error.errno])
print("outside", told, flush=True)
"""


@pytest.mark.statement("S2.30", "S4.37")
def test_isolated_hosts_speak_with_their_job_alone(jobs: Jobs, own_group: str) -> None:
    request: dict[str, Any] = {"EnableNetworkIsolation": True}
    told = jobs.train("fenced", _OUTSIDE + SMALL, instances=2, **request)
    assert told["TrainingJobStatus"] == "Completed", (told.get("FailureReason"), lines(jobs, "fenced", "Training"))
    found = lines(jobs, "fenced", "Training")
    assert found == ["mean 1.5"] * 2 + ["outside [False, 'ENETUNREACH', 'ENETUNREACH', 'ENETUNREACH']"] * 2
    assert jobs.s3.head_object(Bucket=BUCKET, Key="trained/fenced/output/model.tar.gz"), "the platform's way is open"
    assert json.loads(jobs.story.ringfence("explain", "job", "fenced", "--json").stdout)["findings"]


def test_encrypted_traffic_needs_keys_and_esp_of_the_group(jobs: Jobs) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/dg/train-encrypt.html"""
    ec2, group = jobs.story.client("ec2"), jobs.story.facts["groups"]["model"]
    own = [{"GroupId": group}]
    keys = {"IpProtocol": "udp", "FromPort": 500, "ToPort": 500, "UserIdGroupPairs": own}
    esp = {"IpProtocol": "50", "UserIdGroupPairs": own}
    request: dict[str, Any] = {"EnableInterContainerTrafficEncryption": True}
    network = {"VpcConfig": jobs.vpc, **request}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[keys])
    try:
        told = jobs.process("halfway", HASTY, instances=2, NetworkConfig=network)
        assert told["ProcessingJobStatus"] == "Failed"
        assert "admits no ESP from its own members" in jobs.faults("halfway")["peers"]
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[esp])
        told = jobs.process("sealed", SMALL, instances=3, NetworkConfig=network)
        assert told["ProcessingJobStatus"] == "Completed", (told.get("FailureReason"), jobs.log("sealed"))
        assert told["NetworkConfig"]["EnableInterContainerTrafficEncryption"] is True
        assert told["ExitMessage"] == "mean 2.0" and "peers" not in jobs.faults("sealed")
        told = jobs.train("sealed", _OUTSIDE + SMALL, instances=2, EnableNetworkIsolation=True, **request)
        assert told["TrainingJobStatus"] == "Completed", (told.get("FailureReason"), lines(jobs, "sealed", "Training"))
        assert lines(jobs, "sealed", "Training")[:2] == ["mean 1.5"] * 2
        assert told["EnableInterContainerTrafficEncryption"] is True
    finally:
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[keys])
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[esp])
    told = jobs.process("keyless", HASTY, instances=2, NetworkConfig=network)
    assert told["ProcessingJobStatus"] == "Failed"
    peers = [one for one in jobs.explain("keyless")["findings"] if (one["check"], one["mark"]) == ("peers", "wrong")]
    assert {"UDP port 500" in one["remedy"] for one in peers} == {True, False}, "both rules are named"
    assert {"IP protocol 50 (ESP)" in one["remedy"] for one in peers} == {True, False}


_ONE_FAILS = """
import json, signal, socket, sys, time
host = json.load(open("/opt/ml/config/resourceconfig.json"))["current_host"]
def end(*_):
    print("told to end", flush=True)
    time.sleep(1.5)
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up", host, flush=True)
deadline = time.monotonic() + 90
while host == "algo-2":
    try:
        socket.create_connection(("algo-1", 29500), 1)
        sys.exit(3)
    except OSError:
        if time.monotonic() > deadline:
            sys.exit(4)
        time.sleep(0.1)
server = socket.create_server(("0.0.0.0", 29500))
time.sleep(600)
"""


def test_when_one_host_fails_the_others_have_time_to_end(jobs: Jobs) -> None:
    told = jobs.process("halved", _ONE_FAILS, instances=2, NetworkConfig={})
    assert told["ProcessingJobStatus"] == "Failed"
    assert told["FailureReason"] == "AlgorithmError: , exit code: 3"
    assert lines(jobs, "halved", "Processing") == ["saved", "told to end", "up algo-1", "up algo-2"]
