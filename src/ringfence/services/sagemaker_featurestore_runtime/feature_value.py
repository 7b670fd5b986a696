"""A record as a request gives it: checked against the group's definitions. Pure. Called by the record operations."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ringfence.core.call import Result
from ringfence.resources.feature_store import Feature, FeatureGroup, Value
from ringfence.services.sagemaker_featurestore_runtime.event_time import read_event_time
from ringfence.services.sagemaker_featurestore_runtime.group import invalid

# https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-quotas.html
_RECORD_BYTES = 350 * 1024
_IDENTIFIER_BYTES = 2 * 1024
_INTEGRAL = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_FRACTIONAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?Infinity|NaN", re.ASCII)


@dataclass(frozen=True, slots=True)
class GivenRecord:
    """`values`: of each feature that has one, the identifier and the event time among them."""

    identifier: str
    instant: int
    values: dict[str, Value]


def read_record(group: FeatureGroup, features: Sequence[dict[str, Any]]) -> GivenRecord:
    """The whole record of a request."""
    values = read_values(group, features)
    for name, what in ((group.identifier, "record identifier"), (group.event_time, "event time")):
        if not isinstance(values.get(name), str):
            raise invalid(f"the {what} feature {name} must have a value.")
    identifier = check_identifier(str(values[group.identifier]))
    return GivenRecord(identifier, read_instant(group, str(values[group.event_time])), values)


def read_values(group: FeatureGroup, features: Sequence[dict[str, Any]]) -> dict[str, Value]:
    """The values by feature, those without one left out."""
    known = {feature.name: feature for feature in group.features}
    values: dict[str, Value] = {}
    size = 0
    for given in features:
        name = given["FeatureName"]
        if name not in known:
            raise invalid(f"FeatureName {name} is not a feature of FeatureGroup {group.name}.")
        if name in values:
            raise invalid(f"FeatureName {name} is given more than once.")
        value = _read_value(known[name], given)
        if value is not None:
            values[name] = value
            size += sum(len(part.encode()) for part in ((value,) if isinstance(value, str) else value)) + len(name)
    if size > _RECORD_BYTES:
        raise invalid(f"a record must not be larger than {_RECORD_BYTES} bytes.")
    return values


def read_instant(group: FeatureGroup, text: str) -> int:
    """The event time of this text, in the form that the group's event time feature has."""
    kind = next(feature.type for feature in group.features if feature.name == group.event_time)
    instant = read_event_time(text, kind)
    if instant is None:
        form = "a Unix timestamp in seconds" if kind == "Fractional" else (
            "an ISO-8601 string in the format yyyy-MM-dd'T'HH:mm:ssZ or yyyy-MM-dd'T'HH:mm:ss.SSSZ"
        )  # fmt: skip
        raise invalid(f"the event time {group.event_time} must be {form}.")
    return instant


def check_identifier(text: str) -> str:
    if not text or len(text.encode()) > _IDENTIFIER_BYTES or "\0" in text:
        raise invalid(f"a record identifier must have 1 to {_IDENTIFIER_BYTES} bytes, none of them zero.")
    return text


def show_values(group: FeatureGroup, values: dict[str, Value], names: Sequence[str] | None) -> list[Result]:
    """FeatureValues in the order of the definitions; only the named ones if `names`."""
    known = {feature.name for feature in group.features}
    for name in names or ():
        if name not in known:
            raise invalid(f"FeatureName {name} is not a feature of FeatureGroup {group.name}.")
    wanted = known if names is None else set(names)
    return [
        {"FeatureName": feature.name, **_show(values[feature.name])}
        for feature in group.features
        if feature.name in values and feature.name in wanted
    ]


def _show(value: Value) -> Result:
    return {"ValueAsString": value} if isinstance(value, str) else {"ValueAsStringList": list(value)}


def _read_value(feature: Feature, given: dict[str, Any]) -> Value | None:
    one, several = given.get("ValueAsString"), given.get("ValueAsStringList")
    wanted, other = (several, one) if feature.collection else (one, several)
    if other is not None:
        member = "ValueAsStringList" if feature.collection else "ValueAsString"
        raise invalid(f"the value of feature {feature.name} must be in {member}.")
    if wanted is None:
        return None
    for text in (wanted,) if isinstance(wanted, str) else wanted:
        if not _is_of_type(text, feature.type):
            raise invalid(f"the value of feature {feature.name} is not of type {feature.type}.")
    if isinstance(wanted, str):
        return wanted
    if feature.collection == "Set" and len(set(wanted)) < len(wanted):
        raise invalid(f"the Set {feature.name} must not hold a value twice.")
    if feature.dimension is not None and len(wanted) != feature.dimension:
        raise invalid(f"the Vector {feature.name} must have {feature.dimension} elements.")
    return tuple(wanted)


def _is_of_type(text: str, kind: str) -> bool:
    match kind:
        case "Integral":
            return _INTEGRAL.fullmatch(text) is not None and -(2**63) <= int(text) < 2**63
        case "Fractional":
            return _FRACTIONAL.fullmatch(text) is not None and (not math.isinf(float(text)) or "Infinity" in text)
        case _:
            return True
