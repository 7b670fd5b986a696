"""Records put and read through the handlers: on a real store, and with the online records on real servers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from features_caller import Features, ServerFeatures

from bench.redis_server import PROGRAMS, RedisServer, redis_server

Servers = Callable[[str], RedisServer]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Redis or Valkey, started when first asked for."""
    running: dict[str, RedisServer] = {}
    with ExitStack() as stack:

        def start(program: str) -> RedisServer:
            if program not in running:
                server = redis_server(tmp_path_factory.mktemp(program), program=program)
                running[program] = stack.enter_context(server)
            return running[program]

        yield start


@pytest.fixture(params=PROGRAMS)
def redis(request: pytest.FixtureRequest, servers: Servers) -> RedisServer:
    return servers(request.param)


@pytest.fixture
def served(tmp_path: Path, redis: RedisServer) -> Iterator[ServerFeatures]:
    yield from _served(tmp_path, redis)


@pytest.fixture(params=["embedded", *PROGRAMS])
def features(request: pytest.FixtureRequest, tmp_path: Path, servers: Servers) -> Iterator[Features]:
    if request.param != "embedded":
        yield from _served(tmp_path, servers(request.param))
        return
    made = Features(tmp_path)
    yield made
    made.close()


def _served(directory: Path, redis: RedisServer) -> Iterator[ServerFeatures]:
    """With an empty server."""
    made = ServerFeatures(directory, redis.url)
    made.wait(made.redis.run("FLUSHALL"))
    yield made
    made.close()
