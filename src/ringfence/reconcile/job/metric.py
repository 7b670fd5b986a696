"""A training job's final metrics: the last match of each definition's pattern in what the containers wrote.

https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html . Called by `life`.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ringfence.resources.job import Metric


def find_metrics(definitions: Sequence[dict[str, Any]], logs: Iterable[Path], now: datetime) -> tuple[Metric, ...]:
    """A definition that never matched a number gives none."""
    patterns = [(one["Name"], re.compile(one["Regex"])) for one in definitions]
    found: dict[str, float] = {}
    for path in logs if patterns else ():
        try:
            with path.open(errors="replace") as lines:
                for line in lines:
                    found |= dict(_values(patterns, line))
        except FileNotFoundError:
            continue
    return tuple(Metric(name=name, value=value, at=now) for name, value in found.items())


def _values(patterns: list[tuple[str, re.Pattern[str]]], line: str) -> Iterable[tuple[str, float]]:
    for name, pattern in patterns:
        match = pattern.search(line)
        if match is not None and match.re.groups:
            try:
                yield name, float(match[1])
            except (TypeError, ValueError):
                continue
