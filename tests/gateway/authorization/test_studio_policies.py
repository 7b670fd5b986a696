"""The policies of AWS's page on Studio through interface endpoints: of the endpoint, and of the callers.

https://docs.aws.amazon.com/sagemaker/latest/dg/studio-interface-endpoint.html
"""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from direct_calls import ACCOUNT, Aws
from test_authorize import ENDPOINT, INTERNET, OPEN, aws, endpoint, give, operation, refused
from test_authorize import ask as ask_for

from ringfence.core.call import Arrival
from ringfence.resources.ec2 import VpcEndpoint

__all__ = ["aws"]
ARN = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}"
DOMAIN, OTHER = "d-0123456789ab", "d-ba9876543210"
CREATE_APP = operation("sagemaker:CreateApp", "app/{DomainId}/{UserProfileName}/{AppType}/{AppName}")
PRESIGN = operation("sagemaker:CreatePresignedDomainUrl", "user-profile/{DomainId}/{UserProfileName}")
DESCRIBE = operation("sagemaker:DescribeUserProfile", "user-profile/{DomainId}/{UserProfileName}")
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def app(domain: str = DOMAIN, kind: str = "KernelGateway") -> dict[str, str]:
    return {"DomainId": domain, "UserProfileName": "ann", "AppType": kind, "AppName": "default"}


def profile(domain: str = DOMAIN) -> dict[str, str]:
    return {"DomainId": domain, "UserProfileName": "ann"}


@pytest.mark.statement("S1.15", "S1.17", "S1.18", "S1.19", "S1.20", "S1.21")
def test_the_endpoints_policy_must_allow_create_app(aws: Aws) -> None:
    """On apps, as the page of today has it; the old page's resource, user profiles, lets no app through."""
    give(aws, EVERYTHING)
    for resource, allowed in ((f"{ARN}:app/{DOMAIN}/*", True), (f"{ARN}:user-profile/{DOMAIN}/*", False)):
        endpoint(aws, {**OPEN, "Action": "sagemaker:CreateApp", "Resource": resource})
        if allowed:
            ask_for(aws, CREATE_APP, ENDPOINT, **app())
        else:
            said = refused(aws, CREATE_APP, ENDPOINT, **app())
            assert "because no VPC endpoint policy allows the sagemaker:CreateApp action" in said.message
        assert refused(aws, CREATE_APP, ENDPOINT, **app(OTHER)).decision.layer == "endpoint"
    # an app type can be named too
    endpoint(aws, {**OPEN, "Action": "sagemaker:CreateApp", "Resource": f"{ARN}:app/{DOMAIN}/*/KernelGateway/*"})
    ask_for(aws, CREATE_APP, ENDPOINT, **app())
    assert refused(aws, CREATE_APP, ENDPOINT, **app(kind="JupyterServer")).decision.layer == "endpoint"


@pytest.mark.statement("S1.15", "S1.16", "S1.22", "S1.23", "S1.24")
def test_presigned_urls_of_one_domain(aws: Aws) -> None:
    """All users of the endpoint, that domain only; from outside of the VPC the endpoint's policy has no say."""
    give(aws, EVERYTHING)
    resource = f"{ARN}:user-profile/{DOMAIN}/*"
    endpoint(aws, {**OPEN, "Action": "sagemaker:CreatePresignedDomainUrl", "Resource": resource})
    ask_for(aws, PRESIGN, ENDPOINT, **profile())
    assert refused(aws, PRESIGN, ENDPOINT, **profile(OTHER)).decision.layer == "endpoint"
    ask_for(aws, PRESIGN, INTERNET, **profile(OTHER))
    somebody = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/Bob"}
    endpoint(aws, {**OPEN, "Principal": somebody, "Action": "sagemaker:CreatePresignedDomainUrl"})
    assert refused(aws, PRESIGN, ENDPOINT, **profile()).decision.layer == "endpoint"


BOTH = ["sagemaker:CreatePresignedDomainUrl", "sagemaker:DescribeUserProfile"]
ELSEWHERE = replace(ENDPOINT, vpce_id="vpce-2")
RANGES = ["192.0.2.0/24", "203.0.113.0/24"]
INSIDE_RANGE = Arrival("192.0.2.9", vpc_id="vpc-1", vpce_id="vpce-1", tls=True)
FAR = Arrival("198.51.100.200", tls=True)


@pytest.mark.statement("S1.25", "S1.26", "S1.30", "S1.31", "S1.33", "S1.37", "S1.38")
@pytest.mark.parametrize(
    ("condition", "allowed", "denied"),
    [
        pytest.param({"StringEquals": {"aws:SourceVpc": "vpc-1"}}, [ENDPOINT], [INTERNET], id="1"),
        pytest.param(
            {"ForAnyValue:StringEquals": {"aws:sourceVpce": ["vpce-1", "vpce-9"]}},
            [ENDPOINT],
            [INTERNET, ELSEWHERE],
            id="2",
        ),
        pytest.param({"IpAddress": {"aws:SourceIp": RANGES}}, [INTERNET], [FAR, INSIDE_RANGE], id="3"),
        pytest.param(
            {"IpAddress": {"aws:VpcSourceIp": RANGES}, "StringEquals": {"aws:SourceVpc": "vpc-1"}},
            [INSIDE_RANGE],
            [ENDPOINT, INTERNET],
            id="4",
        ),
    ],
)
def test_the_four_policies_for_callers(
    aws: Aws, condition: dict[str, Any], allowed: list[Arrival], denied: list[Arrival]
) -> None:
    """Given to a user, they open both calls by the one path and by no other."""
    give(aws, {"Effect": "Allow", "Action": BOTH, "Resource": "*", "Condition": condition})
    endpoint(aws, OPEN)
    with aws.store.transaction() as records:
        (first,) = records.all(VpcEndpoint)
        records.put(msgspec.structs.replace(first, id="vpce-2"))
    for asked in (PRESIGN, DESCRIBE):
        for arrival in allowed:
            ask_for(aws, asked, arrival, **profile())
        for arrival in denied:
            assert refused(aws, asked, arrival, **profile()).decision.layer == "identity"
