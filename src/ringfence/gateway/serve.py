"""The life of a request: read this first.

One straight function, `serve`: what arrived on a socket goes in, what goes back comes out. It knows nothing of sockets
and connections (`gateway.listen` does) and nothing of any one operation (`services` do).
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from ringfence.core.call import Arrival, Call, Principal, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.ids import Entropy, uuid4
from ringfence.core.operation import REGISTRY, Operation
from ringfence.core.results import Blob, Forward, ForwardReply
from ringfence.explain.logged_call import LoggedCall
from ringfence.gateway.authenticate import Authenticated, authenticate
from ringfence.gateway.authorize import authorize, conceal, permits
from ringfence.gateway.body import Body, read, read_verified, receive
from ringfence.gateway.decision_log import DecisionLog, claimed_key
from ringfence.gateway.plain_error import internal_failure, write_plain_error
from ringfence.gateway.route import Route, check_endpoint, expected_region, route
from ringfence.protocol.message import HttpRequest, HttpResponse
from ringfence.protocol.wire import Wire, choose
from ringfence.store.blob_reference import is_kept
from ringfence.store.blobs import BlobStore
from ringfence.store.database import Store

log = logging.getLogger("ringfence.gateway")

_MEGABYTE = 1024 * 1024
# Bodies that are held in memory. InvokeEndpoint's limit is AWS's of today; the other is above any that AWS states.
# https://docs.aws.amazon.com/sagemaker/latest/dg/realtime-endpoints.html
_LIMITS = {"sagemaker-runtime": 25 * _MEGABYTE}
_LIMIT = 16 * _MEGABYTE
# Of one PutObject or UploadPart; the framing of signed chunks comes on top.
_OBJECT_LIMIT = 5 * 1024 * _MEGABYTE + 64 * _MEGABYTE


@dataclass(frozen=True, slots=True)
class Gateway:
    """What serving needs; made once, by `app`. `services`: those that Ringfence has. `forward` calls containers.

    `decisions` is written to by every call and never read here.
    """

    region: str
    store: Store
    blobs: BlobStore
    services: frozenset[str]
    forward: Callable[[Forward], Awaitable[ForwardReply]]
    now: Callable[[], datetime]
    entropy: Entropy
    decisions: DecisionLog = field(default_factory=DecisionLog)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls and by which path, once it is proven; `facts` are condition keys of the HTTP request."""

    principal: Principal
    arrival: Arrival
    facts: Mapping[str, str]


async def serve(gateway: Gateway, request: HttpRequest, body: Body, arrival: Arrival) -> HttpResponse:
    """Answer one request; `request.body` is empty and comes from `body`. Raises for nothing that a client can do."""
    request_id = uuid4(gateway.entropy)
    logged = gateway.decisions.begin(request_id, gateway.now(), arrival)
    wire: Wire | None = None
    name: str | None = None
    try:
        found = route(request)
        logged.service = found.service
        wire = _choose_wire(gateway, found, request)
        with gateway.store.transaction() as records:
            check_endpoint(found, arrival, records)
        if found.service == "s3":
            # its headers say what the body must be: decide before the first byte of it
            caller = _authenticate(gateway, found, request, logged)
            request = caller.request
            name = wire.identify(request)
            request = await _receive(gateway, wire.streams_input(name), request, body, caller)
        else:
            # the body is a part of what is signed
            request = replace(request, body=await read(body, _LIMITS.get(found.service, _LIMIT)))
            caller = _authenticate(gateway, found, request, logged)
            name = wire.identify(request)
        operation = find_operation(found.service, name)
        parameters = wire.parse(name, request)
        outcome = perform(gateway, operation, parameters, Caller(caller.principal, arrival, caller.facts), logged)
        result = outcome.finish(await gateway.forward(outcome)) if isinstance(outcome, Forward) else outcome
        return wire.write_result(name, result, request_id)
    except ServiceError as error:
        _log_refusal(gateway, logged, name, request, error)
        return _write_error(wire, name, error, request, logged)
    except Exception:
        log.exception("request %s failed: %s %s (%s)", request_id, request.method, request.path, name)
        fault = internal_failure(wire.service if wire else None)
        _log_refusal(gateway, logged, name, request, fault)
        return _write_error(wire, name, fault, request, logged)
    finally:
        logged.answered = True
        _drop_unwanted(gateway, request)


def perform(
    gateway: Gateway, operation: Operation, parameters: Request, caller: Caller, logged: LoggedCall
) -> Result | Forward:
    """Authorize and handle in one transaction: on any exception nothing has changed, on return all is on disk."""
    logged.operation, logged.principal = operation.name, caller.principal
    note = logged.questions.append
    with gateway.store.transaction() as records:
        call = Call(
            records=records,
            account=caller.principal.account,
            region=gateway.region,
            principal=caller.principal,
            arrival=caller.arrival,
            now=gateway.now(),
            request_id=logged.request_id,
            entropy=gateway.entropy,
            facts=caller.facts,
            permits=partial(permits, note=note),
        )
        authorize(operation, call, parameters, note)
        try:
            return operation.handler(call, parameters)
        except ServiceError as error:
            raise conceal(operation, call, parameters, error, note) from error


def find_operation(service: str, name: str) -> Operation:
    """The registered operation; a loud refusal of one that Ringfence does not have."""
    operation = REGISTRY.get((service, name))
    if operation is None:
        raise not_implemented(f"the operation {service}:{name}")
    return operation


def _choose_wire(gateway: Gateway, found: Route, request: HttpRequest) -> Wire:
    if found.service not in gateway.services:
        raise not_implemented(f"the service '{found.service}'")
    return choose(found.service, request, bucket=found.bucket)


def _authenticate(gateway: Gateway, found: Route, request: HttpRequest, logged: LoggedCall) -> Authenticated:
    region = expected_region(found, gateway.region)
    logged.authentic = False
    with gateway.store.transaction() as records:
        caller = authenticate(
            request, records, logged.arrival, gateway.now(), service=found.service, region=region, bucket=found.bucket
        )
    logged.authentic, logged.principal = True, caller.principal
    return caller


async def _receive(
    gateway: Gateway, streams: bool, request: HttpRequest, body: Body, caller: Authenticated
) -> HttpRequest:
    """The request with its body, verified: on disk if it is an object's content, else in memory."""
    if not streams:
        return replace(request, body=await read_verified(body, _LIMIT, caller.payload))
    if request.header("content-length") is None and request.header("transfer-encoding") is None:
        raise ServiceError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    return replace(request, body=await receive(body, _OBJECT_LIMIT, caller.payload, gateway.blobs))


def _log_refusal(
    gateway: Gateway, logged: LoggedCall, name: str | None, request: HttpRequest, error: ServiceError
) -> None:
    logged.operation = name
    if not logged.authentic:
        logged.claimed_key = claimed_key(request)
    gateway.decisions.refuse(logged, error)


def _drop_unwanted(gateway: Gateway, request: HttpRequest) -> None:
    """A body that was received for an operation that then refused it: no record names it."""
    if isinstance(request.body, Blob) and not is_kept(gateway.store, request.body.id):
        gateway.blobs.delete(request.body.id)


def _write_error(
    wire: Wire | None, name: str | None, error: ServiceError, request: HttpRequest, logged: LoggedCall
) -> HttpResponse:
    if wire is None:
        return write_plain_error(error, request, logged.request_id, logged.service)
    return wire.write_error(name, error, logged.request_id)
