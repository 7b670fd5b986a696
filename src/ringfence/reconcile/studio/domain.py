"""Studio's domains, profiles and spaces: what they have in the VPC and on disk. Sole writer of their statuses.

A domain has its two groups for NFS, and in each of its subnets a mount target: a namespace with an interface. Profiles
and spaces have a home directory. Apps are `app`'s.
"""

import asyncio
import logging
import os
import shutil
from pathlib import Path

import msgspec

from ringfence.core.errors import ServiceError
from ringfence.core.record import Writer
from ringfence.core.tags import drop_tags
from ringfence.reconcile.instance.launch import plain
from ringfence.reconcile.parts import Parts
from ringfence.reconcile.studio.domain_network import DomainNetwork
from ringfence.resources.studio import (
    USER_GID,
    App,
    AppStatus,
    Domain,
    DomainStatus,
    HomeStatus,
    Owner,
    Space,
    UserProfile,
)
from ringfence.store.database import Snapshot

log = logging.getLogger("ringfence.reconcile")


class Domains:
    """The noun of the loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        if not applied:
            return
        records = self._parts.store.snapshot()
        for domain in records.all(Domain):
            await self._reconcile_domain(domain, records.get(DomainStatus, domain.key))
        owners: list[Owner] = [*records.all(UserProfile), *records.all(Space)]
        for owner in owners:
            await self._reconcile_owner(owner, records.get(HomeStatus, owner.arn))

    async def close(self) -> None:
        """Nothing runs."""

    async def _reconcile_domain(self, domain: Domain, status: DomainStatus | None) -> None:
        if domain.deleting is not None:
            await self._delete(domain, status)
        elif status is None or status.generation != domain.generation:
            try:
                self._advance(domain, status)
            except ServiceError as error:
                self._fail(domain, status, plain(error))

    def _advance(self, domain: Domain, status: DomainStatus | None) -> None:
        """One step; the commit that it ends with wakes the loop for the next one."""
        network = DomainNetwork(self._parts, domain)
        if status is None or status.outbound_group_id is None:
            inbound, outbound = network.ensure_groups()
            self._put(domain, status, "Pending", inbound_group_id=inbound, outbound_group_id=outbound)
            return
        wanted = network.ensure_mount_targets(status)
        if wanted != status.mount_targets:
            self._put(domain, status, status.status, mount_targets=wanted)
            return
        topology = self._parts.applied.topology
        placed = topology.instances if topology else {}
        if all((place := placed.get(one.id)) is not None and place.address is not None for one in wanted):
            self._put(domain, status, "InService", generation=domain.generation, failure_reason=None)

    def _fail(self, domain: Domain, status: DomainStatus | None, reason: str) -> None:
        log.warning("the domain `%s` failed: %s", domain.id, reason)
        once = status is not None and status.generation > 0
        state = "Update_Failed" if once else "Failed"
        self._put(domain, status, state, generation=domain.generation, failure_reason=reason[:1024])

    async def _delete(self, domain: Domain, status: DomainStatus | None) -> None:
        """The mount targets go; the groups stay, as with AWS. Home directories as the user said."""
        try:
            if status is not None:
                DomainNetwork(self._parts, domain).remove_mount_targets(status.mount_targets)
        except ServiceError as error:
            if status is not None and status.status != "Delete_Failed":
                self._put(domain, status, "Delete_Failed", failure_reason=plain(error)[:1024])
            return
        if domain.deleting == "Delete":
            await asyncio.to_thread(shutil.rmtree, self._parts.config.homes / domain.file_system_id, ignore_errors=True)
        with self._parts.store.transaction() as records:
            for app in records.all(App):
                if app.key.startswith(f"{domain.key}/"):
                    _forget_app(records, app)
            if status is not None:
                records.delete(status)
            drop_tags(records, domain.arn)
            records.delete(domain)

    def _put(self, domain: Domain, status: DomainStatus | None, state: str, **changes: object) -> None:
        now = self._parts.edge.now()
        known = status or DomainStatus(domain_key=domain.key, status=state, generation=0, modified=now)
        with self._parts.store.transaction() as records:
            records.put(msgspec.structs.replace(known, status=state, modified=now, **changes))

    async def _reconcile_owner(self, owner: Owner, status: HomeStatus | None) -> None:
        if owner.deleting:
            self._forget(owner, status)
            return
        if status is not None and status.generation == owner.generation:
            return
        domain = self._parts.store.snapshot().get(Domain, owner.key.rpartition("/")[0])
        assert domain is not None, "a domain is deleted after its profiles and spaces"
        try:
            await asyncio.to_thread(make_home, home_of(self._parts, domain, owner), owner.uid)
            state, reason = "InService", None
        except OSError as error:
            state, reason = "Failed", f"the home directory could not be made: {error.strerror}"
        with self._parts.store.transaction() as records:
            records.put(
                HomeStatus(
                    arn=owner.arn,
                    status=state,
                    generation=owner.generation,
                    modified=self._parts.edge.now(),
                    failure_reason=reason,
                )
            )

    def _forget(self, owner: Owner, status: HomeStatus | None) -> None:
        """The records; the directory stays until the domain's file system is deleted."""
        with self._parts.store.transaction() as records:
            for app in records.all(App):
                if app.key.startswith(f"{owner.key}/") and app.in_space == isinstance(owner, Space):
                    _forget_app(records, app)
            if status is not None:
                records.delete(status)
            drop_tags(records, owner.arn)
            records.delete(owner)


def _forget_app(records: Writer, app: App) -> None:
    """A Deleted one: its owner is not there any more to show it."""
    if (status := records.get(AppStatus, app.arn)) is not None:
        records.delete(status)
    drop_tags(records, app.arn)
    records.delete(app)


def home_of(parts: Parts, domain: Domain, owner: Owner) -> Path:
    return parts.config.homes / domain.file_system_id / str(owner.uid)


def make_home(path: Path, uid: int, gid: int = USER_GID) -> None:
    """Nobody but the user may look into it."""
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, uid, gid)
    path.chmod(0o700)
