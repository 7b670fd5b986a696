"""The hosts of one job: launched together, fed, started, watched, ended. Called by `life`, which decides.

A later daemon goes on from the hosts' records: half-made ones end, running ones are adopted.
"""

import asyncio
import logging
from pathlib import Path

from ringfence.network.topology import instance as compiled
from ringfence.reconcile.hosting.container_spec import check_labels
from ringfence.reconcile.instance.end import end_containers
from ringfence.reconcile.instance.image_pull import find_image
from ringfence.reconcile.instance.launch import (
    LaunchFailed,
    Wish,
    container_namespace,
    launch_instance,
    start_container,
    zones_of,
)
from ringfence.reconcile.instance.s3_read import together
from ringfence.reconcile.job import contract
from ringfence.reconcile.job.data import HostData
from ringfence.reconcile.job.record import JobRecord
from ringfence.reconcile.job.transform_host import Placed, run_transform
from ringfence.reconcile.job.warm_pool import end_hosts, take_pool
from ringfence.reconcile.parts import Parts
from ringfence.resources.instance import Instance
from ringfence.resources.job import HostEnd, Job, JobHostStatus, TrainingJob, TransformJob
from ringfence.runtime.driver import Absent, Exited, Image, StartFailed
from ringfence.runtime.instance_type import GIB
from ringfence.services.sagemaker import job_failure
from ringfence.services.sagemaker.job_plan import JobPlan, hosts_of

log = logging.getLogger("ringfence.reconcile")


class JobFleet:
    """`plan` is the job's."""

    def __init__(self, parts: Parts, job: Job, plan: JobPlan, record: JobRecord) -> None:
        self._parts = parts
        self._job = job
        self._plan = plan
        self._record = record
        self._data: dict[str, HostData] = {}

    @property
    def is_ready(self) -> bool:
        """Whether every host has its input; what is not ready yet begins anew."""
        hosts = self._record.hosts
        whole = all(host.phase in ("ready", "running") for host in hosts)
        return len(hosts) == self._plan.count and whole and self._places().keys() == {host.host for host in hosts}

    @property
    def has_begun(self) -> bool:
        """Whether a container runs, or has."""
        return any(not isinstance(self._parts.driver.state(one.instance_id), Absent) for one in self._record.hosts)

    async def launch(self) -> None:
        """Every instance at once; LaunchFailed if one cannot be had."""
        await self._images()
        if self._plan.encrypted and self._plan.count > 1 and not self._parts.network.can_encrypt():
            raise LaunchFailed(job_failure.CANNOT_ENCRYPT)
        if isinstance(self._job, TrainingJob) and take_pool(self._parts, self._job):
            await self._parts.applied.through(self._parts.store.revision)
        else:
            self._record.make_hosts(hosts_of(self._plan))
            await together(self._launch(host) for host in self._record.hosts)
        if not self._plan.serves:  # what serves writes nothing
            await together(self._prepare(host) for host in self._record.hosts)

    async def download(self) -> None:
        """LaunchFailed, and all end, if one host cannot be fed."""
        await together(self._download(host) for host in self._record.hosts)

    async def open_volumes(self) -> None:
        """As an earlier daemon left them: `ringfence down` and a reboot unmount them; LaunchFailed if one is lost."""
        if self._plan.serves:
            return
        for host in self._record.hosts:
            await self._make_volume(host)

    async def _make_volume(self, host: JobHostStatus) -> None:
        try:
            await self._parts.driver.make_volume(host.instance_id, self._plan.volume_gigabytes * GIB)
        except OSError as error:
            log.warning("the volume of `%s` is lost: %s", host.instance_id, error)
            raise LaunchFailed(job_failure.HOST_LOST) from None

    async def start(self) -> None:
        """Every container that does not run yet; LaunchFailed if one cannot, or is lost.

        A host's name is known to the others once its container runs.
        """
        images = await self._images()
        await together(self._start(host, images) for host in self._record.hosts)

    def _introduce(self) -> None:
        """Tell every container that runs the names of those that do; one that is alone knows its own."""
        if self._plan.count == 1:
            return
        places, hosts = self._places(), self._record.hosts
        running = [one for one in hosts if one.phase == "running" and one.host in places]
        names = tuple((places[one.host].address or "127.0.0.1", one.host) for one in running)
        for one in running:
            self._parts.driver.name_hosts(one.instance_id, names)

    async def wait(self, host: JobHostStatus) -> HostEnd:
        """Until one of its containers has ended."""
        ids = self._container_ids(host)
        waiting = [asyncio.create_task(self._parts.driver.wait(id)) for id in ids]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        state = done.pop().result()
        if isinstance(state, Exited):
            return HostEnd(host=host.host, code=state.code, out_of_memory=state.out_of_memory)
        return HostEnd(host=host.host, code=None)

    async def feed(self) -> None:
        """Stream the input until this is cancelled, or transform it to its end; LaunchFailed if that cannot be."""
        if isinstance(self._job, TransformJob):
            hosts, places = self._record.hosts, self._places()
            placed = [Placed(self._wish(one.instance_id), places[one.host], one.log_stream) for one in hosts]
            await run_transform(self._parts, self._job, self._plan, placed)
            return
        await together(self.data(host).stream() for host in self._record.hosts)

    async def release(self) -> None:
        """Nothing is streamed any more: without this daemon there is nobody to do it."""
        await asyncio.gather(*(data.close() for data in self._data.values()))

    async def stop(self, grace: float) -> None:
        """SIGTERM, `grace` seconds, SIGKILL: the containers end, everything else stays."""
        ids = [id for host in self._record.hosts for id in self._container_ids(host)]
        await asyncio.gather(*(self._parts.driver.stop(id, grace) for id in ids))

    async def end(self) -> None:
        """Nothing of any host is left; tried until that is so."""
        await self.release()
        self._data.clear()
        await end_hosts(self._parts, self._job.arn)

    async def keep(self) -> bool:
        """Keep the instances for another job, empty; False if they are not all there."""
        await self.release()
        self._data.clear()
        hosts = self._record.hosts
        if len(hosts) != self._plan.count or self._places().keys() != {host.host for host in hosts}:
            return False
        for host in hosts:
            await end_containers(self._parts, host.instance_id, grace=0)
            await asyncio.to_thread(contract.wipe, self._parts.directory(host.instance_id))
            self._record.put_host(host, phase="warm")
        return True

    def data(self, host: JobHostStatus) -> HostData:
        """The host's way to S3; the same object every time, since it knows what it has uploaded."""
        if host.host not in self._data:
            names = hosts_of(self._plan)
            share = (names.index(host.host), len(names))
            place = self._places()[host.host]
            self._data[host.host] = HostData(self._parts, self._plan, self._wish(host.instance_id), place, share)
        return self._data[host.host]

    def path(self, host: JobHostStatus, inside: str) -> Path:
        """Where a path of the host's container lies on this machine."""
        return contract.outside(self._parts.directory(host.instance_id), inside)

    def logs(self) -> dict[Path, str]:
        """What the containers write, and the stream that each file becomes."""
        return {path: stream for host in self._record.hosts for path, stream in self._logs(host).items()}

    def follow_logs(self) -> None:
        """Of the hosts whose containers have been started; one that is followed already is left as it is."""
        group = contract.log_group(self._job)
        for host in self._record.hosts:
            for path, stream in self._logs(host).items() if host.log_stream else ():
                self._parts.logs.follow(path, self._job.account, self._job.region, group, stream)

    def _logs(self, host: JobHostStatus) -> dict[Path, str]:
        files = contract.log_files(self._plan, self._parts.directory(host.instance_id))
        return {path: f"{host.log_stream}{suffix}" for path, suffix in files.items()}

    def _container_ids(self, host: JobHostStatus) -> list[str]:
        return [one.id_on(host.instance_id) for one in self._plan.containers] or [host.instance_id]

    async def _images(self) -> list[Image]:
        """Of each container of a host."""
        found = []
        for name in self._plan.images:
            image = await find_image(self._parts, self._wish(""), name)
            if image is None:
                raise LaunchFailed(job_failure.image_missing(name))
            found.append(image)
        for container, image in zip(self._plan.containers, found, strict=False):
            check_labels(container, image)
        return found

    def _wish(self, instance_id: str) -> Wish:
        job, plan = self._job, self._plan
        return Wish(
            instance_id, job.arn, job.account, job.region, plan.noun, job.name, plan.role_arn,
            plan.subnet_ids, plan.group_ids, plan.isolated,
            tuple(one.instance_id for one in self._record.hosts if one.instance_id != instance_id),
            plan.encrypted,
        )  # fmt: skip

    def _places(self) -> dict[str, compiled.Instance]:
        """Where the network has put the hosts that it has."""
        applied = self._parts.applied.topology
        instances = applied.instances if applied else {}
        hosts = self._record.hosts
        return {host.host: instances[host.instance_id] for host in hosts if host.instance_id in instances}

    async def _launch(self, host: JobHostStatus) -> None:
        zones = zones_of(self._parts, (one.instance_id for one in self._record.hosts))
        await launch_instance(
            self._parts,
            self._wish(host.instance_id),
            zones,
            lambda records: records.put(_in_phase(host, "downloading")),
        )

    async def _prepare(self, host: JobHostStatus) -> None:
        await self._make_volume(host)
        contract.prepare(self._job, self._plan, host.host, self._parts.directory(host.instance_id))

    async def _download(self, host: JobHostStatus) -> None:
        await self.data(host).download()
        self._record.put_host(host, phase="ready")

    async def _start(self, host: JobHostStatus, images: list[Image]) -> None:
        parts = self._parts
        if isinstance(parts.driver.state(host.instance_id), Absent):
            if host.phase == "running":
                raise LaunchFailed(job_failure.HOST_LOST)
            await self._start_containers(host, images)
        stream = host.log_stream or contract.log_stream(self._job, host, parts.edge.now())
        self._record.put_host(host, phase="running", log_stream=stream)
        self._introduce()
        self.follow_logs()

    async def _start_containers(self, host: JobHostStatus, images: list[Image]) -> None:
        instance = self._parts.store.snapshot().get(Instance, host.instance_id)
        assert instance is not None, "a host that is ready has its instance"
        namespace = self._parts.network.namespace_path(container_namespace(instance))
        specs = contract.container_specs(
            self._parts.config, self._job, self._plan, instance, images, host.host, self._places(), namespace
        )
        for spec in specs:
            try:
                await start_container(self._parts, spec)
            except StartFailed as failure:
                log.warning("container of `%s` did not start: %s", self._job.name, failure.reason)
                raise LaunchFailed(job_failure.cannot_start(spec.image.name, failure.reason)) from None


def _in_phase(host: JobHostStatus, phase: str) -> JobHostStatus:
    return JobHostStatus(
        instance_id=host.instance_id, job_arn=host.job_arn, host=host.host, phase=phase, log_stream=host.log_stream
    )
