"""What was allowed is allowed again only while nothing that it was decided by has changed."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from direct_calls import ACCOUNT, ROOT, Aws

from ringfence.core.call import Arrival, Principal
from ringfence.core.errors import ServiceError
from ringfence.core.operation import Operation
from ringfence.core.tags import set_tags
from ringfence.explain.logged_call import Question
from ringfence.gateway.authorization.authorize import Denied
from ringfence.gateway.authorization.standing import StandingDecisions
from ringfence.resources.ec2 import VpcEndpoint
from ringfence.resources.iam import User

ALICE = Principal("user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/Alice", "AIDAALICE", access_key_id="AKIAALICE")
ENDPOINT = Arrival("10.0.1.5", vpc_id="vpc-1", vpce_id="vpce-1", tls=True, tls_version="1.3")
ALLOW = {"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": "*"}
INVOKE = Operation(
    "sagemaker-runtime",
    "InvokeEndpoint",
    lambda _call, _request: {},
    "sagemaker:InvokeEndpoint",
    ("endpoint/{EndpointName}",),
    {"sagemaker:TargetModel": "TargetModel"},
    decided_by=("EndpointName", "TargetModel"),
)
REQUEST = {"EndpointName": "iris", "Body": b"{}"}


class Door:
    """A store, and what stands of the decisions on it. `decided`: whether the last call was decided anew."""

    def __init__(self, directory: Path) -> None:
        self.aws = Aws(directory)
        self.aws.who = ALICE
        self.aws.now = datetime(2026, 3, 1, 12, 0, 0, 400_000, tzinfo=UTC)
        self.standing = StandingDecisions()
        self.decided = False
        self._seen: list[Question] = []

    def ask(self, arrival: Arrival = ENDPOINT, who: Principal = ALICE, **more: Any) -> None:
        facts = more.pop("facts", {"aws:UserAgent": "boto3"})
        self.aws.arrival = arrival
        questions: list[Question] = []
        try:
            with self.aws.store.transaction() as records:
                call = replace(self.aws.call(records, who), facts=facts)
                commits = self.aws.store.commits
                self.standing.authorize(INVOKE, call, {**REQUEST, **more}, commits, questions.append)
        finally:
            assert len(questions) == 1, "each call is explained by the questions that it was decided by"
            self.decided = not any(questions[0] is one for one in self._seen)
            self._seen += questions

    def give(self, statement: dict[str, Any]) -> None:
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        with self.aws.store.transaction() as records:
            records.put(User(name="Alice", account=ACCOUNT, id="AIDAALICE", created=self.aws.now, policies={"p": text}))

    def guard(self, statement: dict[str, Any]) -> None:
        text = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Principal": "*"}]})
        with self.aws.store.transaction() as records:
            records.put(
                VpcEndpoint(
                    id="vpce-1", account=ACCOUNT, region="us-west-2", vpc_id="vpc-1", service_name="s",
                    type="Interface", policy=text, created=self.aws.now,
                )
            )  # fmt: skip


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    made.give(ALLOW)
    made.guard(ALLOW)
    made.ask()
    assert made.decided
    made.ask(Body=b"something else")
    assert not made.decided
    yield made
    made.aws.store.close()


def test_a_changed_policy_holds_for_the_next_call(door: Door) -> None:
    for change in (door.give, door.guard):
        change({**ALLOW, "Effect": "Deny"})
        for _ in range(2):
            with pytest.raises(Denied):
                door.ask()
            assert door.decided, "what is denied is decided each time"
        change(ALLOW)
        door.ask()
        assert door.decided


def test_any_commit_ends_what_stood(door: Door) -> None:
    with door.aws.store.transaction() as records:
        set_tags(records, f"arn:aws:sagemaker:us-west-2:{ACCOUNT}:endpoint/iris", {"team": "a"})
    door.ask()
    assert door.decided


def test_cleared_records_end_what_stood(door: Door) -> None:
    door.aws.store.clear([])
    with pytest.raises(Denied):
        door.ask()


def test_the_clock_ends_what_stood(door: Door) -> None:
    door.give({**ALLOW, "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-03-01T12:00:01Z"}}})
    door.ask()
    door.aws.now += timedelta(milliseconds=599)
    door.ask()
    assert not door.decided
    door.aws.now += timedelta(milliseconds=1)
    with pytest.raises(Denied):
        door.ask()


@pytest.mark.parametrize("name", [one.name for one in fields(Principal)])
def test_another_caller_is_decided_on_anew(door: Door, name: str) -> None:
    other: dict[str, Any] = {"tags": {"team": "b"}, "session_policies": ("{}",), "token_issued": door.aws.now}
    other["kind"] = "root"
    with contextlib.suppress(ServiceError):
        door.ask(who=replace(ALICE, **{name: other.get(name, "other")}))
    assert door.decided


@pytest.mark.parametrize("name", [one.name for one in fields(Arrival)])
def test_another_path_is_decided_on_anew(door: Door, name: str) -> None:
    other = {"tls": False, "vpce_id": None, "source_ip": "10.0.1.6"}
    with contextlib.suppress(ServiceError):
        door.ask(replace(ENDPOINT, **{name: other.get(name, "other")}))
    assert door.decided


@pytest.mark.parametrize(
    "more", [{"EndpointName": "other"}, {"TargetModel": "a"}, {"facts": {"aws:UserAgent": "b"}}, {"facts": {}}]
)
def test_another_request_is_decided_on_anew(door: Door, more: dict[str, Any]) -> None:
    door.ask(**more)
    assert door.decided
    door.ask()
    assert not door.decided


def test_authorization_is_shown_no_other_member(door: Door) -> None:
    shown: list[dict[str, Any]] = []

    def look(_call: object, request: dict[str, Any]) -> list[str]:
        shown.append(request)
        return ["*"]

    with door.aws.store.transaction() as records:
        door.standing.authorize(
            replace(INVOKE, on=look), door.aws.call(records, ROOT), REQUEST, 0, lambda _question: None
        )
    assert shown == [{"EndpointName": "iris"}]
