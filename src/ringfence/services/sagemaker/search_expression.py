"""SearchExpression of sagemaker:Search: whether a record, as its description shows it, satisfies one. Pure.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_SearchExpression.html and API_Filter.html
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ringfence.services.sagemaker.refusal import invalid

_ORDERING = ("GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo")
_ABSENCE = ("Exists", "NotExists")


def matches(expression: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Filters, nested filters and subexpressions, joined by the Operator, And unless it says Or."""
    results = [
        *(_passes(one, read(record, one["Name"])) for one in expression.get("Filters", ())),
        *(_passes_nested(one, record) for one in expression.get("NestedFilters", ())),
        *(matches(one, record) for one in expression.get("SubExpressions", ())),
    ]
    return any(results) if expression.get("Operator", "And") == "Or" and results else all(results)


def names_of(expression: Mapping[str, Any]) -> Iterator[str]:
    """All property names that it asks about."""
    yield from (one["Name"] for one in expression.get("Filters", ()))
    for nested in expression.get("NestedFilters", ()):
        yield nested["NestedPropertyName"]
    for one in expression.get("SubExpressions", ()):
        yield from names_of(one)


def read(record: Any, name: str) -> list[Any]:
    """The values of a dotted property; of a list those of every item. `Tags.key` and `Metrics.name` go by the name.

    So does `Parameters.key`, of a feature; `AllTags` and `AllParameters` are every key and value.
    """
    first, _, key = name.partition(".")
    if name in ("AllTags", "AllParameters"):
        return [text for pair in record.get(name[3:], ()) for text in (pair["Key"], pair["Value"])]
    if first in ("Tags", "Parameters") and key:
        return [pair["Value"] for pair in record.get(first, ()) if pair["Key"] == key]
    if name.startswith("Metrics."):
        return [one["Value"] for one in record.get("FinalMetricDataList", ()) if one["MetricName"] == name[8:]]
    return list(_walk(record, name))


def _walk(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _walk(item, name)
    elif not name:
        yield value
    elif isinstance(value, Mapping):
        if name in value:  # a hyperparameter's name may have dots
            yield from _walk(value[name], "")
            return
        first, _, rest = name.partition(".")
        if first in value and rest:
            yield from _walk(value[first], rest)


def _passes_nested(nested: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Whether one item of the list satisfies all filters; their names are those of the whole record."""
    prefix = nested["NestedPropertyName"]
    items = record.get(prefix, ())
    if not isinstance(items, list | tuple):
        raise invalid(f"NestedPropertyName {prefix} is not a list.")
    return any(
        all(_passes(one, read(item, one["Name"].removeprefix(f"{prefix}."))) for one in nested["Filters"])
        for item in items
    )


def _passes(condition: Mapping[str, Any], found: list[Any]) -> bool:
    operator: str = condition.get("Operator", "Equals")
    if operator in _ABSENCE:
        if "Value" in condition:
            raise invalid(f"A filter with the Operator {operator} must not have a Value.")
        return bool(found) == (operator == "Exists")
    if "Value" not in condition:
        raise invalid(f"A filter with the Operator {operator} must have a Value.")
    wanted: str = condition["Value"]
    if operator == "NotEquals":
        return not any(_equals(value, wanted) for value in found)
    if operator == "In":
        return any(_equals(value, one.strip()) for value in found for one in wanted.split(","))
    return any(_compare(operator, value, wanted) for value in found)


def _compare(operator: str, value: object, wanted: str) -> bool:
    if operator == "Equals":
        return _equals(value, wanted)
    if operator == "Contains":
        if not isinstance(value, str):
            raise invalid("The Operator Contains is only supported for text properties.")
        return wanted in value
    assert operator in _ORDERING, "the shape knows the operators"
    pair = _comparable(value, wanted)
    if pair is None:
        raise invalid(f"The Operator {operator} is not supported for text properties.")
    left, right = pair
    if operator.startswith("Greater"):
        return left > right or (operator.endswith("EqualTo") and left == right)
    return left < right or (operator.endswith("EqualTo") and left == right)


def _equals(value: object, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted.lower() == str(value).lower()
    pair = _comparable(value, wanted)
    return bool(value == wanted) if pair is None else pair[0] == pair[1]


def _comparable(value: object, wanted: str) -> tuple[float, float] | None:
    """Both as numbers (moments are seconds), or None. Against a whole number, decimals count as whole ones."""
    if isinstance(value, datetime):
        return value.timestamp(), _moment(wanted)
    try:
        left, right = float(str(value)), float(wanted)
    except ValueError:
        return None
    return (float(int(left)) if isinstance(value, str) and wanted.lstrip("-").isdigit() else left), right


def _moment(text: str) -> float:
    """`YYYY-mm-dd'T'HH:MM:SS`, or seconds."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            raise invalid(f"'{text}' is not a time: use YYYY-mm-dd'T'HH:MM:SS.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
