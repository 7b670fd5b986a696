"""`@operation`: a handler's name and the facts that authorization needs, in one registry.

The service is the module's: `ringfence.services.ec2.subnet` is `ec2`, `ringfence.services.sagemaker_runtime` is
`sagemaker-runtime`, as botocore names them.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import not_implemented
from ringfence.core.results import Forward

Handler = Callable[[Call, Request], Result | Forward]
Resources = Callable[[Call, Request], list[str]]
# A condition key's values, or None or nothing if the request does not have it. Of a key that ends with a slash, a
# family such as `s3:RequestObjectTag/`: what follows the slash -> value.
KeyValues = Callable[[Call, Request], Sequence[object] | Mapping[str, object] | None]
Keys = Mapping[str, str | KeyValues]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a service.

    `action`: the IAM action, `ec2:CreateSubnet`, or None for what needs no permission (sts:GetCallerIdentity) and what
    asks about each of many things by itself, with `Call.judge` (s3:DeleteObjects).
    `on`: resource templates such as `vpc/{VpcId}` (members of the request in braces, a list member gives one ARN per
    item, an absent member gives `*`), or a function that returns ARNs. Empty: the resource is `*`.
    `keys`: condition key -> request member, or a function where it takes more than that. Keys that are properties of
    the resource, such as the ec2:Vpc of a subnet, are not named here: the gateway reads them off the record.
    `passes`: member that holds a role ARN -> service it is passed to; members are dotted paths
    (`ProductionVariants.InstanceType` collects from list items too).
    `instead`: request member -> the action asked about in place of `action` if the request has that member.
    `also`: further (full action, resources) that must be allowed too, such as s3:GetObject on a copy's source; a
    function that returns no ARN asks for nothing. `conceals`: error code -> (full action, resources): who is not
    allowed that action gets AccessDenied instead of the error (NoSuchKey without s3:ListBucket).
    `decided_by`: the members of the request that authorization is shown, so that it can depend on no others; None: all.
    """

    service: str
    name: str
    handler: Handler
    action: str | None
    on: tuple[str, ...] | Resources = ()
    keys: Keys = field(default_factory=dict)
    passes: Mapping[str, str] = field(default_factory=dict)
    also: tuple[tuple[str, tuple[str, ...] | Resources], ...] = ()
    conceals: Mapping[str, tuple[str, tuple[str, ...] | Resources]] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    decided_by: tuple[str, ...] | None = None

    def action_for(self, request: Request) -> str | None:
        """The action that this request is an instance of."""
        return next((action for member, action in self.instead.items() if member in request), self.action)


REGISTRY: dict[tuple[str, str], Operation] = {}

# IAM prefixes that differ from botocore's service names.
ACTION_PREFIX = {
    "sagemaker-runtime": "sagemaker",
    "sagemaker-featurestore-runtime": "sagemaker",
    "cloudwatch": "cloudwatch",
    "s3control": "s3",
}


def operation(
    name: str,
    *,
    service: str = "",
    action: str | None = "",
    on: tuple[str, ...] | Resources = (),
    keys: Keys | None = None,
    passes: Mapping[str, str] | None = None,
    also: tuple[tuple[str, tuple[str, ...] | Resources], ...] = (),
    conceals: Mapping[str, tuple[str, tuple[str, ...] | Resources]] | None = None,
    instead: Mapping[str, str] | None = None,
    decided_by: str | None = None,
    takes: str | None = None,
) -> Callable[[Handler], Handler]:
    """Register the decorated handler. `action=""` means the operation's own name; None means no permission needed.

    `service`: botocore's name of it, where the handler's package is another's that it belongs to.

    `takes`: the request's members that the handler honours, parted by spaces; any other is refused aloud, unless it is
    an empty list, which asks for nothing. None: the handler sees to that itself. `decided_by`: members, as in `takes`.
    """
    members = None if decided_by is None else tuple(decided_by.split())

    def register(handler: Handler) -> Handler:
        of = service or handler.__module__.split(".")[2].replace("_", "-")
        prefix = ACTION_PREFIX.get(of, of)
        full = None if action is None else action if action and ":" in action else f"{prefix}:{action or name}"
        if (of, name) in REGISTRY:
            raise ValueError(f"{of}.{name} is registered twice")
        checked = handler if takes is None else _refusing(name, frozenset(takes.split()), handler)
        REGISTRY[of, name] = Operation(
            of, name, checked, full, on, keys or {}, passes or {}, also, conceals or {}, instead or {}, members
        )
        return checked

    return register


def _refusing(name: str, known: frozenset[str], handler: Handler) -> Handler:
    """The handler behind the refusal of members that it does not know."""

    @functools.wraps(handler)
    def checked(call: Call, request: Request) -> Result | Forward:
        for member, value in request.items():
            if member not in known and value != []:
                raise not_implemented(f"the parameter {member} of {name}")
        return handler(call, request)

    return checked
