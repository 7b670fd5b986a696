"""The policies of a decision, layer by layer, and the text of a statement as its author wrote it."""

import json
from typing import Any

from ringfence.iam.evaluate import EndpointPolicy, Finding, Layer, Layers, Source
from ringfence.iam.policy import PolicyError, compile_policy


def sources_by_layer(layers: Layers) -> list[tuple[Layer, tuple[Source | EndpointPolicy, ...]]]:
    """Every layer that has a say; an empty one has no policy that could allow anything."""
    found: list[tuple[Layer, tuple[Source | EndpointPolicy, ...]]] = [("scp", level) for level in layers.scps]
    if layers.rcps:
        found.append(("rcp", layers.rcps))
    if layers.resource is not None:
        found.append(("trust" if layers.trust else "resource", (layers.resource,)))
    found.append(("identity", layers.identity))
    if layers.boundary is not None:
        found.append(("boundary", (layers.boundary,)))
    if layers.session is not None:
        found.append(("session", layers.session))
    if layers.endpoint is not None:
        found.append(("endpoint", (layers.endpoint,)))
    return found


def odd_sids(text: str) -> list[str]:
    """Warnings about Sids that AWS's pages have in identity policies, and IAM's own grammar has not.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html
    """
    try:
        statements = compile_policy(text, "identity").statements
    except PolicyError:
        return []
    return [
        f"IAM takes letters and digits in a Sid: it may refuse to store `{one.sid}`"
        for one in statements
        if one.sid and not (one.sid.isascii() and one.sid.isalnum())
    ]


def statement_element(layers: Layers, finding: Finding) -> dict[str, Any]:
    """The statement's JSON; {} for a finding that is about no statement."""
    if finding.statement is None:
        return {}
    for layer, sources in sources_by_layer(layers):
        for source in sources:
            if layer == finding.layer and source.name == finding.policy:
                given = json.loads(source.text)["Statement"]
                element: dict[str, Any] = given[finding.statement.number - 1] if isinstance(given, list) else given
                return element
    return {}


def texts_of(element: dict[str, Any], name: str) -> list[str]:
    """An element's strings, given as one or as a list."""
    given = element.get(name, [])
    return [str(item) for item in (given if isinstance(given, list) else [given])]
