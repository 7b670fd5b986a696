"""Opening and closing: what the topology lists answers, nothing else does."""

from dataclasses import replace

import pytest

from ringfence.network.topology import Topology
from ringfence.network.topology.listener import Listener
from ringfence.privatelink.listener import Listeners, ListenersFailed


class Recorder:
    """An opener that remembers; a listener on a port in `broken` cannot be opened."""

    def __init__(self):
        self.open = set()
        self.opened = 0
        self.broken = set()

    async def __call__(self, listener):
        if listener.port in self.broken:
            raise OSError(99, "Cannot assign requested address")
        self.opened += 1
        self.open.add(listener.name)
        recorder = self

        class Opened:
            async def close(self):
                recorder.open.discard(listener.name)

        return Opened()


def listener(name, port=443, namespace="vpce-1"):
    return Listener(name, namespace, "10.0.0.5", port, "api", tls=True)


def topology(*listeners):
    return Topology(1, "us-west-2", {}, {}, (), listeners)


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def listeners(recorder, tmp_path):
    for name in ("vpce-1", "internet"):
        (tmp_path / name).write_text("")
    return Listeners({"api": recorder}, lambda name: tmp_path / name)


async def test_opens_what_is_missing_and_closes_what_is_gone(listeners, recorder):
    await listeners.apply(topology(listener("a"), listener("b")))
    assert recorder.open == {"a", "b"}
    await listeners.apply(topology(listener("b"), listener("c")))
    assert recorder.open == {"b", "c"}
    assert recorder.opened == 3
    await listeners.close()
    assert recorder.open == set()


async def test_a_listener_that_changed_is_opened_anew(listeners, recorder):
    await listeners.apply(topology(listener("a")))
    await listeners.apply(topology(replace(listener("a"), address="10.0.0.6")))
    assert recorder.opened == 2


async def test_a_namespace_that_was_made_anew_gets_a_new_socket(listeners, recorder, tmp_path):
    await listeners.apply(topology(listener("a")))
    (tmp_path / "other").write_text("")
    (tmp_path / "other").rename(tmp_path / "vpce-1")
    await listeners.apply(topology(listener("a")))
    assert recorder.opened == 2
    assert recorder.open == {"a"}


async def test_one_that_fails_does_not_hold_up_the_others_and_is_tried_again(listeners, recorder):
    recorder.broken.add(80)
    with pytest.raises(ListenersFailed, match=r"`a` on 10.0.0.5:80: .*Cannot assign"):
        await listeners.apply(topology(listener("a", 80), listener("b")))
    assert recorder.open == {"b"}
    recorder.broken.clear()
    await listeners.apply(topology(listener("a", 80), listener("b")))
    assert recorder.open == {"a", "b"}
