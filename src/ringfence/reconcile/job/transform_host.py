"""A batch transform's hosts, ready for their work: /ping answered, ways to container and S3 open, data logs kept.

Called by `fleet`; the work itself is `transform`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from ringfence.network.topology import instance as compiled
from ringfence.reconcile.hosting.ping import wait_for_ping
from ringfence.reconcile.instance.launch import LaunchFailed, Wish, container_namespace
from ringfence.reconcile.instance.namespace_http import open_container_session
from ringfence.reconcile.instance.s3 import open_s3
from ringfence.reconcile.job.contract import log_group
from ringfence.reconcile.job.transform import Host, Transform
from ringfence.reconcile.parts import Parts
from ringfence.resources.instance import Instance
from ringfence.resources.job import TransformJob
from ringfence.services.sagemaker import job_failure
from ringfence.services.sagemaker.job_plan import JobPlan

# "must succeed within 4 minutes", as of hosting
_STARTUP_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Placed:
    """A host and its log stream."""

    wish: Wish
    place: compiled.Instance
    stream: str


async def run_transform(parts: Parts, job: TransformJob, plan: JobPlan, placed: Sequence[Placed]) -> None:
    """Until every object has been transformed; LaunchFailed if a container is not healthy or an object fails."""
    async with AsyncExitStack() as stack:
        ports = tuple(one.port for one in plan.containers)
        opening = [stack.enter_async_context(_open(parts, job, ports, one)) for one in placed]
        hosts = [await one for one in opening]
        await Transform(job, plan, job.region).run(hosts)


@asynccontextmanager
async def _open(parts: Parts, job: TransformJob, ports: tuple[int, ...], placed: Placed) -> AsyncIterator[Host]:
    id = placed.wish.id
    instance = parts.store.snapshot().get(Instance, id)
    assert instance is not None, "its container runs"
    namespace, directory = container_namespace(instance), parts.directory(id)
    try:
        async with asyncio.timeout(_STARTUP_SECONDS):
            for port in ports:
                await wait_for_ping(parts.network, namespace, port)
    except TimeoutError:
        raise LaunchFailed(job_failure.NO_PING) from None
    data_log = directory / "data.log"
    data_log.touch()
    parts.logs.follow(data_log, job.account, job.region, log_group(job), f"{placed.stream}/data-log")
    try:
        async with (
            open_s3(parts, placed.wish, placed.place) as s3,
            open_container_session(parts.network, namespace) as http,
        ):
            yield Host(s3, http, ports, directory, data_log)
    finally:
        await parts.logs.finish(data_log)
