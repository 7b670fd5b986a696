"""Hosted zones: Route 53's records -> what the resolvers answer from."""

from collections import defaultdict

from ringfence.core.record import Reader
from ringfence.network.topology.hosted_zone import HostedZone, RecordSet
from ringfence.resources import route53


def compile_zones(records: Reader) -> tuple[HostedZone, ...]:
    """All of them; record sets of a zone that is gone are nowhere."""
    sets: dict[str, dict[tuple[str, str], RecordSet]] = defaultdict(dict)
    for one in records.all(route53.ResourceRecordSet):
        made = _compile_set(one)
        sets[one.zone_id][made.name, made.type] = made
    return tuple(
        HostedZone(zone.id, plain_name(zone.name), zone.private, tuple(id for _, id in zone.vpcs), sets[zone.id])
        for zone in records.all(route53.HostedZone)
    )


def _compile_set(one: route53.ResourceRecordSet) -> RecordSet:
    if one.alias is None:
        return RecordSet(plain_name(one.name), one.type, one.ttl, one.values)
    inside = one.alias.hosted_zone_id == one.zone_id
    return RecordSet(plain_name(one.name), one.type, alias=plain_name(one.alias.dns_name), alias_inside=inside)


def plain_name(name: str) -> str:
    """As the topology spells names."""
    return name.rstrip(".").lower().replace("\\052", "*")
