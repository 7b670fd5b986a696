"""Elastic IPs: public addresses that an internet gateway translates, one to one, to an interface's private address."""

from collections.abc import Iterable

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.record import Reader, Writer
from ringfence.network.addresses import elastic_addresses, public_name
from ringfence.resources.ec2 import ElasticIp, InternetGateway, NetworkInterface, Vpc
from ringfence.services.ec2 import noun, quota
from ringfence.services.ec2.listing import Filters, page, select
from ringfence.services.ec2.operation import named, operation
from ringfence.services.ec2.requester_managed import find_own, not_yours
from ringfence.services.ec2.tagging import described, remove, tag_new


def associated(records: Reader, interface_ids: Iterable[str]) -> list[ElasticIp]:
    """The Elastic IPs that these interfaces have."""
    wanted = set(interface_ids)
    return [
        one for one in records.all(ElasticIp) if one.network_interface_id in wanted and _is_associated(records, one)
    ]


def associate(call: Call, elastic: ElasticIp, interface: NetworkInterface, private_ip: str | None = None) -> ElasticIp:
    """Give it to a private address of the interface, the primary one if none is named; it loses another that it had."""
    private_ip = private_ip or interface.private_ip
    for other in associated(call.records, [interface.id]):
        if other.private_ip == private_ip:
            disassociate(call.records, other)
    made = msgspec.structs.replace(
        elastic,
        association_id=call.new_id("eipassoc"),
        network_interface_id=interface.id,
        private_ip=private_ip,
    )
    call.records.put(made)
    return made


def disassociate(records: Writer, elastic: ElasticIp) -> None:
    """It stays allocated."""
    records.put(msgspec.structs.replace(elastic, association_id=None, network_interface_id=None, private_ip=None))


def described_association(call: Call, interface: NetworkInterface, private_ip: str) -> Result:
    """`{"Association": …}` of an interface's private address, empty if it has none."""
    for one in associated(call.records, [interface.id]):
        if one.private_ip != private_ip:
            continue
        shown = {"AllocationId": one.id, "AssociationId": one.association_id, "PublicIp": one.public_ip}
        return {"Association": {**shown, **_public_name(call, one), "IpOwnerId": one.account}}
    return {}


def _public_name(call: Call, elastic: ElasticIp) -> Result:
    """The public host name, which needs both DNS attributes of the VPC."""
    interface = call.records.get(NetworkInterface, elastic.network_interface_id or "")
    vpc = call.records.get(Vpc, interface.vpc_id) if interface is not None else None
    named = vpc is not None and vpc.dns_support and vpc.dns_hostnames
    return {"PublicDnsName": public_name(elastic.public_ip, elastic.region) if named else ""}


def require_internet_gateway(call: Call, vpc_id: str, message: str) -> None:
    """Gateway.NotAttached unless the VPC has one."""
    if not any(gateway.vpc_id == vpc_id for gateway in noun.mine(call, InternetGateway)):
        raise ServiceError("Gateway.NotAttached", message)


@operation(
    "AllocateAddress",
    takes="Domain Address PublicIpv4Pool NetworkBorderGroup TagSpecifications",
    on=("elastic-ip/*",),
)
def allocate_address(call: Call, request: Request) -> Result:
    if request.get("Domain", "vpc") != "vpc":
        raise ServiceError("InvalidParameterValue", "Value (standard) for parameter domain is invalid.")
    if request.get("PublicIpv4Pool", "amazon") != "amazon":
        raise not_implemented("address pools of one's own")
    if request.get("NetworkBorderGroup", call.region) != call.region:
        raise ServiceError(
            "InvalidParameterValue", f"Invalid value '{request['NetworkBorderGroup']}' for networkBorderGroup"
        )
    quota.check(len(noun.mine(call, ElasticIp)), quota.ELASTIC_IPS, "AddressLimitExceeded", "addresses")
    made = ElasticIp(
        id=call.new_id("eipalloc"),
        account=call.account,
        region=call.region,
        public_ip=_choose(call, request.get("Address")),
    )
    call.records.put(made)
    tag_new(call, request, ElasticIp, made.id)
    return {
        "PublicIp": made.public_ip,
        "AllocationId": made.id,
        "PublicIpv4Pool": "amazon",
        "NetworkBorderGroup": call.region,
        "Domain": "vpc",
    }


def _choose(call: Call, wanted: str | None) -> str:
    """One that nobody has, at random as AWS; or the wanted one, to get back an address that was released."""
    taken = {one.public_ip for one in call.records.all(ElasticIp)}
    free = [address for address in elastic_addresses() if address not in taken]
    if wanted is not None:
        if wanted not in free:
            raise ServiceError("InvalidAddress.NotFound", f"Address '{wanted}' not found.")
        return wanted
    if not free:
        raise ServiceError("InsufficientAddressCapacity", "Not enough free addresses to satisfy your request.")
    return free[int.from_bytes(call.entropy(4)) % len(free)]


@operation(
    "ReleaseAddress",
    takes="AllocationId NetworkBorderGroup",
    on=named(optional={"AllocationId": "elastic-ip"}),
)
def release_address(call: Call, request: Request) -> Result:
    elastic = noun.find(call, ElasticIp, _given(request, "AllocationId"))
    if request.get("NetworkBorderGroup", elastic.region) != elastic.region:
        # "If you provide an incorrect network border group, you receive an InvalidAddress.NotFound error."
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReleaseAddress.html
        raise ServiceError("InvalidAddress.NotFound", f"Address '{elastic.public_ip}' not found.")
    if _is_associated(call.records, elastic):
        raise ServiceError("InvalidIPAddress.InUse", f"Address {elastic.public_ip} is in use.")
    remove(call, elastic)
    return {}


@operation(
    "AssociateAddress",
    takes="AllocationId NetworkInterfaceId PrivateIpAddress AllowReassociation",
    on=named(optional={"AllocationId": "elastic-ip", "NetworkInterfaceId": "network-interface"}),
)
def associate_address(call: Call, request: Request) -> Result:
    elastic = noun.find(call, ElasticIp, _given(request, "AllocationId"))
    interface = find_own(call, _given(request, "NetworkInterfaceId"))
    private = request.get("PrivateIpAddress") or interface.private_ip
    if private not in interface.private_ips:
        raise ServiceError(
            "InvalidParameterValue", f"Address {private} is not an address of network interface {interface.id}"
        )
    network = f"Network {interface.vpc_id} is not attached to any internet gateway"
    require_internet_gateway(call, interface.vpc_id, network)
    if _is_associated(call.records, elastic):
        if (elastic.network_interface_id, elastic.private_ip) == (interface.id, private):
            return {"AssociationId": elastic.association_id}
        _check_reassociation(call, elastic, bool(request.get("AllowReassociation")))
    return {"AssociationId": associate(call, elastic, interface, private).association_id}


def _check_reassociation(call: Call, elastic: ElasticIp, allowed: bool) -> None:
    if _is_managed(call, elastic):
        raise not_yours()
    if not allowed:
        raise ServiceError(
            "Resource.AlreadyAssociated",
            f"resource {elastic.id} is already associated with associate-id {elastic.association_id}",
        )


def _what_is_associated(call: Call, request: Request) -> list[str]:
    """The ARNs of the address and of the interface that an association is between."""
    wanted = request.get("AssociationId")
    found = next((one for one in noun.mine(call, ElasticIp) if wanted and one.association_id == wanted), None)
    if found is None:
        return [call.arn("ec2", "elastic-ip/*")]
    ids = ((ElasticIp, found.id), (NetworkInterface, found.network_interface_id or "*"))
    return [noun.arn(call, kind, id) for kind, id in ids]


@operation("DisassociateAddress", takes="AssociationId", on=_what_is_associated)
def disassociate_address(call: Call, request: Request) -> Result:
    wanted = _given(request, "AssociationId")
    for elastic in noun.mine(call, ElasticIp):
        if elastic.association_id == wanted and _is_associated(call.records, elastic):
            if _is_managed(call, elastic):
                raise not_yours()
            disassociate(call.records, elastic)
            return {}
    raise ServiceError("InvalidAssociationID.NotFound", f"The association ID '{wanted}' does not exist")


def _is_associated(records: Reader, elastic: ElasticIp) -> bool:
    """Whether the interface is still there: an address outlives the interface that had it."""
    return records.get(NetworkInterface, elastic.network_interface_id or "") is not None


def _is_managed(call: Call, elastic: ElasticIp) -> bool:
    interface = call.records.get(NetworkInterface, elastic.network_interface_id or "")
    return interface is not None and interface.requester_managed


def _given(request: Request, member: str) -> str:
    value = request.get(member)
    if not value:
        raise ServiceError(
            "MissingParameter", f"The request must contain the parameter {member[:1].lower()}{member[1:]}"
        )
    return str(value)


_FILTERS: Filters = {
    "allocation-id": lambda call, item: item.id,
    "association-id": lambda call, item: _association(call, item).get("AssociationId"),
    "domain": lambda call, item: "vpc",
    "instance-id": lambda call, item: None,
    "network-border-group": lambda call, item: item.region,
    "network-interface-id": lambda call, item: _association(call, item).get("NetworkInterfaceId"),
    "network-interface-owner-id": lambda call, item: _association(call, item).get("NetworkInterfaceOwnerId"),
    "private-ip-address": lambda call, item: _association(call, item).get("PrivateIpAddress"),
    "public-ip": lambda call, item: item.public_ip,
}


@operation("DescribeAddresses", takes="PublicIps AllocationIds Filters")
def describe_addresses(call: Call, request: Request) -> Result:
    """All at once: it has no pages."""
    found = noun.mine(call, ElasticIp)
    if ids := request.get("AllocationIds"):
        found = noun.find_all(call, ElasticIp, ids)
    for wanted in request.get("PublicIps") or ():
        if wanted not in {one.public_ip for one in found}:
            raise ServiceError("InvalidAddress.NotFound", f"Address '{wanted}' not found.")
    if addresses := request.get("PublicIps"):
        found = [one for one in found if one.public_ip in addresses]
    chosen = select(call, request, found, _FILTERS, lambda one: noun.arn(call, ElasticIp, one.id))
    return {"Addresses": [_described(call, one) for one in chosen]}


@operation("DescribeAddressesAttribute", takes="AllocationIds Attribute MaxResults NextToken")
def describe_addresses_attribute(call: Call, request: Request) -> Result:
    """Names for reverse look-ups, of which there are none: ModifyAddressAttribute is refused."""
    if request.get("Attribute", "domain-name") != "domain-name":
        raise ServiceError("InvalidParameterValue", "The attribute must be domain-name.")
    noun.find_all(call, ElasticIp, request.get("AllocationIds") or [])
    page(request, list[ElasticIp](), lambda one: one.id, least=1)
    return {"Addresses": []}


def _association(call: Call, elastic: ElasticIp) -> Result:
    interface = call.records.get(NetworkInterface, elastic.network_interface_id or "")
    if interface is None:
        return {}
    return {
        "AssociationId": elastic.association_id,
        "NetworkInterfaceId": interface.id,
        "NetworkInterfaceOwnerId": interface.account,
        "PrivateIpAddress": elastic.private_ip,
    }


def _described(call: Call, elastic: ElasticIp) -> Result:
    return {
        "PublicIp": elastic.public_ip,
        "AllocationId": elastic.id,
        "Domain": "vpc",
        "PublicIpv4Pool": "amazon",
        "NetworkBorderGroup": elastic.region,
        **_association(call, elastic),
        **described(call, elastic),
    }
