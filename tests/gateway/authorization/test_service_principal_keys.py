"""The condition keys of SageMaker when it assumes an execution role: whose resource it acts for.

https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from daemon import ACCOUNT, REGION, Daemon, local_daemon

from ringfence.core.errors import ServiceError
from ringfence.gateway.platform import SAGEMAKER

ROLE = f"arn:aws:iam::{ACCOUNT}:role/execution"
IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
HERE = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as made:
        s3 = made.client("s3")
        s3.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="models", Key="model.tar.gz", Body=b"x")
        iam = made.client("iam")
        iam.create_role(RoleName="execution", AssumeRolePolicyDocument=trust({}))
        allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": allow})
        iam.put_role_policy(RoleName="execution", PolicyName="p", PolicyDocument=document)
        yield made


def trust(condition: dict[str, Any]) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": SAGEMAKER}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Condition": condition}]})


@pytest.mark.parametrize(
    ("condition", "for_model", "for_endpoint"),
    [
        ({"StringEquals": {"aws:SourceAccount": ACCOUNT}}, True, True),
        ({"StringEquals": {"aws:SourceAccount": "111122223333"}}, False, False),
        ({"ArnLike": {"aws:SourceArn": f"arn:aws:sagemaker:*:{ACCOUNT}:*"}}, True, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:*:111122223333:*"}}, False, False),
        ({"ArnLike": {"aws:SourceArn": f"{HERE}:model/*"}}, True, False),
        ({"ArnEquals": {"aws:SourceArn": f"{HERE}:endpoint/iris"}}, False, True),
        ({"Bool": {"aws:PrincipalIsAWSService": "true", "aws:ViaAWSService": "false"}}, True, True),
        ({"StringEquals": {"aws:PrincipalServiceName": SAGEMAKER}}, True, True),
        ({"Null": {"aws:CalledVia": "true", "aws:SourceIp": "true", "aws:SourceVpce": "true"}}, True, True),
        ({"Null": {"aws:PrincipalArn": "false"}}, False, False),
    ],
)
def test_whom_it_acts_for(daemon: Daemon, condition: Any, for_model: bool, for_endpoint: bool) -> None:
    daemon.client("iam").update_assume_role_policy(RoleName="execution", PolicyDocument=trust(condition))
    assert makes_model(daemon) == for_model
    assert daemon.app is not None
    caller = daemon.app._command_caller.acting_for("a test")
    try:
        made = caller.assume(ROLE, "SageMaker", source_arn=f"{HERE}:endpoint/iris")
    except ServiceError as error:
        assert error.code == "AccessDenied"
        assert not for_endpoint
    else:
        assert for_endpoint
        assert made.principal.role_arn == ROLE


def makes_model(daemon: Daemon) -> bool:
    sagemaker = daemon.client("sagemaker")
    container = {"Image": IMAGE, "ModelDataUrl": "s3://models/model.tar.gz"}
    try:
        sagemaker.create_model(ModelName="iris", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    except ClientError as error:
        assert "Could not access model data" in error.response["Error"]["Message"]
        return False
    sagemaker.delete_model(ModelName="iris")
    return True
