"""Rules that name a security group: of the same VPC, or of a VPC that an active peering connection leads to.

Serves the group nouns. A rule whose peering connection or group behind it is gone stays, and is stale.
https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-security-groups.html
"""

from typing import Any

from ringfence.core.call import Call, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import SecurityGroup, SecurityGroupRule
from ringfence.resources.vpc_peering_connection import VpcPeeringConnection
from ringfence.services.ec2 import noun
from ringfence.services.ec2.peering_state import connections_of, is_live


def check_pair(call: Call, group: SecurityGroup, pair: dict[str, Any]) -> str:
    """The id of the group that a UserIdGroupPair names, if a rule of `group` may name it."""
    id = check_group(call, group, pair.get("GroupId"), pair.get("UserId") or call.account)
    there = call.records.get(SecurityGroup, id)
    if there is not None and pair.get("VpcId") not in (None, "", there.vpc_id):
        raise noun.missing(SecurityGroup, id)
    if wanted := pair.get("VpcPeeringConnectionId"):
        noun.check_form(VpcPeeringConnection, wanted)
        found = _find_connection(call, group, there) if there is not None else None
        if found is None or found.id != wanted:
            raise noun.missing(VpcPeeringConnection, wanted)
        if pair.get("PeeringStatus") not in (None, "", "active"):
            raise ServiceError("InvalidParameterValue", f"The VPC peering connection {wanted} is active.")
    return id


def check_group(call: Call, group: SecurityGroup, id: str | None, owner: str | None = None) -> str:
    """The id of a group of the same or of a peered VPC; `owner`: the account that it must be of."""
    if not id:
        raise ServiceError("MissingParameter", "The request must contain the parameter groupId")
    noun.check_form(SecurityGroup, id)
    there = call.records.get(SecurityGroup, id)
    if there is None or owner not in (None, there.account):
        raise noun.missing(SecurityGroup, id)
    if there.vpc_id != group.vpc_id and _find_connection(call, group, there) is None:
        # what a stranger has does not exist for the caller
        if there.account != call.account:
            raise noun.missing(SecurityGroup, id)
        raise ServiceError(
            "InvalidGroup.NotFound", "You have specified two resources that belong to different networks."
        )
    return id


def find_reference(call: Call, group: SecurityGroup, id: str | None) -> dict[str, Any]:
    """The fields of a rule of `group` that say where the group that it names is, if that is another VPC."""
    there = call.records.get(SecurityGroup, id) if id else None
    found = _find_connection(call, group, there) if there is not None and there.vpc_id != group.vpc_id else None
    if there is None or found is None:
        return {"referenced_vpc_id": None, "referenced_account": None, "peering_connection_id": None}
    return {
        "referenced_vpc_id": there.vpc_id,
        "referenced_account": there.account,
        "peering_connection_id": found.id,
    }


def _find_connection(call: Call, group: SecurityGroup, there: SecurityGroup) -> VpcPeeringConnection | None:
    """Of one region: rules cannot name groups of another one."""
    for one in connections_of(call, group.vpc_id):
        if there.vpc_id in (one.requester_vpc_id, one.accepter_vpc_id) and one.region == one.accepter_region:
            return one
    return None


def is_stale(call: Call, rule: SecurityGroupRule) -> bool:
    """Whether the peering connection is over, or the group behind it is gone."""
    if rule.peering_connection_id is None:
        return False
    gone = call.records.get(SecurityGroup, rule.referenced_group_id or "") is None
    return gone or _status(call, rule) != "active"


def _status(call: Call, rule: SecurityGroupRule) -> str:
    one = call.records.get(VpcPeeringConnection, rule.peering_connection_id or "")
    return "active" if is_live(call, one) else "deleted"


def describe_pair(call: Call, rule: SecurityGroupRule) -> Result:
    """The group that a rule names, as UserIdGroupPairs and ReferencedGroupInfo have it."""
    shown: Result = {"GroupId": rule.referenced_group_id, "UserId": rule.referenced_account or rule.account}
    if rule.peering_connection_id is not None:
        shown |= {
            "VpcId": rule.referenced_vpc_id,
            "VpcPeeringConnectionId": rule.peering_connection_id,
            "PeeringStatus": _status(call, rule),
        }
    return shown
