"""Who refers to a prefix list, and how much room they have for it. Serves `managed_prefix_list`."""

from collections.abc import Iterator

from ringfence.core.call import Call
from ringfence.resources.ec2 import RouteTable, SecurityGroupRule
from ringfence.resources.prefix_list import PrefixList
from ringfence.services.ec2 import noun, quota, rule_quota
from ringfence.services.ec2.prefix_list import weigh


def users(call: Call, id: str) -> list[str]:
    """The ids of the route tables and security groups that refer to the list."""
    tables = {
        table.id
        for table in noun.mine(call, RouteTable)
        if any(route.destination_prefix_list_id == id for route in table.routes)
    }
    return sorted(tables | {rule.group_id for rule in noun.mine(call, SecurityGroupRule) if rule.prefix_list_id == id})


def unfit(call: Call, one: PrefixList, size: int) -> list[str]:
    """The ids of those whose quota the list would break with this size."""
    more = size - one.max_entries
    return sorted({*_tables(call, one, more), *_groups(call, one, more)}) if more > 0 else []


def _tables(call: Call, one: PrefixList, more: int) -> Iterator[str]:
    for table in noun.mine(call, RouteTable):
        lists = [route.destination_prefix_list_id for route in table.routes]
        if one.id in lists and weigh(call, lists) + more > quota.ROUTES_PER_TABLE:
            yield table.id


def _groups(call: Call, one: PrefixList, more: int) -> Iterator[str]:
    rules = noun.mine(call, SecurityGroupRule)
    for group_id, egress in {(rule.group_id, rule.egress) for rule in rules if rule.prefix_list_id == one.id}:
        alike = [rule for rule in rules if (rule.group_id, rule.egress) == (group_id, egress)]
        grown = more * sum(rule.prefix_list_id == one.id for rule in alike)
        if rule_quota.count(call, alike, one.address_family) + grown > quota.RULES_PER_DIRECTION:
            yield group_id
