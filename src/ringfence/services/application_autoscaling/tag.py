"""Tags of scalable targets."""

from collections.abc import Mapping

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, set_tags, tags_of
from ringfence.resources.application_autoscaling import ScalableTarget
from ringfence.services.application_autoscaling.lookup import invalid

_ON = ("{ResourceARN}",)
_MOST = 50


@operation("TagResource", takes="ResourceARN Tags", on=_ON)
def tag_resource(call: Call, request: Request) -> Result:
    arn = _find(call, request)
    check_tags(request["Tags"], tags_of(call.records, arn))
    set_tags(call.records, arn, request["Tags"])
    return {}


@operation("UntagResource", takes="ResourceARN TagKeys", on=_ON)
def untag_resource(call: Call, request: Request) -> Result:
    drop_tags(call.records, _find(call, request), request["TagKeys"])
    return {}


@operation("ListTagsForResource", takes="ResourceARN", on=_ON)
def list_tags_for_resource(call: Call, request: Request) -> Result:
    return {"Tags": tags_of(call.records, _find(call, request))}


def check_tags(added: Mapping[str, str], known: Mapping[str, str]) -> None:
    if len({**known, **added}) > _MOST:
        raise ServiceError("TooManyTagsException", f"A resource can have no more than {_MOST} tags.")
    if any(key.startswith("aws:") for key in added):
        raise invalid("Tag keys that begin with aws: are reserved.")


def _find(call: Call, request: Request) -> str:
    arn: str = request["ResourceARN"]
    targets = call.records.all(ScalableTarget)
    if not any(one.arn == arn and one.account == call.account for one in targets):
        raise ServiceError("ResourceNotFoundException", f"The resource {arn} does not exist.")
    return arn
