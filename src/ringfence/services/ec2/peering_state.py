"""The life of a VPC peering connection: its state at a moment, how long it is shown, which VPCs it connects.

Serves the nouns that refer to peering connections. Whether packets have a way, the reconciler says in the status.
https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html#vpc-peering-lifecycle
"""

from datetime import datetime, timedelta

from ringfence.core.call import Call
from ringfence.core.record import Reader
from ringfence.resources.ec2 import Vpc
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection, VpcPeeringConnectionStatus
from ringfence.services.ec2 import noun

EXPIRY = timedelta(days=7)
_SHORT, _LONG = timedelta(hours=2), timedelta(days=2)
LIVE = ("provisioning", "active")


def state_of(records: Reader, one: VpcPeeringConnection, now: datetime) -> str:
    """AWS's code: pending-acceptance, provisioning, active, failed, rejected, expired, deleting or deleted."""
    status = records.get(VpcPeeringConnectionStatus, one.id)
    if one.failure is not None:
        return "failed"
    if one.rejected is not None:
        return "rejected"
    if one.deleting is not None:
        return "deleted" if status is not None and status.state == "deleted" else "deleting"
    if one.accepted is not None:
        return "active" if status is not None and status.state == "active" else "provisioning"
    return "expired" if now >= one.created + EXPIRY else "pending-acceptance"


def message_of(one: VpcPeeringConnection, state: str) -> str:
    """What AWS says of the state."""
    match state:
        case "initiating-request":
            return f"Initiating Request to {one.accepter_account}"
        case "pending-acceptance":
            return f"Pending Acceptance by {one.accepter_account}"
        case "rejected":
            return f"Rejected by {one.ended_by}"
        case "deleted" | "deleting":
            return f"{state.capitalize()} by {one.ended_by}"
        case "failed":
            return one.failure or ""
        case _:
            return state.capitalize()


def last_shown(one: VpcPeeringConnection, account: str) -> datetime | None:
    """Until when an account sees a connection that came to nothing or to its end; None if it has not."""
    same = one.account == one.accepter_account
    if one.failure is not None:
        return one.created + _SHORT
    if one.rejected is not None:
        return one.rejected + (_LONG if account == one.account and not same else _SHORT)
    if one.deleting is not None:
        return one.deleting + (_SHORT if same or account == one.ended_by else _LONG)
    return one.created + EXPIRY + _LONG if one.accepted is None else None


def is_shown(call: Call, one: VpcPeeringConnection) -> bool:
    """A failed request is the requester's business alone."""
    end = last_shown(one, call.account)
    hidden = one.failure is not None and call.account != one.account
    return not hidden and (end is None or call.now < end)


def find_peering(call: Call, id: str) -> VpcPeeringConnection:
    """One that the caller sees, as requester or as accepter."""
    found = noun.find(call, VpcPeeringConnection, id)
    if not is_shown(call, found):
        raise noun.missing(VpcPeeringConnection, id)
    return found


def is_live(call: Call, one: VpcPeeringConnection | None) -> bool:
    """Whether it carries packets, or is about to."""
    return one is not None and state_of(call.records, one, call.now) in LIVE


def connections_of(call: Call, vpc_id: str) -> list[VpcPeeringConnection]:
    """The live ones of a VPC."""
    known = call.records.all(VpcPeeringConnection)
    return [one for one in known if vpc_id in (one.requester_vpc_id, one.accepter_vpc_id) and is_live(call, one)]


def other_vpc(call: Call, one: VpcPeeringConnection, vpc_id: str) -> Vpc | None:
    """The VPC at the other end."""
    id = one.accepter_vpc_id if vpc_id == one.requester_vpc_id else one.requester_vpc_id
    return call.records.get(Vpc, id)
