"""Requests to asynchronous endpoints that were accepted and are not done: their queue."""

from datetime import datetime
from typing import ClassVar

from ringfence.core.record import Record


class AsyncInvocation(Record, frozen=True, kw_only=True):
    """One request. `id` is the InferenceId. `input_uri` is where its body is in S3, or `body` is the body.

    `output_uri`, `failure_uri`: the objects that the answer or the failure is written to (None: to nowhere).
    """

    CACHED: ClassVar[bool] = False

    endpoint_key: str
    id: str
    token: str
    accepted: datetime
    expires: datetime
    timeout: float  # seconds that the container has
    headers: dict[str, str]
    input_uri: str | None
    body: bytes | None
    output_uri: str
    failure_uri: str | None

    @property
    def key(self) -> str:
        """In the order in which they came. `token` is unique, which a caller's id need not be."""
        return f"{self.endpoint_key}/{self.accepted:%Y%m%d%H%M%S%f}/{self.token}"
