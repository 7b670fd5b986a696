"""Tags as EC2's handlers use them: TagSpecifications of a creation, the Tags of a description, AWS's limits."""

from collections.abc import Iterable, Mapping
from typing import Any

from ringfence.core import tags
from ringfence.core.call import Call, Request
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import Ec2Record
from ringfence.services.ec2 import noun

_MOST_TAGS = 50


def tag_list(call: Call, kind: type[Ec2Record], id: str) -> list[dict[str, str]]:
    """The tags of one resource as results show them."""
    return tags.to_list(tags.tags_of(call.records, noun.arn(call, kind, id)))


def tag_new(call: Call, request: Request, kind: type[Ec2Record], id: str) -> None:
    """Put the tags of the request's TagSpecifications on the resource that it creates."""
    put_tags(call, noun.arn(call, kind, id), specified(request, kind))


def specified(request: Request, kind: type[Ec2Record]) -> dict[str, str]:
    """The tags that TagSpecifications give to the resource being created, which is of this kind."""
    given: dict[str, str] = {}
    for specification in request.get("TagSpecifications") or ():
        resource = specification.get("ResourceType")
        if resource != noun.BY_KIND[kind].resource:
            raise ServiceError(
                "InvalidParameterValue", f"'{resource}' is not a valid taggable resource type for this operation."
            )
        given.update(checked(specification.get("Tags") or ()))
    return given


def checked(given: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """These tags as a mapping, if AWS would take them."""
    found: dict[str, str] = {}
    for tag in given:
        key, value = tag.get("Key"), tag.get("Value") or ""
        if not key:
            raise ServiceError("MissingParameter", "The request must contain the parameter Tag.Key")
        if len(key) > 128:
            raise ServiceError("InvalidParameterValue", "Tag key exceeds the maximum length of 128 characters")
        if len(value) > 256:
            raise ServiceError("InvalidParameterValue", "Tag value exceeds the maximum length of 256 characters")
        if key.lower().startswith("aws:"):
            raise ServiceError("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
        if key in found:
            raise ServiceError("InvalidParameterValue", f"Duplicate tag key '{key}' specified.")
        found[key] = value
    return found


def put_tags(call: Call, arn: str, given: Mapping[str, str]) -> None:
    """Add or replace tags, up to AWS's limit of 50 a resource."""
    if len({*tags.tags_of(call.records, arn), *given}) > _MOST_TAGS:
        raise ServiceError("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
    tags.set_tags(call.records, arn, given)


def remove(call: Call, record: Ec2Record) -> None:
    """Delete a record and its tags."""
    call.records.delete(record)
    tags.drop_tags(call.records, noun.arn(call, type(record), record.id))


def described(call: Call, record: Ec2Record) -> dict[str, Any]:
    """`{"Tags": …}` to spread into a description."""
    return {"Tags": tag_list(call, type(record), record.id)}
