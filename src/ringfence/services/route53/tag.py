"""Tags of hosted zones, kept in core.tags under their ARNs. There are no health checks to tag."""

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags, from_list, set_tags, tags_of, to_list
from ringfence.services.route53.lookup import find_zone, zone_arn
from ringfence.services.route53.zone_name import bare

_MOST_TAGS, _MOST_A_CALL = 50, 10


def _on_one(call: Call, request: Request) -> list[str]:
    return [f"arn:aws:route53:::{request['ResourceType']}/{bare(request['ResourceId'])}"]


def _on_each(call: Call, request: Request) -> list[str]:
    return [f"arn:aws:route53:::{request['ResourceType']}/{bare(id)}" for id in request["ResourceIds"]]


def _find(call: Call, kind: str, id: str) -> str:
    """The ARN of what is to be tagged."""
    if kind == "healthcheck":
        raise ServiceError("NoSuchHealthCheck", f"A health check with id {bare(id)} does not exist.", 404)
    return zone_arn(find_zone(call, id).id)


@operation("ChangeTagsForResource", takes="ResourceType ResourceId AddTags RemoveTagKeys", on=_on_one)
def change_tags_for_resource(call: Call, request: Request) -> Result:
    arn = _find(call, request["ResourceType"], request["ResourceId"])
    added, removed = request.get("AddTags") or [], request.get("RemoveTagKeys") or []
    if not added and not removed:
        raise ServiceError("InvalidInput", "At least one of AddTags and RemoveTagKeys must be specified.")
    if len(added) > _MOST_A_CALL or len(removed) > _MOST_A_CALL:
        raise ServiceError("InvalidInput", f"At most {_MOST_A_CALL} tags can be added, and as many removed, at a time.")
    keys = [tag.get("Key", "") for tag in added]
    if not all((*keys, *removed)) or len(set(keys)) < len(keys) or set(keys) & set(removed):
        raise ServiceError("InvalidInput", "Each tag must have a key, and a key may be given once only.")
    if any(key.lower().startswith("aws:") for key in keys):
        raise ServiceError("InvalidInput", "Tag keys that begin with aws: are reserved.")
    drop_tags(call.records, arn, removed)
    if len({*tags_of(call.records, arn), *keys}) > _MOST_TAGS:
        raise ServiceError("InvalidInput", f"A resource can have at most {_MOST_TAGS} tags.")
    set_tags(call.records, arn, from_list(added))
    return {}


def _tag_set(call: Call, kind: str, id: str) -> Result:
    arn = _find(call, kind, id)
    return {"ResourceType": kind, "ResourceId": bare(id), "Tags": to_list(tags_of(call.records, arn))}


@operation("ListTagsForResource", takes="ResourceType ResourceId", on=_on_one)
def list_tags_for_resource(call: Call, request: Request) -> Result:
    return {"ResourceTagSet": _tag_set(call, request["ResourceType"], request["ResourceId"])}


@operation("ListTagsForResources", takes="ResourceType ResourceIds", on=_on_each)
def list_tags_for_resources(call: Call, request: Request) -> Result:
    return {"ResourceTagSets": [_tag_set(call, request["ResourceType"], id) for id in request["ResourceIds"]]}
