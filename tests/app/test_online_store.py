"""A daemon whose online store is a Redis server: how it starts, and what it says when the server is gone."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from daemon import Daemon, local_daemon

from bench.redis_server import PROGRAMS, RedisServer, has_tls, offer_tls, redis_server
from demo.story import Story
from ringfence.app.online_store import OnlineStoreUnusable
from ringfence.config import ONLINE_STORE_VARIABLE
from tests.patience import eventually

pytestmark = pytest.mark.skipif(not PROGRAMS, reason="there is no Redis: `apt-get install redis-tools`")
RECORD = [{"FeatureName": "id", "ValueAsString": "a"}, {"FeatureName": "at", "ValueAsString": "2026-01-02T03:04:05Z"}]
NAMED = {"FeatureGroupName": "people", "RecordIdentifierValueAsString": "a"}


@pytest.fixture(params=PROGRAMS)
def redis(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis", "--requirepass", "p@ss", program=request.param) as server:
        yield server


def _url(server: RedisServer, password: str = "p%40ss") -> str:
    return f"redis://:{password}@127.0.0.1:{server.port}/1"


def _create(daemon: Daemon, name: str = "people") -> dict[str, Any]:
    sagemaker = daemon.client("sagemaker")
    sagemaker.create_feature_group(
        FeatureGroupName=name,
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="at",
        FeatureDefinitions=[{"FeatureName": one, "FeatureType": "String"} for one in ("id", "at")],
        OnlineStoreConfig={"EnableOnlineStore": True},
    )
    return _settled(sagemaker, "Creating", name)


def _settled(sagemaker: Any, status: str, name: str = "people") -> dict[str, Any]:
    def look() -> dict[str, Any]:
        try:
            told: dict[str, Any] = sagemaker.describe_feature_group(FeatureGroupName=name)
        except sagemaker.exceptions.ResourceNotFound:
            return {}
        return told

    return eventually(look, lambda told: told.get("FeatureGroupStatus") != status)


def _once_it_is_back(get_record: Any) -> dict[str, Any]:
    """A server asks for the password before it says that it still loads its log."""

    def look() -> dict[str, Any]:
        try:
            told: dict[str, Any] = get_record(**NAMED)
            return told
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ServiceUnavailable", error
            return {}

    return eventually(look)


def test_records_outlive_the_daemon_and_go_with_their_group(tmp_path: Path, redis: RedisServer) -> None:
    state = tmp_path / "state"
    with local_daemon(state, online_store=_url(redis)) as daemon:
        assert _create(daemon)["FeatureGroupStatus"] == "Created"
        daemon.client("sagemaker-featurestore-runtime").put_record(FeatureGroupName="people", Record=RECORD)
    assert b"p@ss" not in (state / "records.sqlite").read_bytes()
    with pytest.raises(
        OnlineStoreUnusable, match="`people` are not in the online store that was asked for: start with"
    ):
        with local_daemon(state):
            pass
    with local_daemon(state, online_store=_url(redis)) as daemon:
        runtime, sagemaker = (daemon.client(name) for name in ("sagemaker-featurestore-runtime", "sagemaker"))
        assert runtime.get_record(**NAMED)["Record"] == RECORD
        sagemaker.delete_feature_group(FeatureGroupName="people")
        assert _settled(sagemaker, "Deleting") == {}
        assert _create(daemon)["FeatureGroupStatus"] == "Created"
        assert "Record" not in runtime.get_record(**NAMED), "another group of the same name"


def test_without_the_server_calls_fail_as_awss_do_and_work_again_after(tmp_path: Path, redis: RedisServer) -> None:
    with local_daemon(tmp_path / "state", online_store=_url(redis)) as daemon:
        _create(daemon)
        runtime, sagemaker = (daemon.client(name) for name in ("sagemaker-featurestore-runtime", "sagemaker"))
        runtime.put_record(FeatureGroupName="people", Record=RECORD)
        redis.kill()
        for call in (
            lambda: runtime.get_record(**NAMED),
            lambda: runtime.put_record(FeatureGroupName="people", Record=RECORD),
        ):
            with pytest.raises(runtime.exceptions.ServiceUnavailable) as caught:
                call()
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        told = _create(daemon, "late")
        assert told["FeatureGroupStatus"] == "CreateFailed" and "cannot be reached" in told["FailureReason"]
        assert "p@ss" not in told["FailureReason"]
        sagemaker.delete_feature_group(FeatureGroupName="people")
        with pytest.raises(ClientError, match="can't find a FeatureGroup"):
            runtime.get_record(**NAMED)
        time.sleep(0.3)
        assert sagemaker.describe_feature_group(FeatureGroupName="people")["FeatureGroupStatus"] == "Deleting"
        redis.start()
        sagemaker.delete_feature_group(FeatureGroupName="late")  # wakes the reconciler, which then does both
        assert _settled(sagemaker, "Deleting") == {}


def test_what_a_purge_forgets_is_not_kept_elsewhere(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as redis:
        for purged in (False, True):
            with local_daemon(tmp_path / str(purged), online_store=redis.url) as daemon:
                _create(daemon)
                daemon.client("sagemaker-featurestore-runtime").put_record(FeatureGroupName="people", Record=RECORD)
                assert len(_keys(redis)) == (4 if purged else 2), "a record and the index of each daemon's"
                assert daemon.app is not None
                daemon.app.shut_down(forget=purged)
            assert len(_keys(redis)) == 2, "those of the daemon that was not purged"


def _keys(server: RedisServer, first: bytes = b"") -> list[str]:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(first + b"KEYS ringfence:*\r\nECHO end\r\n")
        told = ""
        while not told.endswith("end\r\n"):
            told += connection.recv(65536).decode()
        assert "-" not in {line[:1] for line in told.split("\r\n")}, told
        return [line for line in told.split("\r\n") if line.startswith("ringfence:")]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://localhost", r"the URL of the online store is not usable \(it must start with redis://"),
        ("redis://127.0.0.1:1", "redis://127.0.0.1:1/0 cannot be reached: .* start the online store first"),
        ("wrong password", "refused the connection: WRONGPASS"),
    ],
)
def test_a_daemon_does_not_start_without_its_online_store(
    tmp_path: Path, redis: RedisServer, url: str, said: str
) -> None:
    given = _url(redis, "guess") if url == "wrong password" else url
    with pytest.raises(OnlineStoreUnusable, match=said):
        with local_daemon(tmp_path / "state", online_store=given):
            pass


def test_a_server_that_may_forget_is_warned_of(
    tmp_path: Path, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with local_daemon(tmp_path / "state", online_store=_url(redis)):
        assert "may lose" not in caplog.text
    forgetful = ("--appendonly", "no", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with redis_server(tmp_path / "cache", *forgetful) as cache:
        with local_daemon(tmp_path / "other", online_store=cache.url):
            assert "set `appendonly yes`" in caplog.text and "set `maxmemory-policy noeviction`" in caplog.text


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_user_who_may_do_little_over_tls_is_enough(tmp_path: Path, program: str) -> None:
    """With no more rights than docs/feature-store.md names; without TLS where the server has none."""
    port, certificate, options = offer_tls(tmp_path)
    rights = "~ringfence:* -@all +@connection +@read +@write +@scripting +info"
    tls = has_tls(program)
    user = ("--user", "default", "off", "--user", "app", "on", ">p@ss", *rights.split())
    with redis_server(tmp_path / "server", *(options if tls else ()), *user, program=program) as server:
        where = f"localhost:{port}/3?ssl_ca_certs={certificate}" if tls else f"localhost:{server.port}/3"
        url = f"redis{'s' if tls else ''}://app:p%40ss@{where}"
        with local_daemon(tmp_path / "state", online_store=url) as daemon:
            assert _create(daemon)["FeatureGroupStatus"] == "Created"
            runtime, sagemaker = (daemon.client(name) for name in ("sagemaker-featurestore-runtime", "sagemaker"))
            runtime.put_record(FeatureGroupName="people", Record=RECORD)
            assert runtime.get_record(**NAMED)["Record"] == RECORD
            assert runtime.list_records(FeatureGroupName="people")["RecordIdentifiers"] == ["a"]
            runtime.delete_record(**NAMED, EventTime="2026-01-02T03:04:06Z", DeletionMode="HardDelete")
            sagemaker.delete_feature_group(FeatureGroupName="people")
            assert _settled(sagemaker, "Deleting") == {}


@pytest.mark.root
@pytest.mark.parametrize("redis", [*PROGRAMS][:1], indirect=True)
def test_the_command_takes_the_url_from_the_environment_and_a_purge_leaves_nothing(
    tmp_path: Path, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(state=tmp_path / "state")
    monkeypatch.setenv(ONLINE_STORE_VARIABLE, _url(redis, "guess"))
    refused = story.ringfence("up", "--detach", "--port", "0")
    assert refused.returncode == 1
    assert (
        "the daemon did not start" in refused.stderr and "WRONGPASS" in refused.stderr and "guess" not in refused.stderr
    )
    monkeypatch.setenv(ONLINE_STORE_VARIABLE, _url(redis))
    try:
        story.up()
        daemon = Daemon(story.environment["AWS_ENDPOINT_URL"], story.state, story.environment)
        assert _create(daemon)["FeatureGroupStatus"] == "Created"
        runtime = daemon.client("sagemaker-featurestore-runtime")
        runtime.put_record(FeatureGroupName="people", Record=RECORD)
        assert runtime.get_record(**NAMED)["Record"] == RECORD
        pid = json.loads((story.state / "daemon.json").read_text())["pid"]
        assert b"p%40ss" not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert f"✓ online   redis://127.0.0.1:{redis.port}/1 answers" in story.ringfence("doctor").stdout
        redis.kill()
        told = story.ringfence("doctor")
        assert told.returncode == 1 and "✗ online   redis://127.0.0.1" in told.stdout, told
        redis.start()
        assert _once_it_is_back(runtime.get_record)["Record"] == RECORD
    finally:
        done = story.ringfence("down", "--purge")
    assert done.returncode == 0, done.stderr
    assert _keys(redis, b"AUTH p@ss\r\nSELECT 1\r\n") == []
