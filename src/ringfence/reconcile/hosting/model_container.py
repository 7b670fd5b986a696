"""AWS's contract for multi-model containers, asked from the platform's side: load, list, get, unload.

https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html . Called by `instance_models` and, for the list
that shows that an image keeps the contract at all, by `host_launch`.
"""

import json
from collections.abc import Mapping
from urllib.parse import quote

from ringfence.core.results import Forward, ForwardReply
from ringfence.reconcile.ports import Traffic

TARGET_HEADER = "X-Amzn-SageMaker-Target-Model"
INSIDE = "/opt/ml/models"
_ASK_SECONDS, _UNLOAD_SECONDS = 10.0, 60.0
_MOST_PAGES = 1000
_JSON = {"Accept": "application/json"}


class ListFailed(Exception):
    """The container does not list its models: it keeps another contract, or is gone."""


class ModelContainer:
    """One container; what it answers is the caller's to judge, but for lists."""

    def __init__(self, traffic: Traffic, instance_id: str, port: int) -> None:
        self._traffic = traffic
        self._instance_id = instance_id
        self._port = port

    async def load(self, name: str, target: str, seconds: float) -> ForwardReply:
        body = json.dumps({"model_name": name, "url": f"{INSIDE}/{name}/model"}).encode()
        headers = {**_JSON, "Content-Type": "application/json", TARGET_HEADER: target}
        return await self._ask("POST", "/models", seconds, headers, body)

    async def unload(self, name: str, target: str) -> ForwardReply:
        return await self._ask("DELETE", f"/models/{name}", _UNLOAD_SECONDS, {TARGET_HEADER: target} if target else {})

    async def has(self, name: str) -> bool:
        """Whether it says so; if it does not answer, yes."""
        return (await self._ask("GET", f"/models/{name}", _ASK_SECONDS, _JSON)).status != 404

    async def names(self) -> tuple[str, ...]:
        """Of all loaded models, page by page."""
        found: list[str] = []
        path = "/models"
        for _ in range(_MOST_PAGES):
            reply = await self._ask("GET", path, _ASK_SECONDS, _JSON)
            if reply.failure is not None or reply.status != 200:
                raise ListFailed(reply.failure or f"status {reply.status}")
            try:
                told = json.loads(reply.body)
                found += [str(model["modelName"]) for model in told["models"]]
                token = told.get("nextPageToken")
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise ListFailed(f"no list of models: {error}") from None
            if not token:
                break
            path = f"/models?next_page_token={quote(str(token), safe='')}"
        return tuple(found)

    async def _ask(
        self, method: str, path: str, seconds: float, headers: Mapping[str, str], body: bytes = b""
    ) -> ForwardReply:
        forward = Forward(
            instance_ids=(self._instance_id,),
            method=method,
            path=path,
            headers=headers,
            body=body,
            timeout=seconds,
            finish=lambda reply: {},  # nobody's result
            port=self._port,
        )
        return await self._traffic.perform(forward)
