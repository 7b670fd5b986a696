"""S3 from inside an instance's namespace, as the instance's execution role. Called by `job.data`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from ringfence.network import topology
from ringfence.reconcile.instance.launch import Wish, assume_role
from ringfence.reconcile.instance.namespace_http import open_session
from ringfence.reconcile.instance.s3_client import S3Client
from ringfence.reconcile.parts import Parts
from ringfence.reconcile.ports import RoleSession

_RENEW = timedelta(minutes=10)  # before the end: a long request outlives the credentials that it began with


class RenewedRole:
    """The role's credentials, assumed again when they run out; LaunchFailed if it cannot be assumed any more."""

    def __init__(self, parts: Parts, wish: Wish) -> None:
        self._parts = parts
        self._wish = wish
        self._session: RoleSession | None = None

    def current(self) -> RoleSession:
        session = self._session
        if session is None or session.expiration - self._parts.edge.now() < _RENEW:
            session = self._session = assume_role(self._parts, self._wish)
        return session


@asynccontextmanager
async def open_s3(parts: Parts, wish: Wish, place: topology.Instance) -> AsyncIterator[S3Client]:
    role = RenewedRole(parts, wish)
    async with open_session(parts.network, wish.id, place.resolvers, parts.config.ca_bundle) as session:
        yield S3Client(session, role.current, wish.region)
