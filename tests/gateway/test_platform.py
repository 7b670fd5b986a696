"""The platform's own calls: as a role's session and as SageMaker, under the same rules as anybody's."""

import json
import os
from datetime import UTC, datetime

import pytest

from ringfence import services
from ringfence.core.call import Principal
from ringfence.core.errors import ServiceError
from ringfence.core.operation import REGISTRY
from ringfence.core.results import ForwardReply
from ringfence.gateway.perform import Gateway
from ringfence.gateway.platform import PlatformCaller
from ringfence.iam.session_token import ensure_sealing_key
from ringfence.store.blobs import BlobStore
from ringfence.store.database import open_store

ACCOUNT = "123456789012"
WEST = {"LocationConstraint": "us-west-2"}
ROOT = Principal(kind="root", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", id=ACCOUNT)


def trust(service):
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def caller(tmp_path):
    services.load()
    store = open_store(tmp_path)
    with store.transaction() as records:
        ensure_sealing_key(records, os.urandom)

    async def forward(_):
        return ForwardReply(0, {}, b"", "refused")

    async def open_flow(_):
        return ForwardReply(0, {}, b"", "refused"), None

    gateway = Gateway(
        region="us-west-2",
        store=store,
        blobs=BlobStore(tmp_path / "blobs"),
        services=frozenset(service for service, _ in REGISTRY),
        forward=forward,
        open_flow=open_flow,
        now=lambda: datetime.now(UTC),
        entropy=os.urandom,
    )
    yield PlatformCaller(gateway)
    store.close()


def make_role(caller, service="sagemaker.amazonaws.com"):
    request = {"RoleName": "Execution", "AssumeRolePolicyDocument": trust(service)}
    return caller.call(ROOT, "iam", "CreateRole", request)["Role"]["Arn"]


def test_a_call_is_kept(caller):
    caller.call(ROOT, "s3", "CreateBucket", {"Bucket": "mine", "CreateBucketConfiguration": WEST})
    assert [bucket["Name"] for bucket in caller.call(ROOT, "s3", "ListBuckets", {})["Buckets"]] == ["mine"]


def test_an_assumed_role_is_who_it_says_and_may_do_what_its_policies_allow(caller):
    session = caller.assume(make_role(caller), "SageMaker")
    assert session.principal.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/Execution/SageMaker"
    assert session.principal.id.endswith(":SageMaker")
    assert session.access_key_id.startswith("ASIA")
    assert caller.call(session.principal, "sts", "GetCallerIdentity", {})["Arn"] == session.principal.arn
    with pytest.raises(ServiceError, match="not authorized"):
        caller.call(session.principal, "ec2", "DescribeVpcs", {})


def test_a_role_that_does_not_trust_sagemaker_or_is_not_there(caller):
    with pytest.raises(ServiceError):
        caller.assume(make_role(caller, "ec2.amazonaws.com"), "SageMaker")
    for arn in (f"arn:aws:iam::{ACCOUNT}:role/Absent", "nonsense"):
        with pytest.raises(ServiceError):
            caller.assume(arn, "SageMaker")


def test_what_is_not_there_is_refused(caller):
    with pytest.raises(ServiceError, match="does not implement the operation ec2:RunInstances"):
        caller.call(ROOT, "ec2", "RunInstances", {})
