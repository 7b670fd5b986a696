"""That packets get from each subnet of the model to S3 and back, and by what: the model data comes that way."""

from collections.abc import Iterator

from ringfence.explain import aws_message
from ringfence.explain.finding import Finding, note, ok, wrong
from ringfence.explain.hosting import Ground, Plan
from ringfence.explain.standing import standings
from ringfence.explain.way_to_s3 import WayToS3, data_in, find_way, s3_endpoints, ways_to_s3
from ringfence.explain.way_to_service import mend_egress
from ringfence.network.addresses import prefix_list_of
from ringfence.network.explain import explain


def check_s3_route(ground: Ground, plan: Plan) -> Iterator[Finding]:
    urls = {subnet: data.url for one, data in data_in(plan) for subnet in one.subnet_ids}
    for way in ways_to_s3(ground, plan):
        yield _judge(ground, way, urls.get(way.standing.subnet.id))


def check_own_s3(ground: Ground, plan: Plan, who: str, needed: bool) -> Iterator[Finding]:
    """That an app or a notebook instance reaches S3 from the VPC alone; a note if it starts without."""
    host = f"s3.{ground.region}.amazonaws.com"
    for standing in standings(ground, plan):
        subnet, way = standing.subnet.id, find_way(standing, host, ground.region)
        if way.trace.delivered:
            by = f"through {way.endpoint_id}" if way.endpoint_id else "over the internet"
            yield ok("s3-route", subnet, f"{subnet} reaches S3 {by}", subnet)
            continue
        sentence, remedy = give_reason(ground, way, who)
        if needed:
            yield wrong("s3-route", subnet, sentence, remedy, aws_message.connect_timeout(host), subnet)
        else:
            yield note("s3-route", subnet, sentence, remedy, subnet)


def _judge(ground: Ground, way: WayToS3, url: str | None) -> Finding:
    subnet, hops = way.standing.subnet.id, (*way.trace.forward, *way.trace.reply)
    ids = tuple(dict.fromkeys((subnet, *(hop.owner for hop in hops))))
    if way.trace.delivered:
        by = f"through {way.endpoint_id}" if way.endpoint_id else "over the internet"
        return ok("s3-route", subnet, f"{subnet} reaches S3 ({way.trace.packet.destination}) {by}", *ids)
    sentence, remedy = give_reason(ground, way, "the model")
    if url is None:
        return note("s3-route", subnet, f"{sentence}; the model has no data in S3", remedy, *ids)
    return wrong("s3-route", subnet, sentence, remedy, aws_message.data_unreachable(url), *ids)


def give_reason(ground: Ground, way: WayToS3, who: str) -> tuple[str, str]:
    """Why `who` does not reach S3 from there, and what to change."""
    said, hop, subnet = explain(way.trace), way.trace.deciding, way.standing.subnet
    table = subnet.route_table_id
    remedy, listed = _give_way(way, table), prefix_list_of(f"com.amazonaws.{ground.region}.s3", ground.region)
    if hop.stage == "route" and hop.owner == table and not hop.detail.startswith("of the subnet"):
        neither = f"which has neither a route to the S3 prefix list {listed} nor to a NAT gateway"
        nowhere = f": it {hop.detail}" if "leads nowhere" in hop.detail else ""
        return f"{who} reaches S3 by no route: {subnet.id} uses {table}, {neither}{nowhere}", remedy
    if hop.stage == "internet gateway":
        sentence = (
            f"{subnet.id} uses {table}, which sends S3's addresses to {hop.rule}: a route to an internet gateway takes "
            "SageMaker's network interfaces nowhere, they have no public address"
        )
        return sentence, remedy
    # S3's addresses change: a rule names its prefix list
    let_out = mend_egress(way.standing, way.trace, f"the prefix list {listed}")
    return f"S3 is out of reach of {subnet.id}: {said.sentence}", let_out or said.remedy


def _give_way(way: WayToS3, table: str) -> str:
    endpoints = s3_endpoints(way.standing.topology, way.standing.vpc.id)
    if endpoints:
        return f"add {table} to {endpoints[0]} (ec2 modify-vpc-endpoint --add-route-table-ids {table})"
    return f"create an S3 gateway endpoint in {way.standing.vpc.id} with {table} among its route tables"
