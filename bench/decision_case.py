"""The decisions that are timed: policies as AWS spells them, and the same in Cedar where Cedar can say it.

Standard library only: read by bench.decision here and by bench/decision_peer.py in the peers' environment.
"""

import json
from typing import Any

ROLE = "arn:aws:iam::123456789012:role/app"
ACTION = "sagemaker:InvokeEndpoint"
ENDPOINT = "arn:aws:sagemaker:us-west-2:123456789012:endpoint/iris"
CONTEXT = {
    "aws:PrincipalArn": ROLE,
    "aws:SourceVpc": "vpc-0123456789abcdef0",
    "aws:SourceVpce": "vpce-0123456789abcdef0",
    "aws:VpcSourceIp": "10.0.1.37",
    "aws:SecureTransport": "true",
    "aws:RequestedRegion": "us-west-2",
}


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _allow(action: str, resource: str, **condition: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**made, "Condition": condition} if condition else made


SMALL = _document(_allow(ACTION, ENDPOINT))
CONDITIONS = _document(
    _allow(
        "sagemaker:*",
        "arn:aws:sagemaker:*:123456789012:endpoint/*",
        StringEquals={"aws:SourceVpce": ["vpce-0123456789abcdef0", "vpce-1"], "aws:RequestedRegion": "us-west-2"},
        IpAddress={"aws:VpcSourceIp": "10.0.0.0/16"},
        Bool={"aws:SecureTransport": "true"},
    )
)
BUCKET = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{**_allow("s3:GetObject", "arn:aws:s3:::models/*"), "Principal": {"AWS": ROLE}}],
    }
)
OBJECTS = _document(_allow("s3:Get*", "arn:aws:s3:::models/*"))
GATE = json.dumps({"Statement": [{**_allow("s3:GetObject", "arn:aws:s3:::models/*"), "Principal": "*"}]})

CEDAR_SMALL = f'permit(principal == Role::"{ROLE}", action == Action::"{ACTION}", resource == Endpoint::"{ENDPOINT}");'
CEDAR_CONDITIONS = (
    f'permit(principal == Role::"{ROLE}", action == Action::"{ACTION}", resource) when {{'
    ' ["vpce-0123456789abcdef0", "vpce-1"].contains(context.vpce) && context.region == "us-west-2"'
    ' && ip(context.ip).isInRange(ip("10.0.0.0/16")) && context.tls };'
)
CEDAR_CONTEXT = {"vpce": "vpce-0123456789abcdef0", "region": "us-west-2", "ip": "10.0.1.37", "tls": True}
