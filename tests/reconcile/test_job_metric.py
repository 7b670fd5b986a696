"""MetricDefinitions: what is found in the logs, by the process that searches them, and what a bad pattern comes to."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from reconcile_machine import NOW

from ringfence.reconcile.job import metric
from ringfence.reconcile.job.metric import JobMetrics, MetricSearch
from ringfence.resources.cloudwatch import Datapoint
from ringfence.resources.job import TrainingJob
from ringfence.resources.logs import LogEvent
from ringfence.store.database import Store
from tests.patience import SECONDS


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "container.log"


def search(store: Store, log: Path, **regexes: str) -> MetricSearch:
    definitions = [{"Name": name, "Regex": regex} for name, regex in regexes.items()]
    spec = {"AlgorithmSpecification": {"MetricDefinitions": definitions}}
    job = TrainingJob(name="j", account="1", region="r", arn="job", created=NOW, spec=spec)
    parts: Any = SimpleNamespace(store=store, edge=SimpleNamespace(now=lambda: NOW))
    return MetricSearch(parts, job, lambda: {log: "j/algo-1"})


def values(found: tuple[metric.Metric, ...]) -> dict[str, float]:
    return {one.name: one.value for one in found}


def counted(store: Store) -> float:
    return sum(point.count for point in store.walk(Datapoint, "", ""))


async def until(store: Store, offset: int) -> None:
    """The log has been searched so far."""
    async with asyncio.timeout(SECONDS):
        while sum((store.load(JobMetrics, "job") or JobMetrics(job_arn="job")).offsets.values()) < offset:
            await asyncio.sleep(0.01)


async def test_each_value_once_and_the_last_of_each(store: Store, log: Path) -> None:
    log.write_text("loss=3;\nloss=nan; loss=1;\nloss=1e300;\nloss=2; acc=0.5\nacc=half\nloss=")
    looking = search(store, log, loss="loss=(.*?);", accuracy="acc=(.*)", lost="cost=(.*)", groupless="loss")
    following = asyncio.create_task(looking.follow())
    await until(store, log.stat().st_size - len("loss="))
    with log.open("a") as file:
        file.write("4;")  # a last line without an end
    following.cancel()
    assert values(await looking.finish()) == {"loss": 4, "accuracy": 0.5}
    assert counted(store) == 4, "not a number, and beyond what CloudWatch takes: none"


async def test_a_later_daemon_goes_on(store: Store, log: Path) -> None:
    log.write_text("loss=2;\n")
    following = asyncio.create_task(search(store, log, loss="loss=(.*?);").follow())
    await until(store, log.stat().st_size)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    later = search(store, log, loss="loss=(.*?);")
    assert values(await later.finish()) == {"loss": 2}
    assert counted(store) == 1
    later.forget()
    assert store.load(JobMetrics, "job") is None


async def test_a_pattern_without_end_is_given_up_alone(store: Store, log: Path) -> None:
    """`(a+)+$` tries 2^50 ways here: in the daemon it would be its last work."""
    log.write_text("loss=2; " + "a" * 50 + "!\n")
    looking = search(store, log, first="loss=(.*?);", endless="(a+)+$", wide="(?<=a+)b(.)", last="loss=(.)")
    assert values(await looking.finish()) == {"first": 2, "last": 2}
    assert counted(store) == 2, "what the others find is not lost, nor counted again"
    said = [event.message for event in store.walk(LogEvent, "", "")]
    assert said == [
        "ringfence: the metric `endless` is measured no more: its pattern takes more than 2 s or 1 GiB for 64 KiB",
        "ringfence: the metric `wide` is measured no more: its pattern is invalid: "
        "look-behind requires fixed-width pattern",
    ]
    with log.open("a") as file:
        file.write("loss=3; " + "a" * 50 + "!\n")
    assert values(await looking.finish()) == {"first": 3, "last": 3}
    assert [event.message for event in store.walk(LogEvent, "", "")] == said, "once"


async def test_a_search_that_is_cut_short_is_done_again(
    store: Store, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answers, which come late, are not taken for those of the next batch."""
    log.write_text("loss=2;\n" * 20_000)
    looking = search(store, log, loss="loss=(.*?);")
    started = asyncio.Event()
    start = metric.start_child

    async def tell(*given: Any, **channels: Any) -> Any:
        started.set()
        return await start(*given, **channels)

    monkeypatch.setattr(metric, "start_child", tell)
    following = asyncio.create_task(looking.follow())
    await started.wait()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert values(await looking.finish()) == {"loss": 2}
    assert counted(store) == 20_000
