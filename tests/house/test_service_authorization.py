"""Each operation asks for what AWS documents: its actions, resource types, condition keys and dependent actions.

A request with every member is authorized in a world where all that it names exists, and what is asked is compared with
AWS's service authorization reference. What differs must be in `EXCEPTIONS`, with a reason.
"""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import pytest
from service_authorization_exceptions import EXCEPTIONS

import ringfence.gateway.authorization.authorize as gate
from ringfence import services
from ringfence.core.operation import REGISTRY, Operation
from ringfence.core.tags import set_tags
from ringfence.iam.action_facts import action_facts, spelled_key
from ringfence.iam.evaluate import AccessRequest, Decision
from ringfence.protocol.model import operation_model
from tests.house.sample_requests import open_world, sample_call, sample_requests

services.load()
DEPENDENT = json.loads(Path(__file__).with_name("dependent_actions.json").read_text())["actions"]
OPERATIONS = [operation for operation in REGISTRY.values() if operation.action is not None]


def findings(operation: Operation) -> list[str]:
    """What is not as documented: `service.Operation | action | what`."""
    asked = _asked(operation)
    found = [*_unknown(operation), *_keys(operation, asked), *_roles(operation)]
    for action in sorted({one.action for one in asked}):
        arns = [one.resource for one in asked if one.action == action]
        found += [f"{action} | {what}" for what in _types(operation, action, arns)]
    for dependent in DEPENDENT.get(operation.action, ()):
        if dependent not in {one.action for one in asked}:
            found.append(f"{operation.action} | does not ask for {dependent}")
    return [f"{operation.service}.{operation.name} | {one}" for one in dict.fromkeys(found)]


def _asked(operation: Operation) -> list[AccessRequest]:
    """The requests that the engine would decide; the second time, all that the first is about has a tag."""
    asked: list[AccessRequest] = []

    def allow(request: AccessRequest, layers: object) -> Decision:
        asked.append(request)
        return Decision(allowed=True, layer=None)

    with TemporaryDirectory() as directory, mock.patch.object(gate, "evaluate", allow):
        world = open_world(Path(directory))
        for _ in range(2):
            with world.store.transaction() as records:
                for one in asked:
                    set_tags(records, one.resource.partition(":log-stream:")[0], {"tag": "value"})
                asked.clear()
                for request in sample_requests(operation, world):
                    gate.authorize(operation, sample_call(records), request)
        world.store.close()
    return asked


def _unknown(operation: Operation) -> Iterator[str]:
    conceals = [action for action, _ in operation.conceals.values()]
    also = [action for action, _ in operation.also]
    for action in {operation.action, *operation.instead.values(), *also, *conceals}:
        if action is None or action_facts(action) is None:
            yield f"{action} | is no action of AWS's"


def _types(operation: Operation, action: str, arns: list[str]) -> Iterator[str]:
    """Wrong and missing resources; an optional one that exists here must be asked about if the request names it."""
    facts = action_facts(action)
    if facts is None:
        return
    kinds = {arn: facts.type_of(arn) for arn in arns}
    for arn, kind in kinds.items():
        if kind is None and (facts.resource_types or arn != "*"):
            yield f"asks about {arn}"
    got = {kind.name for kind in kinds.values() if kind is not None}
    for kind in facts.resource_types:
        if kind.name not in got and (kind.required or (action == operation.action and not _is_generic(action))):
            yield f"does not ask about {'required' if kind.required else 'optional'} {kind.name}"


def _is_generic(action: str) -> bool:
    """Tagging: about whichever resource the request names."""
    return action.partition(":")[2] in ("CreateTags", "DeleteTags", "AddTags", "ListTags", "TagResource",
                                        "UntagResource", "ListTagsForResource")  # fmt: skip


def _keys(operation: Operation, asked: list[AccessRequest]) -> Iterator[str]:
    """Keys that no documented action has, and documented ones that a request with everything does not get."""
    documented = {key for one in asked if (facts := action_facts(one.action)) for key in facts.keys_on(one.resource)}
    for key in operation.keys:
        if spelled_key(key) not in documented:
            yield f"{operation.action} | has the undocumented key {key}"
    got: dict[tuple[str, str], set[str]] = {}
    wanted: dict[tuple[str, str], set[str]] = {}
    for one in asked:
        facts = action_facts(one.action)
        kind = facts.type_of(one.resource) if facts else None
        if facts is None:
            continue
        place = one.action, kind.name if kind else "*"
        got.setdefault(place, set()).update(spelled_key(entry.name) for entry in one.context.entries())
        wanted.setdefault(place, set()).update(facts.keys_on(one.resource))
    for (action, name), keys in wanted.items():
        for key in sorted(keys - got[action, name]):
            yield f"{action} | has no {key} on {name}"


def _roles(operation: Operation) -> Iterator[str]:
    """A member that holds a role's ARN, anywhere in the request, passes that role."""
    shape = operation_model(operation.service, operation.name).input_shape
    if operation.service in ("iam", "sts") or shape is None:
        return
    for path in _role_members(shape, "", ()):
        if path not in operation.passes:
            yield f"{operation.action} | does not pass the role in {path}"


def _role_members(shape: Any, path: str, within: tuple[str, ...]) -> Iterator[str]:
    match shape.type_name:
        case "structure" if shape.name not in within:
            for name, inner in shape.members.items():
                yield from _role_members(inner, f"{path}.{name}".strip("."), (*within, shape.name))
        case "list":
            yield from _role_members(shape.member, path, within)
        case "string" if "RoleArn" in (shape.name, path.rpartition(".")[2]):
            yield path


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.service}.{operation.name}")
def test_operation_asks_for_what_aws_documents(operation: Operation) -> None:
    found = _findings_of(operation.service, operation.name)
    assert [one for one in found if not any(fnmatchcase(one, pattern) for pattern in EXCEPTIONS)] == []


@cache
def _findings_of(service: str, name: str) -> list[str]:
    return findings(REGISTRY[service, name])


def test_every_exception_is_needed() -> None:
    found = [one for operation in OPERATIONS for one in _findings_of(operation.service, operation.name)]
    assert [pattern for pattern in EXCEPTIONS if not any(fnmatchcase(one, pattern) for one in found)] == []
