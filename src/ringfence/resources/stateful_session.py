"""Sessions that a model's container has opened: which instance has the state."""

from datetime import datetime

from ringfence.core.record import Record


class StatefulSession(Record, frozen=True, kw_only=True):
    """`id` is the container's, `expires` too."""

    endpoint_key: str
    id: str
    variant: str
    instance_id: str
    expires: datetime

    @property
    def key(self) -> str:
        return f"{self.endpoint_key}/{self.id}"
