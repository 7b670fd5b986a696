"""A processing job's way to data and services: https://docs.aws.amazon.com/sagemaker/latest/dg/process-vpc.html

What the page promises of the S3 gateway endpoint, its policy, bucket policies, packages, names and interface endpoints,
seen by the job's containers. Jobs' life and data are in test_scenario_processing, NAT in test_scenario_nat.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from demo.network import wait_available
from tests.scenarios.hosting import BUCKET
from tests.scenarios.jobs import Jobs
from tests.scenarios.test_scenario_s3_endpoint import ALLOW, DENY_LINUX_1, DENY_LINUX_2, FETCH, FIRST, RPM, SECOND

pytestmark = pytest.mark.root

SEALED = "scenario-sealed"
FREE = "scenario-processing-open"
CA = "/etc/ringfence/ca.pem"

_READ = "print('read', open('/opt/ml/processing/input/data/rows').read())"
_ATTEMPT = """
import socket
for name, place in {places}.items():
    try:
        socket.create_connection(tuple(place), 2).close()
        print(name, "connected")
    except OSError as error:
        print(name, type(error).__name__)
"""
_OBJECTS = """
import boto3
s3 = boto3.client("s3")
print("buckets", {free!r} in [one["Name"] for one in s3.list_buckets()["Buckets"]])
s3.put_object(Bucket={free!r}, Key="made", Body=b"by the container")
print("put and got", s3.get_object(Bucket={free!r}, Key="made")["Body"].read().decode())
s3.delete_object(Bucket={free!r}, Key="made")
"""
_SERVICE = """
import boto3, socket
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError
host = "logs.us-west-2.amazonaws.com"
print(sorted({one[4][0] for one in socket.getaddrinfo(host, 443, socket.AF_INET)}))
once = Config(connect_timeout=SECONDS, retries={"total_max_attempts": 1})
try:
    groups = boto3.client("logs", config=once).describe_log_groups()["logGroups"]
    print("listed", len(groups) > 0)
except ConnectTimeoutError:
    print("no way")
"""


def _lines(jobs: Jobs, name: str) -> list[str]:
    ((_, lines),) = jobs.log(name).items()
    return lines


def _completed(jobs: Jobs, name: str, program: str, **request: Any) -> list[str]:
    """What the container of a job that has to succeed writes."""
    told = jobs.process(name, program, **request)
    assert told["ProcessingJobStatus"] == "Completed", (told.get("FailureReason"), jobs.log(name))
    return _lines(jobs, name)


@contextmanager
def _bucket(jobs: Jobs, name: str) -> Iterator[None]:
    place = {"LocationConstraint": jobs.story.region}
    jobs.s3.create_bucket(Bucket=name, CreateBucketConfiguration=place)
    try:
        yield
    finally:
        jobs.s3.delete_bucket_policy(Bucket=name)
        for one in jobs.s3.list_objects_v2(Bucket=name).get("Contents", []):
            jobs.s3.delete_object(Bucket=name, Key=one["Key"])
        jobs.s3.delete_bucket(Bucket=name)


@contextmanager
def _rights(jobs: Jobs, **statement: Any) -> Iterator[None]:
    """What the execution role may do beside."""
    iam = jobs.story.client("iam")
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*"} | statement]}
    iam.put_role_policy(RoleName="jobs", PolicyName="more", PolicyDocument=json.dumps(document))
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName="jobs", PolicyName="more")


@pytest.mark.statement("S4.1", "S4.7", "S4.18", "S4.26", "S4.29")
def test_a_bucket_that_admits_the_vpc_alone_is_read_by_its_jobs_alone(jobs: Jobs) -> None:
    """The bucket's policy is that of AWS's page on bucket policies; the role's rights are always the same."""
    endpoint = jobs.story.facts["s3_endpoint"]
    only = {
        "Sid": "Access-to-specific-VPCE-only",
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{SEALED}", f"arn:aws:s3:::{SEALED}/*"],
        "Condition": {"StringNotEquals": {"aws:sourceVpce": endpoint}},
    }
    request: dict[str, Any] = {
        "inputs": [jobs.input("data", f"s3://{SEALED}/in/", "/opt/ml/processing/input/data")],
        "outputs": [jobs.output("out", f"s3://{SEALED}/out", "/opt/ml/processing/out")],
    }
    with _bucket(jobs, SEALED):
        jobs.s3.put_object(Bucket=SEALED, Key="in/rows", Body=b"1 2 3")
        jobs.s3.put_bucket_policy(Bucket=SEALED, Policy=json.dumps({"Version": "2012-10-17", "Statement": [only]}))
        try:
            write = _READ + "; open('/opt/ml/processing/out/done', 'w').write('yes')"
            assert _completed(jobs, "within", write, **request) == ["read 1 2 3"]
            told = jobs.process("without", _READ, **request | {"NetworkConfig": {}})
            assert told["ProcessingJobStatus"] == "Failed"
            assert "AccessDenied (403)" in told["FailureReason"] and f"s3://{SEALED}/in/" in told["FailureReason"]
            named = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
            jobs.endpoint_policy([{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": named}])
            told = jobs.process("unnamed", _READ, **request)
            assert "AccessDenied (403)" in told["FailureReason"] and "VPC endpoint policy" in told["FailureReason"]
            named += [f"arn:aws:s3:::{SEALED}", f"arn:aws:s3:::{SEALED}/*"]
            jobs.endpoint_policy([{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": named}])
            assert _completed(jobs, "named", _READ, **request) == ["read 1 2 3"]
        finally:
            jobs.s3.delete_bucket_policy(Bucket=SEALED)
        assert jobs.s3.get_object(Bucket=SEALED, Key="out/done")["Body"].read() == b"yes"


@pytest.mark.statement("S4.1", "S4.11")
def test_a_container_reaches_what_is_in_the_vpc_and_not_the_internet(jobs: Jobs) -> None:
    ec2, groups = jobs.story.client("ec2"), jobs.story.facts["groups"]
    filters = [
        {"Name": "interface-type", "Values": ["vpc_endpoint"]},
        {"Name": "group-id", "Values": [groups["endpoint"]]},
    ]
    resource = ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"][0]["PrivateIpAddress"]
    program = _ATTEMPT.format(places={"resource": [resource, 443], "internet": ["198.51.100.80", 80]})
    assert _completed(jobs, "kept-out", program) == ["resource TimeoutError", "internet TimeoutError"]
    pair = [{"GroupId": groups["model"]}]
    permission = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": pair}]
    ec2.authorize_security_group_ingress(GroupId=groups["endpoint"], IpPermissions=permission)
    try:
        assert _completed(jobs, "let-in", program) == ["resource connected", "internet TimeoutError"]
    finally:
        ec2.revoke_security_group_ingress(GroupId=groups["endpoint"], IpPermissions=permission)


@pytest.mark.statement("S4.25", "S4.27")
def test_full_access_lets_a_container_do_anything_that_its_role_may(jobs: Jobs) -> None:
    ec2 = jobs.story.client("ec2")
    ec2.modify_vpc_endpoint(VpcEndpointId=jobs.story.facts["s3_endpoint"], ResetPolicy=True)
    with _bucket(jobs, FREE), _rights(jobs, Action=["s3:ListAllMyBuckets", "s3:DeleteObject"]):
        told = _completed(jobs, "full-access", _OBJECTS.format(free=FREE))
    assert told == ["buckets True", "put and got by the container"]


@pytest.mark.statement("S4.30", "S4.31", "S4.32", "S4.33", "S4.34", "S4.36")
def test_packages_come_through_the_endpoint_until_a_deny_forbids_them(jobs: Jobs) -> None:
    """From the mirror list to the package, by the repositories' names and by the page's standard URL of S3."""
    region = jobs.story.region
    second, first = f"amazonlinux.{region}.amazonaws.com/{SECOND}", f"repo.{region}.amazonaws.com/{FIRST}"
    urls = [f"http://{second}", f"http://{first}", f"http://s3-{region}.amazonaws.com/{second}"]
    fetch = f"""
import subprocess, sys
for url in {urls!r}:
    done = subprocess.run([sys.executable, "-c", {FETCH!r}, url, {CA!r}], capture_output=True, text=True)
    print((done.stdout or done.stderr).splitlines()[-1])
"""
    jobs.endpoint_policy([ALLOW])
    assert _completed(jobs, "installs", fetch) == [RPM, RPM, RPM]
    refused = "urllib.error.HTTPError: HTTP Error 403: Forbidden"
    jobs.endpoint_policy([ALLOW, DENY_LINUX_1, DENY_LINUX_2])
    assert _completed(jobs, "forbidden", fetch) == [refused] * 3, "and its data goes on coming"


@pytest.mark.statement("S4.39", "S4.40")
def test_an_interface_endpoint_is_the_way_to_an_aws_service(jobs: Jobs) -> None:
    ec2, facts = jobs.story.client("ec2"), jobs.story.facts
    with _rights(jobs, Action="logs:DescribeLogGroups"):
        addresses, said = _completed(jobs, "before-endpoint", _SERVICE.replace("SECONDS", "2"))
        assert (said, "10.0." in addresses) == ("no way", False)
        service = f"com.amazonaws.{jobs.story.region}.logs"
        assert service in ec2.describe_vpc_endpoint_services()["ServiceNames"]
        group = ec2.create_security_group(GroupName="logs", Description="logs", VpcId=facts["vpc"])["GroupId"]
        pair = [{"GroupId": facts["groups"]["model"]}]
        permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": pair}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
        endpoint = ec2.create_vpc_endpoint(
            VpcEndpointType="Interface", VpcId=facts["vpc"], ServiceName=service, SubnetIds=facts["subnets"],
            SecurityGroupIds=[group], PrivateDnsEnabled=True,
        )["VpcEndpoint"]["VpcEndpointId"]  # fmt: skip
        try:
            wait_available(jobs.story, [endpoint])
            addresses, said = _completed(jobs, "after-endpoint", _SERVICE.replace("SECONDS", "60"))
            assert said == "listed True" and addresses.count("10.0.") == 2
        finally:
            ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
            ec2.delete_security_group(GroupId=group)


@pytest.mark.statement("S4.14", "S4.15")
def test_a_subnet_that_is_too_small_for_two_addresses_an_instance_fails_the_job(jobs: Jobs) -> None:
    ec2 = jobs.story.client("ec2")
    small = ec2.create_subnet(VpcId=jobs.story.facts["vpc"], CidrBlock="10.0.9.64/28")["Subnet"]["SubnetId"]
    # of eleven usable addresses one is left
    made = [ec2.create_network_interface(SubnetId=small)["NetworkInterface"] for _ in range(10)]
    try:
        network = {"VpcConfig": jobs.vpc | {"Subnets": [small]}}
        told = jobs.process("too-small", "pass", NetworkConfig=network)
        assert told["ProcessingJobStatus"] == "Failed"
        assert "InsufficientFreeAddressesInSubnet" in told["FailureReason"]
    finally:
        for one in made:
            ec2.delete_network_interface(NetworkInterfaceId=one["NetworkInterfaceId"])
        ec2.delete_subnet(SubnetId=small)
