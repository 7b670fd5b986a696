"""EC2's handlers without a gateway: a real store, fixed time and entropy, results checked against botocore's shapes."""

import hashlib
import importlib
import itertools
import pkgutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from ringfence.core.call import Arrival, Call, Principal
from ringfence.core.errors import ServiceError
from ringfence.core.operation import REGISTRY
from ringfence.services import ec2 as package
from ringfence.store.database import Store, open_store

ACCOUNT = "123456789012"
MODEL = botocore.session.get_session().get_service_model("ec2")
ROOT = Principal(kind="root", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", id=ACCOUNT)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def fixed_entropy() -> Callable[[int], bytes]:
    """Bytes that look random, never repeat and are the same in each run."""
    counter = itertools.count()
    return lambda length: hashlib.shake_256(str(next(counter)).encode()).digest(length)


class Ec2:
    """`ec2("CreateVpc", CidrBlock=…)`: one operation in one transaction, as a caller of `region` and `principal`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.entropy = fixed_entropy()

    def __call__(
        self, name: str, *, region: str = "us-west-2", principal: Principal = ROOT, **request: Any
    ) -> dict[str, Any]:
        shape = MODEL.operation_model(name)
        with self.store.transaction() as records:
            call = self.call(records, region, principal)
            result = REGISTRY["ec2", name].handler(call, request)
        _check(name, request, shape.input_shape)
        assert isinstance(result, dict)
        if shape.output_shape is None:
            assert result == {}
        else:
            _check(name, result, shape.output_shape)
        return result

    def call(self, records: Any, region: str = "us-west-2", principal: Principal = ROOT) -> Call:
        arrival = Arrival(source_ip="192.0.2.1")
        return Call(records, principal.account, region, principal, arrival, NOW, "request", self.entropy)

    def error(self, name: str, **request: Any) -> str:
        """`Code: message` of the error that this call earns; nothing may have changed."""
        before = self.store.revision
        with pytest.raises(ServiceError) as caught:
            self(name, **request)
        assert self.store.revision == before
        return str(caught.value)

    def vpc(self, cidr: str = "10.0.0.0/16") -> str:
        return str(self("CreateVpc", CidrBlock=cidr)["Vpc"]["VpcId"])

    def subnet(self, vpc_id: str, cidr: str = "10.0.1.0/24", zone: str = "us-west-2a") -> str:
        made = self("CreateSubnet", VpcId=vpc_id, CidrBlock=cidr, AvailabilityZone=zone)
        return str(made["Subnet"]["SubnetId"])

    def group(self, vpc_id: str, name: str = "web") -> str:
        return str(self("CreateSecurityGroup", VpcId=vpc_id, GroupName=name, Description="d")["GroupId"])


def _check(name: str, value: dict[str, Any], shape: Any) -> None:
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), f"{name}: {report.generate_report()}"
    _refuse_unknown(name, value, shape)


def _refuse_unknown(path: str, value: Any, shape: Any) -> None:
    """botocore lets members pass that the shape does not have; here they are mistakes."""
    if shape.type_name == "structure":
        for member, inner in value.items():
            assert member in shape.members, f"{path}.{member} is not in the model"
            _refuse_unknown(f"{path}.{member}", inner, shape.members[member])
    elif shape.type_name == "list":
        for inner in value:
            _refuse_unknown(f"{path}[]", inner, shape.member)


@pytest.fixture
def ec2(tmp_path: Path) -> Iterator[Ec2]:
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
    store = open_store(tmp_path / "state")
    yield Ec2(store)
    store.close()
