"""Tags of connections and virtual interfaces."""

from collections.abc import Iterable, Mapping

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.record import Reader
from ringfence.core.tags import drop_tags, set_tags, tags_of
from ringfence.resources.direct_connect import Connection, VirtualInterface
from ringfence.services.directconnect.refusal import client_error

_ON = ("{resourceArn}",)
_MOST = 50


def shown_tags(records: Reader, arn: str) -> dict[str, list[dict[str, str]]]:
    """The member `tags` of a description; there is none without tags."""
    tags = [{"key": key, "value": value} for key, value in tags_of(records, arn).items()]
    return {"tags": tags} if tags else {}


def checked_tags(present: Mapping[str, str], given: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The tags to add, within Direct Connect's rules."""
    pairs = list(given)
    added = {one["key"]: one.get("value", "") for one in pairs}
    if len(added) < len(pairs):
        raise ServiceError("DuplicateTagKeysException", "A tag key was specified more than once.")
    if len({**present, **added}) > _MOST:
        raise ServiceError("TooManyTagsException", f"A resource can have no more than {_MOST} tags.")
    if any(key.startswith("aws:") for key in added):
        raise client_error("Tag keys that begin with aws: are reserved.")
    return added


@operation("TagResource", takes="resourceArn tags", on=_ON)
def tag_resource(call: Call, request: Request) -> Result:
    arn = _find(call, request["resourceArn"])
    set_tags(call.records, arn, checked_tags(tags_of(call.records, arn), request["tags"]))
    return {}


@operation("UntagResource", takes="resourceArn tagKeys", on=_ON)
def untag_resource(call: Call, request: Request) -> Result:
    drop_tags(call.records, _find(call, request["resourceArn"]), request["tagKeys"])
    return {}


@operation("DescribeTags", takes="resourceArns", on=("{resourceArns}",))
def describe_tags(call: Call, request: Request) -> Result:
    arns = [_find(call, arn) for arn in request["resourceArns"]]
    return {"resourceTags": [{"resourceArn": arn, **shown_tags(call.records, arn)} for arn in arns]}


def _find(call: Call, arn: str) -> str:
    id = arn.rpartition("/")[2]
    found = call.records.get(Connection, id) or call.records.get(VirtualInterface, id)
    if found is None or found.arn != arn or found.account != call.account:
        raise client_error(f"The resource {arn} does not exist.")
    return arn
