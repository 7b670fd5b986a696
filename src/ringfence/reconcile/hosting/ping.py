"""GET /ping on a container's port, through a socket made in its own namespace, on loopback: never across the
customer's interface; or another path, of Studio's apps. Called by `host`, `studio.app_life`.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

import asyncio
import socket

from ringfence.reconcile.ports import Network
from ringfence.resources.hosted_container import FIRST_PORT

_ATTEMPT_SECONDS = 2.0
_FIRST_PAUSE, _LAST_PAUSE = 0.02, 1.0
_LOST = 1 / 40  # of the time that has passed, at the most
_PATH = "/ping"
_REQUEST = "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def answers_ping(network: Network, namespace: str, port: int = FIRST_PORT, path: str = _PATH) -> bool:
    """Whether one attempt gets a 200."""
    try:
        return await asyncio.wait_for(_attempt(network, namespace, port, path), _ATTEMPT_SECONDS)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return False


async def wait_for_ping(network: Network, namespace: str, port: int = FIRST_PORT, path: str = _PATH) -> None:
    """Return at the first 200. The pauses grow with the time that has passed, so that little of it is lost."""
    clock = asyncio.get_running_loop().time
    begin = clock()
    while not await answers_ping(network, namespace, port, path):
        await asyncio.sleep(min(_LAST_PAUSE, max(_FIRST_PAUSE, (clock() - begin) * _LOST)))


async def _attempt(network: Network, namespace: str, port: int, path: str) -> bool:
    channel = network.open_socket(namespace, socket.SOCK_STREAM)
    try:
        channel.setblocking(False)
        await asyncio.get_running_loop().sock_connect(channel, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=channel)
    except BaseException:
        channel.close()
        raise
    try:
        writer.write(_REQUEST.format(path=path).encode())
        status = (await reader.readuntil(b"\r\n")).split(maxsplit=2)
        return len(status) >= 2 and status[0].startswith(b"HTTP/1.") and status[1] == b"200"
    finally:
        writer.close()
