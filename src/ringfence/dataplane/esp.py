"""Encapsulating Security Payload: IP packets sealed into ESP packets and opened again. Pure.

Tunnel mode between two hosts, because a fragment cannot be sealed in transport mode; AES-GCM with 256-bit keys.
https://www.rfc-editor.org/rfc/rfc4303 and https://www.rfc-editor.org/rfc/rfc4106 . Used by `esp_process`.
"""

import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 36  # of the cipher, and the salt of its nonce
# what ESP adds: outer IP header, SPI and number, IV, padding with its length and the inner protocol, tag
OVERHEAD = 20 + 8 + 8 + 5 + 16
_HEADER = struct.Struct("!II")
_IV, _SALT, _TAG, _IPV4 = 8, 4, 16, 4
_WINDOW = 1024
_LAST = 2**32 - 2**20  # INVARIANT: no number is used twice with one key; there is time left for another


@dataclass(slots=True)
class Outbound:
    """One direction's association at the sender."""

    spi: int
    key: bytes
    number: int = 0

    @property
    def is_worn(self) -> bool:
        """Whether it is time for another key."""
        return self.number >= _LAST

    def seal(self, packet: bytes) -> bytes:
        self.number += 1
        header = _HEADER.pack(self.spi, self.number)
        iv = self.number.to_bytes(_IV, "big")
        padding = -(len(packet) + 2) % 4
        plain = packet + bytes(range(1, padding + 1)) + bytes((padding, _IPV4))
        return header + iv + AESGCM(self.key[:-_SALT]).encrypt(self.key[-_SALT:] + iv, plain, header)


@dataclass(slots=True)
class Inbound:
    """One direction's association at the receiver. `seen`: which of the numbers up to `highest` have come."""

    spi: int
    key: bytes
    highest: int = 0
    seen: int = 0

    def open(self, data: bytes) -> bytes | None:
        """The packet; None for what is forged, repeated, too old, or not for this association."""
        if len(data) < _HEADER.size + _IV + _TAG + 4:
            return None
        header, iv = data[: _HEADER.size], data[_HEADER.size : _HEADER.size + _IV]
        spi, number = _HEADER.unpack(header)
        if spi != self.spi or self._has(number):
            return None
        try:
            plain = AESGCM(self.key[:-_SALT]).decrypt(self.key[-_SALT:] + iv, data[_HEADER.size + _IV :], header)
        except InvalidTag:
            return None
        self._note(number)
        padding, inner = plain[-2], plain[-1]
        return plain[: -2 - padding] if inner == _IPV4 else None

    def _has(self, number: int) -> bool:
        behind = self.highest - number
        return number == 0 or behind >= _WINDOW or (behind >= 0 and bool(self.seen >> behind & 1))

    def _note(self, number: int) -> None:
        ahead = number - self.highest
        if ahead > 0:
            self.seen = (self.seen << ahead | 1) & ((1 << _WINDOW) - 1)
            self.highest = number
        else:
            self.seen |= 1 << -ahead
