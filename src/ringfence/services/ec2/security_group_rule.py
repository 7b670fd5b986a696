"""Security group rules: authorize, revoke, describe, modify, and their descriptions."""

from collections.abc import Iterable

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import SecurityGroup, SecurityGroupRule
from ringfence.services.ec2 import noun, prefix_list, rule_quota
from ringfence.services.ec2.group_reference import check_group, describe_pair, find_reference
from ringfence.services.ec2.ip_permission import (
    RuleSpec,
    parse_cidr,
    parse_cidr6,
    parse_permissions,
    parse_ports,
    shown,
    spec_of,
)
from ringfence.services.ec2.listing import Filters, describe, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.security_group import add_rule, check_description, find_group, group_arns, rules_of
from ringfence.services.ec2.tagging import described, put_tags, remove, specified

_FLAT = "IpProtocol FromPort ToPort CidrIp"  # one rule, spelled without IpPermissions


def _group_and_new_rules(call: Call, request: Request) -> list[str]:
    """Rules are asked about where they get tags: AWS has aws:RequestTag on them alone."""
    rules = [call.arn("ec2", "security-group-rule/*")] if request.get("TagSpecifications") else []
    return [*group_arns(call, request), *rules]


def _group_and_rules(call: Call, request: Request) -> list[str]:
    """What ModifySecurityGroupRules is about: the rules that are changed, and prefix lists that they are to name."""
    changes = request["SecurityGroupRules"]
    lists = [change.get("SecurityGroupRule", {}).get("PrefixListId") for change in changes]
    return [
        *group_arns(call, request),
        *(call.arn("ec2", f"security-group-rule/{change['SecurityGroupRuleId']}") for change in changes),
        *(prefix_list.arn_of(call, id) for id in dict.fromkeys(lists) if id),
    ]


@operation(
    "AuthorizeSecurityGroupIngress",
    takes=f"GroupId GroupName IpPermissions TagSpecifications {_FLAT}",
    on=_group_and_new_rules,
)
def authorize_security_group_ingress(call: Call, request: Request) -> Result:
    return _authorize(call, request, egress=False)


@operation(
    "AuthorizeSecurityGroupEgress", takes=f"GroupId IpPermissions TagSpecifications {_FLAT}", on=_group_and_new_rules
)
def authorize_security_group_egress(call: Call, request: Request) -> Result:
    return _authorize(call, request, egress=True)


def _authorize(call: Call, request: Request, *, egress: bool) -> Result:
    group = find_group(call, request)
    wanted = parse_permissions(call, group, _permissions(request))
    have = {spec_of(rule) for rule in rules_of(call, group.id) if rule.egress == egress}
    if len({spec for spec, _ in wanted}) < len(wanted):
        raise ServiceError("InvalidParameterValue", "The same permission must not appear multiple times")
    tags, made = specified(request, SecurityGroupRule), []
    for spec, description in wanted:
        _check_addition(call, have, spec)
        have.add(spec)
        rule = add_rule(call, group, spec, egress=egress, description=_checked_description(description))
        put_tags(call, noun.arn(call, SecurityGroupRule, rule.id), tags)
        made.append(rule)
    return {"Return": True, "SecurityGroupRules": [_described(call, rule) for rule in made]}


def _permissions(request: Request) -> list[Result]:
    """IpPermissions, or the one permission that the older, flat parameters spell."""
    given: list[Result] = request.get("IpPermissions") or []
    if given:
        if "IpProtocol" in request or "CidrIp" in request:
            raise ServiceError(
                "InvalidParameterCombination",
                "The parameter 'ipPermissions' may not be used in combination with 'ipProtocol'",
            )
        return given
    if "IpProtocol" not in request:
        raise ServiceError("MissingParameter", "The request must contain the parameter ipPermissions")
    one = {name: request[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in request}
    return [one | {"IpRanges": [{"CidrIp": request.get("CidrIp")}]}]


def _check_addition(call: Call, have: set[RuleSpec], spec: RuleSpec) -> None:
    if spec in have:
        raise ServiceError("InvalidPermission.Duplicate", f'the specified rule "{shown(spec)}" already exists')
    rule_quota.check(call, [*have, spec])


def _checked_description(text: str | None) -> str | None:
    if text is not None:
        check_description(text, "rule")
    return text


@operation(
    "RevokeSecurityGroupIngress", takes=f"GroupId GroupName IpPermissions SecurityGroupRuleIds {_FLAT}", on=group_arns
)
def revoke_security_group_ingress(call: Call, request: Request) -> Result:
    return _revoke(call, request, egress=False)


@operation("RevokeSecurityGroupEgress", takes=f"GroupId IpPermissions SecurityGroupRuleIds {_FLAT}", on=group_arns)
def revoke_security_group_egress(call: Call, request: Request) -> Result:
    return _revoke(call, request, egress=True)


def _revoke(call: Call, request: Request, *, egress: bool) -> Result:
    group = find_group(call, request)
    if ids := request.get("SecurityGroupRuleIds"):
        gone = [_find_rule(call, group, id, egress=egress) for id in dict.fromkeys(ids)]
    else:
        wanted = {spec for spec, _ in parse_permissions(call, group, _permissions(request), known=True)}
        gone = _matching(call, group, wanted, egress=egress)
    for rule in gone:
        remove(call, rule)
    return {"Return": True, "RevokedSecurityGroupRules": [_revoked(rule) for rule in gone]}


def _find_rule(call: Call, group: SecurityGroup, id: str, *, egress: bool | None = None) -> SecurityGroupRule:
    rule = noun.find(call, SecurityGroupRule, id)
    if rule.group_id != group.id or egress not in (None, rule.egress):
        raise ServiceError(
            "InvalidSecurityGroupRuleId.NotFound",
            f"The security group rule ID '{id}' does not exist in the security group '{group.id}'",
        )
    return rule


def _matching(call: Call, group: SecurityGroup, wanted: Iterable[RuleSpec], *, egress: bool) -> list[SecurityGroupRule]:
    """The group's rules of these specs, each of which must exist."""
    have = {spec_of(rule): rule for rule in rules_of(call, group.id) if rule.egress == egress}
    if any(spec not in have for spec in wanted):
        raise ServiceError("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
    return [have[spec] for spec in wanted]


@operation("ModifySecurityGroupRules", takes="GroupId SecurityGroupRules", on=_group_and_rules)
def modify_security_group_rules(call: Call, request: Request) -> Result:
    """Replace what rules allow, keeping their ids."""
    group = find_group(call, request)
    for update in request["SecurityGroupRules"]:
        if not update.get("SecurityGroupRuleId") or "SecurityGroupRule" not in update:
            raise ServiceError(
                "MissingParameter", "The request must contain the parameters SecurityGroupRuleId and SecurityGroupRule"
            )
        rule = _find_rule(call, group, update["SecurityGroupRuleId"])
        spec = _parse_rule(call, group, update["SecurityGroupRule"])
        others = [one for one in rules_of(call, group.id) if one.egress == rule.egress and one.id != rule.id]
        _check_addition(call, {spec_of(one) for one in others}, spec)
        description = _checked_description(update["SecurityGroupRule"].get("Description"))
        fields = spec._asdict() | find_reference(call, group, spec.referenced_group_id)
        call.records.put(msgspec.structs.replace(rule, description=description, **fields))
    return {"Return": True}


def _parse_rule(call: Call, group: SecurityGroup, wanted: Result) -> RuleSpec:
    peers = [name for name in ("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId") if wanted.get(name)]
    if len(peers) != 1:
        raise ServiceError(
            "InvalidParameterCombination",
            "Exactly one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId must be specified.",
        )
    ports, value = parse_ports(wanted.get("IpProtocol"), wanted.get("FromPort"), wanted.get("ToPort")), wanted[peers[0]]
    match peers[0]:
        case "CidrIpv4":
            return RuleSpec(*ports, cidr_ipv4=parse_cidr(value))
        case "CidrIpv6":
            return RuleSpec(*ports, cidr_ipv6=parse_cidr6(value))
        case "PrefixListId":
            return RuleSpec(*ports, prefix_list_id=prefix_list.find(call, value).id)
        case _:
            return RuleSpec(*ports, referenced_group_id=check_group(call, group, value))


_DESCRIPTIONS = "GroupId GroupName IpPermissions SecurityGroupRuleDescriptions"


@operation("UpdateSecurityGroupRuleDescriptionsIngress", takes=_DESCRIPTIONS, on=group_arns)
def update_security_group_rule_descriptions_ingress(call: Call, request: Request) -> Result:
    return _update_descriptions(call, request, egress=False)


@operation("UpdateSecurityGroupRuleDescriptionsEgress", takes=_DESCRIPTIONS, on=group_arns)
def update_security_group_rule_descriptions_egress(call: Call, request: Request) -> Result:
    return _update_descriptions(call, request, egress=True)


def _update_descriptions(call: Call, request: Request, *, egress: bool) -> Result:
    group = find_group(call, request)
    changes: list[tuple[SecurityGroupRule, str | None]] = []
    if given := request.get("SecurityGroupRuleDescriptions"):
        for one in given:
            rule = _find_rule(call, group, one.get("SecurityGroupRuleId") or "", egress=egress)
            changes.append((rule, one.get("Description")))
    else:
        for spec, description in parse_permissions(call, group, request.get("IpPermissions") or (), known=True):
            changes.append((_matching(call, group, [spec], egress=egress)[0], description))
    if not changes:
        raise ServiceError("MissingParameter", "The request must contain the parameter ipPermissions")
    for rule, description in changes:
        call.records.put(msgspec.structs.replace(rule, description=_checked_description(description)))
    return {"Return": True}


_FILTERS: Filters = {
    "group-id": lambda call, item: item.group_id,
    "security-group-rule-id": lambda call, item: item.id,
}


@operation("DescribeSecurityGroupRules", takes="SecurityGroupRuleIds NextToken MaxResults Filters")
def describe_security_group_rules(call: Call, request: Request) -> Result:
    found, token = describe(call, request, SecurityGroupRule, ids="SecurityGroupRuleIds", filters=_FILTERS)
    return paged("SecurityGroupRules", [_described(call, rule) for rule in found], token)


def _ports(rule: SecurityGroupRule) -> Result:
    """Where every port matches, rules (unlike IpPermissions) say -1."""
    first = -1 if rule.from_port is None else rule.from_port
    return {"FromPort": first, "ToPort": -1 if rule.to_port is None else rule.to_port}


def _described(call: Call, rule: SecurityGroupRule) -> Result:
    members = {
        "CidrIpv4": rule.cidr_ipv4,
        "CidrIpv6": rule.cidr_ipv6,
        "PrefixListId": rule.prefix_list_id,
        "Description": rule.description,
    }
    if rule.referenced_group_id:
        members["ReferencedGroupInfo"] = describe_pair(call, rule)  # type: ignore[assignment]
    return {
        "SecurityGroupRuleId": rule.id,
        "SecurityGroupRuleArn": noun.arn(call, SecurityGroupRule, rule.id),
        "GroupId": rule.group_id,
        "GroupOwnerId": rule.account,
        "IsEgress": rule.egress,
        "IpProtocol": rule.protocol,
        **_ports(rule),
        **{name: value for name, value in members.items() if value is not None},
        **described(call, rule),
    }


def _revoked(rule: SecurityGroupRule) -> Result:
    members = {
        "CidrIpv4": rule.cidr_ipv4,
        "CidrIpv6": rule.cidr_ipv6,
        "PrefixListId": rule.prefix_list_id,
        "ReferencedGroupId": rule.referenced_group_id,
        "Description": rule.description,
    }
    return {
        "SecurityGroupRuleId": rule.id,
        "GroupId": rule.group_id,
        "IsEgress": rule.egress,
        "IpProtocol": rule.protocol,
        **_ports(rule),
        **{name: value for name, value in members.items() if value is not None},
    }
