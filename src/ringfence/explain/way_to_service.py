"""What keeps a place in a VPC from an AWS service: no endpoint, one whose name leads past it, or what stops packets.

Pure. Called by explain.checks.
"""

from ringfence.explain.name import find_addresses
from ringfence.explain.standing import Standing
from ringfence.network.explain import explain
from ringfence.network.topology.listener import Vantage
from ringfence.network.trace import Trace

_NFS = "security-group-for-outbound-nfs-"


def mend_way(standing: Standing, host: str, service_name: str, walked: Trace | None, instead: str) -> str:
    """What to change so that `host`, of the endpoint service, is within reach.

    `walked`: where a packet got to, None if the name has no address. `instead`: after "create an interface endpoint".
    """
    vpc = standing.vpc
    if not any(endpoint.service_name == service_name for endpoint in vpc.endpoints.values()):
        return f"create an interface endpoint for {service_name} in {vpc.id}, {instead}"
    place = Vantage("vpc", vpc.id, standing.subnet.id)
    named = find_addresses(standing.topology, standing.name, place, host)
    if named.remedy or walked is None:
        return named.remedy
    return mend_egress(standing, walked, walked.packet.destination) or explain(walked).remedy


def mend_egress(standing: Standing, walked: Trace, target: str) -> str:
    """If its own groups do not let it out: which of them is to let it out to `target`. Not Studio's for NFS, which is
    SageMaker's."""
    hop = walked.deciding
    groups = [standing.vpc.groups[id] for id in hop.owner.split(",") if id in standing.vpc.groups]
    if hop.stage != "egress group" or not groups:
        return ""
    own = [group.id for group in groups if not group.name.startswith(_NFS)]
    return f"add an egress rule for TCP {walked.packet.port} to {target} to {' or '.join(own or [groups[0].id])}"
