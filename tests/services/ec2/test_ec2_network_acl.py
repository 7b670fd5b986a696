"""Custom network ACLs, their entries and the subnets that they guard."""

from typing import Any

import pytest

HTTPS = {"RuleNumber": 100, "Protocol": "tcp", "RuleAction": "allow", "PortRange": {"From": 443, "To": 443}}


def _acl(ec2: Any, id: str) -> dict[str, Any]:
    return dict(ec2("DescribeNetworkAcls", NetworkAclIds=[id])["NetworkAcls"][0])


def test_a_custom_acl_takes_over_a_subnet(ec2: Any) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc)
    (default,) = ec2("DescribeNetworkAcls")["NetworkAcls"]
    made = ec2("CreateNetworkAcl", VpcId=vpc, ClientToken="t")["NetworkAcl"]
    id = made["NetworkAclId"]
    assert [(entry["RuleNumber"], entry["RuleAction"]) for entry in made["Entries"]] == [(32767, "deny")] * 2
    association = default["Associations"][0]["NetworkAclAssociationId"]
    new = ec2("ReplaceNetworkAclAssociation", AssociationId=association, NetworkAclId=id)["NewAssociationId"]
    assert [one["SubnetId"] for one in _acl(ec2, id)["Associations"]] == [subnet]
    assert _acl(ec2, default["NetworkAclId"])["Associations"] == []
    assert ec2.error("DeleteNetworkAcl", NetworkAclId=id) == (
        f"DependencyViolation: The network ACL '{id}' has dependencies and cannot be deleted."
    )
    ec2("ReplaceNetworkAclAssociation", AssociationId=new, NetworkAclId=default["NetworkAclId"])
    assert "DependencyViolation" in ec2.error("DeleteVpc", VpcId=vpc)
    ec2("DeleteNetworkAcl", NetworkAclId=id)
    assert "cannot delete default" in ec2.error("DeleteNetworkAcl", NetworkAclId=default["NetworkAclId"])


def test_entries(ec2: Any) -> None:
    id = ec2("CreateNetworkAcl", VpcId=ec2.vpc())["NetworkAcl"]["NetworkAclId"]
    one = {"NetworkAclId": id, "Egress": False, "CidrBlock": "10.0.0.9/8", **HTTPS}
    ec2("CreateNetworkAclEntry", **one)
    assert ec2.error("CreateNetworkAclEntry", **one) == (
        "NetworkAclEntryAlreadyExists: The network acl entry identified by 100 already exists."
    )
    ec2("CreateNetworkAclEntry", **{**one, "Egress": True})
    first = next(entry for entry in _acl(ec2, id)["Entries"] if not entry["Egress"])
    assert first["Protocol"] == "6" and first["CidrBlock"] == "10.0.0.0/8"
    assert first["PortRange"] == {"From": 443, "To": 443}
    ec2("ReplaceNetworkAclEntry", **{**one, "RuleAction": "deny"})
    first = next(entry for entry in _acl(ec2, id)["Entries"] if not entry["Egress"])
    assert first["RuleAction"] == "deny"
    ec2("DeleteNetworkAclEntry", NetworkAclId=id, RuleNumber=100, Egress=False)
    gone = {"NetworkAclId": id, "RuleNumber": 100, "Egress": False}
    assert "InvalidNetworkAclEntry.NotFound" in ec2.error("DeleteNetworkAclEntry", **gone)


def test_an_entry_of_ipv6_is_kept(ec2: Any) -> None:
    id = ec2("CreateNetworkAcl", VpcId=ec2.vpc())["NetworkAcl"]["NetworkAclId"]
    ec2("CreateNetworkAclEntry", NetworkAclId=id, Egress=False, Ipv6CidrBlock="2001:DB8::/32", **HTTPS)
    (entry,) = [one for one in _acl(ec2, id)["Entries"] if one["RuleNumber"] == 100]
    assert entry["Ipv6CidrBlock"] == "2001:db8::/32" and "CidrBlock" not in entry
    filters = [{"Name": "entry.ipv6-cidr", "Values": ["2001:db8::/32"]}]
    assert [one["NetworkAclId"] for one in ec2("DescribeNetworkAcls", Filters=filters)["NetworkAcls"]] == [id]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"RuleNumber": 32767}, "ruleNumber"),
        ({"RuleAction": "maybe"}, "ruleAction"),
        ({"Protocol": "gopher"}, "Unknown protocol"),
        ({"PortRange": {"From": 5, "To": 4}}, "Invalid TCP/UDP port range (5:4)"),
        ({"PortRange": {}}, "portRange"),
        ({"Protocol": "1"}, "icmpTypeCode"),
        ({"CidrBlock": "10.0.0.0"}, "InvalidParameterValue"),
        ({"Ipv6CidrBlock": "::/0"}, "InvalidParameterCombination"),
    ],
)
def test_bad_entries(ec2: Any, change: dict[str, Any], error: str) -> None:
    id = ec2("CreateNetworkAcl", VpcId=ec2.vpc())["NetworkAcl"]["NetworkAclId"]
    one = {"NetworkAclId": id, "Egress": False, "CidrBlock": "0.0.0.0/0", **HTTPS, **change}
    assert error in ec2.error("CreateNetworkAclEntry", **one)
