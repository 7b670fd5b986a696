"""Private addresses of network interfaces: which one a new interface gets, and secondary ones that come and go."""

from collections.abc import Collection, Sequence

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import ElasticIp, NetworkInterface, Subnet
from ringfence.services.ec2 import elastic_ip, noun
from ringfence.services.ec2.cidr import lowest_free, parse_block, usable
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.requester_managed import find_own

# Of the largest instances; there are no EC2 instances here that could have fewer.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/AvailableIpPerENI.html
_MOST = 50


def choose(
    call: Call, subnet: Subnet, wanted: Sequence[str], count: int, besides: Collection[str] = ()
) -> tuple[str, ...]:
    """Addresses of the subnet that nobody has: the wanted ones, or the lowest that are free. `besides`: taken too."""
    used = {address for one in _neighbours(call, subnet.id) for address in one.private_ips} | set(besides)
    chosen: list[str] = []
    for _ in range(0 if wanted else count):
        free = lowest_free(subnet.cidr, used)
        if free is None:
            raise ServiceError(
                "InsufficientFreeAddressesInSubnet",
                "The specified subnet does not have enough free addresses to satisfy the request.",
            )
        used.add(free)
        chosen.append(free)
    for address in wanted:
        _check(subnet, address)
        if address in used:
            raise ServiceError("InvalidIPAddress.InUse", f"Address {address} is in use.")
        used.add(address)
    return tuple(wanted or chosen)


def _neighbours(call: Call, subnet_id: str) -> list[NetworkInterface]:
    return [one for one in noun.mine(call, NetworkInterface) if one.subnet_id == subnet_id]


def _check(subnet: Subnet, wanted: str) -> None:
    if not parse_block(f"{wanted}/32", parameter="address").subnet_of(parse_block(subnet.cidr)):
        raise ServiceError("InvalidParameterValue", f"Address {wanted} does not fall within the subnet's address range")
    if not usable(subnet.cidr, wanted):
        raise ServiceError("InvalidParameterValue", f"Address {wanted} is in subnet's reserved address range")


def wanted_of_new(request: Request) -> tuple[str | None, list[str], int]:
    """Of CreateNetworkInterface: the primary address, secondary ones, and how many of these if they are not named."""
    listed: Sequence[Result] = request.get("PrivateIpAddresses") or ()
    single: str | None = request.get("PrivateIpAddress") or None
    count = _count(request, listed)
    if listed and single and any(one.get("Primary") for one in listed):
        raise ServiceError(
            "InvalidParameterCombination", "privateIpAddress and privateIpAddresses cannot both be specified."
        )
    primary = [one for one in listed if one.get("Primary") or (len(listed) == 1 and one.get("Primary") is None)]
    if len(primary) > 1:
        raise ServiceError("InvalidParameterValue", "Only one primary private IP address can be specified")
    if listed and not primary and not single:
        raise ServiceError("MissingParameter", "A primary private IP address must be specified")
    given = [_address(one) for one in primary]
    others = [_address(one) for one in listed if one not in primary]
    _check_number(len(others) or count)
    return (given[0] if given else single), others, count


def _address(listed: Result) -> str:
    address: str | None = listed.get("PrivateIpAddress")
    if not address:
        raise ServiceError("MissingParameter", "The request must contain the parameter privateIpAddress")
    return address


def _count(request: Request, listed: Sequence[object]) -> int:
    count = request.get("SecondaryPrivateIpAddressCount")
    if count is not None and listed:
        raise ServiceError(
            "InvalidParameterCombination",
            "The parameter privateIpAddresses cannot be used with the parameter secondaryPrivateIpAddressCount",
        )
    if count is not None and count < 1:
        raise ServiceError(
            "InvalidParameterValue", f"Value ({count}) for parameter secondaryPrivateIpAddressCount is invalid."
        )
    return count or 0


def _check_number(secondary: int) -> None:
    if secondary + 1 > _MOST:
        raise ServiceError("PrivateIpAddressLimitExceeded", "Number of private addresses will exceed limit.")


@operation(
    "AssignPrivateIpAddresses",
    takes="NetworkInterfaceId PrivateIpAddresses SecondaryPrivateIpAddressCount AllowReassignment",
    on=("network-interface/{NetworkInterfaceId}",),
)
def assign_private_ip_addresses(call: Call, request: Request) -> Result:
    interface = find_own(call, request["NetworkInterfaceId"])
    wanted: list[str] = list(dict.fromkeys(request.get("PrivateIpAddresses") or ()))
    count = _count(request, wanted)
    if not wanted and not count:
        raise ServiceError(
            "MissingParameter",
            "The request must contain the parameter privateIpAddresses or secondaryPrivateIpAddressCount",
        )
    subnet = noun.find(call, Subnet, interface.subnet_id)
    kept = [address for address in wanted if address in interface.secondary_ips]
    fresh = [address for address in wanted if address not in kept]
    _check_number(len(interface.secondary_ips) + (len(fresh) or count if wanted else count))
    moved = _take_from_others(call, interface, fresh, bool(request.get("AllowReassignment")))
    made = () if wanted and not fresh else choose(call, subnet, fresh, count)
    call.records.put(msgspec.structs.replace(interface, secondary_ips=(*interface.secondary_ips, *made)))
    for elastic in moved:
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssignPrivateIpAddresses.html: it moves too
        call.records.put(msgspec.structs.replace(elastic, network_interface_id=interface.id))
    assigned = wanted or made
    return {
        "NetworkInterfaceId": interface.id,
        "AssignedPrivateIpAddresses": [{"PrivateIpAddress": address} for address in assigned],
    }


def _take_from_others(
    call: Call, interface: NetworkInterface, wanted: Collection[str], allowed: bool
) -> list[ElasticIp]:
    """Secondary addresses of other interfaces, if they may be moved; the Elastic IPs that stand for these."""
    moved: list[ElasticIp] = []
    for other in _neighbours(call, interface.subnet_id):
        taken = [address for address in wanted if address in other.private_ips]
        if taken and (not allowed or other.requester_managed or set(taken) - set(other.secondary_ips)):
            raise ServiceError("InvalidParameterValue", f"[{', '.join(taken)}] assigned, but move is not allowed.")
        if taken:
            moved += [one for one in elastic_ip.associated(call.records, [other.id]) if one.private_ip in taken]
            call.records.put(_without(other, taken))
    return moved


def _without(interface: NetworkInterface, addresses: Collection[str]) -> NetworkInterface:
    left = tuple(one for one in interface.secondary_ips if one not in addresses)
    return msgspec.structs.replace(interface, secondary_ips=left)


@operation(
    "UnassignPrivateIpAddresses",
    takes="NetworkInterfaceId PrivateIpAddresses",
    on=("network-interface/{NetworkInterfaceId}",),
)
def unassign_private_ip_addresses(call: Call, request: Request) -> Result:
    """Elastic IPs of these addresses are left without one."""
    interface = find_own(call, request["NetworkInterfaceId"])
    wanted: list[str] = request.get("PrivateIpAddresses") or []
    if not wanted:
        raise ServiceError("MissingParameter", "The request must contain the parameter privateIpAddresses")
    if interface.private_ip in wanted:
        raise ServiceError("InvalidParameterValue", "The primary private IP address cannot be unassigned")
    foreign = [address for address in wanted if address not in interface.secondary_ips]
    if foreign:
        raise ServiceError(
            "InvalidParameterValue", f"Some of [{', '.join(foreign)}] are not assigned to interface {interface.id}"
        )
    for elastic in elastic_ip.associated(call.records, [interface.id]):
        if elastic.private_ip in wanted:
            elastic_ip.disassociate(call.records, elastic)
    call.records.put(_without(interface, wanted))
    return {}
