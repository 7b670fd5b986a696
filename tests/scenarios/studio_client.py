"""What a browser does, without one: run inside a VPC by `ringfence exec`, told what to do by one JSON argument.

Not a test file. Prints one JSON line: what came of it. `make`: a URL of the caller's own; `notebook`: one of a notebook
instance; `open`: a URL; `cookie`: go
on with a session; `run`: a notebook cell; `again`: frames and requests after this file appears; `patience`: seconds
for a connection.
"""

import asyncio
import json
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import aiohttp

LAB = "/jupyterlab/default"


async def main(asked: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    lab = asked.get("lab", LAB)
    if "make" in asked:
        sagemaker = _sagemaker(asked)
        if "endpoint" in asked:
            told["profile"] = sagemaker.describe_user_profile(**asked["make"])["Status"]
        told["url"] = asked["open"] = sagemaker.create_presigned_domain_url(**asked["make"])["AuthorizedUrl"]
        if asked.get("keep"):
            return told
    if "notebook" in asked:
        sagemaker = _sagemaker(asked)
        url = sagemaker.create_presigned_notebook_instance_url(NotebookInstanceName=asked["notebook"])["AuthorizedUrl"]
        told["url"] = asked["open"] = url
        if asked.get("keep"):
            return told
    name = asked.get("cookie_name", "__Host-StudioSession")
    host = asked.get("host") or asked["open"].partition("://")[2].partition("/")[0].partition("?")[0]
    jar = aiohttp.CookieJar(unsafe=True)
    # connecting: to give up soon is for those who expect that nobody is there
    patience = aiohttp.ClientTimeout(total=None, sock_connect=asked.get("patience", 60))
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"User-Agent": "browser"}, timeout=patience) as session:
        if "cookie" in asked:
            session.headers["Cookie"] = f"{name}={asked['cookie']}"
        else:
            async with session.get(asked["open"], allow_redirects=False, ssl=_trust()) as reply:
                told |= {"status": reply.status, "location": reply.headers.get("Location"), "said": await reply.text()}
                told["set"] = reply.headers.getall("Set-Cookie", [])
                session_cookie = reply.cookies.get(name)
                told["cookie"] = session_cookie.value if session_cookie is not None else None
            if told["status"] != 302:
                return told
        async with session.get(f"https://{host}{lab}/api", ssl=_trust()) as reply:
            told["api"], told["api_status"] = await reply.text(), reply.status
        if "run" in asked and told["api_status"] == 200:
            told |= await run(session, f"{host}{lab}", asked)
    return told


async def run(session: aiohttp.ClientSession, base: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Start a kernel, run the cell; with `again`, run it once more when that file is there."""
    cell, again = asked["run"], asked.get("again")
    async with session.get(f"https://{base}/lab", ssl=_trust()) as reply:
        page = await reply.text()
        xsrf = reply.cookies["_xsrf"].value
        told: dict[str, Any] = {"lab": reply.status, "page": "JupyterLab" in page, "app_cookies": []}
        told["app_cookies"] = reply.headers.getall("Set-Cookie", [])
    headers = {"X-XSRFToken": xsrf}
    async with session.post(f"https://{base}/api/kernels", json={}, headers=headers, ssl=_trust()) as reply:
        kernel = (await reply.json())["id"]
    url = f"wss://{base}/api/kernels/{kernel}/channels?session_id={uuid.uuid4().hex}"
    headers = {"Origin": asked.get("origin") or f"https://{base.partition('/')[0]}"}
    try:
        async with session.ws_connect(url, headers=headers, ssl=_trust(), max_msg_size=0) as channel:
            told["output"] = await execute(channel, cell)
            if again is not None:
                Path(again).write_text("ready")
                deadline = time.monotonic() + 200
                while Path(again).read_text() != "go" and time.monotonic() < deadline:
                    await asyncio.sleep(0.1)
                told["after"] = await execute(channel, cell)
                told["closed"] = channel.close_code
                async with session.get(f"https://{base}/api", ssl=_trust()) as reply:
                    told["api_after"] = reply.status
    except aiohttp.WSServerHandshakeError as error:
        told["handshake"] = error.status
    return told


async def execute(channel: aiohttp.ClientWebSocketResponse, cell: str) -> str | None:
    """What the cell printed; None if the channel was closed first."""
    id, printed = uuid.uuid4().hex, ""
    header = {"msg_id": id, "username": "u", "session": id, "msg_type": "execute_request", "version": "5.3"}
    content = {"code": cell, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    await channel.send_json(message)
    async for frame in channel:
        if frame.type is not aiohttp.WSMsgType.TEXT:
            continue
        told = json.loads(frame.data)
        if told["parent_header"].get("msg_id") != id:
            continue
        if told["msg_type"] == "stream":
            printed += told["content"]["text"]
        elif told["msg_type"] == "error":
            printed += "\n".join([told["content"]["ename"], told["content"]["evalue"]])
        elif told["msg_type"] == "status" and told["content"]["execution_state"] == "idle":
            return printed
    return None


def _sagemaker(asked: dict[str, Any]) -> Any:
    import boto3  # a second that whoever comes with a URL or a cookie need not wait

    return boto3.client("sagemaker", region_name="us-west-2", endpoint_url=asked.get("endpoint"))


def _trust() -> Any:
    import ssl

    return ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])


if __name__ == "__main__":
    try:
        found = asyncio.run(main(json.loads(sys.argv[1])))
    except aiohttp.ClientConnectionError as error:
        found = {"unreachable": str(error)}
    print(json.dumps(found))
