"""The body of an answer that is an event stream: each piece of the container's reply becomes an event as it comes.

Made by `gateway.serve`; what sends it (`gateway.listen`) asks for the next piece when the client has taken the last.
"""

from collections.abc import AsyncIterator

from ringfence.core.results import EventStream
from ringfence.gateway.invocation.upstream import Broken, Flow
from ringfence.protocol.rest_json import RestJsonWire


class EventBody:
    """`core.results.Pieces` of a Flow."""

    def __init__(self, wire: RestJsonWire, operation: str, stream: EventStream, flow: Flow) -> None:
        self._wire = wire
        self._operation = operation
        self._stream = stream
        self._flow = flow

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while data := await self._flow.read():
                yield self._wire.write_event(self._operation, self._stream.part(data))
        except Broken as error:
            yield self._wire.write_event_error(self._operation, self._stream.broken(error.reason))

    async def close(self) -> None:
        await self._flow.close()
