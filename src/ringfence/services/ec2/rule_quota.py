"""How many rules of a security group count against its quota. Called where rules are added and prefix lists grow.

The quota holds for IPv4 and IPv6 each; a rule that names a group or one of AWS's prefix lists counts for both, and one
that names a customer's prefix list as often as that may have entries.
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups
"""

from collections.abc import Iterable

from ringfence.core.call import Call
from ringfence.resources.ec2 import SecurityGroupRule
from ringfence.resources.prefix_list import PrefixList
from ringfence.services.ec2 import quota
from ringfence.services.ec2.ip_permission import RuleSpec

_FAMILIES = ("IPv4", "IPv6")


def check(call: Call, rules: Iterable[RuleSpec]) -> None:
    """Refuse these rules, all of one group and direction, if they are too many."""
    rules = list(rules)
    most = max(count(call, rules, family) for family in _FAMILIES)
    quota.check(most - 1, quota.RULES_PER_DIRECTION, "RulesPerSecurityGroupLimitExceeded", "rules per security group")


def count(call: Call, rules: Iterable[RuleSpec | SecurityGroupRule], family: str) -> int:
    """How many rules these are to the quota of IPv4 or IPv6 rules."""
    return sum(_weight(call, rule, family) for rule in rules)


def _weight(call: Call, rule: RuleSpec | SecurityGroupRule, family: str) -> int:
    own = call.records.get(PrefixList, rule.prefix_list_id) if rule.prefix_list_id else None
    if own is not None:
        return own.max_entries if own.address_family == family else 0
    other = rule.cidr_ipv6 if family == "IPv4" else rule.cidr_ipv4
    return int(other is None)
