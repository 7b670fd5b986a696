"""Idle shutdown: whether anything runs in a JupyterLab app, asked of its own server once a minute.

Idle is, as AWS has it, an app without active kernels and terminals: nothing is executed, no messages, no output. A page
that is open in a browser is none of them. The server is in the user's hands: it is not followed elsewhere, and while it
answers nothing that can be understood nobody knows, and the app stays. Called by `app_life`.
https://docs.aws.amazon.com/sagemaker/latest/dg/studio-updated-idle-shutdown.html
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from ringfence.reconcile.instance.jupyter import PORT
from ringfence.reconcile.instance.launch import container_namespace
from ringfence.reconcile.instance.namespace_http import open_container_session
from ringfence.reconcile.parts import Parts
from ringfence.reconcile.studio import contract
from ringfence.resources.instance import Instance
from ringfence.resources.studio import App

_SHORTEST_PAUSE = 0.5
_ANSWER_SECONDS = 10.0
_MOST_BYTES = 1024 * 1024
_EVER = datetime.min.replace(tzinfo=UTC)
# so that the question is no activity itself
_QUIETLY = {"no_track_activity": "1"}
_NOT_UNDERSTOOD = (ValueError, TypeError, KeyError, RecursionError)


async def until_idle(parts: Parts, app: App, instance: Instance, minutes: int) -> None:
    """Return once it has been idle for so long; a daemon that starts begins to count anew."""
    minute, now = parts.config.studio_idle_minute, parts.edge.now
    async with open_container_session(parts.network, container_namespace(instance)) as http:
        base = f"http://127.0.0.1:{PORT}{contract.base_path(app)}api/"

        async def ask() -> datetime | None:
            return await ask_server(http, base, now())

        await count_idle(ask, timedelta(seconds=minutes * minute), now, max(minute, _SHORTEST_PAUSE))


async def count_idle(
    ask: Callable[[], Awaitable[datetime | None]], limit: timedelta, now: Callable[[], datetime], pause: float
) -> None:
    """`ask`: when it was last active; None if that is not known now."""
    since = now()
    while True:
        await asyncio.sleep(pause)
        active = await ask()
        if active is None:
            continue
        since = max(since, active)
        if now() - since >= limit:
            return


async def ask_server(http: aiohttp.ClientSession, base: str, now: datetime) -> datetime | None:
    """`base`: of the server's API, with a slash at the end."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            kernels, terminals = await _get(http, f"{base}kernels"), await _get(http, f"{base}terminals")
        return _last_activity(kernels, terminals, now)
    except (aiohttp.ClientError, OSError, TimeoutError, *_NOT_UNDERSTOOD):
        return None


async def _get(http: aiohttp.ClientSession, url: str) -> Any:
    async with http.get(url, params=_QUIETLY, raise_for_status=True, allow_redirects=False) as answer:
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise ValueError("more than any number of kernels would take")
        return json.loads(body)


def _last_activity(kernels: Any, terminals: Any, now: datetime) -> datetime:
    """`now` while a kernel executes something, long ago if there is nothing."""
    if any(kernel["execution_state"] == "busy" for kernel in kernels):
        return now
    times = [datetime.fromisoformat(one["last_activity"]).astimezone(UTC) for one in (*kernels, *terminals)]
    return min(now, max(times, default=_EVER))
