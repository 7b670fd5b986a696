"""Virtual private gateways and VPN connections: attached and available once the kernel has the links; gone once not.

Sole writer of VpnGatewayStatus and VpnConnectionStatus; forgets connections that ended an hour ago.
"""

from ringfence.core.tags import drop_tags
from ringfence.network.topology.gateway import VpnGateway as CompiledGateway
from ringfence.reconcile.applied import Applied
from ringfence.reconcile.network.applied_noun import AppliedNoun, still_there
from ringfence.reconcile.ports import Edge
from ringfence.resources.vpn import VpnConnection, VpnConnectionStatus, VpnGateway, VpnGatewayStatus
from ringfence.services.ec2.vpn_connection import SHOWN_AFTER_END
from ringfence.store.database import Snapshot, Store, Transaction


class VpnConnections(AppliedNoun):
    """The gateways' and connections' noun of the loop."""

    def __init__(self, store: Store, applied: Applied, edge: Edge) -> None:
        super().__init__(store)
        self._applied = applied
        self._edge = edge

    def _look(self, applied: Snapshot, records: Transaction) -> None:
        for gateway in still_there(VpnGateway, applied, records):
            self._attach(records, gateway)
        for status in records.all(VpnGatewayStatus):
            if records.get(VpnGateway, status.id) is None:
                records.delete(status)
        for connection in still_there(VpnConnection, applied, records):
            self._step(records, connection)

    def _attach(self, records: Transaction, gateway: VpnGateway) -> None:
        status = records.get(VpnGatewayStatus, gateway.id)
        there = gateway.vpc_id if self._compiled(gateway.id) is not None else None
        if status is not None and there is None:
            records.delete(status)
        elif there is not None and (status is None or status.vpc_id != there):
            records.put(VpnGatewayStatus(id=gateway.id, vpc_id=there))

    def _step(self, records: Transaction, connection: VpnConnection) -> None:
        """A connection of a gateway that is not attached is available, and its tunnels are down."""
        status, now = records.get(VpnConnectionStatus, connection.id), self._edge.now()
        if connection.deleting is None:
            gateway = self._compiled(connection.vpn_gateway_id)
            up = gateway is not None and gateway.connected
            if status is None or status.up != up:
                records.put(VpnConnectionStatus(id=connection.id, state="available", at=now, up=up))
        elif status is None or status.state != "deleted":
            records.put(VpnConnectionStatus(id=connection.id, state="deleted", at=now))
        elif now - status.at > SHOWN_AFTER_END:
            records.delete(connection)
            records.delete(status)
            drop_tags(records, connection.arn("vpn-connection"))

    def _compiled(self, gateway_id: str) -> CompiledGateway | None:
        topology = self._applied.topology
        vpc = topology.behind_gateway.get(gateway_id) if topology else None
        return vpc.vpn_gateway if vpc is not None else None
