"""References across VPC peering connections: stale rules of a VPC, and who names a group from the other side."""

from ringfence.core.call import Call, Request, Result
from ringfence.resources.ec2 import SecurityGroup, SecurityGroupRule, Vpc
from ringfence.services.ec2 import noun
from ringfence.services.ec2.group_reference import describe_pair, is_stale
from ringfence.services.ec2.listing import page, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.security_group import groups_of, rules_of


@operation("DescribeStaleSecurityGroups", takes="VpcId MaxResults NextToken")
def describe_stale_security_groups(call: Call, request: Request) -> Result:
    """Groups with rules that name a group behind a peering connection which is over, or a group that is gone."""
    vpc = noun.find(call, Vpc, request["VpcId"])
    stale = {
        group.id: [rule for rule in rules_of(call, group.id) if is_stale(call, rule)]
        for group in groups_of(call, vpc.id)
    }
    found = [group for group in groups_of(call, vpc.id) if stale[group.id]]
    kept, token = page(request, found, lambda group: group.id)
    return paged("StaleSecurityGroupSet", [_described(call, group, stale[group.id]) for group in kept], token)


def _described(call: Call, group: SecurityGroup, rules: list[SecurityGroupRule]) -> Result:
    return {
        "GroupId": group.id,
        "GroupName": group.name,
        "Description": group.description,
        "VpcId": group.vpc_id,
        "StaleIpPermissions": [_permission(call, rule) for rule in rules if not rule.egress],
        "StaleIpPermissionsEgress": [_permission(call, rule) for rule in rules if rule.egress],
    }


def _permission(call: Call, rule: SecurityGroupRule) -> Result:
    described = {"Description": rule.description} if rule.description is not None else {}
    ports = {} if rule.from_port is None else {"FromPort": rule.from_port, "ToPort": rule.to_port}
    return {
        "IpProtocol": rule.protocol,
        **ports,
        "IpRanges": [],
        "PrefixListIds": [],
        "UserIdGroupPairs": [{**describe_pair(call, rule), **described}],
    }


@operation("DescribeSecurityGroupReferences", takes="GroupId", on=("security-group/{GroupId}",))
def describe_security_group_references(call: Call, request: Request) -> Result:
    """The VPCs behind peering connections whose rules name these groups."""
    groups = noun.find_all(call, SecurityGroup, request["GroupId"])
    found = {
        (rule.referenced_group_id, group.vpc_id, rule.peering_connection_id)
        for rule in call.records.all(SecurityGroupRule)
        if rule.peering_connection_id is not None and not is_stale(call, rule)
        if (group := call.records.get(SecurityGroup, rule.group_id)) is not None
    }
    wanted = {group.id for group in groups}
    return {
        "SecurityGroupReferenceSet": [
            {"GroupId": id, "ReferencingVpcId": vpc, "VpcPeeringConnectionId": peering}
            for id, vpc, peering in sorted(found, key=str)
            if id in wanted
        ]
    }
