"""The credentials endpoint of a container, 169.254.170.2: the execution role's credentials as AWS's SDKs ask for them.

One for each instance that has a role; the unguessable path tells its processes from anybody who merely reaches the
address. https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hmac import compare_digest

from aiohttp import web

# SDKs renew when less than fifteen minutes are left, and take it amiss if they get the same ones back.
_RENEW = timedelta(minutes=20)


@dataclass(frozen=True, slots=True)
class RoleCredentials:
    """What `app` gets by assuming the instance's role."""

    role_arn: str
    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime


class RoleRefused(Exception):
    """The role is gone or does not trust the service: the text says which."""


class CredentialsEndpoint:
    """GET of the path answers with credentials; anything else is 404. `assume` is called when they run out."""

    def __init__(self, path: str, assume: Callable[[], RoleCredentials], now: Callable[[], datetime]) -> None:
        self._path = path.encode()
        self._assume = assume
        self._now = now
        self._current: RoleCredentials | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = request.raw_path.encode("utf-8", "surrogateescape")
        if request.method != "GET" or not compare_digest(asked, self._path):
            return _answer(404, {"code": "NotFound", "message": "there are no credentials at this path"})
        try:
            credentials = self._fresh()
        except RoleRefused as refusal:
            return _answer(400, {"code": "AssumeRoleUnauthorizedAccess", "message": str(refusal)})
        return _answer(200, render(credentials))

    def _fresh(self) -> RoleCredentials:
        current = self._current
        if current is None or current.expiration - self._now() < _RENEW:
            current = self._current = self._assume()
        return current


def render(credentials: RoleCredentials) -> dict[str, str]:
    """The members that botocore's ContainerProvider and its siblings read."""
    return {
        "RoleArn": credentials.role_arn,
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.session_token,
        "Expiration": credentials.expiration.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _answer(status: int, body: dict[str, str]) -> web.Response:
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json")
