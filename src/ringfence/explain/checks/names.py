"""Names: complete DHCP options, and a resolver that answers with the VPC's own answers."""

from collections.abc import Iterator

from ringfence.explain import aws_message
from ringfence.explain.finding import Finding, note, ok, wrong
from ringfence.explain.hosting import Ground, Plan
from ringfence.explain.standing import Standing, dhcp_options, standings
from ringfence.explain.way_to_s3 import data_in, host_of
from ringfence.network.resolve import resolve

_NEEDED = ("domain-name-servers", "domain-name")


def check_names(ground: Ground, plan: Plan) -> Iterator[Finding]:
    first = {standing.vpc.id: standing for standing in reversed(standings(ground, plan))}
    for vpc_id, standing in first.items():
        yield _options(ground, vpc_id)
        yield _resolver(ground, plan, standing)


def _options(ground: Ground, vpc_id: str) -> Finding:
    found = dhcp_options(ground.records, vpc_id)
    if found is None:
        sentence = f"{vpc_id} has no DHCP options: its instances know no resolver"
        return wrong("dhcp-options", vpc_id, sentence, "associate a set", aws_message.dhcp_incomplete("default"))
    missing = [key for key in _NEEDED if not found.options.get(key)]
    if missing:
        sentence = f"{found.id} of {vpc_id} lacks {' and '.join(missing)}"
        remedy = "associate DHCP options with both domain-name-servers and domain-name"
        given = (found.options.get(key, ()) for key in _NEEDED)
        seen = aws_message.dhcp_incomplete(found.id, *given)
        return wrong("dhcp-options", vpc_id, sentence, remedy, seen, vpc_id, found.id)
    return ok("dhcp-options", vpc_id, f"{found.id} has domain-name-servers and domain-name", vpc_id, found.id)


def _resolver(ground: Ground, plan: Plan, standing: Standing) -> Finding:
    vpc, vantage = standing.vpc, standing.vantage
    names = sorted({name for endpoint in vpc.endpoints.values() for name in endpoint.private_names})
    shown = ", ".join(vpc.name_servers) or "no server"
    url, host = next(
        ((data.url, host_of(one, ground.region)) for one, data in data_in(plan)),
        (None, ""),
    )
    if vantage is None:
        if own := standing.own_server:
            sentence = f"the DHCP options of {vpc.id} name {own}: what that answers is its own matter"
            return note("resolver", vpc.id, sentence, "let it forward AWS's names to the resolver at base+2", vpc.id)
        off = any(server in vpc.resolvers for server in vpc.name_servers) and not vpc.dns_support
        sentence = (
            f"enableDnsSupport of {vpc.id} is off: its resolver does not answer"
            if off
            else f"the DHCP options of {vpc.id} name {shown}, which does not answer from {standing.subnet.id}"
        )
        remedy = "turn enableDnsSupport on" if off else "name AmazonProvidedDNS, or open the way to that resolver"
        return wrong("resolver", vpc.id, sentence, remedy, aws_message.data_unreachable(url) if url else None)
    if vantage.kind == "vpc":
        if url and standing.look_up(host) is None:
            decides = resolve(standing.topology, vantage, host, "A").source or "nobody"
            sentence = f"{host} does not resolve in {vpc.id}: {decides} decides on it"
            remedy = "delete the private zone that hides it, or give it the record"
            return wrong("resolver", vpc.id, sentence, remedy, aws_message.data_unreachable(url), vpc.id, decides)
        return ok("resolver", vpc.id, f"names are answered by the resolver of {vpc.id}")
    sentence = f"the DHCP options of {vpc.id} name {shown}: Amazon's resolver is bypassed"
    remedy = "name AmazonProvidedDNS, or forward AWS's names to the resolver at base+2"
    if names:
        seen = aws_message.connect_timeout(names[0])
        private = f"{sentence}, and {names[0]} is answered with its public address"
        return wrong("resolver", vpc.id, private, remedy, seen, vpc.id)
    return note("resolver", vpc.id, f"{sentence}; private names would not be answered", remedy, vpc.id)
