"""The daemon put together: what exists, in which order it starts and stops.

Not the parts themselves. Called by `app.__main__` with this machine's dataplane and runtime, by tests with fakes.
"""

import asyncio
import gc
import json
import logging
import os
import shutil
import signal
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ringfence import services
from ringfence.app.first_start import mark_scratch, prepare, root_records
from ringfence.app.linux_repository import provide_repositories
from ringfence.app.online_store import check_online, forget_online, look_at_online, open_online
from ringfence.app.openers import Openers
from ringfence.config import Config
from ringfence.core.call import Principal, Request, Result
from ringfence.core.operation import REGISTRY
from ringfence.core.results import Forward, ForwardReply
from ringfence.gateway.admin import api, session
from ringfence.gateway.browser.notebook import Notebooks
from ringfence.gateway.browser.opening import Door
from ringfence.gateway.browser.proxy import StudioProxy
from ringfence.gateway.browser.studio import Studio
from ringfence.gateway.invocation.upstream import Upstream
from ringfence.gateway.listen import HttpSocket, Serve, Stamp, make_server, open_http
from ringfence.gateway.perform import Gateway
from ringfence.gateway.platform import COMPUTE, PlatformCaller
from ringfence.gateway.serve import serve
from ringfence.network.compile import Memory, NetworkSettings, compile_topology
from ringfence.network.probe import Probe, Probed
from ringfence.network.topology import Topology
from ringfence.privatelink.authority import Authority, open_authority
from ringfence.privatelink.listener import Listeners
from ringfence.reconcile import ports
from ringfence.reconcile.applied import Applied
from ringfence.reconcile.assemble import make_reconciler
from ringfence.reconcile.clock import SystemEdge
from ringfence.reconcile.instance.container_log import ContainerLogs
from ringfence.reconcile.parts import Parts
from ringfence.resources.instance import Instance
from ringfence.runtime.driver import Driver, State
from ringfence.runtime.image import ImageStore
from ringfence.services.cloudwatch.measurement import Measurements
from ringfence.store.blob_reference import Kept, collect_forever
from ringfence.store.blobs import BlobStore
from ringfence.store.database import open_store

log = logging.getLogger("ringfence")

_SETTLE_SECONDS = 20.0
_STOP_SECONDS = 10.0


class Network(ports.Network, Protocol):
    """The dataplane, which can also send a packet to be watched, and take away all that it made."""

    async def probe(self, probe: Probe) -> Probed: ...
    def remove_everything(self) -> None: ...


class Runtime(Driver, Protocol):
    async def remove_everything(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Machine:
    """What the daemon does its work with. `listeners`: None for real sockets in the network's namespaces.

    `flow_interval`: for tests, the seconds of an aggregation window, whatever a flow log says.
    """

    network: Network
    driver: Runtime
    listeners: ports.Listeners | None = None
    flow_interval: float | None = None


class App:
    """One daemon on one state directory. `gateway.admin.running.Running` is what the command line sees of it."""

    def __init__(self, config: Config, machine: Machine) -> None:
        services.load()  # before the store: it reads every kind of record that is imported
        self.config = config
        self.stopping = asyncio.Event()
        self.url = config.url
        self._machine = machine
        self._purge = self._forget = False
        self.store = open_store(config.state)
        if config.scratch:
            mark_scratch(config, self.store)
        told = prepare(self.store, config, self.now(), os.urandom)
        self.admin_token = told.token
        self.images = ImageStore(config.images, config.pytorch)
        self._blobs = BlobStore(config.blobs)
        self._blobs.sweep(Kept(self.store))
        self._online = open_online(config, os.urandom)
        self._upstream = Upstream(machine.network.open_socket, self._container_namespace)
        self._gateway = Gateway(
            region=config.region,
            store=self.store,
            blobs=self._blobs,
            services=frozenset(service for service, _ in REGISTRY),
            forward=self._invoke,
            open_flow=self._upstream.open,
            payload_limit=config.payload_limit,
            measurements=Measurements(config.metric_period),
            now=self.now,
            entropy=os.urandom,
            online=self._online,
        )
        self._serve: Serve = partial(serve, self._gateway)
        self._caller = PlatformCaller(self._gateway)
        doors: dict[str, Door[Any]] = {"studio": Studio(self._gateway), "notebook": Notebooks(self._gateway)}
        self._proxies = {kind: StudioProxy(door, machine.network.open_socket) for kind, door in doors.items()}
        self._command_caller = self._caller.acting_for("`ringfence exec`")
        self.decisions = self._gateway.decisions
        self._api: HttpSocket | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._authority = open_authority(config.ca_bundle.parent)
        self._resetting = asyncio.Lock()
        self._assemble()

    def _assemble(self) -> None:
        """What makes the machine agree with the records; anew after a reset."""
        config, machine = self.config, self._machine
        self._applied = Applied()
        self._logs = ContainerLogs(self.store)
        self._own_listeners = self._make_listeners(self._authority)
        parts = Parts(
            config=config,
            store=self.store,
            network=machine.network,
            driver=machine.driver,
            images=self.images,
            caller=self._caller,
            logs=self._logs,
            edge=SystemEdge(),
            applied=self._applied,
            traffic=self._upstream,
            executions=self._gateway.executions,
        )
        settings = NetworkSettings(config.region, config.private_dns_per_zone)
        self._reconciler, self._models = make_reconciler(
            parts,
            compile=partial(compile_topology, settings=settings, memory=Memory()),
            listeners=machine.listeners or self._own_listeners,
            blobs=self._blobs,
            measurements=self._gateway.measurements,
            captures=self._gateway.captures,
            online=self._online,
            flow_interval=machine.flow_interval,
        )

    async def _invoke(self, forward: Forward) -> ForwardReply:
        return await self._models.perform(forward)

    # What the command line reaches: gateway.admin.running.Running

    def now(self) -> datetime:
        return datetime.now(UTC)

    def entropy(self, size: int, /) -> bytes:
        return os.urandom(size)

    def call(self, principal: Principal, service: str, operation: str, request: Request) -> Result:
        return self._command_caller.call(principal, service, operation, request)

    def assume(self, role_arn: str, session_name: str) -> None:
        self._command_caller.assume(role_arn, session_name, COMPUTE)

    def namespace_path(self, namespace: str) -> Path:
        return self._machine.network.namespace_path(namespace)

    async def probe(self, probe: Probe) -> Probed:
        return await self._machine.network.probe(probe)

    async def find_drift(self) -> tuple[str, ...]:
        return await self._reconciler.find_drift()

    async def look_at_online(self) -> dict[str, Any] | None:
        return await look_at_online(self._online)

    def container(self, instance_id: str) -> State:
        return self._machine.driver.state(instance_id)

    def topology(self) -> Topology | None:
        return self._applied.topology

    async def settled(self, revision: int) -> Topology:
        return await self._applied.through(revision)

    def shut_down(self, *, forget: bool) -> None:
        """`ringfence down`: stop, and leave nothing on the machine; `forget`: its state directory is removed after."""
        self._purge, self._forget = True, forget
        self.stopping.set()

    # Start and stop

    async def start(self) -> None:
        """Return once the machine agrees with the records and the API answers."""
        listening = socket.create_server((self.config.host, self.config.port), backlog=1)
        listening.setblocking(False)
        await check_online(self._online, self.store)
        with self.store.transaction() as records:
            session.remove_all(records)
        self._spawn(collect_forever(self.store, self._blobs), "collect blobs")
        self._spawn(self._forget_pools(), "forget pools")
        await self._reconcile()
        server = make_server(self._serve, self._blobs, Stamp("the loopback listener"), partial(api.handle, app=self))
        self._api = await open_http(server, listening)
        port = listening.getsockname()[1]
        self.url = f"http://{self.config.host}:{port}"
        self._write_daemon_file(port)

    async def _reconcile(self) -> None:
        """Begin to reconcile; returns once the machine agrees with the records, or after a while."""
        await provide_repositories(self.store, self._blobs, self.config.region, self.now())
        self._spawn(self._reconciler.run(), "reconcile")
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                await self._reconciler.settled.wait()
        except TimeoutError:
            log.warning("the machine does not agree with the records after %d s: see above; going on", _SETTLE_SECONDS)

    async def reset(self) -> None:
        """As after a first start: no records but the root's key, nothing on the machine. For scratch states only."""
        if not self.config.scratch:
            raise PermissionError("this state is not scratch")
        async with self._resetting:
            await self._reconciler.stop()
            await self._logs.close()
            await self._own_listeners.close()
            await remove_everything(self._machine)
            await forget_online(self._online, self.store)
            with self.store.transaction() as records:
                kept = root_records(records, self.config.account)
            self.store.clear(kept)
            self._blobs.sweep(Kept(self.store))
            for directory in (self.config.homes, self.config.volumes):
                await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
            self._assemble()
            await self._reconcile()

    async def stop(self) -> None:
        """Answer what is being asked, then leave. What runs stays for the next daemon unless `shut_down` was asked."""
        log.info("stopping: the API first")
        if self._api is not None:
            await self._api.close(_STOP_SECONDS)
        log.info("stopping: the reconciler and the listeners")
        await self._reconciler.stop()
        await self._logs.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._own_listeners.close()
        await self._gateway.mirror.close()
        self._upstream.close()
        await asyncio.gather(*(proxy.close() for proxy in self._proxies.values()))
        if self._forget:
            await forget_online(self._online, self.store)
        if self._online is not None:
            await self._online.close()
        if self._purge:
            log.info("stopping: removing every container and namespace")
            await remove_everything(self._machine)
        log.info("stopped")
        self.config.daemon_file.unlink(missing_ok=True)
        self.store.close()

    def _make_listeners(self, authority: Authority) -> Listeners:
        network = self._machine.network
        openers = Openers(
            network,
            self.store,
            self._blobs,
            self._serve,
            self._caller,
            authority,
            self._proxies,
            self.topology,
            self.now,
        )
        return Listeners(openers.by_kind(), network.namespace_path)

    def _container_namespace(self, instance_id: str) -> str:
        instance = self.store.load(Instance, instance_id)
        return instance.container_namespace if instance is not None else instance_id

    async def _forget_pools(self) -> None:
        """Connections to instances that are gone are of no use."""
        while True:
            await self.store.wait(self.store.revision)
            self._upstream.forget(self.store.table(Instance))
            for proxy in self._proxies.values():
                await proxy.forget(self.store.table(Instance))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """A task for the life of the daemon; if it ends by itself, the daemon is broken and says so by stopping."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._notice)
        self._tasks.append(task)

    def _notice(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("the task `%s` failed: stopping", task.get_name(), exc_info=error)
            self.stopping.set()

    def _write_daemon_file(self, port: int) -> None:
        config = self.config
        told = {"pid": os.getpid(), "host": config.host, "port": port, "region": config.region}
        temporary = config.daemon_file.with_suffix(".new")
        temporary.write_text(json.dumps(told | {"account": config.account}))
        temporary.replace(config.daemon_file)


async def remove_everything(machine: Machine) -> None:
    """Every container, namespace, mount and cgroup of this state directory's daemon, running or killed."""
    await machine.driver.remove_everything()
    await asyncio.to_thread(machine.network.remove_everything)


async def run(config: Config, machine: Machine, ready: Callable[[App], None]) -> None:
    """The whole life of a daemon in the foreground; `ready` is called once it serves."""
    app = App(config, machine)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, app.stopping.set)
    try:
        await app.start()
        ready(app)
        gc.set_threshold(10_000, 20, 20)  # what calls make goes by itself, but for what the decision log keeps
        gc.freeze()  # what a daemon always has is not looked through again and again, 0.1 s each time
        await app.stopping.wait()
    finally:
        await app.stop()
