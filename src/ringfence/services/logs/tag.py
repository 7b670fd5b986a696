"""Tags of log groups, by ARN and in the older form by name."""

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags, tags_of
from ringfence.resources.logs import LogGroup
from ringfence.services.logs.log_group import find_group
from ringfence.services.logs.parameter import group_arn, invalid_parameter, on_group


def _on_arn(call: Call, request: Request) -> list[str]:
    return [request["resourceArn"].removesuffix(":*")]


def _find(call: Call, request: Request) -> str:
    """The ARN under which the tags of the group are that the request names by ARN."""
    arn = _on_arn(call, request)[0]
    prefix = group_arn(call, "")
    if not arn.startswith(prefix) or call.records.get(LogGroup, call.scoped(arn.removeprefix(prefix))) is None:
        raise ServiceError("ResourceNotFoundException", "The specified resource does not exist.")
    return arn


def _add(call: Call, arn: str, tags: dict[str, str]) -> None:
    if any(key.startswith("aws:") for key in tags):
        raise invalid_parameter("aws: prefixed tag key names are not allowed for external use.")
    if len({**tags_of(call.records, arn), **tags}) > 50:
        raise ServiceError("TooManyTagsException", "A resource can have no more than 50 tags.")
    set_tags(call.records, arn, tags)


@operation("TagResource", takes="resourceArn tags", on=_on_arn)
def tag_resource(call: Call, request: Request) -> Result:
    _add(call, _find(call, request), request["tags"])
    return {}


@operation("UntagResource", takes="resourceArn tagKeys", on=_on_arn)
def untag_resource(call: Call, request: Request) -> Result:
    drop_tags(call.records, _find(call, request), request["tagKeys"])
    return {}


@operation("ListTagsForResource", takes="resourceArn", on=_on_arn)
def list_tags_for_resource(call: Call, request: Request) -> Result:
    return {"tags": dict(tags_of(call.records, _find(call, request)))}


@operation("TagLogGroup", takes="logGroupName tags", on=on_group)
def tag_log_group(call: Call, request: Request) -> Result:
    _add(call, group_arn(call, find_group(call, request["logGroupName"]).name), request["tags"])
    return {}


@operation("UntagLogGroup", takes="logGroupName tags", on=on_group)
def untag_log_group(call: Call, request: Request) -> Result:
    drop_tags(call.records, group_arn(call, find_group(call, request["logGroupName"]).name), request["tags"])
    return {}


@operation("ListTagsLogGroup", takes="logGroupName", on=on_group)
def list_tags_log_group(call: Call, request: Request) -> Result:
    return {"tags": dict(tags_of(call.records, group_arn(call, find_group(call, request["logGroupName"]).name)))}
