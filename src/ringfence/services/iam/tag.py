"""Tags of users, roles and managed policies; kept in core.tags under their ARNs."""

from collections.abc import Mapping, Sequence

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, from_list, set_tags, tags_of
from ringfence.services.iam.listing import listed
from ringfence.services.iam.lookup import find_policy, find_role, find_user, limit_exceeded, role_arns, user_arns

_MAX_TAGS = 50
_POLICY = ("{PolicyArn}",)


def checked_tags(present: Mapping[str, str], given: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The tags to add; refused beyond IAM's quota, with AWS's own prefix, or with a key twice."""
    added = from_list(given)
    if len({key.lower() for key in added}) < len(given):
        raise ServiceError("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key.lower().startswith("aws:") for key in added):
        raise ServiceError("InvalidInput", "System tags (prefixed with aws:) cannot be added or removed.")
    if len({*present, *added}) > _MAX_TAGS:
        raise limit_exceeded(f"The number of tags has reached the maximum limit of {_MAX_TAGS}.")
    return added


@operation("TagUser", takes="UserName Tags", on=user_arns)
def tag_user(call: Call, request: Request) -> Result:
    return _tag(call, find_user(call, request["UserName"]).arn, request)


@operation("UntagUser", takes="UserName TagKeys", on=user_arns)
def untag_user(call: Call, request: Request) -> Result:
    return _untag(call, find_user(call, request["UserName"]).arn, request)


@operation("ListUserTags", takes="UserName Marker MaxItems", on=user_arns)
def list_user_tags(call: Call, request: Request) -> Result:
    return _list(call, find_user(call, request["UserName"]).arn, request)


@operation("TagRole", takes="RoleName Tags", on=role_arns)
def tag_role(call: Call, request: Request) -> Result:
    return _tag(call, find_role(call, request["RoleName"]).arn, request)


@operation("UntagRole", takes="RoleName TagKeys", on=role_arns)
def untag_role(call: Call, request: Request) -> Result:
    return _untag(call, find_role(call, request["RoleName"]).arn, request)


@operation("ListRoleTags", takes="RoleName Marker MaxItems", on=role_arns)
def list_role_tags(call: Call, request: Request) -> Result:
    return _list(call, find_role(call, request["RoleName"]).arn, request)


@operation("TagPolicy", takes="PolicyArn Tags", on=_POLICY)
def tag_policy(call: Call, request: Request) -> Result:
    return _tag(call, find_policy(call, request["PolicyArn"]).arn, request)


@operation("UntagPolicy", takes="PolicyArn TagKeys", on=_POLICY)
def untag_policy(call: Call, request: Request) -> Result:
    return _untag(call, find_policy(call, request["PolicyArn"]).arn, request)


@operation("ListPolicyTags", takes="PolicyArn Marker MaxItems", on=_POLICY)
def list_policy_tags(call: Call, request: Request) -> Result:
    return _list(call, find_policy(call, request["PolicyArn"]).arn, request)


def _tag(call: Call, arn: str, request: Request) -> Result:
    set_tags(call.records, arn, checked_tags(tags_of(call.records, arn), request["Tags"]))
    return {}


def _untag(call: Call, arn: str, request: Request) -> Result:
    drop_tags(call.records, arn, request["TagKeys"])
    return {}


def _list(call: Call, arn: str, request: Request) -> Result:
    tags = list(tags_of(call.records, arn).items())
    return listed(request, "Tags", tags, lambda tag: tag[0], lambda tag: {"Key": tag[0], "Value": tag[1]})
