"""Presigned URLs and sessions of notebook instances against a clock, other hosts, deletion."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from direct_calls import ACCOUNT
from test_studio import NOW, OUTSIDE
from test_studio import Door as Doors

from ringfence.core.errors import ServiceError
from ringfence.gateway.browser.notebook import Notebooks
from ringfence.gateway.browser.opening import Asked
from ringfence.resources.notebook import NotebookInstance, NotebookInstanceStatus

HOST = "nb.notebook.us-west-2.sagemaker.aws"


def instance(name: str = "nb", **changes: Any) -> NotebookInstance:
    given = {
        "name": name, "account": ACCOUNT, "region": "us-west-2", "created": NOW, "modified": NOW, "host": name,
        "arn": f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:notebook-instance/{name}", "instance_type": "ml.t3.medium",
        "role_arn": "r", "volume_id": f"vol-{name}", "launch": "one",
    }  # fmt: skip
    return NotebookInstance(**{**given, **changes})


def seen(notebook: NotebookInstance, status: str = "InService") -> NotebookInstanceStatus:
    return NotebookInstanceStatus(
        arn=notebook.arn, status=status, launch=notebook.launch, generation=1, modified=NOW,
        instance_id=f"i-{notebook.name}",
    )  # fmt: skip


class Door(Doors):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.notebooks = Notebooks(self.gateway)
        for one in (instance(), instance("other")):
            self.put(one, seen(one))

    def token(self, **changes: Any) -> str:
        self.aws.now = self.now - timedelta(seconds=1)
        made = self.aws("sagemaker", "CreatePresignedNotebookInstanceUrl", NotebookInstanceName="nb", **changes)
        return str(made["AuthorizedUrl"].partition("?authToken=")[2])

    def used(self, cookie: str | None, host: str = HOST) -> str | int:
        """The instance that is behind, or the refusal."""
        try:
            session = self.notebooks.judge(Asked(host, OUTSIDE, {}), cookie)
            return self.notebooks.find_app(session, "/lab")
        except ServiceError as error:
            return error.status

    def opened(self, token: str, host: str = HOST) -> str:
        return self.notebooks.open(Asked(host, OUTSIDE, {}), token).cookie


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def test_a_url_opens_for_five_minutes_and_once(door: Door) -> None:
    token, late = door.token(), door.token()
    door.now = NOW + timedelta(seconds=299)
    assert door.notebooks.token("/", {"authToken": token}) == token
    assert door.notebooks.token("/lab", {"authToken": token}) is None
    cookie = door.opened(token)
    assert door.used(cookie) == "i-nb"
    door.now = NOW + timedelta(seconds=300)
    for worthless in (token, late, "", "0" * 64):
        with pytest.raises(ServiceError, match="expired or was opened already"):
            door.opened(worthless)


def test_a_session_is_of_one_host_and_lasts_so_long(door: Door) -> None:
    with pytest.raises(ServiceError, match="expired or was opened already"):
        door.opened(door.token(), "other.notebook.us-west-2.sagemaker.aws")
    cookie = door.opened(door.token(SessionExpirationDurationInSeconds=1800))
    assert door.used(cookie, f"{HOST.upper()}:443") == "i-nb"
    assert door.used(cookie, "other.notebook.us-west-2.sagemaker.aws") == 401
    assert door.used(cookie, "no.notebook.us-west-2.sagemaker.aws") == door.used(cookie, "evil.example") == 404
    assert door.used(None) == door.used("x") == 401
    door.now = NOW + timedelta(seconds=1800)
    assert door.used(cookie) == 401


def test_what_is_stopped_or_made_anew_is_not_behind_it(door: Door) -> None:
    cookie = door.opened(door.token())
    door.put(msgspec.structs.replace(instance(), stopping=True))
    assert door.used(cookie) == 404
    door.put(instance(), seen(instance(), "Stopped"))
    assert door.used(cookie) == 404
    again = instance(launch="two")
    door.put(again, seen(again))
    assert door.used(cookie) == "i-nb"
    another = instance(volume_id="vol-new")
    door.put(another, seen(another))
    assert door.used(cookie) == 401
