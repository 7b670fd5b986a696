"""NAT gateways: how private subnets get out. Whether one works, the reconciler says in its NatGatewayStatus.

https://docs.aws.amazon.com/vpc/latest/userguide/vpc-nat-gateway.html
"""

from datetime import timedelta

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.record import Reader
from ringfence.resources.ec2 import Attachment, ElasticIp, NetworkInterface, Subnet
from ringfence.resources.nat_gateway import NatGateway, NatGatewayStatus
from ringfence.services.ec2 import client_token, elastic_ip, noun, quota
from ringfence.services.ec2.listing import Filters, choose, page, paged
from ringfence.services.ec2.network_interface import new_interface
from ringfence.services.ec2.operation import named, operation
from ringfence.services.ec2.tagging import described, tag_new

# "After about an hour" a NAT gateway that failed or was deleted is shown no more.
# https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
SHOWN_AFTER_END = timedelta(hours=1)
_OWNER = "amazon-aws"


def state_of(records: Reader, nat: NatGateway) -> str:
    """pending, failed, available, deleting or deleted."""
    status = records.get(NatGatewayStatus, nat.id)
    if status is not None and (nat.deleting is None or status.state == "deleted"):
        return status.state
    return "pending" if nat.deleting is None else "deleting"


@operation(
    "CreateNatGateway",
    takes="SubnetId AllocationId ConnectivityType PrivateIpAddress ClientToken TagSpecifications AvailabilityMode",
    on=named("natgateway/*", optional={"SubnetId": "subnet", "AllocationId": "elastic-ip"}),
)
def create_nat_gateway(call: Call, request: Request) -> Result:
    if request.get("AvailabilityMode", "zonal") != "zonal":
        raise not_implemented("regional NAT gateways")
    made = client_token.earlier(call, request, NatGateway)
    if made is None:
        made = msgspec.structs.replace(_make(call, request), made_for=client_token.of(request))
        call.records.put(made)
        tag_new(call, request, NatGateway, made.id)
    return {"NatGateway": _described(call, made), **client_token.echoed(request)}


def _make(call: Call, request: Request) -> NatGateway:
    """With its interface and address; or with what is in the way, which AWS says in the description."""
    if not request.get("SubnetId"):
        raise ServiceError("MissingParameter", "The request must contain the parameter subnetId")
    subnet = noun.find(call, Subnet, request["SubnetId"])
    elastic = _wanted_address(call, request)
    _check_quota(call, subnet)
    nat = NatGateway(
        id=call.new_id("nat"),
        account=call.account,
        region=call.region,
        vpc_id=subnet.vpc_id,
        subnet_id=subnet.id,
        connectivity="private" if elastic is None else "public",
        allocation_id=elastic.id if elastic else None,
        created=call.now,
    )
    try:
        return _wire(call, nat, subnet, elastic, request.get("PrivateIpAddress"))
    except _Failure as failure:
        return msgspec.structs.replace(nat, failure=(failure.code, failure.message))


class _Failure(Exception):
    """Why a NAT gateway fails after its creation was accepted."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def _wanted_address(call: Call, request: Request) -> ElasticIp | None:
    kind = request.get("ConnectivityType") or "public"
    if kind not in ("public", "private"):
        raise ServiceError("InvalidParameterValue", f"Value ({kind}) for parameter connectivityType is invalid.")
    allocation = request.get("AllocationId")
    if kind == "private" and allocation:
        raise ServiceError(
            "InvalidParameterCombination", "AllocationId cannot be specified for a NAT gateway of type private."
        )
    if kind == "public" and not allocation:
        raise ServiceError("MissingParameter", "The request must contain the parameter AllocationId")
    return noun.find(call, ElasticIp, str(allocation)) if allocation else None


def _check_quota(call: Call, subnet: Subnet) -> None:
    zone = subnet.availability_zone
    there = [call.records.get(Subnet, nat.subnet_id) for nat in noun.mine(call, NatGateway) if _counts(call, nat)]
    have = sum(other is not None and other.availability_zone == zone for other in there)
    quota.check(have, quota.NAT_GATEWAYS_PER_ZONE, "NatGatewayLimitExceeded", "NAT gateways")


def _counts(call: Call, nat: NatGateway) -> bool:
    return state_of(call.records, nat) in ("pending", "available", "deleting") and nat.failure is None


def _wire(call: Call, nat: NatGateway, subnet: Subnet, elastic: ElasticIp | None, private_ip: str | None) -> NatGateway:
    """The gateway's interface, managed by the service, and its Elastic IP on it."""
    if elastic is not None:
        _check_public(call, nat, elastic)
    try:
        interface = new_interface(call, subnet, (), f"Interface for NAT Gateway {nat.id}", private_ip)
    except ServiceError as error:
        if error.code != "InsufficientFreeAddressesInSubnet":
            raise
        message = "Subnet has insufficient free addresses to create this NAT gateway"
        raise _Failure(error.code, message) from None
    interface = msgspec.structs.replace(
        interface,
        interface_type="natGateway",
        requester_id=_OWNER,
        requester_managed=True,
        source_dest_check=False,
        attachment=Attachment(id=call.new_id("ela-attach"), instance_owner=_OWNER, attached_at=call.now),
    )
    call.records.put(interface)
    held = elastic_ip.associate(call, elastic, interface) if elastic else None
    return msgspec.structs.replace(
        nat,
        network_interface_id=interface.id,
        private_ip=interface.private_ip,
        association_id=held.association_id if held else None,
        public_ip=held.public_ip if held else None,
    )


def _check_public(call: Call, nat: NatGateway, elastic: ElasticIp) -> None:
    try:
        message = f"Network {nat.vpc_id} has no Internet gateway attached"
        elastic_ip.require_internet_gateway(call, nat.vpc_id, message)
    except ServiceError as error:
        raise _Failure(error.code, error.message) from None
    if call.records.get(NetworkInterface, elastic.network_interface_id or "") is not None:
        raise _Failure("Resource.AlreadyAssociated", f"Elastic IP address {elastic.id} is already associated")


@operation("DeleteNatGateway", takes="NatGatewayId", on=("natgateway/{NatGatewayId}",))
def delete_nat_gateway(call: Call, request: Request) -> Result:
    """Its routes become blackholes; its Elastic IP stays allocated."""
    nat = noun.find(call, NatGateway, request["NatGatewayId"])
    if state_of(call.records, nat) == "deleted":
        raise ServiceError("NatGatewayNotFound", f"NAT gateway {nat.id} was not found")
    if nat.deleting is None:
        call.records.put(msgspec.structs.replace(nat, deleting=call.now))
    return {"NatGatewayId": nat.id}


def find_target(call: Call, id: str) -> NatGateway:
    """The NAT gateway that a route is to lead to."""
    try:
        nat = noun.find(call, NatGateway, id)
    except ServiceError:
        nat = None
    if nat is None or nat.failure is not None or nat.deleting is not None:
        raise ServiceError("InvalidNatGatewayID.NotFound", f"The natGateway ID '{id}' does not exist")
    return nat


_FILTERS: Filters = {
    "connectivity-type": lambda call, item: item.connectivity,
    "nat-gateway-id": lambda call, item: item.id,
    "state": lambda call, item: state_of(call.records, item),
    "subnet-id": lambda call, item: item.subnet_id,
    "vpc-id": lambda call, item: item.vpc_id,
}


@operation("DescribeNatGateways", takes="NatGatewayIds Filter MaxResults NextToken")
def describe_nat_gateways(call: Call, request: Request) -> Result:
    chosen = choose(
        call, request, NatGateway, ids="NatGatewayIds", filters=_FILTERS, shown=lambda nat: not _is_over(call, nat)
    )
    kept, token = page(request, chosen, lambda nat: nat.id)
    return paged("NatGateways", [_described(call, nat) for nat in kept], token)


def _is_over(call: Call, nat: NatGateway) -> bool:
    """Whether it ended so long ago that it is shown no more."""
    status = call.records.get(NatGatewayStatus, nat.id)
    return status is not None and status.state in ("deleted", "failed") and call.now - status.at > SHOWN_AFTER_END


_ADDRESS_STATUS = {"pending": "associating", "available": "succeeded", "deleting": "disassociating"}


def _described(call: Call, nat: NatGateway) -> Result:
    state, status = state_of(call.records, nat), call.records.get(NatGatewayStatus, nat.id)
    told: Result = {}
    if state == "failed" and nat.failure is not None:
        told = {"FailureCode": nat.failure[0], "FailureMessage": nat.failure[1]}
    if state in ("deleting", "deleted"):
        told["DeleteTime"] = nat.deleting if status is None or state == "deleting" else status.at
    return {
        "NatGatewayId": nat.id,
        "VpcId": nat.vpc_id,
        "SubnetId": nat.subnet_id,
        "State": state,
        "ConnectivityType": nat.connectivity,
        "AvailabilityMode": "zonal",
        "CreateTime": nat.created,
        "NatGatewayAddresses": [_address(nat, state)],
        **told,
        **described(call, nat),
    }


def _address(nat: NatGateway, state: str) -> Result:
    members = {
        "AllocationId": nat.allocation_id,
        "AssociationId": nat.association_id,
        "NetworkInterfaceId": nat.network_interface_id,
        "PrivateIp": nat.private_ip,
        "PublicIp": nat.public_ip,
        "Status": "failed" if nat.failure is not None else _ADDRESS_STATUS.get(state),
    }
    return {"IsPrimary": True, **{name: value for name, value in members.items() if value is not None}}
