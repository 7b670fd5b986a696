"""AWS's protocol cases, read for a server: what botocore sends is parsed, what it understands is written."""

import base64
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import corpus
from botocore.model import ServiceModel

from ringfence.protocol.cbor import CborWire
from ringfence.protocol.ec2 import Ec2Wire
from ringfence.protocol.json import JsonWire
from ringfence.protocol.query import QueryWire
from ringfence.protocol.rest_json import RestJsonWire
from ringfence.protocol.rest_xml import RestXmlWire

WIRES: dict[str, Any] = {
    "ec2": Ec2Wire,
    "json": JsonWire,
    "query": QueryWire,
    "rest-json": RestJsonWire,
    "rest-xml": RestXmlWire,
    "smithy-rpc-v2-cbor": CborWire,
}
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True)
class Case:
    """One case; `name` is `file:id`."""

    name: str
    suite: dict[str, Any]
    case: dict[str, Any]

    @property
    def operation(self) -> str:
        name: str = self.case["given"]["name"]
        return name

    @property
    def protocol(self) -> str:
        protocol: str = self.suite["metadata"]["protocol"]
        return protocol

    @property
    def model(self) -> Any:
        description = {**self.suite, "operations": {self.operation: self.case["given"]}}
        return ServiceModel(description, "corpus")

    def wire(self, model: Any) -> Any:
        return WIRES[self.protocol](model)


@cache
def load(direction: str) -> tuple[Case, ...]:
    """All cases of `input` or `output`."""
    return tuple(_read(direction))


def _read(direction: str) -> Iterator[Case]:
    seen: dict[str, int] = {}
    for path in sorted((corpus.corpus_root() / "tests/unit/protocols" / direction).glob("*.json")):
        for suite in json.loads(path.read_text()):
            for case in suite["cases"]:
                name = f"{path.stem}:{case.get('id') or case['given']['name']}"
                seen[name] = seen.get(name, 0) + 1
                yield Case(name if seen[name] == 1 else f"{name}-{seen[name]}", suite, case)


def typed(shape: Any, value: Any) -> Any:
    """A case's value as Ringfence has it: moments, bytes, real NaN; what is None is not there."""
    if value is None or shape is None:
        return value
    match shape.type_name:
        case "structure" if not shape.is_document_type:
            return {name: typed(shape.members[name], item) for name, item in value.items() if item is not None}
        case "list":
            return [typed(shape.member, item) for item in value]
        case "map":
            return {key: typed(shape.value, item) for key, item in value.items()}
        case "timestamp":
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
        case "float" | "double":
            return _SPECIAL[value] if isinstance(value, str) else float(value)
        case "blob":
            return value.encode()
    return value


def comparable(value: Any) -> Any:
    """NaN equals NaN here."""
    match value:
        case dict():
            return {key: comparable(item) for key, item in value.items()}
        case list():
            return [comparable(item) for item in value]
        case float() if math.isnan(value):
            return "NaN"
        case datetime():
            return round(value.timestamp() * 1000)
    return value


def body_of(case: Case, message: dict[str, Any]) -> bytes:
    body: str = message.get("body", "")
    return base64.b64decode(body) if case.protocol == "smithy-rpc-v2-cbor" else body.encode()
