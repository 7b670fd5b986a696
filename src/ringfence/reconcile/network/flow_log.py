"""VPC flow logs: reads what the kernel counted, adds it up by window, delivers it. Sole writer of FlowLogStatus.

The kernel is read every few seconds; what it counted while no daemon was there it still has. What a daemon had read and
not delivered when it ended is lost: the first window after a start says SKIPDATA for every interface. A window that
cannot be delivered is lost too; the status says why.
"""

import asyncio
import logging

from ringfence.core.errors import ServiceError
from ringfence.network.flow import FlowReading
from ringfence.network.topology import Topology
from ringfence.reconcile.applied import Applied
from ringfence.reconcile.network.flow_delivery import Delivery
from ringfence.reconcile.network.flow_record import Place, write_lines
from ringfence.reconcile.network.flow_window import Window, Windows
from ringfence.reconcile.ports import Edge, Network
from ringfence.resources.ec2 import NetworkInterface, Subnet
from ringfence.resources.flow_log import FlowLog, FlowLogStatus
from ringfence.store.database import Snapshot, Store

log = logging.getLogger("ringfence.reconcile.network.flow_log")

PAUSE = 5.0  # seconds between readings: by so much the end of a record may be late
_REMEMBERED = 1500.0  # seconds that an interface is remembered after it went: more than two windows


class FlowLogs:
    """The flow logs' noun of the loop. `interval`: for tests, instead of what each flow log says."""

    def __init__(
        self,
        store: Store,
        applied: Applied,
        network: Network,
        delivery: Delivery,
        edge: Edge,
        interval: float | None = None,
    ) -> None:
        self._store = store
        self._applied = applied
        self._network = network
        self._delivery = delivery
        self._edge = edge
        self._interval = interval
        self._pause = PAUSE if interval is None else min(PAUSE, interval / 4)
        self._began = edge.now().timestamp()
        self._windows: dict[str, Windows] = {}
        self._counting: set[str] = set()
        self._places: dict[str, tuple[float, Place]] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        """Start to count in VPCs that have got a flow log, and stop in those that have none any more."""
        logs = {one.id for one in records.all(FlowLog)}
        stale = [one for one in records.all(FlowLogStatus) if one.id not in logs]
        if stale:
            with self._store.transaction() as transaction:
                for status in stale:
                    transaction.delete(status)
        topology = self._applied.topology
        if not applied or topology is None:
            return
        wanted = {vpc.id for vpc in topology.vpcs.values() if vpc.flow_logs}
        self._remember(records, topology)  # a job's interface may be gone again before the next reading
        if wanted != self._counting:
            self._wake.set()
        if wanted and self._task is None:
            self._task = asyncio.create_task(self._read_forever(), name="flow logs")

    async def close(self) -> None:
        """Stop reading; the kernel goes on counting for the next daemon."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read_forever(self) -> None:
        while True:
            try:
                await self._read_all()
            except Exception:
                log.exception("reading flow logs failed, will retry")
            now = self._edge.now().timestamp()
            try:
                # at multiples of the pause, where windows end
                await asyncio.wait_for(self._wake.wait(), self._pause - now % self._pause)
            except TimeoutError:
                continue

    async def _read_all(self) -> None:
        self._wake.clear()
        topology = self._applied.topology
        if topology is None:
            return
        records = self._store.snapshot()
        logged = {vpc.id: vpc for vpc in topology.vpcs.values() if vpc.flow_logs}
        for vpc_id in self._counting - logged.keys():
            await self._network.stop_flows(vpc_id)
        self._counting &= logged.keys()
        self._look(records, topology)
        for vpc_id in logged:
            try:
                reading = await self._network.read_flows(vpc_id)
            except FileNotFoundError:
                continue  # the VPC is being deleted
            self._counting.add(vpc_id)
            self._add(records, reading)
        await self._deliver(records)

    def _look(self, records: Snapshot, topology: Topology) -> None:
        """Flow logs that are new or gone; which interfaces are there, for whom."""
        now = self._edge.now().timestamp()
        logs = {one.id: one for one in records.all(FlowLog)}
        for id in self._windows.keys() - logs.keys():
            del self._windows[id]
        new = [one for id, one in logs.items() if id not in self._windows]
        for one in new:
            self._windows[one.id] = Windows(self._interval or one.interval, one.traffic, one.created.timestamp())
        self._places = {id: kept for id, kept in self._places.items() if now - kept[0] < _REMEMBERED}
        for interface in self._remember(records, topology):
            for one in filter(lambda one: _looks_at(one, interface), logs.values()):
                self._windows[one.id].see(interface.id, now)
                if one in new and one.created.timestamp() < self._began:
                    self._windows[one.id].skip(interface.id, self._began)

    def _remember(self, records: Snapshot, topology: Topology) -> list[NetworkInterface]:
        """The logged interfaces that are there; each is known from now on, even once it is gone."""
        now, found = self._edge.now().timestamp(), []
        for vpc in topology.vpcs.values():
            for interface in vpc.interfaces.values() if vpc.flow_logs else ():
                record = records.get(NetworkInterface, interface.id) if interface.logged else None
                if record is None or interface.namespace is None:
                    continue
                subnet = records.get(Subnet, record.subnet_id)
                zone_id = subnet.availability_zone_id if subnet else ""
                self._places[record.id] = now, Place(record, zone_id, vpc, topology.service_at)
                found.append(record)
        return found

    def _add(self, records: Snapshot, reading: FlowReading) -> None:
        now = self._edge.now().timestamp()
        logs = records.all(FlowLog)
        for_interface: dict[str, list[Windows]] = {}
        for id, (_, place) in self._places.items():
            for_interface[id] = [self._windows[one.id] for one in logs if _looks_at(one, place.interface)]
        for flow in reading.flows:
            for windows in for_interface.get(flow.key.interface_id, ()):
                windows.add(flow)
                if flow.first < self._began:
                    windows.skip(flow.key.interface_id, flow.first)
        for id in reading.lost:
            for windows in for_interface.get(id, ()):
                windows.skip(id, now - self._pause)

    async def _deliver(self, records: Snapshot) -> None:
        """What every window that is over has to tell."""
        now = self._edge.now().timestamp()
        for one in records.all(FlowLog):
            for window in self._windows[one.id].take_ended(now):
                await self._deliver_window(one, window)

    async def _deliver_window(self, one: FlowLog, window: Window) -> None:
        places = {id: place for id, (_, place) in self._places.items()}
        lines = write_lines(one, window, places)
        if not lines:
            return
        try:
            await self._delivery.deliver(one, window.start, lines)
        except ServiceError as error:
            log.warning("flow log `%s` could not be delivered: %s", one.id, error)
            self._tell(one, FlowLogStatus(id=one.id, delivery="FAILED", error=_reason(error)))
        else:
            self._tell(one, FlowLogStatus(id=one.id, delivery="SUCCESS"))

    def _tell(self, one: FlowLog, status: FlowLogStatus) -> None:
        with self._store.transaction() as transaction:
            known = transaction.get(FlowLogStatus, one.id)
            if transaction.get(FlowLog, one.id) is not None and known != status:
                transaction.put(status)


def _looks_at(one: FlowLog, interface: NetworkInterface) -> bool:
    return one.resource_id in (interface.id, interface.subnet_id, interface.vpc_id)


def _reason(error: ServiceError) -> str:
    """https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-troubleshooting.html"""
    return "Access error" if error.status == 403 or "AccessDenied" in error.code else "Unknown error"
