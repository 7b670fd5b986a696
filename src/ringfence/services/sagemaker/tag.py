"""Tags of models, endpoints, jobs; they live in core.tags under the ARN."""

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Request, Result
from ringfence.core.listing import page
from ringfence.core.operation import Keys, Resources, operation
from ringfence.core.tags import drop_tags, from_list, set_tags, tags_of, to_list
from ringfence.services.sagemaker.lookup import find, kind_of, missing
from ringfence.services.sagemaker.refusal import invalid

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AddTags.html
_MOST = 50


def tagging_action(name: str) -> Keys:
    """For `keys`: what the sagemaker:AddTags that a creation needs is told of the creation."""
    return {"sagemaker:TaggingAction": lambda call, request: [name]}


def tagging_resources(template: str) -> Resources:
    """For `also`: creating something with tags needs sagemaker:AddTags on it too."""

    def resources(call: Call, request: Request) -> list[str]:
        return [call.arn("sagemaker", template.format(**request))] if request.get("Tags") else []

    return resources


def read_tags(request: Request) -> dict[str, str]:
    """The request's Tags as a mapping, if AWS would take them. The text about duplicates is ours."""
    given = request.get("Tags") or []
    tags = from_list(given)
    if len(tags) < len(given):
        raise invalid("The keys of Tags must be unique.")
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid("aws: prefixed tag key names are not allowed for external use.")
    return tags


@operation("AddTags", on=("{ResourceArn}",))
def add_tags(call: Call, request: Request) -> Result:
    arn = _resource(call, request)
    tags = {**tags_of(call.records, arn), **read_tags(request)}
    if len(tags) > _MOST:
        raise invalid(f"The maximum number of tags for a resource, {_MOST}, has been exceeded.")
    set_tags(call.records, arn, tags)
    return {"Tags": to_list(tags)}


@operation("DeleteTags", on=("{ResourceArn}",))
def delete_tags(call: Call, request: Request) -> Result:
    drop_tags(call.records, _resource(call, request), request["TagKeys"])
    return {}


@operation("ListTags", on=("{ResourceArn}",))
def list_tags(call: Call, request: Request) -> Result:
    tags = sorted(tags_of(call.records, _resource(call, request)).items())
    listed, token = page(
        tags,
        key=lambda tag: tag[0],
        limit=request.get("MaxResults", _MOST),
        token=request.get("NextToken"),
        error=invalid("Invalid NextToken"),
    )
    return {"Tags": to_list(dict(listed)), **({"NextToken": token} if token else {})}


def _resource(call: Call, request: Request) -> str:
    """The resource's own ARN, in its own spelling, after it was found."""
    text = request["ResourceArn"]
    arn = parse_arn(text)
    if arn is None or (arn.partition, arn.service) != ("aws", "sagemaker"):
        raise invalid(f"Invalid resource ARN: {text}")
    prefix, _, name = arn.resource.partition("/")
    kind = kind_of(prefix)
    if kind is None:
        raise invalid(f"Ringfence does not implement tags of the resource type {prefix}.")
    if (arn.region, arn.account) != (call.region, call.account):
        raise missing(kind, text)
    return find(call, kind, name).arn
