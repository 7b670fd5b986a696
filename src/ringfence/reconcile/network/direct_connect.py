"""Direct Connect: a line is there once it is wanted, a virtual interface is up once the kernel has its link.

Sole writer of ConnectionStatus and VirtualInterfaceStatus.
"""

from ringfence.reconcile.applied import Applied
from ringfence.reconcile.network.applied_noun import AppliedNoun
from ringfence.resources.direct_connect import Connection, ConnectionStatus, VirtualInterface, VirtualInterfaceStatus
from ringfence.store.database import Snapshot, Store, Transaction


class DirectConnect(AppliedNoun):
    """The connections' and virtual interfaces' noun of the loop."""

    def __init__(self, store: Store, applied: Applied) -> None:
        super().__init__(store)
        self._applied = applied

    def _look(self, applied: Snapshot, records: Transaction) -> None:
        lines = {one.id for one in applied.all(Connection)}
        wanted = {one.id: self._is_up(one) for one in applied.all(VirtualInterface)}
        for line in lines:
            if records.get(ConnectionStatus, line) is None:
                records.put(ConnectionStatus(id=line))
        for id, up in wanted.items():
            status = records.get(VirtualInterfaceStatus, id)
            if status is None or status.up != up:
                records.put(VirtualInterfaceStatus(id=id, up=up))
        for gone in records.all(ConnectionStatus):
            if gone.id not in lines:
                records.delete(gone)
        for left in records.all(VirtualInterfaceStatus):
            if left.id not in wanted:
                records.delete(left)

    def _is_up(self, interface: VirtualInterface) -> bool:
        topology = self._applied.topology
        vpc = topology.behind_gateway.get(interface.vpn_gateway_id) if topology else None
        return vpc is not None and vpc.vpn_gateway is not None and vpc.vpn_gateway.connected
