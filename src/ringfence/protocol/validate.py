"""The model's constraints: required members, lengths, ranges, patterns, enumerations. Errors in AWS's words.

Called by every wire after parsing. Not the rules of a service: those are its handlers'.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ringfence.core.errors import ServiceError
from ringfence.protocol.model import ServiceModel, Shape
from ringfence.protocol.pattern import compile_pattern

# AWS's code for a broken constraint, where it is not the protocol's usual one.
_CODES = {
    "logs": "InvalidParameterException",
    "ecr": "InvalidParameterException",
    "sagemaker-runtime": "ValidationError",
    "sagemaker-featurestore-runtime": "ValidationError",
    "cloudwatch": "ValidationError",
    "secretsmanager": "ValidationException",
}
_CODES_OF_PROTOCOL = {"query": "ValidationError", "rest-xml": "InvalidInput"}

_SCALARS = frozenset({"string", "character", "integer", "long", "float", "double", "boolean", "timestamp", "blob"})


def check(model: ServiceModel, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """`params`, if they keep the constraints."""
    shape = model.operation_model(operation).input_shape
    if shape is None:
        return params
    try:
        _check_shape(model, shape, params)
    except RecursionError:
        # what could just be read may be too deep to be checked
        raise ServiceError("SerializationException", "The request is nested too deeply") from None
    return params


def _check_shape(model: ServiceModel, shape: Shape, params: dict[str, Any]) -> None:
    protocol = (model.metadata.get("protocols") or [model.metadata.get("protocol")])[0]
    if protocol == "ec2":
        _require_ec2(shape, params, "")
    elif model.service_name == "s3":
        _require_s3(shape, params)
    else:
        found: list[str] = []
        _structure(shape, params, "", found)
        if found:
            usual = _CODES_OF_PROTOCOL.get(protocol, "ValidationException")
            raise ServiceError(_CODES.get(model.service_name, usual), _summary(found))


def _summary(found: list[str]) -> str:
    return f"{len(found)} validation error{'' if len(found) == 1 else 's'} detected: {'; '.join(found)}"


def violation(value: Any, path: str, constraint: str) -> str:
    """One broken constraint, as AWS's request validation tells it."""
    shown = "null" if value is None else f"'{_show(value)}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _show(value: Any) -> str:
    """A value as Java prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={_show(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join("null" if item is None else _show(item) for item in value) + "]"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return str(value)


@dataclass(frozen=True, slots=True)
class Constraint:
    """`holds(value)` or `text` is what the error says."""

    text: str
    holds: Callable[[Any], bool]


@cache
def constraints(shape: Shape) -> tuple[Constraint, ...]:
    """The constraints that the shape puts on a value of its own; not those of members."""
    kind, traits = shape.type_name, shape.metadata
    found: list[Constraint] = []
    if "enum" in traits and kind == "string":
        members = frozenset(traits["enum"])
        found.append(
            Constraint(f"Member must satisfy enum value set: [{', '.join(traits['enum'])}]", members.__contains__)
        )
    if kind in ("string", "list", "map", "blob"):
        found += _bounds(traits, "length", len)
    elif kind in ("integer", "long", "float", "double"):
        found += _bounds(traits, "value", lambda value: value)
    compiled = compile_pattern(traits["pattern"]) if kind == "string" and "pattern" in traits else None
    if compiled is not None:
        text = f"Member must satisfy regular expression pattern: {traits['pattern']}"
        found.append(Constraint(text, lambda value: compiled.fullmatch(value) is not None))
    return tuple(found)


def _bounds(traits: Mapping[str, Any], noun: str, measure: Callable[[Any], Any]) -> list[Constraint]:
    found = []
    if "max" in traits:
        most = traits["max"]
        text = f"Member must have {noun} less than or equal to {most}"
        found.append(Constraint(text, lambda value: measure(value) <= most))
    if "min" in traits:
        least = traits["min"]
        text = f"Member must have {noun} greater than or equal to {least}"
        found.append(Constraint(text, lambda value: measure(value) >= least))
    return found


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def _structure(shape: Shape, value: Mapping[str, Any], path: str, found: list[str]) -> None:
    if shape.is_document_type:
        return
    missing = [name for name in shape.required_members if value.get(name) is None]
    found += [violation(None, path + _camel(name), "Member must not be null") for name in missing]
    members = shape.members
    for name, item in value.items():
        if item is not None:
            _value(members[name], item, path + _camel(name), found)


def _value(shape: Shape, value: Any, path: str, found: list[str]) -> None:
    kind = shape.type_name
    if kind == "structure":
        _structure(shape, value, f"{path}.", found)
        return
    if kind == "blob" and not isinstance(value, bytes):
        # a stream: its length is the handler's concern
        return
    broken = [constraint for constraint in constraints(shape) if not constraint.holds(value)]
    found += [violation(value, path, constraint.text) for constraint in broken]
    if kind == "list":
        _items(shape.member, value, path, found)
    elif kind == "map":
        _each(shape.key, value, list(value), path, "Map keys must satisfy constraint", found)
        _entries(shape.value, value, path, found)


def _items(member: Shape, value: list[Any], path: str, found: list[str]) -> None:
    if member.type_name in _SCALARS:
        _each(member, value, value, path, "Member must satisfy constraint", found)
        return
    for number, item in enumerate(value, 1):
        if item is None:
            found.append(violation(None, f"{path}.{number}.member", "Member must not be null"))
        else:
            _value(member, item, f"{path}.{number}.member", found)


def _entries(shape: Shape, value: Mapping[str, Any], path: str, found: list[str]) -> None:
    if shape.type_name in _SCALARS:
        _each(shape, value, list(value.values()), path, "Map value must satisfy constraint", found)
        return
    for key, item in value.items():
        if item is None:
            found.append(violation(None, f"{path}.{key}.member", "Member must not be null"))
        else:
            _value(shape, item, f"{path}.{key}.member", found)


def _each(shape: Shape, whole: Any, items: list[Any], path: str, lead: str, found: list[str]) -> None:
    """Scalars in a list or map are not named one by one: the error shows the whole and all that an item must be."""
    own = constraints(shape)
    if any(item is None for item in items):
        found.append(violation(whole, path, f"{lead}: [Member must not be null]"))
    elif own and not all(constraint.holds(item) for item in items for constraint in own):
        found.append(violation(whole, path, f"{lead}: [{', '.join(constraint.text for constraint in own)}]"))


def _require_ec2(shape: Shape, value: Mapping[str, Any], prefix: str) -> None:
    """EC2 checks values in its handlers; what is missing it names as the request would have."""
    for name in shape.required_members:
        if value.get(name) is None:
            missing = prefix + ec2_name(shape.members[name], name)
            raise ServiceError("MissingParameter", f"The request must contain the parameter {missing}")
    for name, item in value.items():
        member = shape.members[name]
        here = prefix + ec2_name(member, name)
        if member.type_name == "structure":
            _require_ec2(member, item, f"{here}.")
        elif member.type_name == "list" and member.member.type_name == "structure":
            for number, element in enumerate(item, 1):
                _require_ec2(member.member, element, f"{here}.{number}.")


def ec2_name(shape: Shape, name: str) -> str:
    """How a member is called in an EC2 request."""
    traits = shape.serialization
    wire_name: str = traits.get("queryName") or traits.get("name", name)
    return wire_name[:1].upper() + wire_name[1:]


def _require_s3(shape: Shape, value: Mapping[str, Any]) -> None:
    payload = shape.serialization.get("payload")
    for name in shape.required_members:
        if value.get(name) is None:
            member = shape.members[name]
            raise _missing_in_s3(member.serialization, name, name == payload)
    for name, item in value.items():
        if not _complete(shape.members[name], item):
            text = "The XML you provided was not well-formed or did not validate against our published schema"
            raise ServiceError("MalformedXML", text)


def _missing_in_s3(traits: Mapping[str, Any], name: str, is_payload: bool) -> ServiceError:
    wire_name = traits.get("name", name)
    match traits.get("location"):
        case "header":
            return ServiceError("InvalidRequest", f"Missing required header for this request: {wire_name}")
        case "querystring":
            return ServiceError("InvalidRequest", f"Missing required query parameter for this request: {wire_name}")
    if is_payload:
        return ServiceError("MissingRequestBodyError", "Request Body is empty")
    text = "The XML you provided was not well-formed or did not validate against our published schema"
    return ServiceError("MalformedXML", text)


def _complete(shape: Shape, value: Any) -> bool:
    """Whether everything below has its required members."""
    if shape.type_name == "structure":
        if any(value.get(name) is None for name in shape.required_members):
            return False
        return all(_complete(shape.members[name], item) for name, item in value.items())
    if shape.type_name == "list":
        return all(_complete(shape.member, item) for item in value)
    return True
