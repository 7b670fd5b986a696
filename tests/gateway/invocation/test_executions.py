"""Serverless invocations: one container each, so many at once, and what those get that wait in vain."""

import asyncio
from dataclasses import replace

import pytest

from ringfence.core.errors import ServiceError
from ringfence.core.results import Execution, ServerlessVariant
from ringfence.gateway.invocation.executions import Executions

KEY = ServerlessVariant("123456789012/us-west-2/ep", 1, "one")
WANTED = Execution(KEY, limit=2, account_limit=3, provisioned=0)


class Held:
    """An invocation that lasts until it is let go."""

    def __init__(self, executions: Executions, wanted: Execution = WANTED) -> None:
        self.go = asyncio.Event()
        self.instance: str | None = None
        self.known: Execution | None = None
        self.task = asyncio.create_task(self._run(executions, wanted))

    async def _run(self, executions: Executions, wanted: Execution) -> None:
        async with executions.take(wanted) as (self.instance, self.known):
            await self.go.wait()


async def refused(executions: Executions, wanted: Execution = WANTED) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        async with executions.take(wanted):
            pass
    return raised.value


async def test_a_container_has_one_invocation_at_a_time() -> None:
    executions, woken = Executions(), []
    executions.when_wanted(lambda: woken.append(executions.demand(KEY)))
    executions.offer(KEY, ["i-1"])
    first = Held(executions)
    await asyncio.sleep(0)
    assert (first.instance, woken, executions.idle_seconds("i-1")) == ("i-1", [], None)
    assert first.known is not None and (first.known.concurrent, first.known.setup) == (1, 0.0)
    second = Held(executions)
    await asyncio.sleep(0.02)
    assert (second.instance, woken) == (None, [2])
    error = await refused(executions)
    assert (error.code, error.message, error.status) == ("ThrottlingException", "Rate exceeded", 429)
    executions.offer(KEY, ["i-1", "i-2"])
    await asyncio.sleep(0)
    assert second.instance == "i-2" and second.known is not None
    assert second.known.concurrent == 2 and second.known.setup >= 0.02
    first.go.set()
    second.go.set()
    await asyncio.gather(first.task, second.task)
    assert executions.demand(KEY) == 0 and executions.idle_seconds("i-2") is not None


async def test_the_account_has_a_limit_too() -> None:
    executions = Executions()
    other = replace(WANTED, variant=ServerlessVariant("123456789012/us-west-2/other", 1, "one"))
    elsewhere = replace(WANTED, variant=ServerlessVariant("210987654321/us-west-2/other", 1, "one"))
    held = [Held(executions), Held(executions), Held(executions, other)]
    await asyncio.sleep(0)
    assert (await refused(executions, other)).code == "ThrottlingException"
    held.append(Held(executions, elsewhere))
    await asyncio.sleep(0)
    assert executions.demand(elsewhere.variant) == 1
    for one in held:
        one.task.cancel()
    await asyncio.gather(*(one.task for one in held), return_exceptions=True)
    assert executions.demand(KEY) == 0


async def test_who_waits_too_long_or_in_vain_is_told() -> None:
    executions = Executions(patience=0.01)
    error = await refused(executions)
    assert (error.code, error.status) == ("ModelNotReadyException", 429)
    assert executions.demand(KEY) == 0
    waiting = asyncio.create_task(refused(Executions()))
    waiting.cancel()
    patient = Executions()
    failing = asyncio.create_task(refused(patient))
    await asyncio.sleep(0)
    patient.give_up(KEY, "it does not start")
    error = await failing
    assert (error.code, error.message) == ("ServiceUnavailable", "it does not start")


async def test_an_update_takes_over_who_waits() -> None:
    executions = Executions()
    held = Held(executions)
    await asyncio.sleep(0)
    after = replace(KEY, generation=2)
    executions.keep({after})
    executions.offer(after, ["i-9"])
    await asyncio.sleep(0)
    assert held.instance == "i-9" and executions.demand(after) == 1
    held.go.set()
    await held.task
    assert executions.demand(after) == 0
    lost = asyncio.create_task(refused(executions, replace(WANTED, variant=after)))
    executions.offer(after, [])
    await asyncio.sleep(0)
    executions.keep(set())
    assert (await lost).code == "ServiceUnavailable"


async def test_a_container_that_is_gone_is_given_to_nobody() -> None:
    executions = Executions()
    executions.offer(KEY, ["i-1", "i-2"])
    executions.offer(KEY, ["i-2"])
    held = Held(executions)
    await asyncio.sleep(0)
    assert held.instance == "i-2"
    executions.offer(KEY, [])
    held.go.set()
    await held.task
    assert executions.idle_seconds("i-2") == 0.0  # not known
