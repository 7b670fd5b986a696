"""The reconciler's clock and randomness: the real `ports.Edge`."""

import os
from datetime import UTC, datetime

from ringfence.core.ids import Entropy


class SystemEdge:
    """This machine's clock and entropy."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    @property
    def entropy(self) -> Entropy:
        return os.urandom
