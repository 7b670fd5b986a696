r"""Domain names in Route 53's spelling: lower case, a final dot, what is not a-z 0-9 - _ as octal escapes (`\052`).

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html
"""

import re

_PART = re.compile(r"\\([0-3][0-7]{2})|(\.)|([!-\[\]-~])")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_LABEL, _NAME = 63, 255


class BadName(ValueError):
    """What is wrong with a name, in Route 53's words: `DomainLabelEmpty (Domain label is empty)`."""


def normalize(text: str) -> str:
    """The name in Route 53's spelling; BadName if it is none."""
    labels = [[]] if text else []  # type: list[list[str]]
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            raise BadName("UnsupportedCharacter (Value contains unsupported characters)")
        if found[2]:
            labels.append([])
        else:
            labels[-1].append(_spell(chr(int(found[1], 8)) if found[1] else found[3]))
        at = found.end()
    if labels and not labels[-1]:
        labels.pop()  # the final dot
    if not labels or not all(labels):
        raise BadName("DomainLabelEmpty (Domain label is empty)")
    if any(len(label) > _LABEL for label in labels):
        raise BadName("DomainLabelTooLong (Domain label is too long)")
    if sum(len(label) + 1 for label in labels) + 1 > _NAME:
        raise BadName("DomainNameTooLong (Domain name is too long)")
    return "".join("".join(label) + "." for label in labels)


def _spell(character: str) -> str:
    lower = character.lower() if character.isascii() else character
    return lower if lower in _PLAIN else f"\\{ord(lower):03o}"


def is_within(name: str, zone: str) -> bool:
    """Whether a name is the zone's own or below it; both normalized."""
    return name == zone or name.endswith(f".{zone}")
