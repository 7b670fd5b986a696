"""The condition keys of a call, each with where its value came from; never from a header when the path tells.

Read by gateway.authorization. Keys of the path follow from the socket that accepted the connection (`Call.arrival`);
keys of the resource are `gateway.authorization.resource_keys`'.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from ringfence.core.call import Arrival, Call, Principal, PrincipalKind, Request
from ringfence.core.operation import KeyValues, Operation
from ringfence.iam.action_facts import documented_keys, spelled_key
from ringfence.iam.context import Context, Entry
from ringfence.iam.organization import place_of

_CALLER = "the caller's identity"
# Of the global keys these are not everywhere: an action's documentation says whether they are there.
_SOMETIMES = ("aws:requesttag/", "aws:resourcetag/", "aws:tagkeys")


def global_context(operation: Operation, call: Call) -> Context:
    """The keys that every request has, whatever it is about."""
    who = call.principal
    return Context.joined(
        (
            _principal(_Identity.of(who)),
            Context(_organization(call)),
            _path(call.arrival),
            _clock(int(call.now.timestamp())),
            _place(_region(operation, call)),
        )
    )


def request_entries(operation: Operation, call: Call, request: Request) -> list[Entry]:
    """What the request says of itself: its headers, members and tags. Not all of it is a key of every action."""
    entries = [Entry(name, (value,), "the request's headers") for name, value in call.facts.items()]
    if call.arrival.tls_version is not None:
        entries.append(Entry("s3:TlsVersion", (call.arrival.tls_version,), call.arrival.listener))
    for key, source in operation.keys.items():
        if callable(source):
            entries += _worked_out(key, source, call, request)
        elif source.partition(".")[0] in request:
            entries.append(Entry(key, _values(_collect(request, source)), f"the request's {source}"))
    return [*entries, *_request_tags(request)]


def documented(entries: Iterable[Entry], action: str, arn: str) -> list[Entry]:
    """Those of the entries that AWS gives a request for this action on this resource.

    A key that belongs to another resource of the same request is absent: ec2:CreateSubnet has aws:RequestTag on the new
    subnet, not on the VPC.
    """
    known = documented_keys(action, arn)
    return [entry for entry in entries if (name := spelled_key(entry.name)) in known or _is_everywhere(name)]


def _is_everywhere(name: str) -> bool:
    return name.startswith("aws:") and name not in _SOMETIMES


def _worked_out(key: str, source: KeyValues, call: Call, request: Request) -> Iterator[Entry]:
    found = source(call, request)
    if isinstance(found, Mapping):
        for name, value in found.items():
            yield Entry(f"{key}{name}", (_text(value),), "the request")
    elif found:
        yield Entry(key, _values(found), "the request")


# Most calls are of few callers, on few paths: what follows from these alone is made once. All of it is immutable.
_REMEMBERED = 1024


class _Identity(NamedTuple):
    """All that the caller's keys are made of, so that whoever differs in any of it has keys of its own."""

    kind: PrincipalKind
    account: str
    arn: str
    id: str
    role_arn: str | None
    service: str | None
    source_arn: str | None
    token_issued: datetime | None
    tags: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, who: Principal) -> "_Identity":
        return cls(
            who.kind, who.account, who.arn, who.id, who.role_arn, who.service, who.source_arn, who.token_issued,
            tuple(who.tags.items()),
        )  # fmt: skip


@lru_cache(maxsize=_REMEMBERED)
def _principal(who: _Identity) -> Context:
    entries = [Entry("aws:PrincipalIsAWSService", ("true" if who.kind == "service" else "false",), _CALLER)]
    if who.kind == "service":
        entries.append(Entry("aws:PrincipalServiceName", (who.service or "",), _CALLER))
        entries.append(Entry("aws:SourceAccount", (who.account,), "the account that the service acts for"))
        if who.source_arn is not None:
            entries.append(Entry("aws:SourceArn", (who.source_arn,), "the resource that the service acts for"))
        return Context(entries)
    entries.append(Entry("aws:PrincipalAccount", (who.account,), _CALLER))
    entries.append(Entry("aws:PrincipalType", (_TYPES[who.kind],), _CALLER))
    entries.append(Entry("aws:userid", (who.id,), _CALLER))
    if who.kind == "anonymous":
        return Context(entries)
    entries.append(Entry("aws:PrincipalArn", (who.role_arn or who.arn,), _CALLER))
    if who.kind == "user":
        entries.append(Entry("aws:username", (who.arn.rpartition("/")[2],), _CALLER))
    entries += [Entry(f"aws:PrincipalTag/{key}", (value,), "the caller's tags") for key, value in who.tags]
    if who.token_issued is not None:
        issued = who.token_issued.strftime("%Y-%m-%dT%H:%M:%SZ")
        entries.append(Entry("aws:TokenIssueTime", (issued,), "the session token"))
        entries.append(Entry("aws:MultiFactorAuthPresent", ("false",), "the session token"))
    return Context(entries)


@lru_cache(maxsize=1)
def _clock(second: int) -> Context:
    now = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Context([Entry("aws:CurrentTime", (now,), "the clock"), Entry("aws:EpochTime", (str(second),), "the clock")])


@lru_cache(maxsize=8)
def _place(region: str) -> Context:
    return Context(
        [
            Entry("aws:RequestedRegion", (region,), "the service's endpoint"),
            Entry("aws:ViaAWSService", ("false",), "no service calls on the caller's behalf"),
        ]
    )


def _organization(call: Call) -> Iterator[Entry]:
    """Absent for who is in no organization. A service is in none: the account that it acts for may be."""
    who = call.principal
    place = None if who.kind == "anonymous" else place_of(call.records, who.account)
    if place is None:
        return
    whose = "Source" if who.kind == "service" else "Principal"
    source = f"the organization of account {who.account}"
    yield Entry(f"aws:{whose}OrgID", (place.organization.id,), source)
    yield Entry(f"aws:{whose}OrgPaths", (place.path,), source)


_TYPES = {
    "root": "Account",
    "user": "User",
    "role": "AssumedRole",
    "federated": "FederatedUser",
    "anonymous": "Anonymous",
}


@lru_cache(maxsize=_REMEMBERED)
def _path(arrival: Arrival) -> Context:
    """Through an endpoint the caller's public address is unknown; from the internet no VPC is known."""
    in_process = not arrival.source_ip
    secure = arrival.tls or in_process
    entries = [Entry("aws:SecureTransport", ("true" if secure else "false",), arrival.listener)]
    if arrival.vpce_id is not None:
        entries.append(Entry("aws:SourceVpc", (arrival.vpc_id or "",), arrival.listener))
        entries.append(Entry("aws:SourceVpce", (arrival.vpce_id,), arrival.listener))
        entries.append(Entry("aws:VpcSourceIp", (arrival.source_ip,), arrival.listener))
    elif not in_process:
        entries.append(Entry("aws:SourceIp", (arrival.source_ip,), arrival.listener))
    return Context(entries)


def _region(operation: Operation, call: Call) -> str:
    return "us-east-1" if operation.service in ("iam", "organizations", "route53") else call.region


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


def _values(found: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_text(value) for value in found))


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
        elif "key" in item:
            yield item["key"], item.get("value", "")
