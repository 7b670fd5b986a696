"""VPC endpoints: `available` once their routes and listeners are there; gone once these are gone.

Sole writer of VpcEndpointStatus; removes the records of an endpoint that is being deleted.
"""

from ringfence.core.tags import drop_tags
from ringfence.resources.ec2 import NetworkInterface, VpcEndpoint, VpcEndpointStatus
from ringfence.store.database import Snapshot, Store, Transaction


class VpcEndpoints:
    """The VPC endpoints' noun of the loop."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        """`applied` says that the listeners of just these records answer, and those of no others."""
        if not applied:
            return
        with self._store.transaction() as transaction:
            for endpoint in records.all(VpcEndpoint):
                if endpoint.deleting:
                    _remove(transaction, endpoint)
                elif transaction.get(VpcEndpointStatus, endpoint.id) is None and transaction.get(
                    VpcEndpoint, endpoint.id
                ):
                    transaction.put(VpcEndpointStatus(id=endpoint.id, state="available"))
            for status in transaction.all(VpcEndpointStatus):
                if transaction.get(VpcEndpoint, status.id) is None:
                    transaction.delete(status)

    async def close(self) -> None:
        """Nothing runs."""


def _remove(records: Transaction, endpoint: VpcEndpoint) -> None:
    """With its interfaces, which are the service's own."""
    for interface_id in endpoint.network_interface_ids:
        if (interface := records.get(NetworkInterface, interface_id)) is not None:
            records.delete(interface)
            _forget_tags(records, interface.account, interface.region, f"network-interface/{interface.id}")
    records.delete(endpoint)
    _forget_tags(records, endpoint.account, endpoint.region, f"vpc-endpoint/{endpoint.id}")


def _forget_tags(records: Transaction, account: str, region: str, resource: str) -> None:
    drop_tags(records, f"arn:aws:ec2:{region}:{account}:{resource}")
