"""Requests and frames to a JupyterLab, one after the other: run where its name or its loopback is reached.

`python studio_client.py BASE COOKIE AUTHORITY`: one line of JSON, medians in milliseconds. COOKIE is `-` without proxy.
"""

import asyncio
import json
import ssl
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp

_WARM, _TRIES = 50, 400


async def main(base: str, cookie: str, authority: str) -> dict[str, float]:
    origin = "/".join(base.split("/")[:3])
    trust = ssl.create_default_context(cafile=authority) if base.startswith("https") else True
    own = "" if cookie == "-" else f"__Host-StudioSession={cookie}; "
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust), headers={"Cookie": own}) as client:

        async def get(path: str = "/api") -> None:
            async with client.get(base + path) as reply:
                assert reply.status == 200, reply.status
                await reply.read()

        told = {"GET, ms": await _median(get)}
        async with client.get(f"{base}/lab") as reply:
            token = reply.cookies["_xsrf"].value
        headers = {"X-XSRFToken": token, "Cookie": f"{own}_xsrf={token}", "Origin": origin}
        async with client.post(f"{base}/api/terminals", headers=headers) as reply:
            name = (await reply.json())["name"]
        channel_url = f"{base.replace('http', 'ws', 1)}/terminals/websocket/{name}"
        async with client.ws_connect(channel_url, headers=headers) as channel:
            await channel.send_json(["stdin", "stty -icanon; cat > /dev/null\r"])
            await asyncio.sleep(1)
            while True:
                try:
                    await asyncio.wait_for(channel.receive(), 0.3)
                except TimeoutError:
                    break

            async def echo() -> None:
                await channel.send_json(["stdin", "x"])
                assert (await channel.receive()).type is aiohttp.WSMsgType.TEXT

            told["echo, ms"] = await _median(echo)
        async with client.delete(f"{base}/api/terminals/{name}", headers=headers):
            return told


async def _median(once: Callable[[], Awaitable[None]]) -> float:
    times = []
    for number in range(_WARM + _TRIES):
        start = time.perf_counter()
        await once()
        if number >= _WARM:
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
