"""One operation by an authenticated caller: authorize and handle, in one transaction.

Where calls from sockets (`gateway.serve`), from registries' clients (`gateway.registry`) and from the platform itself
(`gateway.platform`) come together.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from ringfence.config import DEFAULT_PAYLOAD_LIMIT
from ringfence.core.call import Arrival, Call, Principal, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.ids import Entropy
from ringfence.core.operation import REGISTRY, Operation
from ringfence.core.record import Writer
from ringfence.core.results import Forward, ForwardReply
from ringfence.explain.logged_call import LoggedCall
from ringfence.gateway.authorization.authorize import conceal, judge, permits
from ringfence.gateway.authorization.decision_log import DecisionLog
from ringfence.gateway.authorization.standing import StandingDecisions
from ringfence.gateway.invocation.executions import Executions
from ringfence.gateway.invocation.mirror import Mirror
from ringfence.gateway.invocation.upstream import Flow
from ringfence.services.cloudwatch.measurement import Measurements
from ringfence.services.sagemaker.capture_buffer import CaptureBuffer
from ringfence.store.blobs import BlobStore
from ringfence.store.database import Store
from ringfence.store.online_records import OnlineRecords


@dataclass(frozen=True, slots=True)
class Gateway:
    """What serving needs; made once, by `app`. `services`: those that Ringfence has. `forward` calls containers,
    `open_flow` those whose reply is passed on as it comes. `payload_limit`: bytes of an invocation's body.
    `online`: where Feature Store's online records are; None for the store.

    `decisions` is written to by every call and never read here, `measurements` by every invocation.
    """

    region: str
    store: Store
    blobs: BlobStore
    services: frozenset[str]
    forward: Callable[[Forward], Awaitable[ForwardReply]]
    open_flow: Callable[[Forward], Awaitable[tuple[ForwardReply, Flow | None]]]
    now: Callable[[], datetime]
    entropy: Entropy
    payload_limit: int = DEFAULT_PAYLOAD_LIMIT
    captures: CaptureBuffer = field(default_factory=CaptureBuffer)
    decisions: DecisionLog = field(default_factory=DecisionLog)
    standing: StandingDecisions = field(default_factory=StandingDecisions)
    measurements: Measurements = field(default_factory=Measurements)
    mirror: Mirror = field(default_factory=Mirror)
    online: OnlineRecords | None = None
    executions: Executions = field(default_factory=Executions)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls and by which path, once it is proven; `facts` are condition keys of the HTTP request."""

    principal: Principal
    arrival: Arrival
    facts: Mapping[str, str]


def perform(
    gateway: Gateway,
    operation: Operation,
    parameters: Request,
    caller: Caller,
    logged: LoggedCall,
    *,
    durable: bool = True,
) -> Result | Forward:
    """Authorize and handle in one transaction: on any exception nothing has changed, on return all is on disk.

    Not `durable`: it is on disk once `store.sync` has returned.
    """
    with gateway.store.transaction(durable=durable) as records:
        call = make_call(gateway, records, caller, logged)
        _authorize(gateway, operation, call, parameters, logged)
        return handle(operation, call, parameters, logged)


def handle(operation: Operation, call: Call, parameters: Request, logged: LoggedCall) -> Result | Forward:
    """The handler alone: what it returns, or the error that the caller may see."""
    try:
        return operation.handler(call, parameters)
    except ServiceError as error:
        raise conceal(operation, call, parameters, error, logged.questions.append) from error


def check_allowed(
    gateway: Gateway, operation: Operation, parameters: Request, caller: Caller, logged: LoggedCall
) -> None:
    """Raise Denied as `perform` would, before anything else is done for the caller."""
    with gateway.store.transaction() as records:
        _authorize(gateway, operation, make_call(gateway, records, caller, logged), parameters, logged)


def _authorize(gateway: Gateway, operation: Operation, call: Call, parameters: Request, logged: LoggedCall) -> None:
    """INVARIANT: before anything is written in the call's transaction."""
    logged.operation, logged.principal = operation.name, call.principal
    gateway.standing.authorize(operation, call, parameters, gateway.store.commits, logged.questions.append)


def make_call(gateway: Gateway, records: Writer, caller: Caller, logged: LoggedCall) -> Call:
    return Call(
        records=records,
        account=caller.principal.account,
        region=gateway.region,
        principal=caller.principal,
        arrival=caller.arrival,
        now=gateway.now(),
        request_id=logged.request_id,
        entropy=gateway.entropy,
        facts=caller.facts,
        permits=partial(permits, note=logged.questions.append),
        judges=partial(judge, note=logged.questions.append),
    )


def find_operation(service: str, name: str) -> Operation:
    """The registered operation; a loud refusal of one that Ringfence does not have."""
    operation = REGISTRY.get((service, name))
    if operation is None:
        raise not_implemented(f"the operation {service}:{name}")
    return operation
