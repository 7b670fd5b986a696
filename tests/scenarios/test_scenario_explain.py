"""`ringfence explain call` of denials that real packets met: at endpoints, on the internet, in SageMaker's download."""

import json

import pytest

from demo.hosting import INVOKE, PYTHON
from demo.story import Story, expect
from tests.scenarios.hosting import ENDPOINT, Hosting

pytestmark = pytest.mark.root


def explain(story: Story, *arguments: str) -> str:
    """What the command says of a call that was denied."""
    done = story.ringfence("explain", "call", *arguments)
    expect(done.returncode == 1, f"exit {done.returncode} {done.stdout} {done.stderr}")
    return done.stdout


def decided(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("denied: "))


def test_endpoint_policy(story: Story) -> None:
    story.inside_fails(PYTHON, "-c", INVOKE, "another", json.dumps({"rows": []}))
    told = explain(story, "--last", "--denied")
    vpce, vpc = story.facts["runtime_endpoint"], story.facts["vpc"]
    assert f"policy of VPC endpoint {vpce}, statement 1 (Allow) does not apply: it is about" in decided(told)
    assert f"endpoint/{ENDPOINT}, not arn:aws:sagemaker:" in decided(told)
    (key,) = [line for line in told.splitlines() if line.startswith("  aws:SourceVpce ")]
    assert f"= {vpce}  (the listener at 10.0." in key
    assert key.endswith(f":443 in {vpc})")
    assert "with role credentials taken by instance i-" in told


def test_identity_bound_to_endpoints_from_the_internet(story: Story) -> None:
    story.outside_fails(PYTHON, "-c", INVOKE, ENDPOINT, json.dumps({"rows": []}))
    told = explain(story, "--last", "--denied")
    assert "StringLike aws:SourceVpce [vpce-*] is not met: aws:SourceVpce is absent" in decided(told)
    assert "SageMaker's API through a VPC endpoint would have it" in decided(told)
    assert ":443 on the internet" in told


def test_the_platforms_own_download(story: Story, hosting: Hosting) -> None:
    """The role may make interfaces and may not read the data: what SageMaker says is vague, what decided is not."""
    iam = story.client("iam")
    element = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allowed = {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}
    trust, own = (json.dumps({"Version": "2012-10-17", "Statement": [one]}) for one in (element, allowed))
    story.facts["roles"]["unread"] = iam.create_role(RoleName="unread", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="unread", PolicyName="own", PolicyDocument=own)
    told = hosting.create("unread", role="unread", VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "Failed"
    assert "Failed to download model data" in told["FailureReason"]
    said = explain(story, "--denied")
    assert "with role credentials taken by SageMaker for endpoint `unread`" in said
    assert "no identity-based policy allows s3:GetObject" in decided(said)
    assert "to mend it: add s3:GetObject on arn:aws:s3:::" in said
    assert f"VPC endpoint {story.facts['s3_endpoint']}" in said
