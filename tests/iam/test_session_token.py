"""Sealed tokens: what goes in comes out, and nothing else opens."""

import base64
import datetime as dt
import os

from hypothesis import given
from hypothesis import strategies as st

from ringfence.core.call import Principal
from ringfence.iam.session_token import SealingKey, issue, open_message, open_session, seal_message

KEY = SealingKey(secret=bytes(range(32)))
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
WHO = Principal(
    "role", "123456789012", "arn:aws:sts::123456789012:assumed-role/R/s", "AROA:s",
    role_arn="arn:aws:iam::123456789012:role/R", session_name="s", session_policies=("{}",), tags={"a": "b"},
)  # fmt: skip


def test_round_trip() -> None:
    made = issue(KEY, WHO, NOW, 900, os.urandom)
    session = open_session(KEY, made.session_token)
    assert session is not None
    assert (session.access_key_id, session.secret_access_key) == (made.access_key_id, made.secret_access_key)
    assert session.expires == made.expiration == NOW + dt.timedelta(seconds=900)
    who = session.principal
    assert (who.arn, who.role_arn, who.session_policies, who.tags) == (WHO.arn, WHO.role_arn, ("{}",), {"a": "b"})
    assert who.token_issued == NOW
    assert len(made.access_key_id) == 20
    assert made.access_key_id.startswith("ASIA")
    assert len(made.secret_access_key) == 40


def test_other_keys_and_purposes_do_not_open() -> None:
    token = issue(KEY, WHO, NOW, 900, os.urandom).session_token
    assert open_session(SealingKey(secret=bytes(32)), token) is None
    assert open_message(KEY, token) is None
    message = seal_message(KEY, "denied", os.urandom)
    assert open_message(KEY, message) == "denied"
    assert open_session(KEY, message) is None


@given(st.integers(0, 300), st.integers(1, 255))
def test_any_changed_byte_spoils_it(at: int, flip: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(issue(KEY, WHO, NOW, 900, os.urandom).session_token))
    raw[at % len(raw)] ^= flip
    assert open_session(KEY, base64.urlsafe_b64encode(raw).decode()) is None


@given(st.text(max_size=60))
def test_garbage_is_no_session(text: str) -> None:
    assert open_session(KEY, text) is None
    assert open_message(KEY, text) is None
