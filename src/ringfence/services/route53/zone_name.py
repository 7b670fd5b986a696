"""What Route 53's operations are about: the zone that a request names, in either form, and the VPCs in it."""

from ringfence.core.arn import make_arn
from ringfence.core.call import Call, Request
from ringfence.core.operation import Resources


def bare(id: str) -> str:
    """`Z123` of `/hostedzone/Z123`: answers hold the long form, and clients send either."""
    return id.rpartition("/")[2]


def on_zone(member: str) -> Resources:
    """The hosted zone that this member of the request names."""

    def resources(call: Call, request: Request) -> list[str]:
        return [make_arn("route53", "", "", f"hostedzone/{bare(request[member])}")]

    return resources


def vpcs_key(call: Call, request: Request) -> list[str]:
    """The value of route53:VPCs: `VPCId=vpc-…,VPCRegion=us-west-2`.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html
    """
    vpc = request.get("VPC") or {name: request[name] for name in ("VPCId", "VPCRegion") if name in request}
    return [f"VPCId={vpc.get('VPCId', '')},VPCRegion={vpc.get('VPCRegion', '')}"] if vpc else []
