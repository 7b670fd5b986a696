"""What is said of a container that did not come up: its last output, and which of two failures it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ringfence.core.record import Record
from ringfence.explain.checks.container import check_container
from ringfence.explain.checks.lifecycle import check_script
from ringfence.explain.finding import Finding
from ringfence.explain.hosting import Ground, Plan
from ringfence.network.compile import NetworkSettings, compile_topology
from ringfence.resources.logs import LogEvent, LogStream
from ringfence.resources.sagemaker import Endpoint, EndpointStatus, HostStatus, Variant
from ringfence.runtime.driver import Absent, Exited, State
from ringfence.services.sagemaker import notebook_failure, studio_failure
from ringfence.services.sagemaker.failure_reason import INTERNAL_ERROR, cannot_start, no_ping
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


def look(store: Store, reason: str | None, container: State | None = None, ended: str | None = None) -> list[Finding]:
    status = reason and EndpointStatus(
        endpoint_key=ENDPOINT.key, status="Failed", generation=1, modified=NOW, failure_reason=reason, ended=ended
    )
    with ground(store, container) as made:
        found = list(check_container(made, Plan("Iris", (VARIANT,), ENDPOINT, status or None)))
    return [one for one in found if one.check == "container"]


@contextmanager
def ground(store: Store, container: State | None = None) -> Iterator[Ground]:
    topology = compile_topology(store.snapshot(), NetworkSettings(REGION))
    with store.transaction() as records:
        yield Ground(
            records, topology, ACCOUNT, REGION, lambda *_: None, lambda _: None, lambda _: container or Absent()
        )


def test_unanswered_ping_with_the_last_lines(store: Store) -> None:
    log(store, *(f"line {number}" for number in range(9)))
    (found,) = look(store, no_ping("one"))
    assert found.mark == "wrong"
    assert "GET /ping on port 8080 was not answered with 200 within 240 s" in found.sentence
    assert found.sentence.endswith("its last output: line 4 | line 5 | line 6 | line 7 | line 8")
    assert found.failure_reason == no_ping("one")


def test_a_container_that_ended_before_it_answered(store: Store) -> None:
    log(store, "no such module")
    (found,) = look(store, no_ping("one"), ended="exit code 3")
    assert found.sentence.startswith("the container ended (exit code 3) before it answered GET /ping")
    assert found.sentence.endswith("no such module") and "by hand" in (found.remedy or "")
    (found,) = look(store, no_ping("one"), ended="exit code 137, out of memory")
    assert "more memory than ml.m5.large has" in (found.remedy or "")


def test_container_that_does_not_start_is_another_failure(store: Store) -> None:
    (found,) = look(store, cannot_start("one"))
    assert found.sentence == "the container did not start; it wrote nothing"
    assert found.seen is not None
    assert (found.seen.code, found.failure_reason) == ("M8", cannot_start("one"))


def test_exit_code_of_a_container_that_ended_while_serving(store: Store) -> None:
    write(store, HostStatus(instance_id="i-1", endpoint_key=ENDPOINT.key, variant="one", generation=1, phase="failed"))
    (found,) = look(store, None, Exited(137, out_of_memory=True))
    assert "a container ended by itself (i-1 with exit code 137, out of memory)" in found.sentence


def test_other_failures_say_nothing_of_the_container(store: Store) -> None:
    assert look(store, "InternalServerError: …") == []


@pytest.mark.parametrize(
    ("reason", "sentence", "remedy"),
    [
        (
            studio_failure.script_failed("arn:c"),
            "the lifecycle configuration ended with an error",
            "correct the script",
        ),
        (studio_failure.script_too_long("arn:c"), "was not done within 5 minutes", "nohup"),
        (notebook_failure.script_failed("arn:c", "arn:n"), "ended with an error", "correct the script"),
        (notebook_failure.script_too_long("arn:c", "arn:n"), "was not done within 5 minutes", "within reach"),
        (studio_failure.ended("JupyterLab", 1), "Jupyter did not come up, or ended", "see the log"),
    ],
)
def test_what_a_lifecycle_configuration_wrote(store: Store, reason: str, sentence: str, remedy: str) -> None:
    assert studio_failure.is_of_container(reason) or notebook_failure.is_of_script(reason)
    log(store, "Collecting numpy", "No route to host")
    with ground(store) as made:
        (found,) = check_script(made, "default", reason, "/aws/sagemaker/Endpoints/Iris", "one/")
    assert sentence in found.sentence and found.sentence.endswith(
        "its last output: Collecting numpy | No route to host"
    )
    assert remedy in found.remedy and found.failure_reason == reason


def test_other_reasons_are_not_the_containers() -> None:
    others = (studio_failure.NO_SAGEMAKER, studio_failure.no_home("fsmt-1", "subnet-1"), INTERNAL_ERROR)
    assert not any(studio_failure.is_of_container(one) or notebook_failure.is_of_script(one) for one in others)
