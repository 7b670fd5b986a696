"""What is said of a container that did not come up: its last output, and which of two failures it was."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ringfence.core.record import Record
from ringfence.explain.checks.container import check_container
from ringfence.explain.finding import Finding
from ringfence.explain.hosting import Ground, Plan
from ringfence.network.compile import NetworkSettings, compile_topology
from ringfence.resources.logs import LogEvent, LogStream
from ringfence.resources.sagemaker import Endpoint, EndpointStatus, HostStatus, Variant
from ringfence.runtime.driver import Absent, Exited, State
from ringfence.services.sagemaker.failure_reason import cannot_start, no_ping
from ringfence.store.database import Store, open_store

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ACCOUNT, REGION = "123456789012", "us-west-2"
VARIANT = Variant(
    name="one",
    model_name="iris",
    container={"Image": "none"},
    role_arn="arn:aws:iam::123456789012:role/exec",
    instance_type="ml.m5.large",
    count=1,
    weight=1.0,
    download_timeout=60,
    startup_timeout=240,
)
ENDPOINT = Endpoint(
    name="Iris", account=ACCOUNT, region=REGION, arn="arn:…", created=NOW, modified=NOW, config_name="iris"
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(tmp_path)
    yield made
    made.close()


def write(store: Store, *records: Record) -> None:
    with store.transaction() as transaction:
        for record in records:
            transaction.put(record)


def log(store: Store, *lines: str) -> None:
    group = f"{ACCOUNT}/{REGION}//aws/sagemaker/Endpoints/Iris"
    stream = LogStream(group_key=group, name="one/i-1", created=1, last_event=len(lines))
    events = [
        LogEvent(stream_key=stream.key, timestamp=number, sequence=number, message=line, ingested=number)
        for number, line in enumerate(lines, 1)
    ]
    write(store, stream, *events)


def look(store: Store, reason: str | None, container: State | None = None) -> list[Finding]:
    status = reason and EndpointStatus(
        endpoint_key=ENDPOINT.key, status="Failed", generation=1, modified=NOW, failure_reason=reason
    )
    topology = compile_topology(store.snapshot(), NetworkSettings(REGION))
    with store.transaction() as records:
        ground = Ground(
            records, topology, ACCOUNT, REGION, lambda *_: None, lambda _: None, lambda _: container or Absent()
        )
        found = list(check_container(ground, Plan("Iris", (VARIANT,), ENDPOINT, status or None)))
    return [one for one in found if one.check == "container"]


def test_unanswered_ping_with_the_last_lines(store: Store) -> None:
    log(store, *(f"line {number}" for number in range(9)))
    (found,) = look(store, no_ping("one"))
    assert found.mark == "wrong"
    assert "GET /ping on port 8080 was not answered with 200 within 240 s" in found.sentence
    assert found.sentence.endswith("its last output: line 4 | line 5 | line 6 | line 7 | line 8")
    assert found.failure_reason == no_ping("one")


def test_container_that_ended_is_another_failure(store: Store) -> None:
    (found,) = look(store, cannot_start("one"))
    assert found.sentence == "the container did not start, or ended; it wrote nothing"
    assert found.seen is not None
    assert (found.seen.code, found.failure_reason) == ("M8", cannot_start("one"))


def test_exit_code_of_a_container_that_ended_while_serving(store: Store) -> None:
    write(store, HostStatus(instance_id="i-1", endpoint_key=ENDPOINT.key, variant="one", generation=1, phase="failed"))
    (found,) = look(store, None, Exited(137, out_of_memory=True))
    assert "a container ended by itself (i-1 with exit code 137, out of memory)" in found.sentence


def test_other_failures_say_nothing_of_the_container(store: Store) -> None:
    assert look(store, "InternalServerError: …") == []
