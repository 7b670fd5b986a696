"""Tags of alarms."""

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, from_list, set_tags, tags_of, to_list
from ringfence.resources.cloudwatch import MetricAlarm
from ringfence.services.cloudwatch.refusal import invalid_value

_ON = ("{ResourceARN}",)
_MOST = 50


@operation("TagResource", takes="ResourceARN Tags", on=_ON)
def tag_resource(call: Call, request: Request) -> Result:
    arn, added = _find(call, request), from_list(request["Tags"])
    if len({**tags_of(call.records, arn), **added}) > _MOST:
        raise invalid_value(f"A resource can have no more than {_MOST} tags.")
    if any(key.startswith("aws:") for key in added):
        raise invalid_value("Tag keys that begin with aws: are reserved.")
    set_tags(call.records, arn, added)
    return {}


@operation("UntagResource", takes="ResourceARN TagKeys", on=_ON)
def untag_resource(call: Call, request: Request) -> Result:
    drop_tags(call.records, _find(call, request), request["TagKeys"])
    return {}


@operation("ListTagsForResource", takes="ResourceARN", on=_ON)
def list_tags_for_resource(call: Call, request: Request) -> Result:
    return {"Tags": to_list(tags_of(call.records, _find(call, request)))}


def _find(call: Call, request: Request) -> str:
    arn: str = request["ResourceARN"]
    prefix = call.arn("cloudwatch", "alarm:")
    if not arn.startswith(prefix) or call.records.get(MetricAlarm, call.scoped(arn.removeprefix(prefix))) is None:
        raise ServiceError("ResourceNotFoundException", f"The resource {arn} does not exist.", 404)
    return arn
