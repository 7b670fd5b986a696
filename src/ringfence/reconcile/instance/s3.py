"""S3 from inside an instance's namespace, as the instance's execution role. Called by whatever moves its data."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from ringfence.network.topology.instance import Instance
from ringfence.reconcile.instance.launch import Wish, assume_role
from ringfence.reconcile.instance.namespace_http import connect, open_session
from ringfence.reconcile.instance.s3_client import S3Client
from ringfence.reconcile.instance.transfer import Transfers
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
async def open_s3(parts: Parts, wish: Wish, place: Instance) -> AsyncIterator[S3Client]:
    async with open_s3_as(RenewedRole(parts, wish).current, parts, wish.id, place, wish.region) as s3:
        yield s3


@asynccontextmanager
async def open_s3_as(
    role: Callable[[], RoleSession], parts: Parts, instance_id: str, place: Instance, region: str
) -> AsyncIterator[S3Client]:
    """`role`: credentials that are valid when it is called."""
    network, bundle = parts.network, parts.config.ca_bundle
    transfers = Transfers(partial(connect, network, instance_id, place.resolvers), bundle)
    async with open_session(network, instance_id, place.resolvers, bundle) as session:
        try:
            yield S3Client(session, role, region, transfers)
        finally:
            await transfers.close()
