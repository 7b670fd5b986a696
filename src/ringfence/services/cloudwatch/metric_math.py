"""Metric math: expressions over the series of other queries. Pure.

The grammar is Python's for numbers, names, lists, calls and operators, so Python's parser reads it; only the nodes
named here are evaluated. `^` is power and binds as tightly as Python's `**`.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import ast
import itertools
import math
import operator
from collections.abc import Callable, Mapping, Sequence

from ringfence.core.errors import not_implemented
from ringfence.services.cloudwatch.refusal import invalid
from ringfence.services.cloudwatch.series import Series

Value = float | Series | list[Series]

_OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_REDUCTIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "SUM": math.fsum,
    "AVG": lambda values: math.fsum(values) / len(values),
    "MIN": min,
    "MAX": max,
}
_POINTWISE: dict[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}


def names_in(expression: str) -> frozenset[str]:
    """The ids of other queries that the expression mentions; all lower case begin one."""
    tree = _parse(expression)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return frozenset(named - called - {"REPEAT", "LINEAR"})


class Budget:
    """How many datapoints one request may compute. The number is ours."""

    def __init__(self, points: int = 1_000_000) -> None:
        self._left = points

    def spend(self, points: int) -> None:
        self._left -= points
        if self._left < 0:
            raise invalid("The queries have too many datapoints: ask for a shorter time, or for longer periods.")


def evaluate(
    expression: str, known: Mapping[str, Series], metrics: Sequence[Series], period: int, budget: Budget
) -> list[Series]:
    """The series that the expression gives; `known`: by id, `metrics`: what METRICS() stands for."""
    try:
        found = _Evaluation(known, metrics, period, budget).value(_parse(expression))
    except (RecursionError, OverflowError):
        raise invalid(f"Error in expression: '{expression}' is not valid.") from None
    if isinstance(found, float):
        raise invalid(f"Error in expression: '{expression}' is not a time series.")
    return found if isinstance(found, list) else [found]


def _parse(expression: str) -> ast.expr:
    try:
        return ast.parse(expression.strip().replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        raise invalid(f"Error in expression: '{expression}' is not valid.") from None


class _Evaluation:
    def __init__(self, known: Mapping[str, Series], metrics: Sequence[Series], period: int, budget: Budget) -> None:
        self._known = known
        self._metrics = metrics
        self._period = period
        self._budget = budget

    def value(self, node: ast.expr) -> Value:
        found = self._value(node)
        if not isinstance(found, float):
            self._budget.spend(sum(len(one) for one in found) if isinstance(found, list) else len(found))
        return found

    def _value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=bool() | int() | float() as number):
                return float(number)
            case ast.Name(id=name) if name in self._known:
                return self._known[name]
            case ast.Name(id=name):
                raise invalid(f"Error in expression: unknown identifier '{name}'.")
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _pairwise(operator.mul, -1.0, self.value(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _pairwise(_OPERATORS[type(op)], self.value(left), self.value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                return _pairwise(_OPERATORS[type(op)], self.value(left), self.value(right))
            case ast.List(elts=items):
                return [series for item in items for series in self._series(item)]
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments)
        raise not_implemented(f"the metric math expression `{ast.unparse(node)}`")

    def _call(self, name: str, arguments: list[ast.expr]) -> Value:
        if name == "METRICS" and not arguments:
            return list(self._metrics)
        if name in _REDUCTIONS and len(arguments) == 1:
            return _reduce(_REDUCTIONS[name], self.value(arguments[0]))
        if name in _POINTWISE and len(arguments) == 1:
            return _each(self.value(arguments[0]), lambda series: _map(_POINTWISE[name], series))
        if name in ("RATE", "DIFF") and len(arguments) == 1:
            return _each(self.value(arguments[0]), lambda series: _differences(series, rate=name == "RATE"))
        if name == "IF" and len(arguments) == 3:
            return self._choose(*arguments)
        if name == "FILL" and len(arguments) == 2:
            return self._fill(self.value(arguments[0]), arguments[1])
        if name == "PERIOD" and len(arguments) == 1:
            return float(self._period)
        raise not_implemented(f"the metric math function {name} with {len(arguments)} arguments")

    def _series(self, node: ast.expr) -> list[Series]:
        found = self.value(node)
        if isinstance(found, float):
            raise invalid("Error in expression: a list holds time series only.")
        return found if isinstance(found, list) else [found]

    def _choose(self, condition: ast.expr, then: ast.expr, otherwise: ast.expr) -> Value:
        chosen, yes, no = self.value(condition), self.value(then), self.value(otherwise)
        if isinstance(chosen, list) or isinstance(yes, list) or isinstance(no, list):
            raise not_implemented("IF over arrays of time series")
        if isinstance(chosen, float):
            return yes if chosen else no
        result: dict[int, float] = {}
        for at, truth in chosen.items():
            picked = yes if truth else no
            value = picked if isinstance(picked, float) else picked.get(at)
            if value is not None:
                result[at] = value
        return result

    def _fill(self, value: Value, node: ast.expr) -> Value:
        """Periods without data between the first and last that any metric has get a value."""
        moments = sorted({at for series in (*self._metrics, *self._known.values()) for at in series})
        span = range(moments[0], moments[-1] + 1, self._period) if moments else range(0)
        self._budget.spend(len(span))
        match node:
            case ast.Name(id="REPEAT"):
                return _each(value, lambda series: _repeat(series, span))
            case ast.Name(id="LINEAR"):
                raise not_implemented("FILL with LINEAR")
        filling = self.value(node)
        if not isinstance(filling, float):
            raise not_implemented("FILL with a time series")
        return _each(value, lambda series: {**dict.fromkeys(span, filling), **series})


def _pairwise(apply: Callable[[float, float], float], left: Value, right: Value) -> Value:
    """Number with number, number with every point, series with series where both have a point, lists item by item."""
    match left, right:
        case float(), float():
            return _checked(apply, left, right) or 0.0
        case list(), list():
            if len(left) != len(right):
                raise invalid("Error in expression: arrays of time series must have the same length.")
            return [_points(apply, one, other) for one, other in zip(left, right, strict=True)]
        case list(), _:
            assert not isinstance(right, list)
            return [_points(apply, one, right) for one in left]
        case _, list():
            assert not isinstance(left, list)
            return [_points(apply, left, one) for one in right]
    assert not isinstance(left, list) and not isinstance(right, list)
    return _points(apply, left, right)


def _points(apply: Callable[[float, float], float], left: float | Series, right: float | Series) -> Series:
    """Points where the result is no number (a division by zero) are left out, as CloudWatch does."""
    moments: Sequence[int] = sorted(
        set(left if not isinstance(left, float) else right)  # type: ignore[arg-type]
        & set(right if not isinstance(right, float) else left)  # type: ignore[arg-type]
    )
    result: dict[int, float] = {}
    for at in moments:
        one = left if isinstance(left, float) else left[at]
        other = right if isinstance(right, float) else right[at]
        value = _checked(apply, one, other)
        if value is not None:
            result[at] = value
    return result


def _checked(apply: Callable[[float, float], float], left: float, right: float) -> float | None:
    try:
        value = apply(left, right)
    except (ZeroDivisionError, OverflowError):
        return None
    return None if isinstance(value, complex) or not math.isfinite(value) else float(value)


def _reduce(apply: Callable[[Sequence[float]], float], value: Value) -> Value:
    """An array to one series, point by point; one series to a number, over all its points."""
    if isinstance(value, float):
        return value
    if isinstance(value, list):
        moments = sorted({at for series in value for at in series})
        return {at: apply([series[at] for series in value if at in series]) for at in moments}
    return apply(list(value.values())) if value else 0.0


def _each(value: Value, change: Callable[[Series], Series]) -> Value:
    if isinstance(value, float):
        raise invalid("Error in expression: a time series is needed.")
    return [change(series) for series in value] if isinstance(value, list) else change(value)


def _map(apply: Callable[[float], float], series: Series) -> Series:
    return {at: float(apply(value)) for at, value in series.items()}


def _differences(series: Series, *, rate: bool) -> Series:
    points = sorted(series.items())
    return {
        at: (value - before) / ((at - earlier) if rate else 1)
        for (earlier, before), (at, value) in itertools.pairwise(points)
    }


def _repeat(series: Series, span: Sequence[int]) -> Series:
    result = dict(series)
    last: float | None = None
    for at in span:
        last = series.get(at, last)
        if last is not None:
            result[at] = last
    return result
