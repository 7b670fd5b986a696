"""When an app counts as idle: by a clock that is set, by servers that say anything, and by JupyterLab's own server."""

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from ringfence.config import DEFAULT_STUDIO
from ringfence.reconcile.studio.idle import ask_server, count_idle

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        # minutes of the last activity at each question, ten minutes apart; None: no answer
        ([-5] * 20, 6),
        ([10, 20, 30, 5, 5, 5, 5, 5, 5, 5, 5, 5], 9),
        ([0, 10, None, None, None, None, None, None, None, 10], 10),
        ([None, None, None, None, None, None, None, 75, 75, 75, 75, 75, 75, 75], 14),
    ],
)
async def test_an_hour_without_activity(seen: list[int | None], expected: int) -> None:
    """An activity that is seen once counts, also if what was active is gone; who does not answer is not ended."""
    asked = 0

    async def ask() -> datetime | None:
        nonlocal asked
        asked += 1
        minutes = seen[asked - 1]
        return None if minutes is None else NOW + timedelta(minutes=minutes)

    await count_idle(ask, HOUR, lambda: NOW + timedelta(minutes=10 * asked), 0)
    assert asked == expected


def kernel(state: str, at: datetime) -> dict[str, Any]:
    return {"id": "k", "execution_state": state, "last_activity": at.isoformat().replace("+00:00", "Z")}


OLD, LATE = kernel("idle", NOW - HOUR), kernel("idle", NOW - timedelta(minutes=3))


@pytest.mark.parametrize(
    ("kernels", "terminals", "expected"),
    [
        ([], [], datetime.min.replace(tzinfo=UTC)),
        ([OLD, LATE], [], NOW - timedelta(minutes=3)),
        ([OLD], [LATE], NOW - timedelta(minutes=3)),
        ([OLD, kernel("busy", NOW - HOUR)], [], NOW),
        ([kernel("idle", NOW + HOUR)], [], NOW),
        ([{"id": "k"}], [], None),
        ("odd", [], None),
        ({}, 3, None),
        ([{**OLD, "last_activity": "yesterday"}], [], None),
        ([OLD] * 20_000, [], None),
        (web.HTTPFound("http://127.0.0.1:1/"), [], None),
        (web.HTTPForbidden(), [], None),
    ],
)
async def test_what_a_server_says(
    http: aiohttp.ClientSession, kernels: Any, terminals: Any, expected: datetime | None
) -> None:
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path_qs)
        said = kernels if request.path == "/api/kernels" else terminals
        if isinstance(said, web.HTTPException):
            return web.Response(status=said.status, headers=said.headers)
        return web.Response(text=json.dumps(said), content_type="application/json")

    server = await asyncio.get_running_loop().create_server(web.Server(answer), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await ask_server(http, f"http://127.0.0.1:{port}/api/", NOW) == expected
    assert asked[0] == "/api/kernels?no_track_activity=1"


@pytest.mark.skipif(not DEFAULT_STUDIO.is_dir(), reason="JupyterLab is not installed: run `make studio`")
async def test_jupyters_own_server_is_understood(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(DEFAULT_STUDIO / "bin/python"), "-m", "jupyter_server", f"--ServerApp.port={port}"]
    command += ["--IdentityProvider.token=", "--allow-root", "--ServerApp.disable_check_xsrf=True", "--no-browser"]
    directories = {name: str(tmp_path / name) for name in ("HOME", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR")}
    environment = {"PATH": f"{DEFAULT_STUDIO / 'bin'}:/usr/bin:/bin", **directories}
    base = f"http://127.0.0.1:{port}/api/"
    server = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(60):
            while await ask_server(http, base, datetime.now(UTC)) is None:
                assert server.poll() is None, "it ended"
                await asyncio.sleep(0.1)
            before = datetime.now(UTC) - timedelta(seconds=1)
            assert await ask_server(http, base, datetime.now(UTC)) == datetime.min.replace(tzinfo=UTC)
            async with http.post(f"{base}terminals", raise_for_status=True):
                pass
            seen = await ask_server(http, base, datetime.now(UTC))
            assert seen is not None and before < seen <= datetime.now(UTC)
            async with http.post(f"{base}kernels", json={"name": "python3"}, raise_for_status=True) as made:
                id = (await made.json())["id"]
            seen = await ask_server(http, base, datetime.now(UTC))
            assert seen is not None and before < seen <= datetime.now(UTC)
            async with http.delete(f"{base}kernels/{id}", raise_for_status=True):
                pass
    finally:
        server.terminate()
        server.wait(120)
