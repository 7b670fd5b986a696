"""One batch of changes to a zone, tried on a copy of what is there: all faults are found, then all is written or none.

Called by `resource_record_set` alone.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ringfence.core.call import Call
from ringfence.network import addresses
from ringfence.resources.ec2 import VpcEndpoint
from ringfence.resources.route53 import AliasTarget, HostedZone, ResourceRecordSet
from ringfence.services.route53.domain_name import BadName, is_within, normalize
from ringfence.services.route53.record_value import fault_of, same_values

_MOST_VALUES, _MOST_SETS = 400, 10_000
_SINGLE = ("CNAME", "SOA")


@dataclass(frozen=True, slots=True)
class Step:
    action: str  # CREATE, DELETE, UPSERT
    set: ResourceRecordSet


class Batch:
    """`faults`: in Route 53's words; `write` only without any."""

    def __init__(self, call: Call, zone: HostedZone, present: Iterable[ResourceRecordSet]) -> None:
        self.faults: list[str] = []
        self._call = call
        self._zone = zone
        self._sets = {(one.name, one.type): one for one in present}
        self._touched: dict[tuple[str, str], ResourceRecordSet] = {}

    def apply(self, step: Step) -> None:
        """One change, on top of those before it."""
        one = step.set
        problem = self._problem(step)
        if problem is not None:
            self.faults.append(problem)
            return
        key = one.name, one.type
        self._touched[key] = one
        if step.action == "DELETE":
            del self._sets[key]
        else:
            self._sets[key] = one

    def _problem(self, step: Step) -> str | None:
        one = step.set
        if not is_within(one.name, self._zone.name):
            return f"RRSet with DNS name {one.name} is not permitted in zone {self._zone.name}"
        known = self._sets.get((one.name, one.type))
        which = f"resource record set [name='{one.name}', type='{one.type}']"
        if step.action == "CREATE" and known is not None:
            return f"Tried to create {which} but it already exists"
        values = _values_fault(one)
        if step.action != "DELETE" or values is not None:
            return values
        if known is None:
            return f"Tried to delete {which} but it was not found"
        if not _same(one, known):
            return f"Tried to delete {which} but the values provided do not match the current values"
        return None

    def check(self) -> None:
        """What must hold of the zone as it would be."""
        apex = self._zone.name
        if (apex, "SOA") not in self._sets:
            self.faults.append("A HostedZone must contain exactly one SOA record.")
        if (apex, "NS") not in self._sets:
            self.faults.append("A HostedZone must contain at least one NS record for the zone itself.")
        if len(self._sets) > _MOST_SETS:
            self.faults.append(f"Limits Exceeded: MAX_RRSETS_BY_ZONE - {_MOST_SETS}")
        types: dict[str, set[str]] = defaultdict(set)
        for name, kind in self._sets:
            types[name].add(kind)
        for name, kind in self._touched:
            if (name, kind) in self._sets:
                self._check_set(self._sets[name, kind], types[name])

    def _check_set(self, one: ResourceRecordSet, types: set[str]) -> None:
        apex = self._zone.name
        if one.type == "CNAME" and one.name == apex:
            self.faults.append(f"RRSet of type CNAME with DNS name {one.name} is not permitted at apex in zone {apex}")
        elif one.type == "CNAME" and len(types) > 1:
            self.faults.append(
                f"RRSet of type CNAME with DNS name {one.name} is not permitted as it conflicts with other records "
                f"with the same DNS name in zone {apex}"
            )
        elif "CNAME" in types and one.type != "CNAME":
            self.faults.append(
                f"RRSet of type {one.type} with DNS name {one.name} is not permitted because a conflicting RRSet of "
                f"type CNAME with the same DNS name already exists in zone {apex}"
            )
        elif one.type == "SOA" and one.name != apex:
            self.faults.append(f"RRSet of type SOA with DNS name {one.name} is not permitted in zone {apex}")
        if one.alias is not None and (fault := self._alias_fault(one, one.alias)):
            self.faults.append(f"Tried to create an alias that targets {one.alias.dns_name}, type {one.type} in zone "
                               f"{one.alias.hosted_zone_id}, but {fault}")  # fmt: skip

    def _alias_fault(self, one: ResourceRecordSet, alias: AliasTarget) -> str | None:
        """An alias may lead to a set of its own zone, or to an interface endpoint's name."""
        try:
            target = normalize(alias.dns_name)
        except BadName as error:
            return f"the alias target name is not valid: {error}"
        if one.type in ("NS", "SOA"):
            return f"an alias of type {one.type} is not permitted"
        if alias.hosted_zone_id == self._zone.id:
            if not is_within(target, self._zone.name):
                return "the alias target name does not lie within the target zone"
            found = (target, one.type) in self._sets and target != one.name
            return None if found else "that target was not found"
        for endpoint in self._call.records.all(VpcEndpoint):
            zone_id = addresses.vpce_hosted_zone(endpoint.region)
            if endpoint.type == "Interface" and alias.hosted_zone_id == zone_id and _is_name_of(endpoint, target):
                return None if one.type in ("A", "AAAA") else "that target was not found"
        return "the alias target name does not lie within the target zone"

    def write(self) -> None:
        for key, one in self._touched.items():
            if key in self._sets:
                self._call.records.put(self._sets[key])
            else:
                self._call.records.delete(one)


def _is_name_of(endpoint: VpcEndpoint, target: str) -> bool:
    start = f"{endpoint.id}-{endpoint.dns_label}"
    return target.endswith(".vpce.amazonaws.com.") and target.removeprefix("\\052.").startswith(
        (f"{start}.", f"{start}-")
    )


def _values_fault(one: ResourceRecordSet) -> str | None:
    if one.alias is not None:
        return None
    if one.type in _SINGLE and len(one.values) > 1:
        return f"RRSet of type {one.type} with DNS name {one.name} must have exactly one resource record"
    if len(one.values) > _MOST_VALUES:
        return f"Cannot have more than {_MOST_VALUES} records in a RRSet."
    for value in one.values:
        if (fault := fault_of(one.type, value)) is not None:
            return fault
        if one.values.count(value) > 1:
            return f"Duplicate Resource Record: '{value}'"
    return None


def _same(one: ResourceRecordSet, known: ResourceRecordSet) -> bool:
    if one.alias is None or known.alias is None:
        same_kind = one.alias is None and known.alias is None
        return same_kind and one.ttl == known.ttl and same_values(one.type, one.values, known.values)
    return (
        one.alias.hosted_zone_id == known.alias.hosted_zone_id
        and one.alias.evaluate_target_health == known.alias.evaluate_target_health
        and one.alias.dns_name.rstrip(".").lower() == known.alias.dns_name.rstrip(".").lower()
    )
