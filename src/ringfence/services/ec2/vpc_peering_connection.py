"""VPC peering connections: request, accept, reject, delete, describe, and their DNS options.

Requester and accepter may be different accounts and regions; each tags the connection for itself.
https://docs.aws.amazon.com/vpc/latest/peering/what-is-vpc-peering.html
"""

import re

import msgspec

from ringfence.core.arn import make_arn
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.network.compile.peering import overlap
from ringfence.resources.ec2 import Vpc
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection
from ringfence.services.ec2 import noun, quota
from ringfence.services.ec2.availability_zone import REGIONS
from ringfence.services.ec2.listing import Filters, page, paged, select
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.peering_state import (
    EXPIRY,
    LIVE,
    connections_of,
    find_peering,
    is_shown,
    message_of,
    state_of,
)
from ringfence.services.ec2.tagging import described, tag_new

_FAILURE = "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"
_ONE = "vpc-peering-connection/{VpcPeeringConnectionId}"


def _requester_arn(call: Call, request: Request) -> list[str]:
    return [call.arn("ec2", f"vpc/{request['VpcId']}")]


def _accepter_arn(call: Call, request: Request) -> list[str]:
    region, owner = request.get("PeerRegion") or call.region, request.get("PeerOwnerId") or call.account
    return [make_arn("ec2", region, owner, f"vpc/{request.get('PeerVpcId', '')}")]


@operation(
    "CreateVpcPeeringConnection",
    takes="VpcId PeerVpcId PeerOwnerId PeerRegion TagSpecifications",
    on=("vpc/{VpcId}", "vpc-peering-connection/*"),
    keys={"ec2:RequesterVpc": _requester_arn, "ec2:AccepterVpc": _accepter_arn},
)
def create_vpc_peering_connection(call: Call, request: Request) -> Result:
    vpc = noun.find(call, Vpc, request["VpcId"])
    made = _requested(call, vpc, request)
    _check_new(call, made)
    peer = call.records.get(Vpc, made.accepter_vpc_id)
    if peer is None or not peer.is_shown_to(made.accepter_account, made.accepter_region) or overlap(vpc, peer):
        made = msgspec.structs.replace(made, failure=_FAILURE)
    call.records.put(made)
    tag_new(call, request, VpcPeeringConnection, made.id)
    return {"VpcPeeringConnection": _described(call, made, "initiating-request")}


def _requested(call: Call, vpc: Vpc, request: Request) -> VpcPeeringConnection:
    """The connection that the request spells; whether the other VPC exists, it may not tell a stranger."""
    peer = request.get("PeerVpcId")
    if not peer:
        raise ServiceError("MissingParameter", "The request must contain the parameter peerVpcId")
    noun.check_form(Vpc, peer)
    owner, region = request.get("PeerOwnerId") or call.account, request.get("PeerRegion") or call.region
    if not re.fullmatch("[0-9]{12}", owner):
        raise ServiceError("InvalidParameterValue", f"Value ({owner}) for parameter peerOwnerId is invalid.")
    if region not in (*REGIONS, call.region):
        raise ServiceError("InvalidParameterValue", f"Value ({region}) for parameter peerRegion is invalid.")
    return VpcPeeringConnection(
        id=call.new_id("pcx"),
        account=call.account,
        region=call.region,
        requester_vpc_id=vpc.id,
        accepter_vpc_id=peer,
        accepter_account=owner,
        accepter_region=region,
        created=call.now,
    )


def _check_new(call: Call, made: VpcPeeringConnection) -> None:
    """One connection between two VPCs; so many requests; so many connections of a VPC."""
    pair = {made.requester_vpc_id, made.accepter_vpc_id}
    known = [one for one in call.records.all(VpcPeeringConnection) if _is_open(call, one)]
    if any({one.requester_vpc_id, one.accepter_vpc_id} == pair for one in known):
        raise ServiceError(
            "VpcPeeringConnectionAlreadyExists", "A VPC peering connection between the VPCs already exists."
        )
    outstanding = sum(one.account == call.account and one.accepted is None for one in known)
    most, code = quota.OUTSTANDING_PEERINGS, "OutstandingVpcPeeringConnectionLimitExceeded"
    quota.check(outstanding, most, code, "outstanding VPC peering connection requests")
    _check_quota(call, made.requester_vpc_id)


def _check_quota(call: Call, vpc_id: str) -> None:
    have, code = len(connections_of(call, vpc_id)), "VpcPeeringConnectionsPerVpcLimitExceeded"
    quota.check(have, quota.PEERINGS_PER_VPC, code, "active VPC peering connections per VPC")


def _is_open(call: Call, one: VpcPeeringConnection) -> bool:
    return state_of(call.records, one, call.now) in (*LIVE, "pending-acceptance")


def _accepter_vpc(call: Call, request: Request) -> list[str]:
    """The connection, and the VPC that its accepter gives to it."""
    id = request["VpcPeeringConnectionId"]
    found = call.records.get(VpcPeeringConnection, id)
    vpc = found.accepter_vpc_id if found is not None and _mine(call, found) else "*"
    return [call.arn("ec2", f"vpc/{vpc}"), call.arn("ec2", f"vpc-peering-connection/{id}")]


def _mine(call: Call, one: VpcPeeringConnection) -> bool:
    """Whether the caller is the accepter, in the accepter's region."""
    return (one.accepter_account, one.accepter_region) == (call.account, call.region)


@operation("AcceptVpcPeeringConnection", takes="VpcPeeringConnectionId", on=_accepter_vpc)
def accept_vpc_peering_connection(call: Call, request: Request) -> Result:
    one = find_peering(call, request["VpcPeeringConnectionId"])
    _check_accepter(call, one, "accept")
    _check_state(call, one, ("pending-acceptance",), "active")
    here, there = call.records.get(Vpc, one.accepter_vpc_id), call.records.get(Vpc, one.requester_vpc_id)
    if here is None or there is None or overlap(here, there):
        # what has become of the VPCs since it was requested
        one = msgspec.structs.replace(one, failure=_FAILURE)
    else:
        for vpc in (here, there):
            _check_quota(call, vpc.id)
        one = msgspec.structs.replace(one, accepted=call.now)
    call.records.put(one)
    return {"VpcPeeringConnection": _described(call, one)}


@operation("RejectVpcPeeringConnection", takes="VpcPeeringConnectionId", on=(_ONE,))
def reject_vpc_peering_connection(call: Call, request: Request) -> Result:
    one = find_peering(call, request["VpcPeeringConnectionId"])
    _check_accepter(call, one, "reject")
    _check_state(call, one, ("pending-acceptance",), "rejected")
    call.records.put(msgspec.structs.replace(one, rejected=call.now, ended_by=call.account))
    return {"Return": True}


@operation("DeleteVpcPeeringConnection", takes="VpcPeeringConnectionId", on=(_ONE,))
def delete_vpc_peering_connection(call: Call, request: Request) -> Result:
    """Either side deletes an active connection; the requester alone a request. Routes become blackholes."""
    one = find_peering(call, request["VpcPeeringConnectionId"])
    _check_state(call, one, (*LIVE, "pending-acceptance"), "deleting")
    if one.accepted is None and call.account != one.account:
        raise ServiceError("OperationNotPermitted", f"User {call.account} cannot delete peering {one.id}")
    call.records.put(msgspec.structs.replace(one, deleting=call.now, ended_by=call.account))
    return {"Return": True}


def _check_accepter(call: Call, one: VpcPeeringConnection, verb: str) -> None:
    if call.account != one.accepter_account:
        raise ServiceError("OperationNotPermitted", f"User ({call.account}) cannot {verb} peering {one.id}")
    if call.region != one.accepter_region:
        raise ServiceError(
            "OperationNotPermitted",
            f"Incorrect region ({call.region}) specified for this request. VPC peering connection {one.id} must be "
            f"{verb}ed in region {one.accepter_region}",
        )


def _check_state(call: Call, one: VpcPeeringConnection, allowed: tuple[str, ...], wanted: str) -> None:
    state = state_of(call.records, one, call.now)
    if state not in allowed:
        raise ServiceError(
            "InvalidStateTransition",
            f"Invalid state transition for {one.id}, attempted to transition from {state} to {wanted}",
        )


_OPTIONS = ("AccepterPeeringConnectionOptions", "RequesterPeeringConnectionOptions")


@operation("ModifyVpcPeeringConnectionOptions", takes=f"VpcPeeringConnectionId {' '.join(_OPTIONS)}", on=(_ONE,))
def modify_vpc_peering_connection_options(call: Call, request: Request) -> Result:
    """Let the other VPC resolve this one's public host names to private addresses."""
    one = find_peering(call, request["VpcPeeringConnectionId"])
    if state_of(call.records, one, call.now) != "active":
        raise ServiceError(
            "OperationNotPermitted",
            f"Peering {one.id} is not active. Peering options can be added only to active peerings.",
        )
    given = {name: options for name in _OPTIONS if (options := request.get(name))}
    if not given:
        raise ServiceError("MissingParameter", "The request must contain the parameter PeeringConnectionOptions")
    for name, options in given.items():
        side = name.removesuffix("PeeringConnectionOptions").lower()
        _check_side(call, one, side)
        if (wanted := _resolves(options)) is not None:
            one = msgspec.structs.replace(one, **{f"{side}_dns": wanted})
    call.records.put(one)
    values = {
        "AccepterPeeringConnectionOptions": one.accepter_dns,
        "RequesterPeeringConnectionOptions": one.requester_dns,
    }
    return {name: _options(values[name]) for name in given}


def _resolves(options: Request) -> bool | None:
    """AllowDnsResolutionFromRemoteVpc; ClassicLink is no more."""
    for member in ("AllowEgressFromLocalClassicLinkToRemoteVpc", "AllowEgressFromLocalVpcToRemoteClassicLink"):
        if options.get(member):
            raise ServiceError("InvalidParameterValue", f"{member} cannot be enabled: ClassicLink has been retired.")
    for member in ("AllowMultipathResilience", "MultipathResilienceMode"):
        if options.get(member):
            raise not_implemented(f"{member} of a VPC peering connection")
    return options.get("AllowDnsResolutionFromRemoteVpc")


def _check_side(call: Call, one: VpcPeeringConnection, side: str) -> None:
    account, region = (one.account, one.region) if side == "requester" else (one.accepter_account, one.accepter_region)
    if call.account != account:
        raise ServiceError(
            "OperationNotPermitted",
            f"User {call.account} does not have permission to modify the {side} side peering options",
        )
    if call.region != region:
        raise ServiceError(
            "OperationNotPermitted",
            f"{side.capitalize()}'s VPC Peering connection options cannot be modified for a different region",
        )


def _vpc_filters(side: str) -> Filters:
    """Those of one end: its VPC's primary block, owner and id."""
    return {
        f"{side}-vpc-info.cidr-block": lambda call, item: [one["CidrBlock"] for one in _blocks(call, _id(item, side))],
        f"{side}-vpc-info.owner-id": lambda call, item: item.account if side == "requester" else item.accepter_account,
        f"{side}-vpc-info.vpc-id": lambda call, item: _id(item, side),
    }


def _id(one: VpcPeeringConnection, side: str) -> str:
    return one.requester_vpc_id if side == "requester" else one.accepter_vpc_id


_FILTERS: Filters = {
    **_vpc_filters("accepter"),
    **_vpc_filters("requester"),
    "expiration-time": lambda call, item: (item.created + EXPIRY).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "status-code": lambda call, item: state_of(call.records, item, call.now),
    "status-message": lambda call, item: message_of(item, state_of(call.records, item, call.now)),
    "vpc-peering-connection-id": lambda call, item: item.id,
}


@operation("DescribeVpcPeeringConnections", takes="VpcPeeringConnectionIds Filters MaxResults NextToken")
def describe_vpc_peering_connections(call: Call, request: Request) -> Result:
    wanted = request.get("VpcPeeringConnectionIds")
    if wanted and request.get("MaxResults"):
        raise ServiceError(
            "InvalidParameterCombination",
            "The parameter vpcPeeringConnectionIds cannot be used with the parameter maxResults",
        )
    if wanted:
        found = [find_peering(call, id) for id in dict.fromkeys(wanted)]
    else:
        found = [one for one in noun.mine(call, VpcPeeringConnection) if is_shown(call, one)]
    chosen = select(call, request, found, _FILTERS, lambda one: noun.arn(call, VpcPeeringConnection, one.id))
    kept, token = page(request, chosen, lambda one: one.id)
    return paged("VpcPeeringConnections", [_described(call, one) for one in kept], token)


def _described(call: Call, one: VpcPeeringConnection, state: str | None = None) -> Result:
    state = state or state_of(call.records, one, call.now)
    waits = {"ExpirationTime": one.created + EXPIRY} if state in ("initiating-request", "pending-acceptance") else {}
    return {
        "VpcPeeringConnectionId": one.id,
        "Status": {"Code": state, "Message": message_of(one, state)},
        "RequesterVpcInfo": _side(call, one, "requester"),
        "AccepterVpcInfo": _side(call, one, "accepter"),
        **waits,
        **described(call, one),
    }


def _side(call: Call, one: VpcPeeringConnection, side: str) -> Result:
    """An end of it. The accepter's blocks and options are shown once it has accepted."""
    requester = side == "requester"
    told: Result = {
        "VpcId": _id(one, side),
        "OwnerId": one.account if requester else one.accepter_account,
        "Region": one.region if requester else one.accepter_region,
    }
    if not requester and one.accepted is None:
        return told
    blocks = _blocks(call, told["VpcId"])
    if blocks:
        told |= {"CidrBlock": blocks[0]["CidrBlock"], "CidrBlockSet": blocks}
    return told | {"PeeringOptions": _options(one.requester_dns if requester else one.accepter_dns)}


def _blocks(call: Call, vpc_id: str) -> list[dict[str, str]]:
    vpc = call.records.get(Vpc, vpc_id)
    cidrs = (vpc.cidr, *(cidr for _, cidr in vpc.secondary_cidrs)) if vpc is not None else ()
    return [{"CidrBlock": cidr} for cidr in cidrs]


def _options(resolves: bool) -> Result:
    return {
        "AllowDnsResolutionFromRemoteVpc": resolves,
        "AllowEgressFromLocalClassicLinkToRemoteVpc": False,
        "AllowEgressFromLocalVpcToRemoteClassicLink": False,
    }
