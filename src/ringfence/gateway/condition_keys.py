"""The condition keys of a call, each with where its value came from; never from a header when the path tells.

Read by gateway.authorize. Keys of the path follow from the socket that accepted the connection (`Call.arrival`).
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ringfence.core.arn import make_arn
from ringfence.core.call import Arrival, Call, Principal, Request
from ringfence.core.operation import Operation
from ringfence.core.tags import tags_of
from ringfence.iam.context import Context, Entry

_SOCKET = "the socket that accepted the connection"
_CALLER = "the caller's identity"
_REQUEST = "the request"
# Keys that AWS holds an ARN in, where the request names an id: key -> kind of EC2 resource.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
_ARN_KEYS = {"ec2:Vpc": "vpc", "ec2:Subnet": "subnet"}
# Services with a key of their own for the tags of a resource.
_OWN_RESOURCE_TAG = frozenset({"ec2", "iam", "sagemaker"})


def request_context(operation: Operation, call: Call, request: Request) -> Context:
    """All keys that do not depend on which resource is asked about."""
    entries = [
        *_principal(call.principal),
        *_path(call.arrival),
        Entry("aws:CurrentTime", (call.now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),), "the clock"),
        Entry("aws:EpochTime", (str(int(call.now.timestamp())),), "the clock"),
        Entry("aws:RequestedRegion", (_region(operation, call),), "the service's endpoint"),
        Entry("aws:ViaAWSService", ("false",), "no service calls on the caller's behalf"),
    ]
    for name, value in call.facts.items():
        entries.append(Entry(name, (value,), "the request's headers"))
    for key, member in operation.keys.items():
        entries.append(Entry(key, _values(key, _collect(request, member), call), f"the request's {member}"))
    entries += _request_tags(request)
    return Context(entries)


def resource_entries(call: Call, arn: str, account: str) -> list[Entry]:
    """The keys of the resource that is asked about: its account and its tags."""
    entries = [Entry("aws:ResourceAccount", (account,), "the resource's owner")]
    if arn == "*":
        return entries[:0]
    service = arn.split(":", 3)[2]
    tags = tags_of(call.records, arn)
    for key, value in tags.items():
        if service == "s3":
            entries.append(Entry(f"s3:ExistingObjectTag/{key}", (value,), f"the tags of {arn}"))
            continue
        entries.append(Entry(f"aws:ResourceTag/{key}", (value,), f"the tags of {arn}"))
        if service in _OWN_RESOURCE_TAG:
            entries.append(Entry(f"{service}:ResourceTag/{key}", (value,), f"the tags of {arn}"))
    return entries


def _principal(who: Principal) -> Iterator[Entry]:
    yield Entry("aws:PrincipalIsAWSService", ("true" if who.kind == "service" else "false",), _CALLER)
    if who.kind == "service":
        yield Entry("aws:PrincipalServiceName", (who.service or "",), _CALLER)
        yield Entry("aws:SourceAccount", (who.account,), "the account that the service acts for")
        return
    yield Entry("aws:PrincipalAccount", (who.account,), _CALLER)
    yield Entry("aws:PrincipalType", (_TYPES[who.kind],), _CALLER)
    yield Entry("aws:userid", (who.id,), _CALLER)
    if who.kind == "anonymous":
        return
    yield Entry("aws:PrincipalArn", (who.role_arn or who.arn,), _CALLER)
    if who.kind == "user":
        yield Entry("aws:username", (who.arn.rpartition("/")[2],), _CALLER)
    for key, value in who.tags.items():
        yield Entry(f"aws:PrincipalTag/{key}", (value,), "the caller's tags")
    if who.token_issued is not None:
        yield Entry("aws:TokenIssueTime", (who.token_issued.strftime("%Y-%m-%dT%H:%M:%SZ"),), "the session token")
        yield Entry("aws:MultiFactorAuthPresent", ("false",), "the session token")


_TYPES = {"root": "Account", "user": "User", "role": "AssumedRole", "anonymous": "Anonymous"}


def _path(arrival: Arrival) -> Iterator[Entry]:
    """Through an endpoint the caller's public address is unknown; from the internet no VPC is known."""
    in_process = not arrival.source_ip
    secure = arrival.tls or in_process
    yield Entry("aws:SecureTransport", ("true" if secure else "false",), _SOCKET)
    if arrival.vpce_id is not None:
        yield Entry("aws:SourceVpc", (arrival.vpc_id or "",), _SOCKET)
        yield Entry("aws:SourceVpce", (arrival.vpce_id,), _SOCKET)
        yield Entry("aws:VpcSourceIp", (arrival.source_ip,), _SOCKET)
    elif not in_process:
        yield Entry("aws:SourceIp", (arrival.source_ip,), _SOCKET)


def _region(operation: Operation, call: Call) -> str:
    return "us-east-1" if operation.service == "iam" else call.region


def _collect(value: Any, path: str) -> list[Any]:
    """What a dotted path leads to; through a list, of each item."""
    found = [value]
    for name in path.split("."):
        found = [item[name] for item in found if isinstance(item, Mapping) and item.get(name) is not None]
        found = [part for item in found for part in (item if isinstance(item, (list, tuple)) else (item,))]
    return found


def collect_texts(request: Request, path: str) -> list[str]:
    """The texts that a dotted path of members leads to."""
    return [value for value in _collect(request, path) if isinstance(value, str)]


def _values(key: str, found: Iterable[Any], call: Call) -> tuple[str, ...]:
    kind = _ARN_KEYS.get(key)
    texts = [_text(value) for value in found]
    if kind is not None:
        texts = [make_arn("ec2", call.region, call.account, f"{kind}/{text}") for text in texts]
    return tuple(dict.fromkeys(texts))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def _request_tags(request: Request) -> Iterator[Entry]:
    """Tags that the request would set or remove, in any of the forms in which services take them."""
    given: dict[str, str] = {}
    keys: dict[str, None] = {}
    for name in ("Tags", "tags", "TagSpecifications", "TagKeys", "tagKeys"):
        if name in request:
            for key, value in _pairs(request[name]):
                keys[key] = None
                if value is not None:
                    given[key] = value
    for key, value in given.items():
        yield Entry(f"aws:RequestTag/{key}", (value,), "the tags in the request")
    yield Entry("aws:TagKeys", tuple(keys), "the tags in the request")


def _pairs(given: Any) -> Iterator[tuple[str, str | None]]:
    if isinstance(given, Mapping):
        yield from given.items()
        return
    for item in given:
        if isinstance(item, str):
            yield item, None
        elif "Tags" in item:
            yield from _pairs(item["Tags"])
        elif "Key" in item:
            yield item["Key"], item.get("Value", "")
