"""A caller of Organizations' operations."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from direct_calls import Aws


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    made = Aws(tmp_path)
    yield made
    made.store.close()
