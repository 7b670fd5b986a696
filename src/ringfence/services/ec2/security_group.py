"""Security groups. Their rules are records of their own, changed by `security_group_rule`."""

import re
from collections.abc import Callable, Iterator

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import NetworkInterface, SecurityGroup, SecurityGroupRule, Vpc, VpcEndpoint
from ringfence.services.ec2 import noun, quota
from ringfence.services.ec2.group_reference import find_reference
from ringfence.services.ec2.ip_permission import RuleSpec, to_permissions
from ringfence.services.ec2.listing import Filters, Getter, describe, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.tagging import described, remove, tag_list, tag_new

_NAME = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")
_DESCRIPTION = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}")


def groups_of(call: Call, vpc_id: str) -> list[SecurityGroup]:
    return [group for group in noun.mine(call, SecurityGroup) if group.vpc_id == vpc_id]


def rules_of(call: Call, group_id: str) -> list[SecurityGroupRule]:
    return [rule for rule in noun.mine(call, SecurityGroupRule) if rule.group_id == group_id]


def default_group(call: Call, vpc_id: str) -> SecurityGroup:
    """What is used where a request names no group."""
    return next(group for group in groups_of(call, vpc_id) if group.name == "default")


def find_groups(call: Call, vpc_id: str, ids: list[str], *, subnet_id: str | None = None) -> tuple[str, ...]:
    """The ids of groups that go on an interface of this VPC, at most five; the default group if none is given."""
    if not ids:
        return (default_group(call, vpc_id).id,)
    groups = noun.find_all(call, SecurityGroup, ids)
    for group in groups:
        if group.vpc_id != vpc_id:
            where = f"subnet {subnet_id}" if subnet_id else f"vpc {vpc_id}"
            raise ServiceError(
                "InvalidParameter", f"Security group {group.id} and {where} belong to different networks."
            )
    if len(groups) > quota.GROUPS_PER_INTERFACE:
        raise ServiceError(
            "SecurityGroupsPerInterfaceLimitExceeded",
            f"The maximum number of security groups per interface is {quota.GROUPS_PER_INTERFACE}.",
        )
    return tuple(group.id for group in groups)


def make_default(call: Call, vpc_id: str) -> SecurityGroup:
    """The group that every VPC has: its members may reach each other, and everything outside."""
    group = _make(call, vpc_id, "default", "default VPC security group")
    add_rule(call, group, RuleSpec("-1", None, None, referenced_group_id=group.id), egress=False)
    return group


def _make(call: Call, vpc_id: str, name: str, description: str) -> SecurityGroup:
    """A group with the rule that every new group has: everything may go everywhere."""
    group = SecurityGroup(
        id=call.new_id("sg"),
        account=call.account,
        region=call.region,
        vpc_id=vpc_id,
        name=name,
        description=description,
    )
    call.records.put(group)
    add_rule(call, group, RuleSpec("-1", None, None, cidr_ipv4="0.0.0.0/0"), egress=True)
    return group


def add_rule(
    call: Call, group: SecurityGroup, spec: RuleSpec, *, egress: bool, description: str | None = None
) -> SecurityGroupRule:
    rule = SecurityGroupRule(
        id=call.new_id("sgr"),
        account=group.account,
        region=group.region,
        group_id=group.id,
        egress=egress,
        description=description,
        **spec._asdict(),
        **find_reference(call, group, spec.referenced_group_id),
    )
    call.records.put(rule)
    return rule


def remove_group(call: Call, group: SecurityGroup) -> None:
    for rule in rules_of(call, group.id):
        remove(call, rule)
    remove(call, group)


@operation(
    "CreateSecurityGroup",
    takes="GroupName Description VpcId TagSpecifications",
    on=("vpc/{VpcId}", "security-group/*"),
)
def create_security_group(call: Call, request: Request) -> Result:
    name, description = request["GroupName"], request["Description"]
    _check_texts(name, description)
    vpc = _vpc_of(call, request)
    if any(group.name == name for group in groups_of(call, vpc.id)):
        raise ServiceError("InvalidGroup.Duplicate", f"The security group '{name}' already exists for VPC '{vpc.id}'")
    have = len(noun.mine(call, SecurityGroup))
    quota.check(have, quota.SECURITY_GROUPS, "SecurityGroupLimitExceeded", "security groups")
    group = _make(call, vpc.id, name, description)
    tag_new(call, request, SecurityGroup, group.id)
    tags = tag_list(call, SecurityGroup, group.id)
    return {"GroupId": group.id, "Tags": tags, "SecurityGroupArn": noun.arn(call, SecurityGroup, group.id)}


def _vpc_of(call: Call, request: Request) -> Vpc:
    if id := request.get("VpcId"):
        return noun.find(call, Vpc, id)
    default = noun.default_vpc(call)
    if default is None:
        raise ServiceError("VPCIdNotSpecified", "No default VPC for this user")
    return default


def _check_texts(name: str, description: str) -> None:
    if name == "default":
        raise ServiceError("InvalidParameterValue", "Cannot use reserved security group name: default")
    if name.startswith("sg-"):
        raise ServiceError("InvalidParameterValue", "Invalid group name: must not begin with 'sg-'")
    if not _NAME.fullmatch(name):
        raise ServiceError(
            "InvalidParameterValue",
            f"Value ({name}) for parameter GroupName is invalid. Character sets beyond ASCII are not supported.",
        )
    check_description(description, "security group")


def check_description(text: str, what: str) -> None:
    """Descriptions of groups and of rules are of the same few characters."""
    if not _DESCRIPTION.fullmatch(text):
        raise ServiceError(
            "InvalidParameterValue",
            f"Invalid {what} description. Valid descriptions are strings less than 256 characters from the following "
            "set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
        )


def group_arns(call: Call, request: Request) -> list[str]:
    """For `on`: the group that GroupId or GroupName names; all of them if there is none of that name."""
    id = request.get("GroupId") or next((group.id for group in _named(call, request.get("GroupName"))), "*")
    return [call.arn("ec2", f"security-group/{id}")]


def _named(call: Call, name: str | None) -> Iterator[SecurityGroup]:
    for group in noun.mine(call, SecurityGroup):
        vpc = call.records.get(Vpc, group.vpc_id)
        if group.name == name and vpc is not None and vpc.is_default:
            yield group


def find_group(call: Call, request: Request) -> SecurityGroup:
    """The group that GroupId names; GroupName finds groups of a default VPC only."""
    if id := request.get("GroupId"):
        return noun.find(call, SecurityGroup, id)
    if name := request.get("GroupName"):
        for group in _named(call, name):
            return group
        raise ServiceError("InvalidGroup.NotFound", f"The security group '{name}' does not exist")
    raise ServiceError("MissingParameter", "The request must contain the parameter groupName or groupId")


@operation("DeleteSecurityGroup", takes="GroupId GroupName", on=group_arns)
def delete_security_group(call: Call, request: Request) -> Result:
    group = find_group(call, request)
    if group.name == "default":
        raise ServiceError(
            "CannotDelete", f'the specified group: "{group.id}" name: "default" cannot be deleted by a user'
        )
    if _in_use(call, group.id):
        raise ServiceError("DependencyViolation", f"resource {group.id} has a dependent object")
    remove_group(call, group)
    return {"Return": True, "GroupId": group.id}


def _in_use(call: Call, id: str) -> bool:
    """Whether an interface or endpoint carries the group, or another group of its VPC refers to it.

    A rule in a peered VPC does not hold it: it becomes stale.
    """
    interfaces, endpoints = call.records.all(NetworkInterface), call.records.all(VpcEndpoint)
    return (
        any(id in interface.group_ids for interface in interfaces)
        or any(id in endpoint.group_ids for endpoint in endpoints)
        or any(_holds(rule, id) for rule in call.records.all(SecurityGroupRule))
    )


def _holds(rule: SecurityGroupRule, id: str) -> bool:
    return rule.referenced_group_id == id and rule.group_id != id and rule.peering_connection_id is None


def _of_rules(egress: bool, field: str) -> Callable[[Call, SecurityGroup], list[str]]:
    """A filter that compares one field of the group's rules of one direction."""

    def texts(call: Call, group: SecurityGroup) -> list[str]:
        values = [getattr(rule, field) for rule in rules_of(call, group.id) if rule.egress == egress]
        return [str(value) for value in values if value is not None]

    return texts


def _referenced(egress: bool, field: str) -> Getter:
    """A filter that compares one field of the groups which the group's rules of one direction refer to."""
    ids = _of_rules(egress, "referenced_group_id")

    def texts(call: Call, group: SecurityGroup) -> list[str]:
        found = (call.records.get(SecurityGroup, id) for id in ids(call, group))
        return [str(getattr(one, field)) for one in found if one is not None]

    return texts


_REFERENCED_FIELDS = {"group-name": "name", "user-id": "account"}
_RULE_FIELDS = {
    "cidr": "cidr_ipv4",
    "from-port": "from_port",
    "group-id": "referenced_group_id",
    "ipv6-cidr": "cidr_ipv6",
    "prefix-list-id": "prefix_list_id",
    "protocol": "protocol",
    "to-port": "to_port",
}
_FILTERS: Filters = {
    "description": lambda call, item: item.description,
    "group-id": lambda call, item: item.id,
    "group-name": lambda call, item: item.name,
    "owner-id": lambda call, item: item.account,
    "vpc-id": lambda call, item: item.vpc_id,
    **{f"ip-permission.{name}": _of_rules(False, field) for name, field in _RULE_FIELDS.items()},
    **{f"egress.ip-permission.{name}": _of_rules(True, field) for name, field in _RULE_FIELDS.items()},
    **{f"ip-permission.{name}": _referenced(False, field) for name, field in _REFERENCED_FIELDS.items()},
    **{f"egress.ip-permission.{name}": _referenced(True, field) for name, field in _REFERENCED_FIELDS.items()},
}


@operation("DescribeSecurityGroups", takes="GroupIds GroupNames NextToken MaxResults Filters")
def describe_security_groups(call: Call, request: Request) -> Result:
    if names := request.get("GroupNames"):
        ids = [find_group(call, {"GroupName": name}).id for name in names]
        request = {**request, "GroupIds": [*(request.get("GroupIds") or ()), *ids]}
    found, token = describe(call, request, SecurityGroup, ids="GroupIds", filters=_FILTERS)
    rules: dict[str, list[SecurityGroupRule]] = {group.id: [] for group in found}
    for rule in noun.mine(call, SecurityGroupRule):
        if rule.group_id in rules:
            rules[rule.group_id].append(rule)
    return paged("SecurityGroups", [_described(call, group, rules[group.id]) for group in found], token)


def _described(call: Call, group: SecurityGroup, rules: list[SecurityGroupRule]) -> Result:
    return {
        "GroupId": group.id,
        "GroupName": group.name,
        "Description": group.description,
        "OwnerId": group.account,
        "VpcId": group.vpc_id,
        "SecurityGroupArn": noun.arn(call, SecurityGroup, group.id),
        "IpPermissions": to_permissions(call, (rule for rule in rules if not rule.egress)),
        "IpPermissionsEgress": to_permissions(call, (rule for rule in rules if rule.egress)),
        **described(call, group),
    }
