"""IpPermissions: how the older security group operations spell rules, read and written. Serves the group nouns."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from ringfence.core.call import Call
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.resources.ec2 import SecurityGroup, SecurityGroupRule
from ringfence.services.ec2 import prefix_list
from ringfence.services.ec2.cidr import parse_block, parse_block6
from ringfence.services.ec2.group_reference import check_pair, describe_pair

_NAMED = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}


class RuleSpec(NamedTuple):
    """What a rule allows, without id and description: two rules of a group and direction never share one."""

    protocol: str
    from_port: int | None
    to_port: int | None
    cidr_ipv4: str | None = None
    cidr_ipv6: str | None = None
    prefix_list_id: str | None = None
    referenced_group_id: str | None = None


def spec_of(rule: SecurityGroupRule) -> RuleSpec:
    return RuleSpec(
        rule.protocol,
        rule.from_port,
        rule.to_port,
        rule.cidr_ipv4,
        rule.cidr_ipv6,
        rule.prefix_list_id,
        rule.referenced_group_id,
    )


def parse_ports(protocol: str | None, first: int | None, last: int | None) -> tuple[str, int | None, int | None]:
    """Protocol and ports as records keep them, or AWS's error. ICMP keeps its type and code in place of ports."""
    if not protocol:
        raise ServiceError("MissingParameter", "The request must contain the parameter ipProtocol")
    name = _NAMED.get(protocol.lower(), protocol.lower())
    if name in ("tcp", "udp"):
        if first is None or last is None:
            raise ServiceError(
                "InvalidParameterValue",
                "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
            )
        for port in (first, last):
            if not 0 <= port <= 65535:
                raise ServiceError("InvalidParameterValue", f"TCP/UDP port ({port}) out of range")
        if first > last:
            raise ServiceError("InvalidParameterValue", f"Invalid TCP/UDP port range ({first}:{last})")
        return name, first, last
    if name in ("icmp", "icmpv6"):
        kind, code = -1 if first is None else first, -1 if last is None else last
        if not -1 <= kind <= 255 or not -1 <= code <= 255:
            raise ServiceError("InvalidParameterValue", f"ICMP type or code ({kind}:{code}) out of range")
        return name, kind, code
    if name == "-1" or (name.isdecimal() and int(name) <= 255):
        return name, None, None
    raise ServiceError("InvalidParameterValue", f"Invalid value '{protocol}' for IP protocol. Unknown protocol.")


def parse_cidr(text: str | None) -> str:
    """An IPv4 source or destination; AWS clears host bits."""
    try:
        return str(parse_block(text or ""))
    except ServiceError:
        raise ServiceError("InvalidParameterValue", f"CIDR block {text} is malformed") from None


def parse_cidr6(text: str | None) -> str:
    try:
        return str(parse_block6(text or "", parameter="cidrIpv6"))
    except ServiceError:
        raise ServiceError("InvalidParameterValue", f"CIDR block {text} is malformed") from None


def parse_permissions(
    call: Call, group: SecurityGroup, permissions: Iterable[dict[str, Any]], *, known: bool = False
) -> list[tuple[RuleSpec, str | None]]:
    """The rules that IpPermissions spell, each with its description. `known`: they may refer to what is deleted."""
    found: list[tuple[RuleSpec, str | None]] = []
    for permission in permissions:
        ports = parse_ports(permission.get("IpProtocol"), permission.get("FromPort"), permission.get("ToPort"))
        peers = _peers(call, group, permission, known)
        if not peers:
            raise ServiceError(
                "MissingParameter",
                "The request must contain the parameter ipRanges, ipv6Ranges, prefixListIds or userIdGroupPairs",
            )
        found += [(RuleSpec(*ports, **peer), description) for peer, description in peers]
    return found


def _peers(
    call: Call, group: SecurityGroup, permission: dict[str, Any], known: bool
) -> list[tuple[dict[str, Any], str | None]]:
    """Whom one permission admits, as ({field of RuleSpec: value}, description)."""
    found: list[tuple[dict[str, Any], str | None]] = []
    for one in permission.get("IpRanges") or ():
        found += [({"cidr_ipv4": parse_cidr(one.get("CidrIp"))}, one.get("Description"))]
    for one in permission.get("Ipv6Ranges") or ():
        found += [({"cidr_ipv6": parse_cidr6(one.get("CidrIpv6"))}, one.get("Description"))]
    for one in permission.get("PrefixListIds") or ():
        id = one.get("PrefixListId") or ""
        if not known:
            prefix_list.find(call, id)
        found += [({"prefix_list_id": id}, one.get("Description"))]
    for one in permission.get("UserIdGroupPairs") or ():
        if one.get("GroupName") and not one.get("GroupId"):
            raise not_implemented("groups named by GroupName in a rule: give GroupId")
        id = one.get("GroupId") or ""
        if not (known and id):
            check_pair(call, group, one)
        found += [({"referenced_group_id": id}, one.get("Description"))]
    return found


def to_permissions(call: Call, rules: Iterable[SecurityGroupRule]) -> list[dict[str, Any]]:
    """Rules as IpPermissions: one per protocol and port range, with everybody it admits."""
    grouped: dict[tuple[str, int | None, int | None], dict[str, Any]] = {}
    for rule in rules:
        entry = grouped.get(key := (rule.protocol, rule.from_port, rule.to_port))
        if entry is None:
            lists = ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")
            entry = grouped[key] = {"IpProtocol": rule.protocol, **{name: [] for name in lists}}
            if rule.from_port is not None:
                entry |= {"FromPort": rule.from_port, "ToPort": rule.to_port}
        described = {"Description": rule.description} if rule.description is not None else {}
        if rule.cidr_ipv4 is not None:
            entry["IpRanges"].append({"CidrIp": rule.cidr_ipv4, **described})
        elif rule.cidr_ipv6 is not None:
            entry["Ipv6Ranges"].append({"CidrIpv6": rule.cidr_ipv6, **described})
        elif rule.prefix_list_id is not None:
            entry["PrefixListIds"].append({"PrefixListId": rule.prefix_list_id, **described})
        else:
            entry["UserIdGroupPairs"].append({**describe_pair(call, rule), **described})
    return list(grouped.values())


def shown(spec: RuleSpec) -> str:
    """A rule as EC2's error messages put it."""
    peer = spec.cidr_ipv4 or spec.cidr_ipv6 or spec.prefix_list_id or spec.referenced_group_id
    if spec.protocol == "-1":
        return f"peer: {peer}, ALL, ALLOW"
    if spec.from_port is None:
        return f"peer: {peer}, {spec.protocol}, ALLOW"
    return f"peer: {peer}, {spec.protocol.upper()}, from port: {spec.from_port}, to port: {spec.to_port}, ALLOW"
