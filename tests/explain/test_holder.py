"""How an interface of Studio's goes: with its app, which is a profile's or a space's; with the domain, last."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ringfence.explain.deletion import find_holders
from ringfence.resources.ec2 import Attachment, NetworkInterface
from ringfence.resources.instance import Instance
from ringfence.resources.studio import App
from ringfence.store.database import Store, open_store

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ACCOUNT, REGION = "123456789012", "us-west-2"
PREFIX = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
SUBNET = "subnet-1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(tmp_path)
    yield made
    made.close()


def place(store: Store, number: int, owner: str) -> None:
    """An interface in the subnet that is attached for this owner."""
    attached = Attachment(id=f"a-{number}", instance_owner="amazon", attached_at=NOW, instance_id=f"i-{number}")
    own = {"account": ACCOUNT, "region": REGION}
    interface = NetworkInterface(
        id=f"eni-{number}", vpc_id="vpc-1", subnet_id=SUBNET, availability_zone="us-west-2a", mac="",
        private_ip=f"10.0.1.{number}", group_ids=("sg-1",), attachment=attached, **own,
    )  # fmt: skip
    with store.transaction() as records:
        records.put(interface)
        records.put(Instance(id=f"i-{number}", owner=owner, network="vpc", **own))


def make_app(store: Store, owner: str, in_space: bool) -> str:
    app = App(
        name="default", account=ACCOUNT, region=REGION, arn=f"{PREFIX}:app/d-1/{owner}/JupyterLab/default", created=NOW,
        domain_id="d-1", owner=owner, in_space=in_space, type="JupyterLab", launch="1", instance_type="ml.t3.medium",
        role_arn="", spec={},
    )  # fmt: skip
    with store.transaction() as records:
        records.put(app)
    return app.arn


def test_apps_go_before_their_domain(store: Store) -> None:
    place(store, 1, f"{PREFIX}:domain/d-1")
    place(store, 2, make_app(store, "ann", False))
    place(store, 3, make_app(store, "room", True))
    steps = [one.mend for one in find_holders(store.snapshot(), SUBNET)]
    app = "--app-type JupyterLab --app-name default"
    assert steps[:2] == [
        f"aws sagemaker delete-app --domain-id d-1 --user-profile-name ann {app}",
        f"aws sagemaker delete-app --domain-id d-1 --space-name room {app}",
    ]
    assert steps[2].startswith("aws sagemaker delete-domain --domain-id d-1, after its apps, spaces and user profiles")
    assert steps[2].endswith(f"update-domain with --subnet-ids that do not name {SUBNET}")
