"""PutRecord and GetRecord with real signatures, beside Redis's SET and GET, which have neither HTTP nor authentication.

Redis writes each SET to the disk before it answers (`appendfsync always`), as PutRecord does. Neither moto nor
LocalStack, as they install by pip, has Feature Store's runtime.
"""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from bench.load import Connection, Job, Outcome, run
from bench.redis_server import PROGRAMS, RedisServer, redis_server
from bench.signed import capture, capture_each
from bench.table import Row
from demo.story import Story
from ringfence.config import ONLINE_STORE_VARIABLE

_SERVICE = "sagemaker-featurestore-runtime"
_GROUP, _CALLERS, _SECONDS, _PUTS = "bench", 8, 2.0, 12_000
_VALUE = "x" * 100


def measure(arguments: Callable[[Story], dict[str, Any]], story: Story, scratch: Path) -> list[Row]:
    """Medians of one caller, rates of eight; of the daemon's own store, and of a daemon whose online store is Redis.

    `arguments`: boto3's, for a daemon.
    """
    own = _measure(arguments(story))
    if not PROGRAMS:
        print("redis-server is not installed: `apt-get install redis-tools`", file=sys.stderr)
        return [Row(f"{name} p50, ms", f"{one.p50:.2f}", "-", None, "") for name, one in own.items()]
    with redis_server(scratch / "redis") as server:
        bare = {
            "PutRecord": _redis(server.port, "SET", "key", _VALUE),
            "GetRecord": _redis(server.port, "GET", "key"),
        }
        with _daemon_on(server, scratch / "redis-state") as other:
            served = _measure(arguments(other))
    rows = []
    for what, ours in (("", own), (" kept in Redis", served)):
        for name, one in ours.items():
            beside = bare[name]
            rows += [
                Row(f"{name}{what} p50, ms", f"{one.p50:.2f}", f"{beside.p50:.2f} (Redis)", one.p50 / beside.p50, ""),
                Row(
                    f"{name}{what}, calls/s of {_CALLERS}",
                    f"{one.rate:.0f}",
                    f"{beside.rate:.0f} (Redis)",
                    one.rate / beside.rate,
                    "",
                ),
            ]
    return rows


def _measure(client: dict[str, Any]) -> dict[str, Outcome]:
    _create(client)
    return {"PutRecord": _put(client), "GetRecord": _get(client)}


@contextmanager
def _daemon_on(server: RedisServer, state: Path) -> Iterator[Story]:
    story = Story(state=state)
    os.environ[ONLINE_STORE_VARIABLE] = server.url
    try:
        story.up()
        yield story
    finally:
        del os.environ[ONLINE_STORE_VARIABLE]
        story.ringfence("down", "--purge")


def _create(client: dict[str, Any]) -> None:
    sagemaker = boto3.client("sagemaker", **client)
    sagemaker.create_feature_group(
        FeatureGroupName=_GROUP,
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="at",
        FeatureDefinitions=[{"FeatureName": name, "FeatureType": "String"} for name in ("id", "at", "value")],
        OnlineStoreConfig={"EnableOnlineStore": True},
    )
    while sagemaker.describe_feature_group(FeatureGroupName=_GROUP)["FeatureGroupStatus"] == "Creating":
        time.sleep(0.02)


class _Puts(Connection):
    """Each request once, each with a later event time: every one is a write."""

    left: Iterator[str] = iter(())

    def send(self) -> None:
        self._payload = next(self.left).encode("latin-1")
        super().send()


def _put(client: dict[str, Any]) -> Outcome:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    moments = (f"{began + timedelta(seconds=number):%Y-%m-%dT%H:%M:%SZ}" for number in range(_PUTS))
    records = ({"id": f"r{number % 100}", "at": at, "value": _VALUE} for number, at in enumerate(moments))
    asked = [
        {
            "FeatureGroupName": _GROUP,
            "Record": [{"FeatureName": name, "ValueAsString": value} for name, value in record.items()],
        }
        for record in records
    ]
    _Puts.left = iter(capture_each(_SERVICE, "put_record", asked, **client))
    return run(_job(client, ""), _Puts)


def _get(client: dict[str, Any]) -> Outcome:
    asked = {"FeatureGroupName": _GROUP, "RecordIdentifierValueAsString": "r1"}
    return run(_job(client, capture(_SERVICE, "get_record", asked, **client)))


def _job(client: dict[str, Any], request: str) -> Job:
    url = urlsplit(client["endpoint_url"])
    assert url.hostname is not None
    assert url.port is not None
    return Job(url.hostname, url.port, request, seconds=_SECONDS, threads=_CALLERS)


class _Redis(Connection):
    """One command and its answer, which is one line or, of GET, two."""

    def _read(self, stream: socket.socket) -> bool:
        data = stream.recv(4096)
        while data.count(b"\r\n") < (2 if data.startswith(b"$") else 1):
            data += stream.recv(4096)
        if data[:1] not in b"+$":
            raise RuntimeError(f"answered {data!r}")
        return True


def _redis(port: int, *words: str) -> Outcome:
    command = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    return run(Job("127.0.0.1", port, command, seconds=_SECONDS, threads=_CALLERS), _Redis)
