"""Eight writers of the same records while the daemon is killed and started again: each record is linearizable.

So it is with the records in a Redis server, which is killed too. No root: the daemon has no machine under it. It is a
process of its own, killed with SIGKILL.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_feature_store_PutRecord.html
"""

import io
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from daemon import ACCOUNT, REGION, Daemon, environment
from pyarrow import parquet

from bench.redis_server import PROGRAMS, redis_server
from tests.patience import eventually

pytestmark = pytest.mark.slow

_WRITERS, _RECORDS, _ROUNDS, _SECONDS = 8, 5, 3, 1.5
_HERE = Path(__file__).resolve()
_DAEMON = """
import sys, asyncio
from pathlib import Path
from daemon import ACCOUNT, REGION, machine_of_nothing
from ringfence.app.daemon import run
from ringfence.config import Config
config = Config(
    Path(sys.argv[1]), port=0, region=REGION, account=ACCOUNT, offline_store_delay=0.2, online_store=sys.argv[2] or None
)
asyncio.run(run(config, machine_of_nothing(config), lambda app: print(app.url, flush=True)))
"""


@contextmanager
def killable_daemon(state: Path, online: str = "") -> Iterator[Daemon]:
    """Without a machine, in a process of its own; killed at the end."""
    path = os.pathsep.join([str(_HERE.parents[2]), os.environ.get("PYTHONPATH", "")])
    with (state.parent / "daemon.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _DAEMON, str(state), online],
            stdout=subprocess.PIPE,
            stderr=output,
            env={**os.environ, "PYTHONPATH": path},
        )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().decode().strip()
        assert url, (state.parent / "daemon.log").read_text()
        yield Daemon(url, state, environment(state, url), process)
    finally:
        process.kill()
        process.wait(120)


@dataclass
class History:
    """What was asked and answered. `acknowledged`: (identifier, event time in ms) -> the writer's own mark."""

    acknowledged: dict[tuple[str, int], str] = field(default_factory=dict)
    asked: dict[tuple[str, int], str] = field(default_factory=dict)
    latest: Counter[str] = field(default_factory=Counter)  # by identifier: the latest acknowledged event time
    wrong: list[str] = field(default_factory=list)


def moment(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000)) + f".{milliseconds % 1000:03d}Z"


def _work(daemon: Daemon, writer: int, history: History, clock: Iterator[int], stop: threading.Event) -> None:
    """Put records at new event times and read them, until the daemon is gone.

    What a read shows must have been asked for, and must not be older than what was acknowledged before it began.
    """
    runtime = daemon.client("sagemaker-featurestore-runtime")
    for turn in itertools.count():
        if stop.is_set():
            return
        identifier, at = f"r{(writer + turn) % _RECORDS}", next(clock)
        mark = f"{writer}-{at}"
        history.asked[identifier, at] = mark
        record = {"id": identifier, "at": moment(at), "mark": mark}
        try:
            runtime.put_record(
                FeatureGroupName="g",
                Record=[{"FeatureName": name, "ValueAsString": value} for name, value in record.items()],
            )
            history.acknowledged[identifier, at] = mark
            history.latest[identifier] = max(history.latest[identifier], at)
            before = history.latest[identifier]
            told = runtime.get_record(FeatureGroupName="g", RecordIdentifierValueAsString=identifier)
        except (BotoCoreError, ClientError):
            return
        _judge(history, identifier, before, told)


def _judge(history: History, identifier: str, before: int, told: dict[str, Any]) -> None:
    shown = {one["FeatureName"]: one["ValueAsString"] for one in told.get("Record", [])}
    at = int(shown["mark"].partition("-")[2]) if shown else -1
    if at < before:
        history.wrong.append(f"{identifier}: {before} was acknowledged, then {at} was read")
    elif history.asked.get((identifier, at)) != shown["mark"] or shown["at"] != moment(at):
        history.wrong.append(f"{identifier}: nobody put {shown}")


def _clock() -> Callable[[], Iterator[int]]:
    """Event times for all writers, each once."""
    lock, numbers = threading.Lock(), itertools.count(1_767_323_045_000)

    def ticks() -> Iterator[int]:
        while True:
            with lock:
                value = next(numbers)
            yield value

    return ticks


def _write(daemon: Daemon, history: History, clock: Callable[[], Iterator[int]], kill: Callable[[], None]) -> None:
    """All writers at once, until something they need is killed."""
    before, stop = len(history.acknowledged), threading.Event()
    with ThreadPoolExecutor(_WRITERS) as pool:
        for writer in range(_WRITERS):
            pool.submit(_work, daemon, writer, history, clock(), stop)
        try:
            eventually(lambda: len(history.acknowledged) > before + _WRITERS)
            time.sleep(_SECONDS)
        finally:
            kill()
            stop.set()


def test_records_are_linearizable_and_none_is_lost(tmp_path: Path) -> None:
    state, history, clock = (tmp_path / "state").resolve(), History(), _clock()
    for turn in range(_ROUNDS):
        with killable_daemon(state) as daemon:
            if turn == 0:
                _prepare(daemon)
            _write(daemon, history, clock, daemon.kill)
    _judge_all(state, history)


@pytest.mark.skipif(not PROGRAMS, reason="there is no Redis: `apt-get install redis-tools`")
def test_so_are_those_in_a_redis_server_when_it_or_the_daemon_is_killed(tmp_path: Path) -> None:
    state, history, clock = (tmp_path / "state").resolve(), History(), _clock()
    with redis_server(tmp_path / "redis") as redis:
        with killable_daemon(state, redis.url) as daemon:
            _prepare(daemon)
            _write(daemon, history, clock, redis.kill)
            redis.start()
            _write(daemon, history, clock, daemon.kill)
        _judge_all(state, history, redis.url)


def _judge_all(state: Path, history: History, online: str = "") -> None:
    """By a new daemon: every acknowledged record is there, or a later one, and its row in the offline store, once."""
    assert history.wrong == []
    with killable_daemon(state, online) as daemon:
        runtime = daemon.client("sagemaker-featurestore-runtime")
        latest = dict(sorted(history.acknowledged))
        for identifier, before in latest.items():
            told = runtime.get_record(FeatureGroupName="g", RecordIdentifierValueAsString=identifier)
            _judge(history, identifier, before, told)
        rows = _rows(daemon, len(history.acknowledged))
    assert history.wrong == []
    assert history.acknowledged.items() <= rows.items()
    assert rows.items() <= history.asked.items()


def _prepare(daemon: Daemon) -> None:
    iam, s3, sagemaker = (daemon.client(name) for name in ("iam", "s3", "sagemaker"))
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=_document(trust))
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=_document(allow))
    s3.create_bucket(Bucket="offline", CreateBucketConfiguration={"LocationConstraint": REGION})
    sagemaker.create_feature_group(
        FeatureGroupName="g",
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="at",
        FeatureDefinitions=[{"FeatureName": name, "FeatureType": "String"} for name in ("id", "at", "mark")],
        OnlineStoreConfig={"EnableOnlineStore": True},
        OfflineStoreConfig={"S3StorageConfig": {"S3Uri": "s3://offline"}, "DisableGlueTableCreation": True},
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/r",
    )
    told = sagemaker.describe_feature_group
    eventually(lambda: told(FeatureGroupName="g")["FeatureGroupStatus"], lambda status: status == "Created")


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def _rows(daemon: Daemon, least: int) -> dict[tuple[str, int], str]:
    """(identifier, event time) -> mark of every row of the offline store; none may be there twice."""
    s3 = daemon.client("s3")

    def look() -> list[dict[str, Any]]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="offline")
        keys = [item["Key"] for page in pages for item in page["Contents"] if item["Key"].endswith(".parquet")]
        bodies = [s3.get_object(Bucket="offline", Key=key)["Body"].read() for key in keys]
        return [row for body in bodies for row in parquet.read_table(io.BytesIO(body)).to_pylist()]

    found = eventually(look, lambda rows: len(rows) >= least, pause=0.5)
    rows = {(row["id"], int(row["mark"].partition("-")[2])): row["mark"] for row in found}
    assert len(rows) == len(found), "a row is there twice"
    return rows
