"""Effects that a handler may return as data: the gateway performs them after the commit."""

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import msgspec

from ringfence.core.call import Result
from ringfence.core.errors import ServiceError
from ringfence.core.record import Writer


@dataclass(frozen=True, slots=True)
class Blob:
    """A body that is on disk already, fsynced, before the transaction begins: what a streaming request member holds.

    `id` names it in the blob store. `md5` and `sha256` are lower-case hex of the whole content.
    """

    id: str
    size: int
    md5: str
    # base64 checksums that the client sent and the gateway verified: {"CRC32": "…"}
    checksums: Mapping[str, str]
    # base64 checksums that the blob store computed as the bytes came in, of each algorithm that it was asked for
    computed: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        return base64.b64decode(self.computed["SHA256"]).hex()


@dataclass(frozen=True, slots=True)
class Stream:
    """A streaming result member: these ranges of blobs, in order. `parts` are (blob id, offset, length)."""

    parts: tuple[tuple[str, int, int], ...]

    @property
    def length(self) -> int:
        return sum(length for _, _, length in self.parts)


class Pieces(Protocol):
    """A body that is made while it is sent. Whoever has it closes it, sent to its end or not."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...
    async def close(self) -> None: ...


class ForwardReply(msgspec.Struct, frozen=True):
    """What the container answered, or why it did not: `status` 0 and the reason in `failure`.

    `instance_id`: which one was asked.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    failure: str | None = None  # "timeout" | "refused" | "reset" | "busy"
    instance_id: str = ""
    seconds: float = 0.0  # from the request to its end
    error: ServiceError | None = None  # what kept the request from the container


@dataclass(frozen=True, slots=True)
class EventStream:
    """The body of a success passed on as it comes, in events, for so many seconds at the most.

    `part` makes an event of some bytes, `broken` the last one of a body that ends for a `ForwardReply.failure`. Pure.
    """

    seconds: float
    part: Callable[[bytes], Result]
    broken: Callable[[str], ServiceError]


@dataclass(frozen=True, slots=True)
class Invoked:
    """What an invocation is counted under. `instances`: those that served the variant when it was made."""

    account: str
    region: str
    endpoint: str
    variant: str
    instances: int


@dataclass(frozen=True, slots=True)
class ServerlessVariant:
    """Which serverless variant of which generation of an endpoint."""

    endpoint_key: str
    generation: int
    name: str


@dataclass(frozen=True, slots=True)
class Execution:
    """One invocation's place among those that a serverless variant has at once.

    `limit`: of the variant, `account_limit` of the account's variants together; `provisioned`: containers kept ready.
    The rest is known once it has its place: `concurrent` executions with this one, after `setup` seconds for a
    container that had to be started.
    """

    variant: ServerlessVariant
    limit: int
    account_limit: int
    provisioned: int
    concurrent: int = 0
    setup: float = 0.0


@dataclass(frozen=True, slots=True)
class Captured:
    """What is kept of an invocation and its answer, `size` bytes of them. `write` makes the line; pure, in a thread."""

    endpoint_key: str
    variant: str
    destination: str
    at: datetime
    event_id: str
    size: int
    write: Callable[[], bytes]


class Forward(msgspec.Struct, frozen=True):
    """An HTTP request to port `port` of an instance's container, through its own loopback.

    `instance_ids`: those that may answer; it goes to the one with the fewest requests under way, the first of several.
    `finish` is pure: it makes the operation's result of the reply, or the request to the container that is next, or
    raises ServiceError. With a `stream` it is given the head of a success, and the body goes to the client as it comes;
    `timeout` is that of the head. `invoked`: None for what is no invocation of an endpoint. `capture`: what is kept of
    the result, if anything is. `shadow`: its copy for a shadow variant, whose result is nobody's. `target_model`: which
    model of a multi-model container is asked. `keep`: what the last reply changes of the records, in a transaction
    after it. `execution`: of a serverless variant, whose instance is found when it is performed, and started if there
    is none.
    """

    instance_ids: tuple[str, ...]
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float  # seconds
    finish: "Callable[[ForwardReply], Result | Forward]"
    port: int = 8080
    stream: EventStream | None = None
    invoked: Invoked | None = None
    capture: Callable[[Result], Captured] | None = None
    shadow: "Forward | None" = None
    target_model: str | None = None
    keep: "Callable[[Writer, ForwardReply], None] | None" = None
    execution: Execution | None = None
