"""Service models: botocore's, loaded once. The only source of shapes; nothing here is written by hand per operation."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import botocore.model
from botocore.loaders import Loader

from ringfence.core.errors import ServiceError

# botocore is untyped
Shape = Any
ServiceModel = Any
OperationModel = Any


@cache
def _loader() -> Any:
    # only what botocore ships: a model in the user's ~/.aws/models must not change what the daemon accepts
    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


@cache
def load(service: str) -> ServiceModel:
    """The model of a service by botocore's name (`ec2`, `sagemaker-runtime`)."""
    return botocore.model.ServiceModel(_loader().load_service_model(service, "service-2"), service)


def operation_model(service: str, name: str) -> OperationModel:
    """The model of one operation; LookupError when the service has none of this name."""
    model = load(service)
    if not has_operation(model, name):
        raise LookupError(f"{service} has no operation {name}")
    return model.operation_model(name)


def has_operation(model: ServiceModel, name: str) -> bool:
    return name in model._service_description["operations"]


@cache
def error_shapes(model: ServiceModel) -> Mapping[str, Shape]:
    """Exception shapes by their name and by their wire code (`NoSuchEntityException`, `NoSuchEntity`)."""
    found: dict[str, Shape] = {}
    # read from the description: resolving each of ec2's four thousand shapes would cost a second
    for name, description in model._service_description.get("shapes", {}).items():
        if description.get("exception"):
            shape = model.shape_for(name)
            found.setdefault(shape.error_code, shape)
            found[name] = shape
    return found


@cache
def json_names(shape: Shape) -> Mapping[str, tuple[str, Shape]]:
    """A structure's members as their names stand in JSON, CBOR and XML: member -> (wire name, its shape)."""
    return {name: (member.serialization.get("name", name), member) for name, member in shape.members.items()}


def known_members(shape: Shape, value: Mapping[str, Any]) -> Any:
    """(wire name, member's shape, member's value) of what is set. A member that the model lacks is a fault of ours."""
    names = json_names(shape)
    for key, item in value.items():
        if item is not None:
            if key not in names:
                raise LookupError(f"the shape {shape.name} has no member `{key}`")
            wire_name, member = names[key]
            yield wire_name, member, item


def refuse_event_stream(operation: OperationModel, *, output: bool = True) -> None:
    """Only those of results in restJson1 are there (`event_stream`): it asks with `output` False."""
    if operation.has_event_stream_input or (output and operation.has_event_stream_output):
        raise ServiceError("NotImplemented", f"Ringfence does not implement {operation.name}: event streams.", 501)
