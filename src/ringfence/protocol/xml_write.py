"""Values of shapes as XML text: what `query`, `ec2` and `rest-xml` share.

Strings, not trees: it is on every call's path.
"""

import re
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from ringfence.protocol import text
from ringfence.protocol.model import Shape, known_members

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

# what may not stand as it is; a carriage return would come back as a line feed
_SPECIAL = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def escape(value: str) -> str:
    """`value` as text or attribute. Control characters become references, as S3 writes them in keys."""
    if _SPECIAL.search(value) is None:
        return value
    return _SPECIAL.sub(lambda match: _NAMED.get(match[0]) or f"&#x{ord(match[0]):X};", value)


# What XML 1.0 has no place for, not even as a reference: https://www.w3.org/TR/xml/#charsets
UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REPLACEMENT = "\ufffd"


def element(name: str, value: str) -> str:
    """An element of an error or an envelope: always one that clients can read."""
    return f"<{name}>{escape(UNFIT.sub(_REPLACEMENT, value))}</{name}>"


class XmlWriter:
    """Writes results' values. `milliseconds`: timestamps always have three digits of a second (EC2, S3)."""

    def __init__(self, *, milliseconds: bool) -> None:
        self._scalar = partial(text.write, form="iso8601", milliseconds=milliseconds)

    def members(self, shape: Shape, value: Mapping[str, Any]) -> str:
        """The members of a structure, one after the other, without an element around them."""
        out: list[str] = []
        self._write_members(out, shape, value)
        return "".join(out)

    def element(self, shape: Shape, value: Any, name: str, default_namespace: str = "") -> str:
        """One element that holds `value`."""
        out: list[str] = []
        self._write(out, shape, value, name, default_namespace)
        return "".join(out)

    def _write(self, out: list[str], shape: Shape, value: Any, name: str, default_namespace: str = "") -> None:
        kind = shape.type_name
        namespace = xmlns(shape) or default_namespace
        if kind == "structure":
            out.append(f"<{name}{namespace}{self._attributes(shape, value)}>")
            self._write_members(out, shape, value)
            out.append(f"</{name}>")
        elif kind == "list":
            self._write_list(out, shape, value, name, namespace)
        elif kind == "map":
            self._write_map(out, shape, value, name, namespace)
        else:
            out.append(f"<{name}{namespace}>{escape(self._scalar(shape, value))}</{name}>")

    def _write_members(self, out: list[str], shape: Shape, value: Mapping[str, Any]) -> None:
        plain = _plain_members(shape)
        for name, item in value.items():
            if item is None:
                continue
            tags = plain.get(name)
            if tags is not None:
                # most of all values: a short cut past the questions below, which took half of the time
                start, end, member, is_string = tags
                out.append(f"{start}{escape(item if is_string else self._scalar(member, item))}{end}")
                continue
            for wire_name, member, found in known_members(shape, {name: item}):
                if not member.serialization.get("xmlAttribute"):
                    self._write(out, member, found, wire_name)

    def _write_list(self, out: list[str], shape: Shape, value: Any, name: str, namespace: str) -> None:
        member = shape.member
        own = member.serialization.get("name")
        if shape.serialization.get("flattened"):
            for item in value:
                self._write(out, member, item, own or name, namespace)
            return
        out.append(f"<{name}{namespace}>")
        for item in value:
            if item is not None:
                self._write(out, member, item, own or "member")
        out.append(f"</{name}>")

    def _write_map(self, out: list[str], shape: Shape, value: Any, name: str, namespace: str) -> None:
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        flattened = shape.serialization.get("flattened")
        entry = f"{name}{namespace}" if flattened else "entry"
        if not flattened:
            out.append(f"<{name}{namespace}>")
        for key, item in value.items():
            if item is None:
                continue
            out.append(f"<{entry}>")
            self._write(out, shape.key, key, key_name)
            self._write(out, shape.value, item, value_name)
            out.append(f"</{name if flattened else 'entry'}>")
        if not flattened:
            out.append(f"</{name}>")

    def _attributes(self, shape: Shape, value: Mapping[str, Any]) -> str:
        found = _attribute_members(shape)
        if not found:
            return ""
        set_here = [(wire, member, value[name]) for name, wire, member in found if value.get(name) is not None]
        return "".join(f' {wire}="{escape(self._scalar(member, item))}"' for wire, member, item in set_here)


@cache
def _plain_members(shape: Shape) -> Mapping[str, tuple[str, str, Shape, bool]]:
    """The scalar members that are elements without a namespace: start tag, end tag, shape, whether it is a string."""
    found = {}
    for name, member in shape.members.items():
        traits = member.serialization
        nested = member.type_name in ("structure", "list", "map")
        if not nested and not {"xmlAttribute", "xmlNamespace"} & traits.keys():
            wire_name = traits.get("name", name)
            found[name] = (f"<{wire_name}>", f"</{wire_name}>", member, member.type_name == "string")
    return found


@cache
def _attribute_members(shape: Shape) -> tuple[tuple[str, str, Shape], ...]:
    return tuple(
        (name, member.serialization["name"], member)
        for name, member in shape.members.items()
        if member.serialization.get("xmlAttribute")
    )


@cache
def xmlns(shape: Shape) -> str:
    """The namespace declaration that the model asks for, as it stands in a start tag."""
    namespace = shape.serialization.get("xmlNamespace")
    if not namespace:
        return ""
    if isinstance(namespace, str):
        return f' xmlns="{escape(namespace)}"'
    prefix = f":{namespace['prefix']}" if namespace.get("prefix") else ""
    return f' xmlns{prefix}="{escape(namespace["uri"])}"'
