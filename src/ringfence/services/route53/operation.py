"""Route 53's `@operation`: core's, plus the loud refusal of parameters that are not taken."""

import functools
from collections.abc import Callable

from ringfence.core import operation as core
from ringfence.core.arn import make_arn
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import not_implemented

Handler = Callable[[Call, Request], Result]


def operation(
    name: str, *, takes: str = "", on: core.Resources | tuple[str, ...] = (), keys: core.Keys | None = None
) -> Callable[[Handler], Handler]:
    """Register the decorated handler. `takes`: its parameters, parted by spaces."""
    known = frozenset(takes.split())

    def register(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def checked(call: Call, request: Request) -> Result:
            for member in request:
                if member not in known:
                    raise not_implemented(f"the parameter {member} of {name}")
            return handler(call, request)

        core.operation(name, on=on, keys=keys)(checked)
        return checked

    return register


def bare(id: str) -> str:
    """`Z123` of `/hostedzone/Z123`: answers hold the long form, and clients send either."""
    return id.rpartition("/")[2]


def on_zone(member: str) -> core.Resources:
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
