"""Tags of roots, units, accounts and policies; kept in core.tags under their ARNs."""

from collections.abc import Mapping, Sequence

from ringfence.core.call import Call, Request, Result
from ringfence.core.tags import drop_tags, from_list, set_tags, tags_of
from ringfence.services.organizations.listing import listed
from ringfence.services.organizations.lookup import (
    arn_of,
    constraint_violation,
    find_policy,
    find_target,
    invalid_input,
    named,
    own_organization,
)
from ringfence.services.organizations.operation import operation

_MAX_TAGS = 50
_ON = named("ResourceId")


def checked_tags(present: Mapping[str, str], given: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The tags to add; refused beyond the quota, with AWS's own prefix, or with a key twice."""
    added = from_list(given)
    if len(added) < len(given):
        raise invalid_input("DUPLICATE_TAG_KEY", "You provided the same tag key more than once.")
    if any(key.lower().startswith("aws:") for key in added):
        raise invalid_input("INVALID_SYSTEM_TAGS_PARAMETER", "You can't add, edit, or delete system tags.")
    if len({*present, *added}) > _MAX_TAGS:
        raise constraint_violation("MAX_TAG_LIMIT_EXCEEDED", "You have exceeded the maximum number of tags.")
    return added


def _arn(call: Call, request: Request) -> str:
    id = request["ResourceId"]
    if id.startswith("p-"):
        return arn_of(own_organization(call), id, find_policy(call, id).type)
    return arn_of(own_organization(call), find_target(call, id).id)


@operation("TagResource", takes="ResourceId Tags", on=_ON)
def tag_resource(call: Call, request: Request) -> Result:
    arn = _arn(call, request)
    set_tags(call.records, arn, checked_tags(tags_of(call.records, arn), request["Tags"]))
    return {}


@operation("UntagResource", takes="ResourceId TagKeys", on=_ON)
def untag_resource(call: Call, request: Request) -> Result:
    drop_tags(call.records, _arn(call, request), request["TagKeys"])
    return {}


@operation("ListTagsForResource", takes="ResourceId NextToken", on=_ON)
def list_tags_for_resource(call: Call, request: Request) -> Result:
    tags = list(tags_of(call.records, _arn(call, request)).items())
    return listed(request, "Tags", tags, lambda tag: tag[0], lambda tag: {"Key": tag[0], "Value": tag[1]})
