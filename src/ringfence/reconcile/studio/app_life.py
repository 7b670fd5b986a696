"""The life of one app: launched, watched, ended. A task of `app`; sole writer of AppStatus.

A daemon that is killed leaves the records as they are: the next one adopts a container that runs, and begins anew with
an app that was not InService yet, or that `ringfence down` ended.
"""

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ringfence.core import ids
from ringfence.network.topology import instance as compiled
from ringfence.reconcile.instance.end import end_instance
from ringfence.reconcile.instance.jupyter import (
    LIFECYCLE_SECONDS,
    STARTUP_SECONDS,
    serve_until_asked,
    wait_until_it_answers,
)
from ringfence.reconcile.instance.launch import (
    Launched,
    LaunchFailed,
    Wish,
    container_namespace,
    launch_instance,
    start_container,
    zones_of,
)
from ringfence.reconcile.parts import Parts
from ringfence.reconcile.studio import contract
from ringfence.reconcile.studio.domain import home_of
from ringfence.reconcile.studio.idle import until_idle
from ringfence.reconcile.studio.reach import (
    nearest,
    reaches_mount_target,
    reaches_sagemaker,
)
from ringfence.resources.instance import Instance
from ringfence.resources.studio import (
    USER_GID,
    App,
    AppStatus,
    Domain,
    DomainStatus,
    Owner,
    Space,
    StudioLifecycleConfig,
    UserProfile,
)
from ringfence.runtime.builtin.studio import studio_image
from ringfence.runtime.driver import Absent, Exited, Running, StartFailed
from ringfence.services.sagemaker import studio_failure
from ringfence.services.sagemaker.failure_reason import INTERNAL_ERROR
from ringfence.services.sagemaker.studio import app_state, app_status

log = logging.getLogger("ringfence.reconcile")

_GRACE = 10.0
# Ours: what has to be done is on this machine.
_NOT_INSTALLED = "JupyterLab is not installed on this machine: run `make studio` there, then create the app again."


@dataclass(frozen=True, slots=True)
class _Gateway:
    """A kernel gateway that runs."""

    instance_id: str
    address: str
    token: str


class AppLife:
    """`run` once; `stop` when the user deletes the app."""

    def __init__(self, parts: Parts, app: App) -> None:
        self._parts = parts
        self._app = app
        self._asked = asyncio.Event()

    def stop(self) -> None:
        self._asked.set()

    async def run(self) -> None:
        """Return once the app is Deleted, or Failed with nothing of it left."""
        status = self._status()
        if self._app.deleting or (status is not None and status.status == "Deleting"):
            self._asked.set()
        reason = await serve_until_asked(self._asked, self._serve(), self._app.arn)
        await self._end()
        self._put(status="Failed" if reason else "Deleted", failure_reason=reason)

    async def _serve(self) -> None:
        """Until the app is idle for too long, or the container ends, which it should not."""
        if self._asked.is_set():
            return
        status = self._status()
        if status is None or status.status != "InService" or self._was_taken_down(status):
            await self._end()
            status = await self._launch()
        self._follow_log(status.instance_id)
        if await self._ends_before_it_is_idle(status.instance_id):
            raise LaunchFailed(self._why(status.instance_id))
        log.info("`%s` is idle for %s minutes and is shut down", self._app.arn, self._app.idle_minutes)
        self._put(status="Deleting")

    async def _ends_before_it_is_idle(self, instance_id: str) -> bool:
        instance = self._parts.store.snapshot().get(Instance, instance_id)
        minutes = self._app.idle_minutes
        if minutes is None or instance is None:
            await self._parts.driver.wait(instance_id)
            return True
        tasks = [
            asyncio.create_task(work)
            for work in (self._parts.driver.wait(instance_id), until_idle(self._parts, self._app, instance, minutes))
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ended, idle = tasks
            if idle.done():
                idle.result()
            return ended.done()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _was_taken_down(self, status: AppStatus) -> bool:
        """With the daemon: `ringfence down` leaves no container. One that ended by itself is still known."""
        return isinstance(self._parts.driver.state(status.instance_id), Absent)

    async def _launch(self) -> AppStatus:
        parts, app = self._parts, self._app
        domain, owner = self._records()
        status = self._put(status="Pending", instance_id=ids.resource_id("i", parts.edge.entropy))
        image = studio_image(parts.config.images, parts.config.studio)
        if image is None:
            raise LaunchFailed(_NOT_INSTALLED)
        gateway = self._gateway()
        wish = self._wish(domain, status.instance_id, gateway)
        made = await launch_instance(parts, wish, zones_of(parts, self._others()))
        await self._check_reach(domain, made)
        directory = parts.directory(made.instance.id)
        config = self._lifecycle_config()
        await asyncio.to_thread(contract.prepare, app, owner.uid, config, directory)
        namespace = container_namespace(made.instance)
        spec = contract.app_spec(
            parts.config,
            app,
            made.instance,
            replace(image, user=f"{owner.uid}:{USER_GID}"),
            made.place,
            parts.network.namespace_path(namespace),
            home_of(parts, domain, owner),
            (gateway.address, gateway.token) if gateway is not None else None,
        )
        try:
            await start_container(parts, spec)
        except StartFailed as failure:
            log.warning("container of `%s` did not start: %s", app.arn, failure.reason)
            raise LaunchFailed(INTERNAL_ERROR) from None
        self._follow_log(made.instance.id)
        await self._healthy(made.instance)
        return self._put(status="InService", healthy=parts.edge.now())

    async def _check_reach(self, domain: Domain, made: Launched) -> None:
        """The home directory by the interface, whatever the access; SageMaker by it too with VpcOnly."""
        status = self._parts.store.snapshot().get(DomainStatus, domain.key)
        assert status is not None, "the domain is InService"
        target = nearest(self._parts, made.place, status)
        if not await reaches_mount_target(self._parts, made.instance.id, target):
            raise LaunchFailed(studio_failure.no_home(target.id, target.subnet_id))
        inside = domain.access == "VpcOnly"
        if inside and not await reaches_sagemaker(self._parts, made.instance.id, made.place, domain.region):
            raise LaunchFailed(studio_failure.NO_SAGEMAKER)

    async def _healthy(self, instance: Instance) -> None:
        """Until Jupyter answers; the container's end and the time limit are failures of different names."""
        parts, app = self._parts, self._app
        base = "/" if app.type == "KernelGateway" else contract.base_path(app)
        seconds = STARTUP_SECONDS + (LIFECYCLE_SECONDS if app.lifecycle_config else 0)
        if not await wait_until_it_answers(parts, instance, f"{base}api", seconds):
            raise LaunchFailed(self._why(instance.id))

    def _why(self, instance_id: str) -> str:
        state, app = self._parts.driver.state(instance_id), self._app
        if isinstance(state, Running):
            return studio_failure.no_answer(app.type, STARTUP_SECONDS)
        code = state.code if isinstance(state, Exited) else None
        if code == contract.LIFECYCLE_FAILED:
            return studio_failure.script_failed(app.lifecycle_config or "")
        if code == contract.LIFECYCLE_TOO_LONG:
            return studio_failure.script_too_long(app.lifecycle_config or "")
        if isinstance(state, Exited) and state.out_of_memory:
            return studio_failure.no_memory(app.type, app.instance_type)
        return studio_failure.ended(app.type, code)

    async def _end(self) -> None:
        status = self._status()
        if status is not None:
            await end_instance(self._parts, status.instance_id, _GRACE)

    def _wish(self, domain: Domain, instance_id: str, gateway: _Gateway | None) -> Wish:
        """An interface in the domain's subnets always; with PublicInternetOnly SageMaker's own network beside it."""
        app, outside = self._app, domain.access == "PublicInternetOnly"
        status = self._parts.store.snapshot().get(DomainStatus, domain.key)
        nfs = (status.outbound_group_id,) if status is not None and status.outbound_group_id else ()
        return Wish(
            instance_id, app.arn, app.account, app.region, "Studio Domain", domain.id, app.role_arn,
            domain.subnet_ids, (*app.group_ids, *nfs), False,
            peers=(gateway.instance_id,) if gateway is not None and outside else (),
            managed_for=domain.arn, direct_internet=outside, platform_names=outside,
        )  # fmt: skip

    def _records(self) -> tuple[Domain, Owner]:
        records, app = self._parts.store.snapshot(), self._app
        scope = f"{app.account}/{app.region}"
        kind: type[Owner] = Space if app.in_space else UserProfile
        domain = records.get(Domain, f"{scope}/{app.domain_id}")
        owner = records.get(kind, f"{scope}/{app.domain_id}/{app.owner}")
        assert domain is not None, "a domain is deleted after its apps"
        assert owner is not None, "so are profiles and spaces"
        return domain, owner

    def _lifecycle_config(self) -> StudioLifecycleConfig | None:
        """Not deleted while an app names it."""
        name = (self._app.lifecycle_config or "").rpartition("/")[2]
        scope = f"{self._app.account}/{self._app.region}"
        return self._parts.store.snapshot().get(StudioLifecycleConfig, f"{scope}/{name}")

    def _gateway(self) -> _Gateway | None:
        """The owner's kernel gateway, for a JupyterServer that starts while there is one: with PublicInternetOnly it is
        reached in SageMaker's own network, where no group of the user's is asked."""
        if self._app.type != "JupyterServer":
            return None
        records, applied = self._parts.store.snapshot(), self._parts.applied.topology
        for app in records.all(App):
            status = app_status(records, app)
            same = (app.domain_id, app.owner, app.in_space) == (
                self._app.domain_id,
                self._app.owner,
                self._app.in_space,
            )
            if same and app.type == "KernelGateway" and app_state(records, app) == "InService" and status and applied:
                place: compiled.Instance | None = applied.instances.get(status.instance_id)
                address = (place.platform_address or place.address) if place is not None else None
                if address is not None:
                    return _Gateway(status.instance_id, address, contract.token_of(app))
        return None

    def _others(self) -> list[str]:
        """The instances of the domain's apps, over whose zones this one is spread."""
        records = self._parts.store.snapshot()
        found = (app_status(records, app) for app in records.all(App) if app.domain_id == self._app.domain_id)
        return [status.instance_id for status in found if status is not None]

    def _follow_log(self, instance_id: str) -> None:
        app = self._app
        path = self._parts.directory(instance_id) / "container.log"
        self._parts.logs.follow(path, app.account, app.region, studio_failure.LOG_GROUP, contract.log_stream(app))

    def _status(self) -> AppStatus | None:
        return app_status(self._parts.store.snapshot(), self._app)

    def _put(self, **changes: Any) -> AppStatus:
        now = self._parts.edge.now()
        with self._parts.store.transaction() as records:
            status = app_status(records, self._app) or AppStatus(
                arn=self._app.arn, launch=self._app.launch, status="Pending", modified=now, instance_id=""
            )
            status = msgspec.structs.replace(status, modified=now, **changes)
            records.put(status)
        return status
