"""Tags of repositories."""

from collections.abc import Mapping

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, from_list, set_tags, tags_of, to_list
from ringfence.services.ecr.lookup import find_repository, invalid_parameter

_ON = ("{resourceArn}",)
_MOST = 50


def checked_tags(present: Mapping[str, str], added: dict[str, str]) -> dict[str, str]:
    """The tags to add, within ECR's rules."""
    if len({**present, **added}) > _MOST:
        raise ServiceError("TooManyTagsException", f"A repository can have no more than {_MOST} tags")
    if any(key.startswith("aws:") for key in added):
        raise ServiceError("InvalidTagParameterException", "Tag keys that begin with 'aws:' are reserved")
    return added


@operation("TagResource", takes="resourceArn tags", on=_ON)
def tag_resource(call: Call, request: Request) -> Result:
    arn = _find(call, request)
    set_tags(call.records, arn, checked_tags(tags_of(call.records, arn), from_list(request["tags"])))
    return {}


@operation("UntagResource", takes="resourceArn tagKeys", on=_ON)
def untag_resource(call: Call, request: Request) -> Result:
    drop_tags(call.records, _find(call, request), request["tagKeys"])
    return {}


@operation("ListTagsForResource", takes="resourceArn", on=_ON)
def list_tags_for_resource(call: Call, request: Request) -> Result:
    return {"tags": to_list(tags_of(call.records, _find(call, request)))}


def _find(call: Call, request: Request) -> str:
    arn = parse_arn(request["resourceArn"])
    if arn is None or arn.service != "ecr" or not arn.resource.startswith("repository/"):
        raise invalid_parameter(f"Invalid parameter at 'resourceArn': {request['resourceArn']}")
    name = arn.resource.removeprefix("repository/")
    return find_repository(call, {"registryId": arn.account, "repositoryName": name}).arn
