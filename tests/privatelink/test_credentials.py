"""The credentials endpoint over real HTTP, read by botocore's own provider."""

import asyncio
import socket
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
from aiohttp import web
from botocore.utils import ContainerMetadataFetcher

from ringfence.privatelink.credentials import CredentialsEndpoint, RoleCredentials, RoleRefused

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PATH = "/v2/credentials/0123456789abcdef"


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@asynccontextmanager
async def serving(endpoint):
    listening = socket.create_server(("127.0.0.1", 0))
    server = await asyncio.get_running_loop().create_server(web.Server(endpoint.handle), sock=listening)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.close()


def credentials(serial, expiration=NOW + timedelta(hours=1)):
    return RoleCredentials("arn:aws:iam::123456789012:role/R", f"ASIA{serial}", "secret", "token", expiration)


async def test_botocore_reads_it():
    async with serving(CredentialsEndpoint(PATH, lambda: credentials(1), Clock())) as url:
        found = await asyncio.to_thread(ContainerMetadataFetcher().retrieve_full_uri, url + PATH)
    assert found == {
        "RoleArn": "arn:aws:iam::123456789012:role/R",
        "AccessKeyId": "ASIA1",
        "SecretAccessKey": "secret",
        "Token": "token",
        "Expiration": "2026-01-02T01:00:00Z",
    }


async def test_kept_until_they_run_out():
    clock = Clock()
    issued = iter(credentials(n, NOW + timedelta(hours=n)) for n in (1, 2))
    endpoint = CredentialsEndpoint(PATH, lambda: next(issued), clock)
    async with serving(endpoint) as url, aiohttp.ClientSession() as client:

        async def key():
            async with client.get(url + PATH) as response:
                return (await response.json())["AccessKeyId"]

        assert [await key(), await key()] == ["ASIA1", "ASIA1"]
        clock.now = NOW + timedelta(minutes=45)
        assert await key() == "ASIA2"


async def test_other_paths_and_methods_and_a_refused_role():
    def refuse():
        raise RoleRefused("the role is gone")

    async with serving(CredentialsEndpoint(PATH, refuse, Clock())) as url, aiohttp.ClientSession() as client:
        for method, path, status in (("GET", "/", 404), ("GET", PATH + "x", 404), ("PUT", PATH, 404)):
            async with client.request(method, url + path) as response:
                assert response.status == status
        async with client.get(url + PATH) as response:
            assert response.status == 400
            assert (await response.json())["message"] == "the role is gone"
