"""How people who stand in the VPC open a presigned URL: the endpoint for the API makes it, another one opens it.

Called by explain.app and explain.notebook.
"""

from collections.abc import Iterator

from ringfence.explain.finding import Finding, note, ok
from ringfence.explain.hosting import Ground, Plan
from ringfence.explain.standing import standings
from ringfence.explain.way_to_service import mend_way
from ringfence.network.explain import explain


def check_openers(ground: Ground, plan: Plan, host: str, service: str) -> Iterator[Finding]:
    """`service`: of the interface endpoint that leads to `host`. Notes: a browser may stand elsewhere."""
    for standing in standings(ground, plan):
        address = standing.look_up_anyhow(host)
        walked = standing.send(address, 443) if address is not None else None
        subnet = standing.subnet.id
        if walked is None or not walked.delivered:
            sentence = f"a browser in {subnet} does not reach {host}"
            sentence += f": {explain(walked).sentence}" if walked is not None else ""
            yield note("url", subnet, sentence, mend_way(standing, host, service, walked, "or a NAT gateway"), subnet)
        elif walked.reached in standing.vpc.endpoints:
            yield ok("url", subnet, f"a browser in {subnet} opens it through {walked.reached}", walked.reached or "")
        else:
            yield note("url", subnet, f"a browser in {subnet} opens it over the internet", f"or through {service}")
