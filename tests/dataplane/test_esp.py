"""ESP packets and the agreement on their keys, both ends in one process."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ringfence.dataplane.esp import KEY_BYTES, OVERHEAD, Inbound, Outbound
from ringfence.dataplane.key_exchange import Exchange, job_secret

KEY = os.urandom(KEY_BYTES)


def pair() -> tuple[Outbound, Inbound]:
    return Outbound(4711, KEY), Inbound(4711, KEY)


@pytest.mark.parametrize("size", [20, 21, 22, 23, 1440])
def test_what_is_sealed_is_opened(size: int) -> None:
    out, into = pair()
    packet = os.urandom(size)
    sealed = out.seal(packet)
    assert packet not in sealed and len(sealed) % 4 == 0 and len(sealed) + 20 <= size + OVERHEAD
    assert into.open(sealed) == packet


def test_nothing_is_taken_twice_nor_forged() -> None:
    out, into = pair()
    sealed = [out.seal(bytes([number] * 40)) for number in range(8)]
    assert [into.open(one) is not None for one in (sealed[0], sealed[5], sealed[2])] == [True] * 3, "late is not twice"
    assert [into.open(one) for one in (sealed[0], sealed[5], sealed[2])] == [None] * 3
    for place in range(len(sealed[6])):
        forged = bytearray(sealed[6])
        forged[place] ^= 1
        assert into.open(bytes(forged)) is None
    assert into.open(sealed[6]) == bytes([6] * 40)
    assert into.open(sealed[7][:30]) is None and into.open(b"") is None
    out.number = 5000
    assert into.open(out.seal(b"later")) == b"later"
    assert into.open(sealed[7]) is None, "too old to tell whether it has been here"


def test_both_have_the_keys_whoever_begins_and_again_after_a_restart() -> None:
    one, other = exchange("10.0.0.1", "10.0.0.2"), exchange("10.0.0.2", "10.0.0.1")
    talk(one, other)
    assert_agreed(one, other)
    before = one.outbound
    again = exchange("10.0.0.2", "10.0.0.1")
    talk(again, one)
    assert_agreed(one, again)
    assert one.outbound is not before
    one.begin_anew(X25519PrivateKey.generate())
    talk(one, again)
    assert_agreed(one, again)


def test_only_a_host_of_the_same_job_is_believed() -> None:
    one, stranger = exchange("10.0.0.1", "10.0.0.2"), exchange("10.0.0.2", "10.0.0.1", job="another")
    assert not one.receive(stranger.message()) and one.inbound is None
    assert not one.receive(one.message()), "nor one's own words"
    message = bytearray(exchange("10.0.0.2", "10.0.0.1").message())
    message[20] ^= 1
    assert not one.receive(bytes(message)) and not one.receive(b"")


def exchange(own: str, peer: str, job: str = "job") -> Exchange:
    return Exchange(job_secret(b"s" * 32, job), own, peer, X25519PrivateKey.generate())


def talk(one: Exchange, other: Exchange) -> None:
    """Until nobody has to answer; a message is lost, and said again."""
    one.message()
    speaker, listener, words = one, other, 0
    while listener.receive(speaker.message()):
        speaker, listener, words = listener, speaker, words + 1
        assert words < 6, "they never come to an end"


def assert_agreed(one: Exchange, other: Exchange) -> None:
    for sender, receiver in ((one, other), (other, one)):
        assert sender.known and sender.outbound and receiver.inbound
        assert receiver.inbound.open(sender.outbound.seal(b"x" * 30)) == b"x" * 30
