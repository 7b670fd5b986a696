"""EC2's `@operation`: core's, plus what each EC2 operation has in common.

A parameter that the operation does not list in `takes` is refused aloud; `DryRun` runs the whole handler before it
says that the request would have succeeded (the error rolls the transaction back); a creation with TagSpecifications
needs ec2:CreateTags on what it tags.
"""

import functools
import re
from collections.abc import Callable, Mapping

from ringfence.core import operation as core
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented

Handler = Callable[[Call, Request], Result]

# operation -> the request members that it honours
TAKES: dict[str, frozenset[str]] = {}


def operation(
    name: str,
    *,
    takes: str = "",
    on: tuple[str, ...] | core.Resources = (),
    keys: core.Keys | None = None,
    passes: Mapping[str, str] | None = None,
    also: tuple[tuple[str, core.Resources], ...] = (),
) -> Callable[[Handler], Handler]:
    """Register the decorated handler of EC2's operation `name`. `takes`: its parameters, parted by spaces."""
    TAKES[name] = frozenset(takes.split()) | {"DryRun"}

    def register(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def checked(call: Call, request: Request) -> Result:
            _refuse_unknown(name, request)
            result = handler(call, request)
            if request.get("DryRun"):
                raise ServiceError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
            return result

        tagging = (("ec2:CreateTags", _tagged),) if "TagSpecifications" in TAKES[name] else ()
        known = {**_common_keys(name), **(keys or {})}
        core.operation(name, on=on, keys=known, passes=passes, also=(*tagging, *also))(checked)
        return checked

    return register


def _common_keys(name: str) -> core.Keys:
    """ec2:Region of every call; ec2:CreateAction of the ec2:CreateTags that a creation needs; what a change sets."""
    keys: dict[str, str | core.KeyValues] = {"ec2:Region": lambda call, request: [call.region]}
    if "TagSpecifications" in TAKES[name]:
        keys["ec2:CreateAction"] = lambda call, request: [name]
    if (name.startswith("Modify") and "Attribute" in name) or name in ("ModifyVpcEndpoint", "ModifyManagedPrefixList"):
        keys["ec2:Attribute/"] = _attributes
    return keys


def _attributes(call: Call, request: Request) -> dict[str, object]:
    """The attributes that are set, if they are one value, or an object with nothing but a Value.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/iam-policies-ec2-console.html#attribute-key
    """
    plain = {
        name: value["Value"] if isinstance(value, dict) and set(value) == {"Value"} else value
        for name, value in request.items()
        if not name.endswith("Id") and name != "DryRun"
    }
    return {name: value for name, value in plain.items() if isinstance(value, (str, int))}


def _tagged(call: Call, request: Request) -> list[str]:
    """The ARNs, not known yet, of the new resources that a creation gives tags to.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
    """
    given = request.get("TagSpecifications") or ()
    return [call.arn("ec2", f"{one.get('ResourceType', '*')}/*") for one in given if one.get("Tags")]


def named(*always: str, optional: Mapping[str, str]) -> core.Resources:
    """Resources for `on`: these templates (one member of the request each, at most), and what optional members name.

    AWS asks about an optional resource only if the request has it. `optional`: member -> resource type.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
    """

    def arns(call: Call, request: Request) -> list[str]:
        resources = [template.format_map(request) for template in always]
        for member, kind in optional.items():
            value = request.get(member) or ()
            resources += [f"{kind}/{id}" for id in ([value] if isinstance(value, str) else value)]
        return [call.arn("ec2", resource) for resource in dict.fromkeys(resources)]

    return arns


def accept_off(member: str, value: bool) -> Result:
    """Of a switch that is always off: turning it off again changes nothing, turning it on is refused."""
    if value:
        raise not_implemented(f"{_said(member)} that is on")
    return {}


def _said(member: str) -> str:
    """A member as refusals call it: IPv6, of which there is nothing here, is always named."""
    return (
        f"IPv6: the parameter {member}"
        if re.search("[iI]pv6|Dns64|AAAA|EgressOnly", member)
        else f"the parameter {member}"
    )


def _refuse_unknown(name: str, request: Request) -> None:
    """A flag that is false and an empty value ask for nothing: they are as good as absent."""
    for member, value in request.items():
        if member not in TAKES[name] and value not in (None, False, "", [], {}):
            raise not_implemented(f"{_said(member)} of {name}")
