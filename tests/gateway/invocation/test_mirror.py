"""Copies for shadow variants: bounded, and nobody's trouble."""

import asyncio
import logging

import pytest

from ringfence.core.call import Result
from ringfence.core.errors import ServiceError
from ringfence.core.results import Invoked
from ringfence.gateway.invocation import mirror
from ringfence.gateway.invocation.mirror import Mirror
from tests.patience import eventually_on_loop

SLOW = Invoked("123456789012", "us-west-2", "ep", "slow", 1)
OTHER = Invoked("123456789012", "us-west-2", "other", "quick", 1)


async def test_one_that_does_not_keep_up_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "_REQUESTS", 2)
    copies, go, asked = Mirror(), asyncio.Event(), []

    async def ask() -> Result:
        asked.append(1)
        await go.wait()
        return {}

    assert [copies.offer(SLOW, 1, ask) for _ in range(3)] == [True, True, False]
    assert copies.offer(OTHER, 1, ask), "each shadow variant has its own bounds"
    assert not asked, "it is asked in a task of its own"
    await asyncio.sleep(0)
    assert len(asked) == 3
    go.set()
    await asyncio.sleep(0.01)
    assert copies.offer(SLOW, 1, ask)
    assert not copies.offer(OTHER, mirror._BYTES + 1, ask)
    await copies.close()


async def test_its_errors_end_with_it(caplog: pytest.LogCaptureFixture) -> None:
    copies = Mirror()

    async def refused() -> Result:
        raise ServiceError("ModelError", "no", 424)

    async def broken() -> Result:
        raise RuntimeError("a fault of ours")

    with caplog.at_level(logging.ERROR):
        assert copies.offer(SLOW, 1, refused)
        await asyncio.sleep(0.01)
        assert caplog.records == []
        assert copies.offer(SLOW, 1, broken)
        await eventually_on_loop(lambda: caplog.text)
    assert "asking the shadow variant `slow` of `ep` failed" in caplog.text
    await copies.close()
