"""Direct Connect: a line is there once it is wanted, a virtual interface is up once the kernel has its link.

Sole writer of ConnectionStatus and VirtualInterfaceStatus.
"""

from ringfence.reconcile.applied import Applied
from ringfence.resources.direct_connect import Connection, ConnectionStatus, VirtualInterface, VirtualInterfaceStatus
from ringfence.store.database import Snapshot, Store


class DirectConnect:
    """The connections' and virtual interfaces' noun of the loop."""

    def __init__(self, store: Store, applied: Applied) -> None:
        self._store = store
        self._applied = applied

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        """`applied` says that the kernel has the links of just these records."""
        if not applied:
            return
        lines = {one.id for one in records.all(Connection)}
        wanted = {one.id: self._is_up(one) for one in records.all(VirtualInterface)}
        with self._store.transaction() as transaction:
            for line in lines:
                if transaction.get(ConnectionStatus, line) is None:
                    transaction.put(ConnectionStatus(id=line))
            for id, up in wanted.items():
                status = transaction.get(VirtualInterfaceStatus, id)
                if status is None or status.up != up:
                    transaction.put(VirtualInterfaceStatus(id=id, up=up))
            for gone in transaction.all(ConnectionStatus):
                if gone.id not in lines:
                    transaction.delete(gone)
            for left in transaction.all(VirtualInterfaceStatus):
                if left.id not in wanted:
                    transaction.delete(left)

    async def close(self) -> None:
        """Nothing runs."""

    def _is_up(self, interface: VirtualInterface) -> bool:
        topology = self._applied.topology
        vpc = topology.behind_gateway.get(interface.vpn_gateway_id) if topology else None
        return vpc is not None and vpc.vpn_gateway is not None and vpc.vpn_gateway.connected
