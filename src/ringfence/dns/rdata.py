r"""Record values in Route 53's master file form -> dnspython's rdata. Pure.

The difference is in escapes: `\052` is octal there and decimal in dnspython. Called by `dns.respond`, and by the
handler that takes record sets: what cannot be answered is refused.
"""

import re

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

_OCTAL = re.compile(r"\\([0-3][0-7]{2})")


def make_rdata(kind: str, value: str) -> dns.rdata.Rdata:
    """Names in the value are absolute, with or without a final dot. dns.exception.DNSException if it is malformed."""
    text = to_decimal(value)
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), text, dns.name.root, relativize=False)


def make_name(text: str) -> dns.name.Name:
    """A name as records spell it, absolute with or without a final dot."""
    return dns.name.from_text(to_decimal(text), dns.name.root)


def spell_name(name: dns.name.Name) -> str:
    r"""A name on the wire as records spell it: lower case, no final dot, unusual characters as octal escapes."""
    return ".".join("".join(_spell(byte) for byte in label) for label in name.labels if label).lower()


def _spell(byte: int) -> str:
    plain = chr(byte)
    return plain if byte < 128 and (plain.isalnum() or plain in "-_*") else f"\\{byte:03o}"


def to_decimal(text: str) -> str:
    return _OCTAL.sub(lambda found: f"\\{int(found[1], 8):03d}", text)
