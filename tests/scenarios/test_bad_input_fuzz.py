"""Every operation with members of random, mostly wrong values: whatever it answers, it is never a fault of ours."""

import random
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bad_input_world import World, open_world
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from ringfence.core.operation import REGISTRY
from ringfence.protocol.model import Shape, load

_ODD = (
    "", " ", "x", "*", "/", "?", "../x", "a" * 300, "é☃", "\0x", "\x1b", "${aws:x}", "%00", "-1", "null", "true", "[]",
    "not json", '{"Version":"2012-10-17","Statement":[]}', "99999999999999999999", "bytes=0-0", "a=b&c",
    "{}", "bad-input/there", "10.0.0.0/16", "0.0.0.0/0", "::/0", "arn:::::", "arn:aws:iam::123456789012:role/execution",
    "arn:aws:sagemaker:us-west-2:123456789012:model/taken", "arn:aws:logs:us-west-2:123456789012:log-group:/bad/input",
    "taken", "execution", "bad-input", "there", "nobody", "/bad/input", "stream", "new",
    "eni-", "vpce-00", "pl-68a54001", "2016-01-01",
)  # fmt: skip
_NUMBERS = (0, 1, 2, -1, 5, 100, 443, 1000, 65535, 2**31 - 1, -(2**31), 2**53)
_TIMES = (datetime(1, 1, 2), datetime(1970, 1, 1), datetime(2030, 1, 1), datetime(9999, 12, 31))
_DEEPEST = 6


class _Values:
    """Values by shape; half of the strings are ids of what is there."""

    def __init__(self, seed: int, ids: list[str]) -> None:
        self._random = random.Random(seed)
        self._strings = (*_ODD, *ids, *ids)

    def of(self, shape: Shape, depth: int = 0) -> Any:
        pick, one = self._random.choice, self._random.random
        match shape.type_name:
            case "structure":
                share = 0.3 if depth < 2 else 0.15
                names = [name for name in shape.members if one() < (0.97 if name in shape.required_members else share)]
                return {name: self.of(shape.members[name], depth + 1) for name in names} if depth < _DEEPEST else {}
            case "list":
                return [self.of(shape.member, depth + 1) for _ in range(pick((0, 1, 1, 1, 2, 3)))]
            case "map":
                return {pick(self._strings): self.of(shape.value, depth + 1) for _ in range(pick((0, 1, 2)))}
            case "boolean":
                return pick((True, False))
            case "integer" | "long":
                return pick(_NUMBERS)
            case "float" | "double":
                return pick((0.0, 0.5, 1.0, -1.0, 1e308))
            case "timestamp":
                return pick(_TIMES)
            case "blob":
                return pick((b"", b"x", b"\xff\0" * 100))
        return pick(shape.metadata["enum"]) if "enum" in shape.metadata and one() < 0.8 else pick(self._strings)


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_never_a_fault_of_ours(tmp_path: Path, rounds: int) -> None:
    with open_world(tmp_path) as world:
        values = _Values(rounds, [value for value in vars(world.ids).values() if isinstance(value, str)])
        faults = []
        for _ in range(rounds):
            for service, name in sorted(REGISTRY):
                shape = load(service).operation_model(name).input_shape
                params = values.of(shape) if shape is not None else {}
                if fault := _call(world, service, name, params):
                    faults.append(f"{service}.{name}({params}): {fault}")
    assert not faults


def _call(world: World, service: str, name: str, params: dict[str, Any]) -> str | None:
    """What is wrong with the answer: it is a 5xx other than 501, or no client can read it."""
    try:
        getattr(world.client(service), xform_name(name))(**params)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return str(error) if status >= 500 and status != 501 else None
    except BotoCoreError as error:
        return str(error) if "parse" in type(error).__name__.lower() else None  # others: never sent
    except (TypeError, KeyError, ValueError, AttributeError, ElementTree.ParseError):
        return None  # botocore itself cannot write it, or reads a refusal by HTTP itself as if it were XML
    return None
