"""What the SageMaker tests share: a caller of one account, and the records that a model needs."""

import hashlib
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

from ringfence.core.call import Arrival, Call, Principal
from ringfence.core.errors import ServiceError
from ringfence.core.operation import REGISTRY
from ringfence.core.record import Record
from ringfence.core.results import Forward
from ringfence.gateway.authorization.authorize import permits
from ringfence.resources.ec2 import SecurityGroup, Subnet
from ringfence.resources.iam import Role
from ringfence.resources.s3 import Bucket, S3Object
from ringfence.services import load
from ringfence.store.database import Store

load()

ACCOUNT = "123456789012"
REGION = "us-west-2"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/exec"
IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
VPC_CONFIG = {"Subnets": ["subnet-a", "subnet-b"], "SecurityGroupIds": ["sg-1"]}
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_SESSION = botocore.session.get_session()


def trust(service: str = "sagemaker.amazonaws.com") -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
        }
    )


def allow(action: str, resource: str = "*") -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}
    )


def role(**changes: Any) -> Role:
    given = {
        "name": "exec",
        "account": ACCOUNT,
        "id": "AROAEXAMPLE",
        "created": NOW,
        "path": "/service-role/",
        "trust": trust(),
        "policies": {
            "data": allow("s3:GetObject", "arn:aws:s3:::models/*"),
            "input": allow("s3:ListBucket", "arn:aws:s3:::input"),
        },
    }
    return Role(**{**given, **changes})


class SageMaker:
    """`sagemaker("CreateModel", ModelName=…)`; each call is a second later than the one before."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._calls = itertools.count()
        self._entropy = itertools.count()
        ec2 = {"account": ACCOUNT, "region": REGION}
        self.put(
            role(),
            *(Bucket(name=name, account=ACCOUNT, region=REGION, created=NOW) for name in ("models", "input")),
            *(
                S3Object(bucket=bucket, name=key, etag="0", size=1, extents=(("b", 0, 1),), last_modified=NOW)
                for bucket, key in (("models", "a/model.tar.gz"), ("input", "rows/1.csv"))
            ),
            *(
                Subnet(
                    id=f"subnet-{name}",
                    vpc_id=vpc,
                    cidr=f"10.0.{index}.0/24",
                    availability_zone=f"us-west-2{zone}",
                    availability_zone_id="usw2-az1",
                    **ec2,
                )
                for index, (name, vpc, zone) in enumerate(
                    [("a", "vpc-1", "a"), ("b", "vpc-1", "b"), ("a2", "vpc-1", "a"), ("far", "vpc-2", "b")]
                )
            ),
            SecurityGroup(id="sg-1", vpc_id="vpc-1", name="one", description="", **ec2),
            SecurityGroup(id="sg-far", vpc_id="vpc-2", name="far", description="", **ec2),
        )

    def put(self, *records: Record) -> None:
        with self.store.transaction() as transaction:
            for record in records:
                transaction.put(record)

    def __call__(self, name: str, service: str = "sagemaker", **request: Any) -> Any:
        model = _SESSION.get_service_model(service).operation_model(name)
        _check(request, model.input_shape)
        operation = REGISTRY[service, name]
        with self.store.transaction() as records:
            result = operation.handler(self.call(records), request)
        if isinstance(result, Forward):
            return result
        if model.output_shape is None:
            assert result == {}
        else:
            _check(result, model.output_shape)
        return result

    def call(self, records: Any) -> Call:
        count = next(self._calls)
        root = Principal(kind="root", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", id=ACCOUNT)

        def entropy(length: int) -> bytes:
            return hashlib.shake_256(f"{next(self._entropy)}".encode()).digest(length)

        now = NOW + timedelta(seconds=count)
        arrival = Arrival(source_ip="192.0.2.1")
        return Call(records, ACCOUNT, REGION, root, arrival, now, "request", entropy, permits=permits)

    def error(self, name: str, service: str = "sagemaker", **request: Any) -> ServiceError:
        """The error that this call earns; nothing may have changed."""
        before = self.store.revision
        try:
            self(name, service, **request)
        except ServiceError as error:
            assert self.store.revision == before
            return error
        raise AssertionError(f"{name} was accepted")

    def model(self, name: str = "model", **changes: Any) -> str:
        container = {"Image": IMAGE, "ModelDataUrl": "s3://models/a/model.tar.gz"}
        request = {"PrimaryContainer": container, "ExecutionRoleArn": ROLE, **changes}
        return str(self("CreateModel", ModelName=name, **request)["ModelArn"])

    def config(self, name: str = "config", *variants: dict[str, Any]) -> str:
        given = list(variants) or [variant()]
        return str(self("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=given)["EndpointConfigArn"])

    def endpoint(self, name: str = "ep", config: str = "config") -> str:
        return str(self("CreateEndpoint", EndpointName=name, EndpointConfigName=config)["EndpointArn"])


def variant(**changes: Any) -> dict[str, Any]:
    given = {
        "VariantName": "AllTraffic",
        "ModelName": "model",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    return {**given, **changes}


def _check(value: dict[str, Any], shape: Any) -> None:
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), report.generate_report()
    for member in value:
        assert member in shape.members, f"{member} is not in the model"
