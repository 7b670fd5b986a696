"""The dataplane as the rest of the daemon sees it: make the machine's namespaces what a topology says.

Level-triggered and idempotent: observe, plan, execute. Called by the reconciler; sockets by the listeners and the
platform. Nothing here touches the machine's own network.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ringfence.dataplane import flow_count
from ringfence.dataplane.drift import Drift, find_drift
from ringfence.dataplane.encryption import Encryption, can_encrypt
from ringfence.dataplane.execute import LINK_GROUP, DataplaneError, Executor
from ringfence.dataplane.flow_read import FlowReader
from ringfence.dataplane.host import Firewall, HostState, Tun
from ringfence.dataplane.observe import is_router, list_namespaces, observe
from ringfence.dataplane.plan import DeleteNamespaces, ForgetFlows, RunIp, Step, plan
from ringfence.dataplane.probe import send_probe
from ringfence.dataplane.render import Renderer
from ringfence.network import addresses
from ringfence.network.flow import FlowReading
from ringfence.network.probe import Probe, Probed
from ringfence.network.topology import Topology


class Prefixed(Protocol):
    """What the dataplane needs of the configuration."""

    @property
    def prefix(self) -> str: ...


class Dataplane:
    """One daemon's namespaces. Methods may be called from any thread; changes happen one at a time."""

    def __init__(self, config: Prefixed) -> None:
        self._prefix = config.prefix
        self._executor = Executor(config.prefix)
        self._encryption = Encryption(self._executor, config.prefix)
        self._renderer = Renderer()
        self._applied: HostState | None = None  # None: not known, read it from the kernel
        self._wrong_tables: set[str] = set()  # namespaces whose rules are not what their digest says
        self._lock = threading.Lock()
        self._flows = FlowReader(self._executor, self._lock)
        # VPC -> number of a mark -> interface that is logged; those that left since the last reading too
        self._logged: dict[str, dict[int, str]] = {}
        self._logged_now: dict[str, dict[int, str]] = {}

    async def apply(self, topology: Topology) -> None:
        """Returns when the kernel is as the topology says. After a failure the next call starts from what is there."""
        await asyncio.to_thread(self._apply, topology)

    async def find_drift(self) -> tuple[str, ...]:
        """What is not as the last apply left it, in words; the next apply mends it. Nothing while it is changing."""
        return await asyncio.to_thread(self._find_drift)

    async def read_flows(self, vpc_id: str) -> FlowReading:
        """What the kernel counted at the VPC's interfaces that are logged since the last reading, or since ever.

        Counting begins with the first one. FileNotFoundError if the VPC has no namespace.
        """
        return await asyncio.to_thread(self._read_flows, vpc_id)

    async def stop_flows(self, vpc_id: str) -> None:
        """Count no more in a VPC that has no flow log any more; no error if it is gone."""
        try:
            await asyncio.to_thread(self._flows.stop, vpc_id)
        except FileNotFoundError:
            self._flows.forget(vpc_id)

    def _read_flows(self, vpc_id: str) -> FlowReading:
        names, current = self._logged.get(vpc_id, {}), self._logged_now.get(vpc_id, {})
        try:
            found = self._flows.read(vpc_id, names)
        except FileNotFoundError:
            self._flows.forget(vpc_id)
            raise
        with self._lock:
            gone = names.keys() - current.keys() - self._logged_now.get(vpc_id, {}).keys()
            self._logged[vpc_id] = {number: id for number, id in names.items() if number not in gone}
        return found

    def open_socket(
        self, namespace: str, kind: int = socket.SOCK_STREAM, family: int = socket.AF_INET
    ) -> socket.socket:  # noqa: TID251 - the type only
        """A socket inside the namespace (about 0.2 ms). FileNotFoundError if there is no such namespace."""
        return self._executor.open_socket(namespace, kind, family)

    async def probe(self, probe: Probe) -> Probed:
        """Send a packet and tell which rules it met. FileNotFoundError if the sender's namespace is gone."""
        return await asyncio.to_thread(send_probe, self._executor, probe)

    def can_encrypt(self) -> bool:
        return can_encrypt()

    def namespace_path(self, namespace: str) -> Path:
        """The file that a container joins."""
        return self._executor.path(namespace)

    def namespaces(self) -> frozenset[str]:
        """The logical names of those that exist."""
        return list_namespaces(self._prefix)

    def forget(self) -> None:
        """Read everything from the kernel at the next apply, and heal what differs."""
        with self._lock:
            self._applied = None

    def remove_everything(self) -> None:
        """Delete every namespace of this prefix with its links, a dead daemon's too. Processes are not its concern."""
        with self._lock:
            self._applied = None
            self._encryption.remove_everything()
            names = list_namespaces(self._prefix)
            # Links first: a process that outlives us may hold its namespace, but not its interface.
            for name in sorted(filter(is_router, names)):
                self._executor.run([RunIp(name, (f"link delete group {LINK_GROUP}",), removing=True)])
            if names:
                self._executor.run([DeleteNamespaces(tuple(sorted(names)))])

    def _apply(self, topology: Topology) -> None:
        with self._lock:
            desired = self._renderer.render(topology)
            observed = self._observe(desired)
            remembered, self._applied = self._applied, None
            for vpc in topology.vpcs.values():
                if vpc.flow_logs:
                    self._logged_now[vpc.id] = {number: id for id, number in flow_count.numbers_of(vpc).items()}
                    self._logged.setdefault(vpc.id, {}).update(self._logged_now[vpc.id])
            steps = plan(desired, observed)
            if observed is not remembered:
                steps += _forget_strays(topology, observed)
            self._executor.run(steps)
            self._encryption.apply(topology)
            self._applied = desired
            self._wrong_tables.clear()

    def _find_drift(self) -> tuple[str, ...]:
        """Changes go on meanwhile: then what was seen means nothing."""
        wanted = self._applied
        if wanted is None:
            return ()
        try:
            found = find_drift(self._executor, wanted, list_namespaces(self._prefix))
            lost = self._encryption.missing(sorted({one.namespace for one in _tunnels(wanted)}))
            found = Drift((*found.words, *(f"{name} has no process that encrypts" for name in lost)), found.tables)
        except (OSError, DataplaneError):
            if self._applied is wanted and list_namespaces(self._prefix) == wanted.namespaces.keys():
                raise
            found = Drift(("namespaces came or went while they were looked at",), frozenset())
        with self._lock:
            if self._applied is not wanted:
                return ()
            if found.words:
                self._applied = None
                self._wrong_tables |= found.tables
        return found.words

    def _observe(self, desired: HostState) -> HostState:
        """What was applied last, while its namespaces are still the ones that exist; else what the kernel says."""
        existing = list_namespaces(self._prefix)
        if self._applied is not None and existing == self._applied.namespaces.keys():
            return self._applied
        fenced = {name for name, firewall in desired.namespaces.items() if firewall is not None}
        seen = observe(self._executor, existing, fenced)
        distrusted = dict.fromkeys(self._wrong_tables & existing, Firewall((), "drifted"))
        return HostState({**seen.namespaces, **distrusted}, seen.parts)


def _tunnels(state: HostState) -> Iterator[Tun]:
    return (one for part in state.parts.values() for one in part if isinstance(one, Tun))


def _forget_strays(topology: Topology, observed: HostState) -> list[Step]:
    """Flows of Elastic IPs that are nobody's any more in a VPC: whoever took them away may have ended before this."""
    steps: list[Step] = []
    for vpc in topology.vpcs.values():
        if vpc.internet_gateway is not None and vpc.id in observed.namespaces:
            used = {one.public for one in vpc.public.values()}
            strays = tuple(address for address in addresses.elastic_addresses() if address not in used)
            steps.append(ForgetFlows(vpc.id, strays, left=True))
    return steps
