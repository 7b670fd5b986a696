"""The engine beside the naive evaluator on generated cases: what AWS's pages decide, both must decide alike.

RINGFENCE_SEED picks other cases than the usual ones; a failure prints the seed and a case made small.
"""

import multiprocessing
import os
from collections import Counter

import pytest
from engine_case import disagreement, report
from generate import case
from naive import decide

FIRST = int(os.environ.get("RINGFENCE_SEED", "1")) * 1_000_000


def disagreeing(seeds: range) -> list[int]:
    return [seed for seed in seeds if disagreement(case(seed)) is not None]


def show(seeds: list[int]) -> str:
    return "\n\n".join(f"seed {seed}: {report(case(seed))}" for seed in seeds[:3])


def test_two_thousand_cases() -> None:
    found = disagreeing(range(FIRST, FIRST + 2_000))
    assert not found, f"{len(found)} disagreements\n{show(found)}"


def test_cases_are_worth_their_while() -> None:
    """Every verdict and every layer is common enough that a fault in it would be seen."""
    kinds: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + 2_000):
        verdict = decide(case(seed))
        kinds["allowed" if verdict.allowed else "denied"] += 1
        kinds.update(f"{layer} {verdict.explicit}" for layer in verdict.layers if len(verdict.layers) == 1)
    assert kinds["allowed"] > 300
    layers = {"identity", "resource", "boundary", "session", "scp", "endpoint", "trust"}
    wanted = {f"{layer} {explicit}" for layer in layers for explicit in (True, False)} | {"rcp True"}
    assert wanted <= kinds.keys(), wanted - kinds.keys()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_hundred_thousand_cases() -> None:
    blocks = [range(start, start + 1_000) for start in range(FIRST + 2_000, FIRST + 102_000, 1_000)]
    with multiprocessing.get_context("spawn").Pool(min(4, os.cpu_count() or 1)) as pool:
        found = [seed for block in pool.imap_unordered(disagreeing, blocks) for seed in block]
    assert not found, f"{len(found)} disagreements\n{show(sorted(found))}"
