"""A condition key in words: why a request has none, what its condition wants, and how a call gets there.

Pure. Called by explain.statement and explain.remedy.
"""

from collections.abc import Iterable
from typing import Literal

from ringfence.core.operation import REGISTRY
from ringfence.explain.logged_call import LoggedCall, Question
from ringfence.iam.action_facts import documented_keys, spelled_key
from ringfence.iam.conditions.condition import Condition, split_operator
from ringfence.iam.context import Context

Path = Literal["endpoint", "internet", "inside"]

# The services that a path may lead to, as their users call them.
_NAMES = {"sagemaker": "SageMaker", "s3": "S3", "ec2": "EC2", "sts": "STS", "logs": "CloudWatch Logs"}
_OF_AN_ENDPOINT = ("aws:sourcevpce", "aws:sourcevpc", "aws:vpcsourceip")
_OF_THE_CALLER = {
    "aws:username": "only IAM users have it",
    "aws:principalarn": "an anonymous caller or an AWS service has none",
    "aws:tokenissuetime": "only temporary credentials have it",
    "aws:multifactorauthpresent": "only temporary credentials have it",
    "aws:principalservicename": "only an AWS service has it",
    "aws:sourceaccount": "only an AWS service that calls for an account has it",
    "aws:sourcearn": "only an AWS service that calls for a resource has it",
    "aws:calledvia": "no service calls with the caller's forwarded credentials",
    "aws:useragent": "the request says no user agent",
    "aws:referer": "the request has no referer",
}


def path_of(context: Context) -> Path:
    """The path that a question's keys tell."""
    if context.get("aws:sourcevpce") is not None:
        return "endpoint"
    return "internet" if context.get("aws:sourceip") is not None else "inside"


def listener_of(context: Context) -> str:
    entry = context.get("aws:securetransport")
    return entry.source if entry is not None else "in process"


def why_absent(name: str, question: Question, call: LoggedCall) -> str:
    """Why the request does not have this key; "" if there is nothing to add."""
    key, context, action = name.lower(), question.request.context, question.request.action
    if key in _OF_AN_ENDPOINT or key == "aws:sourceip":
        return _why_off_path(key, context, action)
    if key in _OF_THE_CALLER:
        return _OF_THE_CALLER[key]
    family = spelled_key(key)
    if family == "aws:principaltag/":
        return f"{question.request.principal.arn} has no such tag"
    if family == "aws:requesttag/":
        return "the request sets no such tag"
    if family.endswith("resourcetag/"):
        return f"{question.request.resource} has no such tag"
    if not family.startswith("aws:") and family not in documented_keys(action, question.request.resource):
        return f"AWS gives {action} on this resource no such key"
    return _why_not_sent(key, call)


def _why_off_path(key: str, context: Context, action: str) -> str:
    path = path_of(context)
    if path == "inside":
        return "the call was made inside AWS, by no network path"
    if key == "aws:sourceip":
        return "through a VPC endpoint the caller's public address is not known: aws:VpcSourceIp is"
    came = f"the call came over the internet path, to {listener_of(context)}"
    service = _NAMES.get(action.partition(":")[0])
    return f"{came}; {service}'s API through a VPC endpoint would have it" if service else came


def _why_not_sent(key: str, call: LoggedCall) -> str:
    """By the operation's own word on where its keys come from."""
    operation = REGISTRY.get((call.service or "", call.operation or ""))
    if operation is None:
        return ""
    sources = {name.lower(): source for name, source in operation.keys.items()}
    source = sources.get(key, sources.get(spelled_key(key)))
    return f"the request has no member {source}" if isinstance(source, str) else "the request does not say it"


def expectation(condition: Condition) -> str:
    """The condition as the policy has it: `StringEquals aws:SourceVpce [vpce-1]`."""
    return f"{condition.name} {condition.key} [{', '.join(condition.expected)}]"


def observation(condition: Condition, question: Question, call: LoggedCall) -> str:
    """What the request has for the condition's key, or why it has nothing."""
    entry = question.request.context.get(condition.lower_key)
    if entry is not None:
        return f"{condition.key} is {', '.join(entry.values)} ({entry.source})"
    why = why_absent(condition.key, question, call)
    return f"{condition.key} is absent" + (f" because {why}" if why else "")


def is_off_path(condition: Condition, question: Question) -> bool:
    """Whether it asks for a network path of a call that AWS makes inside, which takes none whatever is changed."""
    return condition.lower_key in (*_OF_AN_ENDPOINT, "aws:sourceip") and path_of(question.request.context) == "inside"


def endpoint_left_out(conditions: Iterable[Condition], question: Question) -> str | None:
    """The endpoint that the call came through, if one of these names others: what is for a URL's making and what is
    for its opening are two endpoints, and to call through the other of them is no way."""
    if any(condition.lower_key == "aws:sourcevpce" and condition.expected for condition in conditions):
        return question.request.context.single("aws:sourcevpce")
    return None


def way_to(condition: Condition, *, met: bool, question: Question) -> str | None:
    """What a call would have to be for the condition to be met, or for it not to be; None if it cannot be."""
    if is_off_path(condition, question):
        return None
    _, stem, _ = split_operator(condition.name)
    if stem == "null":
        absent = any(value.lower() == "true" for value in condition.expected) == met
        return f"call without {condition.key}" if absent else f"call so that {condition.key} is there"
    wanted = met != (condition.operator is not None and condition.operator.negated)
    values = " or ".join(condition.expected) or "a value (the policy lists none)"
    if stem == "bool" and not wanted and len(condition.expected) == 1:
        wanted, values = True, "false" if values.lower() == "true" else "true"
    if wanted:
        return _way_to_have(condition.lower_key, condition.key, stem, values, question)
    if condition.lower_key == "aws:principalarn":
        return f"call as somebody else than {values}"
    return f"call so that {condition.key} is something else than {values}"


def _way_to_have(key: str, name: str, stem: str, values: str, question: Question) -> str:
    family = spelled_key(key)
    match family:
        case "aws:sourcevpce":
            return f"call through {values}"
        case "aws:principalarn":
            return f"call as {values}"
        case "aws:sourcevpc":
            return f"call through a VPC endpoint in {values}"
        case "aws:sourceip":
            hint = " over the internet path" if path_of(question.request.context) == "endpoint" else ""
            return f"call from {values}{hint}"
        case "aws:vpcsourceip":
            return f"call through a VPC endpoint from {values}"
        case "aws:securetransport":
            return "call over TLS" if values.lower() == "true" else "call without TLS"
        case "aws:requestedregion":
            return f"call the service in {values}"
        case "aws:requesttag/":
            return f"send the tag {name.partition('/')[2]} with {values}"
        case "aws:principaltag/":
            return f"tag {question.request.principal.arn} with {name.partition('/')[2]} = {values}"
    if family.endswith("resourcetag/"):
        return f"tag {question.request.resource} with {name.partition('/')[2]} = {values}"
    entry = question.request.context.get(key)
    member = (
        entry.source.removeprefix("the request's ") if entry and entry.source.startswith("the request's ") else None
    )
    relation = "be" if stem.startswith(("string", "arn", "bool", "ip", "binary")) else f"meet {stem}"
    return f"call so that {name}{f' ({member})' if member else ''} will {relation} {values}"
