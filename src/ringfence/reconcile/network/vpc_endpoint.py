"""VPC endpoints: `available` once their routes and listeners are there; gone once these are gone.

Sole writer of VpcEndpointStatus; removes the records of an endpoint that is being deleted.
"""

from ringfence.core.tags import drop_tags
from ringfence.reconcile.network.applied_noun import AppliedNoun
from ringfence.resources.ec2 import NetworkInterface, VpcEndpoint, VpcEndpointStatus
from ringfence.store.database import Snapshot, Transaction


class VpcEndpoints(AppliedNoun):
    """The VPC endpoints' noun of the loop."""

    def _look(self, applied: Snapshot, records: Transaction) -> None:
        for endpoint in applied.all(VpcEndpoint):
            if endpoint.deleting:
                _remove(records, endpoint)
            elif records.get(VpcEndpointStatus, endpoint.id) is None and records.get(VpcEndpoint, endpoint.id):
                records.put(VpcEndpointStatus(id=endpoint.id, state="available"))
        for status in records.all(VpcEndpointStatus):
            if records.get(VpcEndpoint, status.id) is None:
                records.delete(status)


def _remove(records: Transaction, endpoint: VpcEndpoint) -> None:
    """With its interfaces, which are the service's own."""
    for interface_id in endpoint.network_interface_ids:
        if (interface := records.get(NetworkInterface, interface_id)) is not None:
            records.delete(interface)
            drop_tags(records, interface.arn("network-interface"))
    records.delete(endpoint)
    drop_tags(records, endpoint.arn("vpc-endpoint"))
