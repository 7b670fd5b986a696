"""CreateTags, DeleteTags and DescribeTags, for every EC2 noun."""

from typing import NamedTuple

from ringfence.core import tags
from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.services.ec2 import noun
from ringfence.services.ec2.listing import Filters, page, paged, select
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.tagging import checked, put_tags


class Tag(NamedTuple):
    """One tag of one resource."""

    resource_type: str
    resource_id: str
    name: str
    value: str


def _arns(call: Call, request: Request) -> list[str]:
    """The ARNs of the request's resources, existing or not: what authorization looks at."""
    return [call.arn("ec2", f"{_noun(id).resource}/{id}") for id in request["Resources"]]


def _noun(id: str) -> noun.Noun:
    found = noun.BY_PREFIX.get(id.rpartition("-")[0])
    if found is None:
        raise ServiceError("InvalidID", f"The ID '{id}' is not valid")
    return found


def _check_existence(call: Call, request: Request) -> None:
    if not request["Resources"]:
        raise ServiceError("MissingParameter", "The request must contain the parameter resourceIdSet")
    for id in request["Resources"]:
        noun.find(call, _noun(id).kind, id)


@operation("CreateTags", takes="Resources Tags", on=_arns)
def create_tags(call: Call, request: Request) -> Result:
    _check_existence(call, request)
    given = checked(request["Tags"])
    if not given:
        raise ServiceError("MissingParameter", "The request must contain the parameter tagSet")
    for arn in _arns(call, request):
        put_tags(call, arn, given)
    return {}


@operation("DeleteTags", takes="Resources Tags", on=_arns)
def delete_tags(call: Call, request: Request) -> Result:
    """Remove tags by key, or by key and value if the value is given; all tags if none are named."""
    _check_existence(call, request)
    wanted = request.get("Tags")
    if not all(tag.get("Key") for tag in wanted or ()):
        raise ServiceError("MissingParameter", "The request must contain the parameter Tag.Key")
    for arn in _arns(call, request):
        have = tags.tags_of(call.records, arn)
        gone = [tag["Key"] for tag in wanted or () if tag.get("Value") in (None, have.get(tag["Key"]))]
        tags.drop_tags(call.records, arn, gone if wanted else None)
    return {}


_FILTERS: Filters = {
    "key": lambda call, item: item.name,
    "resource-id": lambda call, item: item.resource_id,
    "resource-type": lambda call, item: item.resource_type,
    "value": lambda call, item: item.value,
}


@operation("DescribeTags", takes="Filters MaxResults NextToken")
def describe_tags(call: Call, request: Request) -> Result:
    found = sorted(tag for tag_set in call.records.all(tags.TagSet) for tag in _tags_of(call, tag_set))
    chosen = select(
        call, request, found, _FILTERS, lambda tag: call.arn("ec2", f"{tag.resource_type}/{tag.resource_id}")
    )
    kept, token = page(request, chosen, lambda tag: "/".join(tag[:3]))
    shown = [
        {"ResourceType": tag.resource_type, "ResourceId": tag.resource_id, "Key": tag.name, "Value": tag.value}
        for tag in kept
    ]
    return paged("Tags", shown, token)


def _tags_of(call: Call, tag_set: tags.TagSet) -> list[Tag]:
    """The tags of one resource, if it is EC2's and the caller's."""
    arn = parse_arn(tag_set.arn)
    if arn is None or (arn.service, arn.region, arn.account) != ("ec2", call.region, call.account):
        return []
    resource_type, _, resource_id = arn.resource.partition("/")
    return [Tag(resource_type, resource_id, name, value) for name, value in tag_set.tags.items()]
