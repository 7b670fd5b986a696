"""A naive.Case put to the engine, and two verdicts compared; a disagreement is shrunk to what a person can read."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

from naive import Case, Json, Verdict, Who, decide

from ringfence.core.call import Principal, PrincipalKind
from ringfence.iam.context import Context
from ringfence.iam.evaluate import AccessRequest, Decision, EndpointPolicy, Layers, Source, evaluate


def principal(who: Who) -> Principal:
    kind: PrincipalKind = who.kind  # type: ignore[assignment]
    session = who.arn.rpartition("/")[2] if who.kind == "role" else None
    service = who.arn if who.kind == "service" else None
    return Principal(kind, who.account, who.arn, who.id, role_arn=who.role_arn, session_name=session, service=service)


def source(name: str, policy: Json) -> Source:
    return Source(name, json.dumps(policy))


def layers(case: Case) -> Layers:
    endpoint = None
    if case.endpoint is not None:
        endpoint = EndpointPolicy("endpoint", json.dumps(case.endpoint), gateway=case.gateway)
    return Layers(
        identity=tuple(source(f"identity {n}", policy) for n, policy in enumerate(case.identity)),
        resource=None if case.resource_policy is None else source("resource", case.resource_policy),
        trust=case.trust,
        boundary=None if case.boundary is None else source("boundary", case.boundary),
        session=None if case.session is None else tuple(source("session", policy) for policy in case.session),
        endpoint=endpoint,
        scps=tuple(tuple(source("scp", policy) for policy in level) for level in case.scps),
        rcps=tuple(source("rcp", policy) for policy in case.rcps),
    )


def ask_engine(case: Case) -> Decision:
    request = AccessRequest(
        principal(case.who), case.action, case.resource, case.owner, Context.of(case.keys, "the generator")
    )
    return evaluate(request, layers(case))


def disagreement(case: Case) -> str | None:
    """In words, or None. Which of several denying layers is named is nobody's to decide: any of them will do."""
    ours, theirs = ask_engine(case), decide(case)
    same = (ours.allowed, ours.explicit) == (theirs.allowed, theirs.explicit)
    if same and (ours.allowed or ours.layer in theirs.layers):
        return None
    return f"the engine: {_words(ours)}; the pages: {_words(theirs)}"


def _words(verdict: Decision | Verdict) -> str:
    if verdict.allowed:
        return "allowed"
    by = verdict.layer if isinstance(verdict, Decision) else " or ".join(sorted(verdict.layers))
    return f"{'explicitly' if verdict.explicit else 'implicitly'} denied by {by}"


def report(case: Case) -> str:
    small = shrink(case, lambda smaller: disagreement(smaller) is not None)
    findings = "\n".join(f"  {finding}" for finding in ask_engine(small).findings)
    given = {name: value for name, value in dataclasses.asdict(small).items() if value not in (None, [], {}, False)}
    return f"{disagreement(small)}\n{json.dumps(given, indent=1)}\n{findings}"


def shrink(case: Case, still: Callable[[Case], bool]) -> Case:
    """The case with as much as possible taken out while `still` holds."""
    tree = dataclasses.asdict(case)
    again = True
    while again:
        again = False
        for smaller in _smaller(tree):
            if _holds(smaller, still):
                tree, again = smaller, True
                break
    return rebuild(tree)


def rebuild(tree: dict[str, Any]) -> Case:
    return Case(**{**tree, "who": Who(**tree["who"])})


def _holds(tree: dict[str, Any], still: Callable[[Case], bool]) -> bool:
    """False too for what is no longer a policy."""
    try:
        smaller = rebuild(tree)
        return readable(smaller) and still(smaller)
    except Exception:
        return False


def readable(case: Case) -> bool:
    """The engine takes every document for a policy; one that it does not denies everything."""
    return not any("cannot be read" in str(finding) for finding in ask_engine(case).findings)


_OPTIONAL = ("resource_policy", "boundary", "session", "endpoint")


def _smaller(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in _OPTIONAL:
        if tree[name] is not None:
            yield {**tree, name: None}
    for name in ("keys", "identity", "scps", "rcps", *_OPTIONAL):
        for less in _less(tree[name]):
            yield {**tree, name: less}


_REQUIRED = {"Statement", "Effect"}


def _less(value: Any) -> Iterator[Any]:
    """A value with one part of it gone, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _REQUIRED:
                yield {k: v for k, v in value.items() if k != key}
            for less in _less(inner):
                if less != {} or key in ("Condition",):
                    yield {**value, key: less}
        if "Condition" in value and value["Condition"] == {}:
            yield {k: v for k, v in value.items() if k != "Condition"}
    elif isinstance(value, list):
        if len(value) > 1:
            for at in range(len(value)):
                yield value[:at] + value[at + 1 :]
        for at, inner in enumerate(value):
            for less in _less(inner):
                yield [*value[:at], less, *value[at + 1 :]]
