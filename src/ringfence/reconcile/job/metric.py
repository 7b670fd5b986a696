"""A training job's own metrics: what the patterns of its definitions find in what the containers write.

Each match is a value of a CloudWatch metric when it is written, the last one is in FinalMetricDataList.
https://docs.aws.amazon.com/sagemaker/latest/dg/define-train-metrics.html . Called by `fleet` and `life`.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ringfence.core.record import Writer
from ringfence.resources import cloudwatch
from ringfence.resources.job import Job, Metric, TrainingJob
from ringfence.services.cloudwatch.metric_data import append
from ringfence.services.cloudwatch.summary import summarize

_NAMESPACE = "/aws/sagemaker/TrainingJobs"


def measure_lines(job: Job) -> Callable[[Writer, Sequence[str], datetime], None] | None:
    """What writes to CloudWatch the values that lines have, under the job's name whichever host wrote them; None if the
    job defines no metrics. The SDK's TrainingJobAnalytics reads them."""
    if not isinstance(job, TrainingJob):
        return None
    patterns = _patterns(job.spec["AlgorithmSpecification"].get("MetricDefinitions", ()))
    if not patterns:
        return None

    def write(records: Writer, lines: Sequence[str], at: datetime) -> None:
        found: dict[str, dict[float, float]] = {}
        for line in lines:
            for name, value in _values(patterns, line):
                counts = found.setdefault(name, {})
                counts[value] = counts.get(value, 0.0) + 1.0
        for name, counts in found.items():
            metric = cloudwatch.Metric(
                account=job.account, region=job.region, namespace=_NAMESPACE, name=name,
                dimensions=(("TrainingJobName", job.name),), seen=at,
            )  # fmt: skip
            append(records, metric, summarize(counts), "None")

    return write


def find_metrics(definitions: Sequence[dict[str, Any]], logs: Iterable[Path], now: datetime) -> tuple[Metric, ...]:
    """A definition that never matched a number gives none."""
    patterns = _patterns(definitions)
    found: dict[str, float] = {}
    for path in logs if patterns else ():
        try:
            with path.open(errors="replace") as lines:
                for line in lines:
                    found |= dict(_values(patterns, line))
        except FileNotFoundError:
            continue
    return tuple(Metric(name=name, value=value, at=now) for name, value in found.items())


def _patterns(definitions: Sequence[dict[str, Any]]) -> list[tuple[str, re.Pattern[str]]]:
    return [(one["Name"], re.compile(one["Regex"])) for one in definitions]


def _values(patterns: list[tuple[str, re.Pattern[str]]], line: str) -> Iterable[tuple[str, float]]:
    for name, pattern in patterns:
        match = pattern.search(line)
        if match is not None and match.re.groups:
            try:
                value = float(match[1])
            except (TypeError, ValueError):
                continue
            if math.isfinite(value):  # CloudWatch has no other values
                yield name, value
