"""Values of shapes from XML documents: request bodies of `rest-xml`."""

from typing import Any
from xml.etree import ElementTree  # expat of Python 3.11 resolves no external entities; DTDs are refused below

from ringfence.protocol import text
from ringfence.protocol.errors import Malformed
from ringfence.protocol.model import Shape

NOT_WELL_FORMED = "The XML you provided was not well-formed or did not validate against our published schema"


class _NoDtd(ElementTree.TreeBuilder):
    """Builds the tree, but no entity can be declared: they are how a short document becomes a huge one."""

    def doctype(self, name: str, pubid: str, system: str) -> None:
        raise Malformed(NOT_WELL_FORMED)


def parse_document(body: bytes) -> ElementTree.Element:
    """The root element."""
    try:
        parser = ElementTree.XMLParser(target=_NoDtd())  # noqa: S314
        parser.feed(body)
        root: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError):
        raise Malformed(NOT_WELL_FORMED) from None
    return root


class XmlReader:
    """Reads parameters. `strict`: an element that the shape lacks is an error, as S3's schema makes it one."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict

    def structure(self, shape: Shape, node: ElementTree.Element) -> dict[str, Any]:
        children: dict[str, list[ElementTree.Element]] = {}
        for child in node:
            children.setdefault(_local(child.tag), []).append(child)
        found = {}
        for name, member in shape.members.items():
            traits = member.serialization
            if traits.get("xmlAttribute"):
                attribute = _attribute(node, traits["name"])
                if attribute is not None:
                    found[name] = text.read(member, attribute)
                continue
            if "location" in traits:
                continue
            nodes = children.pop(_element_name(member, name), None)
            if nodes is not None:
                found[name] = self._members(member, nodes, name)
        if children and self._strict:
            raise Malformed(NOT_WELL_FORMED, member=next(iter(children)))
        return found

    def _members(self, shape: Shape, nodes: list[ElementTree.Element], name: str) -> Any:
        """A member's value from all elements of its name: several for a flattened list or map."""
        flattened = shape.serialization.get("flattened")
        if flattened and shape.type_name == "list":
            return [self._value(shape.member, node) for node in nodes]
        if flattened and shape.type_name == "map":
            return self._entries(shape, nodes)
        if len(nodes) > 1 and self._strict:
            raise Malformed(NOT_WELL_FORMED, member=name)
        return self._value(shape, nodes[-1])

    def _value(self, shape: Shape, node: ElementTree.Element) -> Any:
        match shape.type_name:
            case "structure":
                return self.structure(shape, node)
            case "list":
                return [self._value(shape.member, child) for child in self._items(shape, node)]
            case "map":
                return self._entries(shape, list(node))
        if len(node):
            raise Malformed(NOT_WELL_FORMED, member=_local(node.tag))
        try:
            return text.read(shape, node.text or "")
        except Malformed as error:
            error.member = _local(node.tag)
            raise

    def _items(self, shape: Shape, node: ElementTree.Element) -> list[ElementTree.Element]:
        wanted = shape.member.serialization.get("name", "member")
        items = [child for child in node if _local(child.tag) == wanted]
        if self._strict and len(items) != len(node):
            raise Malformed(NOT_WELL_FORMED, member=_local(node.tag))
        return items

    def _entries(self, shape: Shape, nodes: list[ElementTree.Element]) -> dict[str, Any]:
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        found = {}
        for node in nodes:
            parts = {_local(child.tag): child for child in node}
            if key_name not in parts or value_name not in parts:
                raise Malformed(NOT_WELL_FORMED, member=_local(node.tag))
            found[self._value(shape.key, parts[key_name])] = self._value(shape.value, parts[value_name])
        return found


def _local(tag: str) -> str:
    """A name without its namespace: clients differ in whether they declare one."""
    return tag.rpartition("}")[2]


def _attribute(node: ElementTree.Element, name: str) -> str | None:
    wanted = name.rpartition(":")[2]
    return next((value for key, value in node.attrib.items() if _local(key) == wanted), None)


def _element_name(shape: Shape, name: str) -> str:
    found: str = shape.serialization.get("name", name)
    return found
