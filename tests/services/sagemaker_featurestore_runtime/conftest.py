"""Records put and read through the handlers: on a real store, and with the online records on a real Redis server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from features_caller import Features, ServerFeatures

from bench.redis_server import PROGRAM, RedisServer, redis_server


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if PROGRAM is None:
        pytest.skip("there is no Redis: `apt-get install redis-tools`")
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def served(tmp_path: Path, redis: RedisServer) -> Iterator[ServerFeatures]:
    """With an empty server."""
    made = ServerFeatures(tmp_path, redis.url)
    made.wait(made.redis.run("FLUSHALL"))
    yield made
    made.close()


@pytest.fixture(params=["embedded", "redis"])
def features(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Features]:
    if request.param == "redis":
        yield request.getfixturevalue("served")
        return
    made = Features(tmp_path)
    yield made
    made.close()
