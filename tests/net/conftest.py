"""Real namespaces for a test, and nothing of them afterwards."""

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ringfence.dataplane.apply import Dataplane

sys.path.insert(0, str(Path(__file__).parents[1] / "network"))


class Prefix:
    def __init__(self) -> None:
        self.prefix = "rft" + secrets.token_hex(3)


@pytest.fixture
def dataplane() -> Iterator[Dataplane]:
    made = Dataplane(Prefix())
    try:
        yield made
    finally:
        made.remove_everything()
        assert made.namespaces() == frozenset()
