"""The JSON cases of tests/corpus/iam: hand-computed verdicts, and how their shorthand is read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ringfence.core.call import Principal
from ringfence.iam.context import Context
from ringfence.iam.evaluate import AccessRequest, EndpointPolicy, Layers, Source
from ringfence.iam.managed import managed_document

CORPUS = Path(__file__).parents[1] / "corpus" / "iam"
ACCOUNT = "123456789012"


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CORPUS / f"{name}.json").read_text())
    return found


def evaluation_files() -> list[str]:
    """The files whose cases are whole evaluations."""
    return sorted(path.stem for path in CORPUS.glob("*.json") if "policies" in read(path.stem))


def cases() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(file and name, policies of the file, case)."""
    for name in evaluation_files():
        content = read(name)
        for case in content["cases"]:
            yield f"{name}: {case['name']}", content["policies"], case


def principal(text: str) -> Principal:
    """`root`, `anonymous`, `user Alice`, `role R/s`, `service sagemaker.amazonaws.com`."""
    kind, _, rest = text.partition(" ")
    match kind:
        case "root":
            return Principal("root", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT)
        case "user":
            return Principal("user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/{rest}", f"AIDA{rest.upper()}")
        case "role":
            name = rest.partition("/")[0]
            return Principal(
                "role",
                ACCOUNT,
                f"arn:aws:sts::{ACCOUNT}:assumed-role/{rest}",
                f"AROA{name}:s",
                role_arn=f"arn:aws:iam::{ACCOUNT}:role/{name}",
                session_name="s",
            )
        case "service":
            return Principal("service", ACCOUNT, rest, rest, service=rest)
        case _:
            return Principal("anonymous", "anonymous", "anonymous", "anonymous")


def request_of(case: dict[str, Any]) -> AccessRequest:
    owner = case.get("owner", ACCOUNT)
    return AccessRequest(principal(case["who"]), case["do"], case["on"], owner, Context.of(case.get("keys", {})))


def layers_of(case: dict[str, Any], policies: dict[str, Any]) -> Layers:
    def source(name: str) -> Source:
        if name.startswith("@"):
            return Source(name, managed_document(f"arn:aws:iam::aws:policy/{name[1:]}") or "")
        given = policies[name]
        return Source(name, given if isinstance(given, str) else json.dumps(given))

    endpoint = case.get("endpoint")
    return Layers(
        identity=tuple(map(source, case.get("identity", ()))),
        resource=source(case["resource"]) if "resource" in case else None,
        trust=case.get("trust", False),
        boundary=source(case["boundary"]) if "boundary" in case else None,
        session=tuple(map(source, case["session"])) if "session" in case else None,
        endpoint=EndpointPolicy(*source(endpoint["policy"]), gateway=endpoint["gateway"]) if endpoint else None,
        scps=tuple(tuple(map(source, level)) for level in case.get("scps", ())),
        rcps=tuple(map(source, case.get("rcps", ()))),
    )
