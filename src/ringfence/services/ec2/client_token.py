"""Idempotent creations: a client token that was used before gives what it made, not a second one.

https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
"""

import hashlib
from typing import TypeVar

import msgspec

from ringfence.core.call import Call, Request
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import NetworkAcl, NetworkInterface, RouteTable, VpcEndpoint
from ringfence.resources.flow_log import FlowLog
from ringfence.resources.nat_gateway import NatGateway
from ringfence.resources.network_insights import NetworkInsightsAnalysis, NetworkInsightsPath
from ringfence.resources.prefix_list import PrefixList
from ringfence.services.ec2 import noun

T = TypeVar(
    "T", RouteTable, NatGateway, NetworkAcl, NetworkInterface, PrefixList, VpcEndpoint, FlowLog, NetworkInsightsPath,
    NetworkInsightsAnalysis,
)  # fmt: skip


def of(request: Request) -> tuple[str, str] | None:
    """The request's client token and a digest of everything else in it, None if it has no token."""
    token = request.get("ClientToken")
    if not token:
        return None
    rest = {name: value for name, value in request.items() if name not in ("ClientToken", "DryRun")}
    return token, hashlib.sha256(msgspec.json.encode(rest, order="deterministic")).hexdigest()


def earlier(call: Call, request: Request, kind: type[T]) -> T | None:
    """What an earlier request with this token made; an error if that request asked for something else."""
    wanted = of(request)
    if wanted is None:
        return None
    for record in noun.mine(call, kind):
        if record.made_for is not None and record.made_for[0] == wanted[0]:
            if record.made_for[1] == wanted[1]:
                return record
            raise ServiceError(
                "IdempotentParameterMismatch",
                "The client token you have provided is associated with a resource of different parameters.",
            )
    return None


def earlier_all(call: Call, request: Request, kind: type[FlowLog]) -> list[FlowLog]:
    """As `earlier`, of a creation that makes several at once."""
    first = earlier(call, request, kind)
    return [] if first is None else [one for one in noun.mine(call, kind) if one.made_for == first.made_for]


def echoed(request: Request) -> dict[str, str]:
    """`{"ClientToken": …}` to spread into the result of a creation."""
    return {"ClientToken": request["ClientToken"]} if request.get("ClientToken") else {}
