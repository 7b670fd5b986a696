"""NAT gateways: `available` once their packets have a way; gone once it is.

Sole writer of NatGatewayStatus; gives back the interface and address of a gateway that is being deleted, and forgets
the ones that ended an hour ago.
"""

from ringfence.core.tags import drop_tags
from ringfence.reconcile.applied import Applied
from ringfence.reconcile.network.applied_noun import AppliedNoun, still_there
from ringfence.reconcile.ports import Edge
from ringfence.resources.ec2 import NetworkInterface
from ringfence.resources.nat_gateway import NatGateway, NatGatewayStatus
from ringfence.services.ec2.elastic_ip import associated, disassociate
from ringfence.services.ec2.nat_gateway import SHOWN_AFTER_END
from ringfence.store.database import Snapshot, Store, Transaction


class NatGateways(AppliedNoun):
    """The NAT gateways' noun of the loop."""

    def __init__(self, store: Store, applied: Applied, edge: Edge) -> None:
        super().__init__(store)
        self._applied = applied
        self._edge = edge

    def _look(self, applied: Snapshot, records: Transaction) -> None:
        for nat in still_there(NatGateway, applied, records):
            self._step(records, nat)

    def _step(self, records: Transaction, nat: NatGateway) -> None:
        status, now = records.get(NatGatewayStatus, nat.id), self._edge.now()
        state = status.state if status is not None else "pending"
        if status is not None and state in ("deleted", "failed") and now - status.at > SHOWN_AFTER_END:
            _forget(records, nat, status)
        elif nat.deleting is not None and state != "deleted":
            _give_back(records, nat)
            records.put(NatGatewayStatus(id=nat.id, state="deleted", at=now))
        elif nat.failure is not None and state == "pending":
            records.put(NatGatewayStatus(id=nat.id, state="failed", at=now))
        elif nat.failure is None and state == "pending" and self._is_there(nat):
            records.put(NatGatewayStatus(id=nat.id, state="available", at=now))

    def _is_there(self, nat: NatGateway) -> bool:
        topology = self._applied.topology
        vpc = topology.vpcs.get(nat.vpc_id) if topology else None
        return vpc is not None and nat.id in vpc.nat_gateways


def _give_back(records: Transaction, nat: NatGateway) -> None:
    interface = records.get(NetworkInterface, nat.network_interface_id or "")
    if interface is None:
        return
    for elastic in associated(records, [interface.id]):
        disassociate(records, elastic)
    records.delete(interface)
    drop_tags(records, interface.arn("network-interface"))


def _forget(records: Transaction, nat: NatGateway, status: NatGatewayStatus) -> None:
    _give_back(records, nat)
    records.delete(nat)
    records.delete(status)
    drop_tags(records, nat.arn("natgateway"))
