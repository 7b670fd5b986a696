"""Default routes of the model's subnets: an internet gateway is no way out for SageMaker's interfaces.

Hosting needs no internet. Said because containers that install packages at their start wait for it in vain.
"""

from collections.abc import Iterator

from ringfence.explain.finding import Finding, note, ok
from ringfence.explain.hosting import Ground, Plan
from ringfence.explain.standing import Standing, standings
from ringfence.network.addresses import EXAMPLE_ADDRESS
from ringfence.network.explain import explain


def check_internet_route(ground: Ground, plan: Plan) -> Iterator[Finding]:
    seen = set()
    for standing in standings(ground, plan):
        if standing.subnet.route_table_id not in seen:
            seen.add(standing.subnet.route_table_id)
            yield _judge(standing)


def _judge(standing: Standing) -> Finding:
    table, walked = standing.subnet.route_table_id, standing.send(EXAMPLE_ADDRESS, 443)
    hop, subnet = walked.deciding, standing.subnet.id
    if walked.delivered:
        nats = [one.owner for one in walked.forward if one.stage == "NAT gateway"]
        return ok("internet", table, f"{subnet} reaches the internet by {', '.join(nats) or table}", table, *nats)
    if hop.stage == "route" and hop.owner == table and "has no route" in hop.detail:
        return ok("internet", table, f"{table} has no way to the internet: nothing is downloaded from there", table)
    if hop.stage in ("egress group", "egress ACL"):
        return ok("internet", table, f"{hop.owner} lets nothing of {subnet} out to the internet", table, hop.owner)
    if hop.stage == "internet gateway" and hop.owner == standing.name:
        sentence = (
            f"{table} has a route to {hop.rule}, which leads nowhere for SageMaker's network interfaces: they never "
            "have a public address, so pip and other downloads time out"
        )
        remedy = f"put a NAT gateway into another, public subnet and send 0.0.0.0/0 of {table} to it"
        return note("internet", table, sentence, remedy, table, hop.rule)
    said = explain(walked)
    return note("internet", table, f"the internet is out of reach: {said.sentence}", said.remedy, table, hop.owner)
