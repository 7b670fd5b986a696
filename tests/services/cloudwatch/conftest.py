"""CloudWatch's handlers over a real store."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ringfence.core.errors import ServiceError
from tests.direct_calls import Aws


class CloudWatch:
    """A client of the handlers: `watch("PutMetricData", Namespace=…)`."""

    def __init__(self, directory: Path) -> None:
        self.aws = Aws(directory)

    @property
    def now(self) -> Any:
        return self.aws.now

    def __call__(self, name: str, **request: Any) -> dict[str, Any]:
        return self.aws("cloudwatch", name, **request)

    def fails(self, name: str, **request: Any) -> ServiceError:
        return self.aws.fails("cloudwatch", name, **request)

    def put(self, name: str, *values: float, minutes_ago: float = 0, **members: Any) -> None:
        """A datum of metric `name` in the namespace App."""
        datum = {
            "MetricName": name,
            "Timestamp": self.now - timedelta(minutes=minutes_ago),
            "Values": list(values),
            **members,
        }
        self("PutMetricData", Namespace="App", MetricData=[datum])


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[CloudWatch]:
    client = CloudWatch(tmp_path)
    yield client
    client.aws.store.close()
