"""AWS's identifiers, made from given randomness: `vpc-0123456789abcdef0`, `AKIAIOSFODNN7EXAMPLE`."""

from collections.abc import Callable

Entropy = Callable[[int], bytes]

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def resource_id(prefix: str, entropy: Entropy) -> str:
    """`prefix-` and 17 hexadecimal digits, the first of which is 0, as EC2's long ids."""
    return f"{prefix}-0{entropy(8).hex()}"


def principal_id(prefix: str, entropy: Entropy) -> str:
    """`prefix` (AKIA, ASIA, AIDA, AROA, ANPA) and 17 base-32 characters: 21 in all for ids, 20 for access keys."""
    length = 16 if prefix in ("AKIA", "ASIA") else 17
    return prefix + "".join(_BASE32[byte & 31] for byte in entropy(length))


def lower_id(length: int, entropy: Entropy) -> str:
    """`length` characters of a-z and 0-9: SageMaker's and PrivateLink's short ids."""
    return "".join(_BASE36[byte % 36] for byte in entropy(length))


def uuid4(entropy: Entropy) -> str:
    """A random UUID: request ids."""
    digits = bytearray(entropy(16))
    digits[6] = digits[6] & 0x0F | 0x40
    digits[8] = digits[8] & 0x3F | 0x80
    text = digits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
