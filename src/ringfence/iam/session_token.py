"""Temporary credentials: what a session is and may do is sealed into its session token, so none is ever stored.

Not AssumeRole's rules (services.sts). Sealed by services.sts, opened by gateway.authentication, keyed by `SealingKey`.
"""

import base64
import binascii
import functools
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ringfence.core import ids
from ringfence.core.call import Principal, PrincipalKind
from ringfence.core.record import Reader, Record, Writer

_NONCE = 12
_FORM = b"RF1"  # authenticated with each token: what follows is sealed as this file says
_MESSAGE = b"RFM"  # the same for messages
_BEARER = b"RFB"  # and for passwords that make their bearer somebody


class SealingKey(Record, frozen=True, kw_only=True):
    """The state directory's one AES-256 key; it never leaves the daemon."""

    secret: bytes

    @property
    def key(self) -> str:
        return "sealing-key"


class Session(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What a session token holds. Names and times as `Principal` has them."""

    access_key_id: str
    secret_access_key: str
    kind: PrincipalKind
    account: str
    arn: str
    id: str
    issued: datetime
    expires: datetime
    role_arn: str | None = None
    session_name: str | None = None
    policies: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    user_arn: str | None = None

    @functools.cached_property
    def principal(self) -> Principal:
        """The caller that these credentials make."""
        return Principal(
            kind=self.kind,
            account=self.account,
            arn=self.arn,
            id=self.id,
            role_arn=self.role_arn,
            session_name=self.session_name,
            session_policies=self.policies,
            token_issued=self.issued,
            access_key_id=self.access_key_id,
            tags=dict(self.tags),
            user_arn=self.user_arn,
        )


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client is given."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime


def ensure_sealing_key(records: Writer, entropy: ids.Entropy) -> SealingKey:
    """The sealing key, made at the first start."""
    found = records.get(SealingKey, "sealing-key")
    if found is None:
        found = SealingKey(secret=entropy(32))
        records.put(found)
    return found


def sealing_key(records: Reader) -> SealingKey:
    """The sealing key of a daemon that has started."""
    found = records.get(SealingKey, "sealing-key")
    if found is None:
        raise LookupError("no sealing key: the daemon makes it at its first start")
    return found


def issue(key: SealingKey, who: Principal, now: datetime, seconds: int, entropy: ids.Entropy) -> Credentials:
    """Credentials that make their bearer `who` (with its session policies and tags) for so many seconds."""
    issued = now.astimezone(UTC).replace(microsecond=0)
    session = _session(who, ids.principal_id("ASIA", entropy), new_secret(entropy), issued, seconds)
    token = _seal(key, zlib.compress(msgspec.msgpack.encode(session)), entropy, _FORM)
    return Credentials(session.access_key_id, session.secret_access_key, token, session.expires)


def _session(who: Principal, access_key_id: str, secret: str, issued: datetime, seconds: int) -> Session:
    return Session(
        access_key_id=access_key_id,
        secret_access_key=secret,
        kind=who.kind,
        account=who.account,
        arn=who.arn,
        id=who.id,
        issued=issued,
        expires=issued + timedelta(seconds=seconds),
        role_arn=who.role_arn,
        session_name=who.session_name,
        policies=who.session_policies,
        tags=who.tags,
        user_arn=who.user_arn,
    )


def new_secret(entropy: ids.Entropy) -> str:
    """A secret access key: forty characters of base 64."""
    return base64.b64encode(entropy(30)).decode()


def open_session(key: SealingKey, token: str) -> Session | None:
    """The session that a token holds, or None if it is not one of ours. Expiry is the caller's to check."""
    return _open_session(key.secret, token)


@functools.lru_cache(maxsize=4096)
def _open_session(secret: bytes, token: str) -> Session | None:
    plain = _open(secret, token, _FORM)
    return None if plain is None else msgspec.msgpack.decode(zlib.decompress(plain), type=Session)


def seal_bearer(
    key: SealingKey, who: Principal, now: datetime, seconds: int, entropy: ids.Entropy
) -> tuple[str, datetime]:
    """A password that alone, without a signature, makes its bearer `who`: a registry's. And when it ends."""
    issued = now.astimezone(UTC).replace(microsecond=0)
    session = _session(who, who.access_key_id or "", "", issued, seconds)
    return _seal(key, zlib.compress(msgspec.msgpack.encode(session)), entropy, _BEARER), session.expires


def open_bearer(key: SealingKey, password: str) -> Session | None:
    """Who bears this password, or None if it is not one of ours. Expiry is the caller's to check."""
    plain = _open(key.secret, password, _BEARER)
    return None if plain is None else msgspec.msgpack.decode(zlib.decompress(plain), type=Session)


def seal_message(key: SealingKey, text: str, entropy: ids.Entropy) -> str:
    """An encoded authorization message: EC2 shows it to everybody, only sts:DecodeAuthorizationMessage reads it."""
    return _seal(key, zlib.compress(text.encode()), entropy, _MESSAGE)


def open_message(key: SealingKey, sealed: str) -> str | None:
    """The text of an encoded authorization message, or None if it is not one of ours."""
    plain = _open(key.secret, sealed, _MESSAGE)
    return None if plain is None else zlib.decompress(plain).decode()


def _seal(key: SealingKey, plain: bytes, entropy: ids.Entropy, purpose: bytes) -> str:
    nonce = entropy(_NONCE)
    return base64.urlsafe_b64encode(purpose + nonce + _cipher(key.secret).encrypt(nonce, plain, purpose)).decode()


def _open(secret: bytes, text: str, purpose: bytes) -> bytes | None:
    try:
        raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if not raw.startswith(purpose) or len(raw) < len(purpose) + _NONCE:
        return None
    body = raw[len(purpose) :]
    try:
        return _cipher(secret).decrypt(body[:_NONCE], body[_NONCE:], purpose)
    except InvalidTag:
        return None


@functools.lru_cache(maxsize=8)
def _cipher(secret: bytes) -> AESGCM:
    return AESGCM(secret)
