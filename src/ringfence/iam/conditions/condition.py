"""One operator and key of a Condition block, compiled, and its test against a request's context.

What cannot be decided (an operator that is not known, a value that cannot be read) is told apart from what is false:
an Allow then does not apply and a Deny does. Called by policy (to compile) and evaluate (to test).
"""

from dataclasses import dataclass
from typing import Literal

from ringfence.iam.conditions.operators import OPERATORS, Operator
from ringfence.iam.context import Context, Entry
from ringfence.iam.match import Predicate
from ringfence.iam.variables import Template, expand, has_variables, parse_template

Qualifier = Literal["", "ForAllValues", "ForAnyValue"]
_QUALIFIERS: dict[str, Qualifier] = {"forallvalues": "ForAllValues", "foranyvalue": "ForAnyValue"}


@dataclass(frozen=True, slots=True)
class Condition:
    """`name` is the operator as written, `key` the key as written, `expected` the values as written.

    `operator` is None for Null and for what is not known; `fault` then says why it cannot be decided.
    `values`: a predicate each, or a template that the request completes.
    """

    name: str
    key: str
    expected: tuple[str, ...]
    lower_key: str
    qualifier: Qualifier = ""
    if_exists: bool = False
    operator: Operator | None = None
    values: tuple[Predicate | Template, ...] = ()
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a condition was not satisfied. `entry`: what the request had for the key; None: nothing.

    `undecidable`: why it could not be decided, else None.
    """

    condition: Condition
    entry: Entry | None
    undecidable: str | None = None

    def __str__(self) -> str:
        wanted = f"{self.condition.name} {self.condition.key} {list(self.condition.expected)}"
        if self.entry is None:
            actual = "the request has no such key"
        else:
            shown = self.entry.values[0] if len(self.entry.values) == 1 else list(self.entry.values)
            actual = f"the request has `{shown}` from {self.entry.source}"
        if self.undecidable:
            return f"{wanted} cannot be decided ({self.undecidable}): {actual}"
        return f"{wanted} is not met: {actual}"


def split_operator(name: str) -> tuple[Qualifier | None, str, bool]:
    """The set qualifier (None if not known), the operator's lower-case name, and whether IfExists follows it."""
    head, colon, tail = name.lower().rpartition(":")
    qualifier = _QUALIFIERS.get(head) if colon else ""
    return qualifier, tail.removesuffix("ifexists"), tail.endswith("ifexists")


def is_known(name: str) -> bool:
    """Whether this is an operator that AWS has."""
    qualifier, stem, if_exists = split_operator(name)
    if stem == "null":
        return qualifier == "" and not if_exists
    return qualifier is not None and stem in OPERATORS


def compile_condition(name: str, key: str, expected: tuple[str, ...], *, variables: bool) -> Condition:
    """Never raises: what is wrong with a condition is kept in `fault`."""
    qualifier, stem, if_exists = split_operator(name)
    known = is_known(name)
    if stem == "null" and known:
        wrong = [value for value in expected if value.lower() not in ("true", "false")]
        fault = f"{wrong[0]!r} is neither true nor false" if wrong else None
        return Condition(name, key, expected, key.lower(), fault=fault)
    if not known or qualifier is None:
        return Condition(name, key, expected, key.lower(), fault=f"the operator {name} is not known")
    operator = OPERATORS[stem]
    values: list[Predicate | Template] = []
    fault = None
    for text in expected:
        template = parse_template(text, variables=variables and operator.templated)
        if has_variables(template):
            values.append(template)
            continue
        try:
            values.append(operator.prepare([part for part in template if not isinstance(part, tuple)]))
        except ValueError as error:
            fault = f"the value {text!r} cannot be read: {error}"
    return Condition(name, key, expected, key.lower(), qualifier, if_exists, operator, tuple(values), fault)


def test(condition: Condition, context: Context) -> Failure | None:
    """None if the request satisfies the condition, else why not."""
    entry = context.get(condition.lower_key)
    if condition.fault is not None:
        return Failure(condition, entry, condition.fault)
    operator = condition.operator
    if operator is None:
        absent = entry is None or not any(entry.values)
        return (
            None
            if any((value.lower() == "true") == absent for value in condition.expected)
            else Failure(condition, entry)
        )
    if entry is None:
        return None if _holds_without_key(condition, operator) else Failure(condition, None)
    if condition.qualifier == "" and len(entry.values) > 1:
        return Failure(condition, entry, "the key has several values, which need ForAllValues or ForAnyValue")
    try:
        satisfied = _holds(condition, operator, entry.values, context)
    except ValueError as error:
        return Failure(condition, entry, str(error))
    return None if satisfied else Failure(condition, entry)


def _holds_without_key(condition: Condition, operator: Operator) -> bool:
    if condition.if_exists or condition.qualifier == "ForAllValues":
        return True
    return operator.negated and condition.qualifier == ""


def _holds(condition: Condition, operator: Operator, actual: tuple[str, ...], context: Context) -> bool:
    """Values of the policy are alternatives; of a negated operator, none may match."""
    predicates = [_complete(value, operator, context) for value in condition.values]
    if condition.qualifier == "":
        value = actual[0]
        return any(predicate(value) for predicate in predicates if predicate) != operator.negated
    if condition.qualifier and not any(actual):
        # a null data set, such as an empty string: true for ForAllValues, false for ForAnyValue, also when negated
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_multi-value-conditions.html
        return condition.qualifier == "ForAllValues"
    matched = [any(predicate(value) for predicate in predicates if predicate) for value in actual]
    met = [found != operator.negated for found in matched]
    return all(met) if condition.qualifier == "ForAllValues" else any(met)


def _complete(value: "Predicate | Template", operator: Operator, context: Context) -> Predicate | None:
    """The predicate of a policy's value; None, which matches nothing, if a variable in it has no value."""
    if not isinstance(value, tuple):
        return value
    tokens = expand(value, context)
    return None if tokens is None else operator.prepare(tokens)
