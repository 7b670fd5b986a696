"""What keeps a place in a VPC from an AWS service: no endpoint, one whose name leads past it, or what stops packets.

Pure. Called by explain.checks.
"""

from ringfence.explain.name import find_addresses
from ringfence.explain.standing import Standing
from ringfence.network.explain import explain
from ringfence.network.topology.listener import Vantage
from ringfence.network.trace import Trace


def mend_way(standing: Standing, host: str, service_name: str, walked: Trace | None, instead: str) -> str:
    """What to change so that `host`, of the endpoint service, is within reach.

    `walked`: where a packet got to, None if the name has no address. `instead`: after "create an interface endpoint".
    """
    vpc = standing.vpc
    if not any(endpoint.service_name == service_name for endpoint in vpc.endpoints.values()):
        return f"create an interface endpoint for {service_name} in {vpc.id}, {instead}"
    place = Vantage("vpc", vpc.id, standing.subnet.id)
    named = find_addresses(standing.topology, standing.name, place, host)
    return named.remedy or (explain(walked).remedy if walked is not None else "")
