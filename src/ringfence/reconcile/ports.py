"""What the reconciler needs of the rest, as Protocols: `app` fills them with the real parts, tests with fakes.

Not here: the container driver (`runtime.driver.Driver`), which reconcile may import itself.
"""

import socket
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ringfence.core.call import Principal, Request, Result
from ringfence.core.ids import Entropy
from ringfence.core.record import Reader
from ringfence.core.results import Forward, ForwardReply, ServerlessVariant
from ringfence.network.flow import FlowReading
from ringfence.network.topology import Topology
from ringfence.runtime.driver import Image

# The network compiler with its settings bound: `lambda records: network.compile.compile(records, settings)`.
Compile = Callable[[Reader], Topology]


class RoleSession(Protocol):
    """The credentials of an assumed role, and who calls that are made with them come from."""

    @property
    def principal(self) -> Principal: ...
    @property
    def access_key_id(self) -> str: ...
    @property
    def secret_access_key(self) -> str: ...
    @property
    def session_token(self) -> str: ...
    @property
    def expiration(self) -> datetime: ...


class Caller(Protocol):
    """AWS calls made by the platform in process: authorized, handled and committed like any other, synchronously."""

    def acting_for(self, purpose: str) -> "Caller":
        """The same caller; `ringfence explain call` says that its calls were made for this."""
        ...

    def call(self, principal: Principal, service: str, operation: str, request: Request) -> Result:
        """The operation's result; raises ServiceError as a client would see it."""
        ...

    def assume(
        self,
        role_arn: str,
        session_name: str,
        services: tuple[str, ...] = ("sagemaker.amazonaws.com",),
        source_arn: str | None = None,
    ) -> RoleSession:
        """Assume a role as a service does; raises ServiceError if it is absent or does not trust it."""
        ...


class Network(Protocol):
    """The dataplane (`dataplane.apply.Dataplane`)."""

    async def apply(self, topology: Topology) -> None:
        """Make the kernel agree with the topology; returns when it does."""
        ...

    async def find_drift(self) -> tuple[str, ...]:
        """What is not as the last apply left it, in words; the next apply mends it."""
        ...

    async def read_flows(self, vpc_id: str) -> FlowReading:
        """What was counted for flow logs since the last reading. FileNotFoundError if there is no such VPC."""
        ...

    async def stop_flows(self, vpc_id: str) -> None:
        """The VPC has no flow log any more."""
        ...

    def open_socket(self, namespace: str, kind: int, family: int = socket.AF_INET) -> socket.socket:  # noqa: TID251
        """A socket made inside the namespace with this logical name."""
        ...

    def namespace_path(self, namespace: str) -> Path: ...

    def can_encrypt(self) -> bool:
        """Whether this machine can encrypt what hosts of a job exchange."""
        ...


class Listeners(Protocol):
    """The daemon's sockets inside namespaces."""

    async def apply(self, topology: Topology) -> None:
        """Open and close so that exactly `topology.listeners` answer; returns when they do."""
        ...


class Images(Protocol):
    """The images of this machine (`runtime.image.ImageStore`)."""

    def resolve(self, name: str) -> Image | None: ...

    async def adopt(self, name: str, lay_out: Callable[[Path], None]) -> Image:
        """The image of this name; if it is not there, of the OCI layout that `lay_out` makes in an empty directory."""
        ...


class Traffic(Protocol):
    """The invocations under way (`gateway.invocation.upstream.Upstream`)."""

    def outstanding(self, instance_id: str) -> int:
        """How many are under way to the instance."""
        ...

    def hold(self, instance_id: str) -> AbstractContextManager[None]:
        """Counts as a request under way to the instance."""
        ...

    async def perform(self, forward: Forward) -> ForwardReply:
        """The container's reply, or the reason why there is none; never raises."""
        ...

    async def drained(self, instance_id: str) -> None:
        """Return once none is."""
        ...


class Executions(Protocol):
    """The invocations of serverless variants (`gateway.invocation.executions.Executions`)."""

    def when_wanted(self, wake: Callable[[], None]) -> None:
        """Call this whenever an invocation waits for a container that is not there."""
        ...

    def demand(self, variant: ServerlessVariant) -> int:
        """How many are under way or wait."""
        ...

    def idle_seconds(self, instance_id: str) -> float | None:
        """For how long the instance has had none; None while it has one. 0 of one that is not known yet."""
        ...

    def offer(self, variant: ServerlessVariant, instance_ids: Sequence[str]) -> None:
        """These instances serve the variant now, and no others; those that wait get them."""
        ...

    def give_up(self, variant: ServerlessVariant, reason: str) -> None:
        """No container could be started for those that wait."""
        ...

    def keep(self, variants: Collection[ServerlessVariant]) -> None:
        """These variants are there. Who waits for another one waits for its successor, or in vain."""
        ...


class ContainerLogs(Protocol):
    """Ships what containers write to CloudWatch Logs (`container_log`)."""

    def follow(self, path: Path, account: str, region: str, group: str, stream: str) -> None:
        """Begin, or go on where an earlier daemon stopped; returns at once."""
        ...

    async def finish(self, path: Path) -> None:
        """Ship what is left and stop; no error if the path is not followed."""
        ...


class Edge(Protocol):
    """Time and chance, which only edges may read."""

    def now(self) -> datetime: ...

    @property
    def entropy(self) -> Entropy: ...
