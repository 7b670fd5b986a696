"""VPC peering connections: `active` once packets have a way between the VPCs, `deleted` once they have none.

Sole writer of VpcPeeringConnectionStatus; forgets what neither side is shown any more.
"""

from ringfence.core.arn import make_arn
from ringfence.core.tags import drop_tags
from ringfence.reconcile.applied import Applied
from ringfence.reconcile.network.applied_noun import AppliedNoun, still_there
from ringfence.reconcile.ports import Edge
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection, VpcPeeringConnectionStatus
from ringfence.services.ec2.peering_state import last_shown
from ringfence.store.database import Snapshot, Store, Transaction


class VpcPeeringConnections(AppliedNoun):
    """The peering connections' noun of the loop."""

    def __init__(self, store: Store, applied: Applied, edge: Edge) -> None:
        super().__init__(store)
        self._applied = applied
        self._edge = edge

    def _look(self, applied: Snapshot, records: Transaction) -> None:
        for one in still_there(VpcPeeringConnection, applied, records):
            self._step(records, one)

    def _step(self, records: Transaction, one: VpcPeeringConnection) -> None:
        status, now = records.get(VpcPeeringConnectionStatus, one.id), self._edge.now()
        ends = [last_shown(one, account) for account in (one.account, one.accepter_account)]
        state = status.state if status is not None else ""
        if all(end is not None and now > end for end in ends):
            _forget(records, one)
        elif one.deleting is not None and state != "deleted":
            records.put(VpcPeeringConnectionStatus(id=one.id, state="deleted", at=now))
        elif one.accepted is not None and one.deleting is None and not state and self._is_there(one):
            records.put(VpcPeeringConnectionStatus(id=one.id, state="active", at=now))

    def _is_there(self, one: VpcPeeringConnection) -> bool:
        topology = self._applied.topology
        vpcs = [topology.vpcs.get(id) for id in (one.requester_vpc_id, one.accepter_vpc_id)] if topology else [None]
        return all(vpc is not None and one.id in vpc.peerings for vpc in vpcs)


def _forget(records: Transaction, one: VpcPeeringConnection) -> None:
    if (status := records.get(VpcPeeringConnectionStatus, one.id)) is not None:
        records.delete(status)
    records.delete(one)
    for region, account in {(one.region, one.account), (one.accepter_region, one.accepter_account)}:
        drop_tags(records, make_arn("ec2", region, account, f"vpc-peering-connection/{one.id}"))
