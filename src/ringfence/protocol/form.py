"""Form-encoded parameters as a tree: `Filter.1.Name=x` is `{"Filter": {"1": {"Name": {"": "x"}}}}`.

Not the shapes: `query` and `ec2` walk the tree with them.
"""

from typing import Any
from urllib.parse import parse_qsl

from ringfence.protocol.errors import Malformed
from ringfence.protocol.message import HttpRequest, body_bytes
from ringfence.protocol.xml_write import UNFIT

# name part -> subtree; the text of a key itself is under the empty name
Tree = dict[str, Any]

_DEEPEST = 64


def parse_pairs(request: HttpRequest) -> list[tuple[str, str]]:
    """The parameters of the query string and of the body: a presigned call has them all in the former."""
    pairs = parse_query(request.query) if request.query else []
    body = body_bytes(request)
    if body:
        try:
            pairs += parse_query(body.decode())
        except UnicodeDecodeError:
            raise Malformed("The query string contains a syntax error.") from None
    if len({name for name, _ in pairs}) < len(pairs):
        raise Malformed("The query string names a parameter more than once.")
    return pairs


def parse_query(text: str) -> list[tuple[str, str]]:
    """`a=1&b` as pairs, percent-decoded."""
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        raise Malformed("The query string contains a syntax error.") from None


def grow(pairs: list[tuple[str, str]]) -> Tree:
    """The tree of these pairs, no two of which have the same key."""
    tree: Tree = {}
    for key, value in pairs:
        node = tree
        parts = key.split(".")
        if len(parts) > _DEEPEST:
            raise Malformed("The query string contains a syntax error.")
        for part in parts:
            if not part:
                raise Malformed("Keys may not contain empty parts", member=key)
            node = node.setdefault(part, {})
        node[""] = value
    return tree


def items(node: Tree) -> list[Tree]:
    """The elements of a list or the entries of a map, in the order of their numbers; gaps are closed."""
    numbered = []
    for key, child in node.items():
        if key == "":
            # a client says "empty list" with the bare name
            if child != "":
                raise Malformed("Unexpected list element termination", value=child)
        elif key.isdecimal() and key.isascii() and len(key) <= 9:
            numbered.append((int(key), child))
        else:
            raise Malformed(f"Key {key} is not the number of a list element", member=key)
    return [child for _, child in sorted(numbered, key=lambda pair: pair[0])]


def leaf(node: Tree) -> str:
    """The text of a scalar parameter."""
    value = node.get("")
    if value is None or len(node) > 1:
        raise Malformed("Unexpected complex element termination")
    text: str = value
    if UNFIT.search(text):
        # answers in XML could not show it
        raise Malformed("It has characters that XML cannot hold", value=text)
    return text
