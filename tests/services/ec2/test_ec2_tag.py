"""Tags of every noun."""

from typing import Any


def test_tags_come_and_go(ec2: Any) -> None:
    vpc = ec2.vpc()
    subnet = ec2.subnet(vpc)
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}, {"Key": "c", "Value": ""}]
    ec2("CreateTags", Resources=[vpc, subnet], Tags=tags)
    filters = [{"Name": "resource-type", "Values": ["subnet"]}]
    found = ec2("DescribeTags", Filters=filters)["Tags"]
    assert [(tag["Key"], tag["Value"]) for tag in found] == [("a", "1"), ("b", "2"), ("c", "")]
    assert {tag["ResourceId"] for tag in found} == {subnet}
    ec2("DeleteTags", Resources=[subnet], Tags=[{"Key": "a"}, {"Key": "b", "Value": "other"}])
    assert [tag["Key"] for tag in ec2("DescribeTags", Filters=filters)["Tags"]] == ["b", "c"]
    ec2("DeleteTags", Resources=[subnet])
    assert ec2("DescribeTags", Filters=filters)["Tags"] == []
    ec2("DeleteSubnet", SubnetId=subnet)
    ec2("DeleteVpc", VpcId=vpc)
    assert ec2("DescribeTags")["Tags"] == []


def test_what_aws_refuses(ec2: Any) -> None:
    vpc = ec2.vpc()
    one = [{"Key": "a", "Value": "1"}]
    assert "InvalidVpcID.NotFound" in ec2.error("CreateTags", Resources=[vpc, "vpc-0123456789abcdef0"], Tags=one)
    assert "InvalidID" in ec2.error("CreateTags", Resources=["thing-1"], Tags=one)
    assert "reserved" in ec2.error("CreateTags", Resources=[vpc], Tags=[{"Key": "aws:a", "Value": ""}])
    assert "TagLimitExceeded" in ec2.error(
        "CreateTags", Resources=[vpc], Tags=[{"Key": str(number), "Value": ""} for number in range(51)]
    )
    wrong = [{"ResourceType": "subnet", "Tags": one}]
    assert "not a valid taggable resource type" in ec2.error(
        "CreateVpc", CidrBlock="10.1.0.0/16", TagSpecifications=wrong
    )
