"""The numbered rules of a network ACL: the lowest number that matches a packet decides."""

from typing import Any

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import NetworkAcl, NetworkAclEntry
from ringfence.services.ec2 import noun, quota
from ringfence.services.ec2.cidr import parse_block, parse_block6
from ringfence.services.ec2.network_acl import LAST
from ringfence.services.ec2.operation import operation

_TAKES = "NetworkAclId RuleNumber Protocol RuleAction Egress CidrBlock Ipv6CidrBlock IcmpTypeCode PortRange"
_ON = ("network-acl/{NetworkAclId}",)
_NUMBERS = {"tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58", "all": "-1"}


@operation("CreateNetworkAclEntry", takes=_TAKES, on=_ON)
def create_network_acl_entry(call: Call, request: Request) -> Result:
    acl = noun.find(call, NetworkAcl, request["NetworkAclId"])
    entry = _wanted(request)
    if _find(acl, entry.number, entry.egress) is not None:
        raise ServiceError(
            "NetworkAclEntryAlreadyExists", f"The network acl entry identified by {entry.number} already exists."
        )
    have = sum(other.egress == entry.egress for other in acl.entries)
    most = quota.ACL_ENTRIES_PER_DIRECTION
    quota.check(have, most, "NetworkAclEntryLimitExceeded", "network acl entries")
    _keep(call, acl, [*acl.entries, entry])
    return {}


@operation("ReplaceNetworkAclEntry", takes=_TAKES, on=_ON)
def replace_network_acl_entry(call: Call, request: Request) -> Result:
    acl = noun.find(call, NetworkAcl, request["NetworkAclId"])
    entry = _wanted(request)
    old = _existing(acl, entry.number, entry.egress)
    _keep(call, acl, [entry if other is old else other for other in acl.entries])
    return {}


@operation("DeleteNetworkAclEntry", takes="NetworkAclId RuleNumber Egress", on=_ON)
def delete_network_acl_entry(call: Call, request: Request) -> Result:
    acl = noun.find(call, NetworkAcl, request["NetworkAclId"])
    _check_number(request["RuleNumber"])
    gone = _existing(acl, request["RuleNumber"], request["Egress"])
    _keep(call, acl, [other for other in acl.entries if other is not gone])
    return {}


def _keep(call: Call, acl: NetworkAcl, entries: list[NetworkAclEntry]) -> None:
    ordered = sorted(entries, key=lambda entry: (not entry.egress, entry.number))
    call.records.put(msgspec.structs.replace(acl, entries=tuple(ordered)))


def _find(acl: NetworkAcl, number: int, egress: bool) -> NetworkAclEntry | None:
    return next((entry for entry in acl.entries if (entry.number, entry.egress) == (number, egress)), None)


def _existing(acl: NetworkAcl, number: int, egress: bool) -> NetworkAclEntry:
    found = _find(acl, number, egress)
    if found is None:
        way = "egress" if egress else "ingress"
        raise ServiceError(
            "InvalidNetworkAclEntry.NotFound",
            f"The {way} entry with rule number '{number}' does not exist in network acl '{acl.id}'",
        )
    return found


def _check_number(number: int) -> None:
    if not 1 <= number < LAST:
        raise ServiceError(
            "InvalidParameterValue",
            f"Value ({number}) for parameter ruleNumber is invalid. Must be between 1 and 32766.",
        )


def _wanted(request: Request) -> NetworkAclEntry:
    """The entry that the request spells, with the ports that its protocol needs."""
    _check_number(request["RuleNumber"])
    if request["RuleAction"] not in ("allow", "deny"):
        raise ServiceError(
            "InvalidParameterValue", f"Value ({request['RuleAction']}) for parameter ruleAction is invalid."
        )
    protocol = _protocol(request["Protocol"])
    return NetworkAclEntry(
        number=request["RuleNumber"],
        egress=request["Egress"],
        protocol=protocol,
        action=request["RuleAction"],
        cidr=_block(request),
        **_ports(protocol, request),
    )


def _block(request: Request) -> str:
    """An entry of IPv6 is kept, and matches nothing: popular modules write one beside each of IPv4."""
    four, six = request.get("CidrBlock"), request.get("Ipv6CidrBlock")
    if four and six:
        raise ServiceError(
            "InvalidParameterCombination", "The parameter cidrBlock cannot be used with the parameter ipv6CidrBlock"
        )
    if six:
        return str(parse_block6(six, parameter="ipv6CidrBlock"))
    if not four:
        raise ServiceError("MissingParameter", "The request must contain the parameter cidrBlock or ipv6CidrBlock")
    return str(parse_block(four))


def _protocol(text: str) -> str:
    """ACLs show protocols as numbers."""
    number = _NUMBERS.get(text.lower(), text)
    if number != "-1" and not (number.isdecimal() and int(number) <= 255):
        raise ServiceError("InvalidParameterValue", f"Invalid value '{text}' for IP protocol. Unknown protocol.")
    return number


def _ports(protocol: str, request: Request) -> dict[str, Any]:
    if protocol in ("6", "17"):
        ports = request.get("PortRange") or {}
        first, last = ports.get("From"), ports.get("To")
        if first is None or last is None:
            raise ServiceError("MissingParameter", "The request must contain the parameter portRange")
        if not 0 <= first <= last <= 65535:
            raise ServiceError("InvalidParameterValue", f"Invalid TCP/UDP port range ({first}:{last})")
        return {"from_port": first, "to_port": last}
    if protocol in ("1", "58"):
        icmp = request.get("IcmpTypeCode") or {}
        if icmp.get("Type") is None or icmp.get("Code") is None:
            raise ServiceError("MissingParameter", "The request must contain the parameter icmpTypeCode")
        for number in (icmp["Type"], icmp["Code"]):
            if not -1 <= number <= 255:
                raise ServiceError("InvalidParameterValue", f"ICMP type or code ({number}) out of range")
        return {"icmp_type": icmp["Type"], "icmp_code": icmp["Code"]}
    return {}
