"""REST paths: which operation a method, path and query string mean, and the labels of its template.

Paths stay as they are on the wire until a label is taken out: an encoded slash in an S3 key is not a separator.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qsl, unquote

from ringfence.protocol.errors import Malformed
from ringfence.protocol.message import HttpRequest
from ringfence.protocol.model import OperationModel, ServiceModel

_LABEL = re.compile(r"\{([^}+]+)(\+?)\}")

Query = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation behind a path pattern.

    `literals`: query parameters that the template spells, with a value or None for any. `required_query`,
    `required_headers`: what its input must have there; the more of it a request has, the better the route fits.
    """

    operation: str
    literals: tuple[tuple[str, str | None], ...]
    required_query: frozenset[str]
    required_headers: frozenset[str]
    deprecated: bool

    def fit(self, query: Mapping[str, str], headers: Collection[str]) -> tuple[int, ...] | None:
        """How specifically the route describes the request; None if it does not at all."""
        for key, value in self.literals:
            if key not in query or value not in (None, query[key]):
                return None
        complete = query.keys() >= self.required_query and self.required_headers.issubset(headers)
        needed = len(self.required_query) + len(self.required_headers)
        # the name itself, which newer clients append, settles what the rest leaves open
        named = query.get("x-id") == self.operation
        return (named, len(self.literals), complete, needed if complete else -needed, not self.deprecated)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path template of one method, and its operations."""

    regex: re.Pattern[str]
    labels: tuple[str, ...]
    routes: tuple[Route, ...]


def parse_query_string(request: HttpRequest) -> Query:
    """The query's parameters, decoded, in order."""
    if not request.query:
        return []
    try:
        return parse_qsl(request.query, keep_blank_values=True, errors="strict")
    except ValueError:
        raise Malformed("Couldn't parse the specified URI.", value=request.query) from None


@cache
def patterns(model: ServiceModel) -> Mapping[str, tuple[Pattern, ...]]:
    """Per method, the patterns of a service, most specific first."""
    grouped: dict[tuple[str, str], list[Route]] = defaultdict(list)
    for name in model.operation_names:
        operation = model.operation_model(name)
        path, _, query = operation.http["requestUri"].partition("?")
        grouped[operation.http["method"], path].append(_route(operation, query))
    found: dict[str, list[tuple[str, Pattern]]] = defaultdict(list)
    for (method, path), routes in grouped.items():
        found[method].append((path, _compile(path, tuple(routes))))
    return {
        method: tuple(pattern for _, pattern in sorted(listed, key=lambda pair: _rank(pair[0])))
        for method, listed in found.items()
    }


def _route(operation: OperationModel, query: str) -> Route:
    literals = []
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        literals.append((key, value if equals and value else None))
    required: dict[str, set[str]] = {"querystring": set(), "header": set()}
    shape = operation.input_shape
    for name in shape.required_members if shape is not None else ():
        traits = shape.members[name].serialization
        wire_name = traits.get("name", name)
        if traits.get("location") in required:
            required[traits["location"]].add(wire_name if traits["location"] == "querystring" else wire_name.lower())
    return Route(
        operation.name,
        tuple(literals),
        frozenset(required["querystring"]),
        frozenset(required["header"]),
        bool(operation.deprecated),
    )


def _compile(path: str, routes: tuple[Route, ...]) -> Pattern:
    """A slash at the end is there or not: the models of the Go and Rust SDKs have Route 53's `…/rrset/` without."""
    if path != "/":
        path = path.removesuffix("/")
    labels: list[str] = []
    regex = ""
    end = 0
    for match in _LABEL.finditer(path):
        labels.append(match[1])
        regex += re.escape(path[end : match.start()]) + ("(.+)" if match[2] else "([^/]+)")
        end = match.end()
    regex += re.escape(path[end:])
    if not path.endswith(("+}", "/")):
        regex += "/?"
    return Pattern(re.compile(regex, re.DOTALL), tuple(labels), routes)


def _rank(path: str) -> tuple[int, ...]:
    """Sorts fixed segments before labels, and labels before greedy ones."""
    return tuple(2 if "+}" in part else 1 if "{" in part else 0 for part in path.split("/"))


def match_path(model: ServiceModel, method: str, path: str) -> Pattern | None:
    """The most specific pattern of this method that the path fits."""
    for pattern in patterns(model).get(method, ()):
        if pattern.regex.fullmatch(path):
            return pattern
    return None


def choose_route(pattern: Pattern, query: Query, headers: Collection[str]) -> Route | None:
    """The route that describes the request best."""
    if len(pattern.routes) == 1 and not pattern.routes[0].literals:
        return pattern.routes[0]
    given = dict(query)
    fits = [(fit, route) for route in pattern.routes if (fit := route.fit(given, headers)) is not None]
    return max(fits, key=lambda pair: pair[0])[1] if fits else None


@cache
def pattern_of(operation: OperationModel) -> Pattern:
    return _compile(operation.http["requestUri"].partition("?")[0], ())


def read_labels(operation: OperationModel, path: str) -> dict[str, str]:
    """The decoded labels of a path that the operation's template fits."""
    pattern = pattern_of(operation)
    match = pattern.regex.fullmatch(path)
    if match is None:
        raise Malformed("Couldn't parse the specified URI.", value=path)
    try:
        return {
            name: unquote(value, errors="strict") for name, value in zip(pattern.labels, match.groups(), strict=True)
        }
    except UnicodeDecodeError:
        raise Malformed("Couldn't parse the specified URI.", value=path) from None
