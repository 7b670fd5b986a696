"""How two hosts of a job agree on the keys of their traffic, over UDP 500: a message each, again until both know. Pure.

X25519, authenticated with a secret of the job that both got from the daemon, so that keys are of these two and of now.
Not IKE: nothing but another host of the same job understands it. Used by `esp_process`.
"""

import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ringfence.dataplane.esp import KEY_BYTES, Inbound, Outbound

PORT = 500
_MAGIC, _KEY, _MAC = b"ringfence-esp-1\0", 32, 32
_LENGTH = len(_MAGIC) + 2 * _KEY + _MAC
_NOBODY = bytes(_KEY)
_FIRST_SPI = 256  # smaller ones are reserved


def job_secret(daemons: bytes, group: str) -> bytes:
    """The secret of one job's hosts, from the daemon's."""
    return HKDF(hashes.SHA256(), _KEY, None, b"ringfence job " + group.encode()).derive(daemons)


@dataclass(slots=True)
class Exchange:
    """With one peer. `outbound` may be used once the peer is known to have the key."""

    secret: bytes
    own: str
    peer: str
    private: X25519PrivateKey
    theirs: bytes = _NOBODY
    inbound: Inbound | None = None
    outbound: Outbound | None = None
    known: bool = False  # the peer has our key

    def message(self) -> bytes:
        body = _MAGIC + self._public() + self.theirs
        return body + self._sign(body, self.own, self.peer)

    def receive(self, data: bytes) -> bool:
        """Whether the peer must be answered at once. What is not from the peer changes nothing."""
        body, mac = data[:-_MAC], data[-_MAC:]
        if len(data) != _LENGTH or not data.startswith(_MAGIC):
            return False
        if not hmac.compare_digest(mac, self._sign(body, self.peer, self.own)):
            return False
        public, seen = body[len(_MAGIC) : len(_MAGIC) + _KEY], body[-_KEY:]
        new = public != self.theirs
        if new:
            self._derive(public)
        self.known = seen == self._public()
        return new or not self.known

    def begin_anew(self, private: X25519PrivateKey) -> None:
        """With another key of one's own, before the old one is worn out."""
        self.private, self.theirs, self.known = private, _NOBODY, False

    def _derive(self, public: bytes) -> None:
        shared = self.private.exchange(X25519PublicKey.from_public_bytes(public))
        first, second = sorted((self._public(), public))
        size = KEY_BYTES + 4
        made = HKDF(hashes.SHA256(), 2 * size, self.secret, b"ringfence esp" + first + second).derive(shared)
        one, two = made[:size], made[size:]
        out, into = (one, two) if self._public() == first else (two, one)
        self.theirs = public
        self.outbound = Outbound(_spi(out), out[4:])
        self.inbound = Inbound(_spi(into), into[4:])

    def _public(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    def _sign(self, body: bytes, sender: str, receiver: str) -> bytes:
        return hmac.digest(self.secret, f"{sender} {receiver} ".encode() + body, "sha256")


def _spi(made: bytes) -> int:
    return int.from_bytes(made[:4], "big") | _FIRST_SPI
