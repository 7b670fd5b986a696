"""Run in an instance by `open_url`: makes a presigned URL there, then passes a browser's connections on from there.

Not imported by anything. `python -m ringfence.cli.relay JSON`: one line of JSON on standard output, the URL or why
there is none; then, with `descriptor`, an HTTP proxy on that listening socket, which was made outside the instance,
until standard input ends. It passes on to the URL's own host alone.
"""

import asyncio
import contextlib
import json
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_HEAD_SECONDS = 10
_CONNECT_SECONDS = 10
_CHUNK = 64 * 1024


def main(asked: dict[str, Any]) -> None:
    told = make_url(asked["operation"], asked["request"])
    print(json.dumps(told), flush=True)
    if "url" in told and asked["descriptor"] is not None:
        listening = socket.socket(fileno=asked["descriptor"])
        asyncio.run(serve(listening, urlsplit(told["url"]).netloc))


def make_url(operation: str, request: dict[str, Any]) -> dict[str, Any]:
    """With the credentials of the environment, by the way that the packets take from here."""
    settings = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1})
    sagemaker = boto3.client("sagemaker", config=settings)
    try:
        answer = getattr(sagemaker, operation)(**request)
    except ClientError as error:
        told = error.response
        return {"code": told["Error"]["Code"], "message": told["Error"]["Message"],
                "request_id": told["ResponseMetadata"].get("RequestId")}  # fmt: skip
    except BotoCoreError as error:
        return {"code": type(error).__name__, "message": str(error), "host": sagemaker.meta.endpoint_url}
    return {"url": answer["AuthorizedUrl"]}


async def serve(listening: socket.socket, host: str) -> None:
    """Until standard input ends. `host`: the only one that is passed on to."""
    relay = Relay(host)
    server = await asyncio.start_server(relay.answer, sock=listening)
    async with server:
        await asyncio.to_thread(sys.stdin.read)


class Relay:
    """Answers CONNECT to one host, and asks for the configuration script that leads a browser here."""

    def __init__(self, host: str, port: int = 443) -> None:
        self._host = host
        self._port = port

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(_HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            method, _, rest = head.decode("latin-1").partition(" ")
            target = rest.partition(" ")[0]
            if method == "CONNECT":
                await self._connect(target, reader, writer)
            elif target == "/proxy.pac":
                own = writer.get_extra_info("sockname")
                await _reply(writer, "200 OK", pac(self._host, own[1]), "application/x-ns-proxy-autoconfig")
            else:
                await _reply(writer, "405 Method Not Allowed", f"only CONNECT {self._host}:{self._port} is passed on\n")
        writer.close()

    async def _connect(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if target.lower() != f"{self._host}:{self._port}":
            await _reply(writer, "403 Forbidden", f"only {self._host}:{self._port} is passed on\n")
            return
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                onward, back = await asyncio.open_connection(self._host, self._port)
        except (OSError, TimeoutError):
            await _reply(writer, "504 Gateway Timeout", f"{self._host}:{self._port} does not answer from here\n")
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_pump(reader, back), _pump(onward, writer))
        finally:
            back.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()


async def _reply(writer: asyncio.StreamWriter, status: str, text: str, kind: str = "text/plain") -> None:
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


def pac(host: str, port: int) -> str:
    """https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/Proxy_servers_and_tunneling"""
    way = f"PROXY 127.0.0.1:{port}"
    return f'function FindProxyForURL(url, host) {{ return host === "{host}" ? "{way}" : "DIRECT"; }}\n'


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
