"""Records put and read through the handlers, on a real store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from features_caller import Features


@pytest.fixture
def features(tmp_path: Path) -> Iterator[Features]:
    made = Features(tmp_path)
    yield made
    made.store.close()
