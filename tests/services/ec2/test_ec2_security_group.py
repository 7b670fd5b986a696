"""Security groups and their rules."""

from typing import Any

import pytest

HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}


def _rules(ec2: Any, group: str) -> list[dict[str, Any]]:
    filters = [{"Name": "group-id", "Values": [group]}]
    return list(ec2("DescribeSecurityGroupRules", Filters=filters)["SecurityGroupRules"])


def _described(ec2: Any, group: str) -> dict[str, Any]:
    return dict(ec2("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"][0])


def test_a_new_group_lets_all_out_and_nothing_in(ec2: Any) -> None:
    group = ec2.group(ec2.vpc())
    (rule,) = _rules(ec2, group)
    assert rule["IsEgress"] and rule["CidrIpv4"] == "0.0.0.0/0" and rule["IpProtocol"] == "-1"
    assert (rule["FromPort"], rule["ToPort"]) == (-1, -1)
    assert _described(ec2, group)["IpPermissions"] == []


def test_every_kind_of_peer(ec2: Any) -> None:
    vpc = ec2.vpc()
    group, other = ec2.group(vpc), ec2.group(vpc, "other")
    prefix_list = ec2("DescribePrefixLists")["PrefixLists"][0]["PrefixListId"]
    permission = HTTPS | {
        "IpRanges": [{"CidrIp": "100.68.0.18/18", "Description": "here"}],
        "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}],
        "PrefixListIds": [{"PrefixListId": prefix_list}],
        "UserIdGroupPairs": [{"GroupId": group}, {"GroupId": other}],
    }
    made = ec2("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[permission])["SecurityGroupRules"]
    assert len(made) == 5 and all(rule["SecurityGroupRuleId"].startswith("sgr-0") for rule in made)
    assert made[0]["CidrIpv4"] == "100.68.0.0/18" and made[0]["Description"] == "here"
    (shown,) = _described(ec2, group)["IpPermissions"]
    assert {pair["GroupId"] for pair in shown["UserIdGroupPairs"]} == {group, other}
    assert shown["PrefixListIds"] == [{"PrefixListId": prefix_list}]
    assert ec2.error("DeleteSecurityGroup", GroupId=other) == (
        f"DependencyViolation: resource {other} has a dependent object"
    )
    ec2("DeleteSecurityGroup", GroupId=group)
    ec2("DeleteSecurityGroup", GroupId=other)


def test_duplicates_and_revocation(ec2: Any) -> None:
    group = ec2.group(ec2.vpc())
    one = {"GroupId": group, "IpPermissions": [HTTPS | {"IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]}
    made = ec2("AuthorizeSecurityGroupIngress", **one)["SecurityGroupRules"][0]
    assert ec2.error("AuthorizeSecurityGroupIngress", **one) == (
        'InvalidPermission.Duplicate: the specified rule "peer: 10.0.0.0/8, TCP, from port: 443, to port: 443, ALLOW" '
        "already exists"
    )
    assert "InvalidPermission.NotFound" in ec2.error("RevokeSecurityGroupEgress", **one)
    gone = ec2("RevokeSecurityGroupIngress", **one)["RevokedSecurityGroupRules"]
    assert [rule["SecurityGroupRuleId"] for rule in gone] == [made["SecurityGroupRuleId"]]
    (egress,) = _rules(ec2, group)
    ec2("RevokeSecurityGroupEgress", GroupId=group, SecurityGroupRuleIds=[egress["SecurityGroupRuleId"]])
    assert _rules(ec2, group) == []


def test_the_flat_spelling(ec2: Any) -> None:
    group = ec2.group(ec2.vpc())
    ec2("AuthorizeSecurityGroupIngress", GroupId=group, CidrIp="10.0.0.0/8", **HTTPS)
    assert _described(ec2, group)["IpPermissions"][0]["IpRanges"] == [{"CidrIp": "10.0.0.0/8"}]


@pytest.mark.parametrize(
    ("permission", "error"),
    [
        ({"IpProtocol": "tcp", "FromPort": -1, "ToPort": -1}, "TCP/UDP port (-1) out of range"),
        ({"IpProtocol": "tcp", "FromPort": 443, "ToPort": 80}, "Invalid TCP/UDP port range (443:80)"),
        ({"IpProtocol": "tcp", "FromPort": 1, "ToPort": 70000}, "TCP/UDP port (70000) out of range"),
        ({"IpProtocol": "tcp"}, "Must specify both from and to ports"),
        ({"IpProtocol": "gopher"}, "Unknown protocol"),
        ({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/33"}]}, "CIDR block 10.0.0.0/33 is malformed"),
        ({"IpProtocol": "-1", "IpRanges": []}, "MissingParameter"),
        ({"IpProtocol": "-1", "IpRanges": [], "PrefixListIds": [{"PrefixListId": "pl-0"}]}, "PrefixListId.Malformed"),
        (
            {"IpProtocol": "-1", "IpRanges": [], "UserIdGroupPairs": [{"GroupId": "sg-0123456789abcdef0"}]},
            "InvalidGroup.NotFound: The security group 'sg-0123456789abcdef0' does not exist",
        ),
    ],
)
def test_bad_rules(ec2: Any, permission: dict[str, Any], error: str) -> None:
    group = ec2.group(ec2.vpc())
    full = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}], **permission}
    assert error in ec2.error("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[full])


def test_groups_of_other_vpcs_cannot_be_referred_to(ec2: Any) -> None:
    group, other = ec2.group(ec2.vpc()), ec2.group(ec2.vpc("10.1.0.0/16"))
    permission = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other}]}
    assert "different networks" in ec2.error("AuthorizeSecurityGroupEgress", GroupId=group, IpPermissions=[permission])


def test_modifying_keeps_the_id(ec2: Any) -> None:
    group = ec2.group(ec2.vpc())
    (rule,) = _rules(ec2, group)
    id = rule["SecurityGroupRuleId"]
    wanted = HTTPS | {"CidrIpv4": "10.0.0.0/16", "Description": "only here"}
    update = [{"SecurityGroupRuleId": id, "SecurityGroupRule": wanted}]
    ec2("ModifySecurityGroupRules", GroupId=group, SecurityGroupRules=update)
    (after,) = _rules(ec2, group)
    assert after["SecurityGroupRuleId"] == id and after["FromPort"] == 443 and after["IsEgress"]
    descriptions = [{"SecurityGroupRuleId": id, "Description": "new"}]
    ec2("UpdateSecurityGroupRuleDescriptionsEgress", GroupId=group, SecurityGroupRuleDescriptions=descriptions)
    assert _rules(ec2, group)[0]["Description"] == "new"
    two = [{"SecurityGroupRuleId": id, "SecurityGroupRule": HTTPS | {"CidrIpv4": "0.0.0.0/0", "CidrIpv6": "::/0"}}]
    assert "InvalidParameterCombination" in ec2.error("ModifySecurityGroupRules", GroupId=group, SecurityGroupRules=two)


def test_names(ec2: Any) -> None:
    vpc = ec2.vpc()
    ec2.group(vpc)
    make = {"VpcId": vpc, "Description": "d"}
    assert "InvalidGroup.Duplicate" in ec2.error("CreateSecurityGroup", GroupName="web", **make)
    assert "reserved" in ec2.error("CreateSecurityGroup", GroupName="default", **make)
    assert "sg-" in ec2.error("CreateSecurityGroup", GroupName="sg-web", **make)
    assert "VPCIdNotSpecified" in ec2.error("CreateSecurityGroup", GroupName="x", Description="d")
    described = {"GroupName": "x", "VpcId": vpc, "Description": "the model's"}
    assert "Invalid security group description." in ec2.error("CreateSecurityGroup", **described)
    default = [{"Name": "group-name", "Values": ["default"]}]
    (group,) = ec2("DescribeSecurityGroups", Filters=default)["SecurityGroups"]
    assert ec2.error("DeleteSecurityGroup", GroupId=group["GroupId"]).startswith("CannotDelete:")


def test_the_quota_of_rules(ec2: Any) -> None:
    group = ec2.group(ec2.vpc())
    ranges = [{"CidrIp": f"10.0.{number}.0/24"} for number in range(61)]
    permission = HTTPS | {"IpRanges": ranges}
    error = ec2.error("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[permission])
    assert error.startswith("RulesPerSecurityGroupLimitExceeded:")
    permission["IpRanges"] = ranges[:60]
    ec2("AuthorizeSecurityGroupIngress", GroupId=group, IpPermissions=[permission])
