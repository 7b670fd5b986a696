"""The life of a request: read this first.

One straight function, `serve`: what arrived on a socket goes in, what goes back comes out. It knows nothing of sockets
and connections (`gateway.listen` does) and nothing of any one operation (`services` do).
"""

import logging
from dataclasses import replace
from functools import partial

from msgspec import structs

from ringfence.core.call import Arrival, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.ids import uuid4
from ringfence.core.results import Blob, Forward, ForwardReply
from ringfence.explain.logged_call import LoggedCall
from ringfence.gateway import registry
from ringfence.gateway.authentication.authenticate import SIGNING_NAME, Authenticated, authenticate
from ringfence.gateway.authentication.body_verifier import BodyVerifier
from ringfence.gateway.authorization.decision_log import claimed_key
from ringfence.gateway.body import Body, read, read_verified, receive
from ringfence.gateway.feature_store import feature_call
from ringfence.gateway.invocation.event_body import EventBody
from ringfence.gateway.invocation.measurement import note_dropped, note_invocation
from ringfence.gateway.perform import Caller, Gateway, find_operation, perform
from ringfence.gateway.plain_error import internal_failure, write_plain_error
from ringfence.gateway.route import Route, check_endpoint, expected_region, route
from ringfence.protocol.message import HttpRequest, HttpResponse
from ringfence.protocol.rest_json import RestJsonWire
from ringfence.protocol.wire import Wire, choose
from ringfence.services.s3.checksum import DEFAULT
from ringfence.store.blob_reference import is_kept
from ringfence.store.incoming_blob import ALGORITHMS

log = logging.getLogger("ringfence.gateway")

_MEGABYTE = 1024 * 1024
# Of a body that is held in memory, but for invocations: above any limit that AWS states.
_LIMIT = 16 * _MEGABYTE
# Of one PutObject or UploadPart; the framing of signed chunks comes on top.
_OBJECT_LIMIT = 5 * 1024 * _MEGABYTE + 64 * _MEGABYTE


async def serve(gateway: Gateway, request: HttpRequest, body: Body, arrival: Arrival) -> HttpResponse:
    """Answer one request; `request.body` is empty and comes from `body`. Raises for nothing that a client can do."""
    request_id = uuid4(gateway.entropy)
    logged = gateway.decisions.begin(request_id, gateway.now(), arrival)
    wire: Wire | None = None
    name: str | None = None
    try:
        found = route(request)
        logged.service = found.service
        if found.service == registry.SERVICE:
            return await registry.serve_registry(gateway, request, body, arrival, logged)
        wire = _choose_wire(gateway, found, request)
        check_endpoint(found, arrival, gateway.store.reader())
        if SIGNING_NAME.get(found.service, found.service) == "s3":
            # its headers say what the body must be: decide before the first byte of it
            caller = _authenticate(gateway, found, request, logged)
            request = caller.request
            name = wire.identify(request)
            request = await _receive(gateway, wire, name, request, body, caller)
        else:
            # the body is a part of what is signed
            limit = gateway.payload_limit if found.service == "sagemaker-runtime" else _LIMIT
            request = request.with_body(await read(body, limit))
            caller = _authenticate(gateway, found, request, logged)
            name = wire.identify(request)
        operation = find_operation(found.service, name)
        parameters = wire.parse(name, request)
        who = Caller(caller.principal, arrival, caller.facts)
        if found.service == feature_call.SERVICE:
            outcome = await feature_call.perform_feature_call(gateway, operation, parameters, who, logged)
        else:
            outcome = perform(gateway, operation, parameters, who, logged)
        if isinstance(outcome, Forward):
            return await _forward(gateway, wire, name, outcome, logged)
        return wire.write_result(name, outcome, request_id)
    except ServiceError as error:
        _log_refusal(gateway, logged, name, request, error)
        return _write_error(wire, name, error, request, logged)
    except Exception:
        log.exception("request %s failed: %s %s (%s)", request_id, request.method, request.path, name)
        fault = internal_failure(wire.service if wire else None)
        _log_refusal(gateway, logged, name, request, fault)
        return _write_error(wire, name, fault, request, logged)
    finally:
        gateway.decisions.end(logged)
        _drop_unwanted(gateway, request)


async def _forward(gateway: Gateway, wire: Wire, name: str, forward: Forward, logged: LoggedCall) -> HttpResponse:
    """The container's answer; with its body still to come if it is an event stream. Measured, whatever it is."""
    if forward.shadow is not None:
        _mirror(gateway, forward.shadow, logged)
    if forward.execution is not None:
        async with gateway.executions.take(forward.execution) as (instance_id, execution):
            forward = structs.replace(forward, instance_ids=(instance_id,), execution=execution)
            return wire.write_result(name, await _ask(gateway, forward, logged), logged.request_id)
    if forward.stream is None:
        return wire.write_result(name, await _ask(gateway, forward, logged), logged.request_id)
    assert isinstance(wire, RestJsonWire)
    reply, flow = await gateway.open_flow(forward)
    _note(gateway, forward, reply, logged)
    try:
        result = forward.finish(reply)
        assert flow is not None and not isinstance(result, Forward), "what is no success has no flow, nor what goes on"
        _keep(gateway, forward, reply)
        head = wire.write_result(name, result, logged.request_id)
    except BaseException:
        if flow is not None:
            await flow.close()
        raise
    return replace(head, body=EventBody(wire, name, forward.stream, flow))


async def _ask(gateway: Gateway, forward: Forward, logged: LoggedCall) -> Result:
    """One container after another, as far as their answers lead."""
    seconds = 0.0
    while True:
        reply = await gateway.forward(forward)
        seconds += reply.seconds
        outcome: Result | Forward | None = None
        try:
            outcome = forward.finish(reply)
        finally:
            if not isinstance(outcome, Forward):
                whole = reply if seconds == reply.seconds else structs.replace(reply, seconds=seconds)
                _note(gateway, forward, whole, logged)
        if not isinstance(outcome, Forward):
            _keep(gateway, forward, reply)
            if forward.capture is not None:
                gateway.captures.add(forward.capture(outcome))
            return outcome
        forward = outcome


def _keep(gateway: Gateway, forward: Forward, reply: ForwardReply) -> None:
    """On disk before the client has the answer."""
    if forward.keep is not None:
        with gateway.store.transaction() as records:
            forward.keep(records, reply)


def _mirror(gateway: Gateway, shadow: Forward, logged: LoggedCall) -> None:
    assert shadow.invoked is not None
    if not gateway.mirror.offer(shadow.invoked, len(shadow.body), partial(_ask, gateway, shadow, logged)):
        note_dropped(gateway.measurements, shadow.invoked, gateway.now().timestamp())


def _note(gateway: Gateway, forward: Forward, reply: ForwardReply, logged: LoggedCall) -> None:
    note_invocation(gateway.measurements, forward, reply, logged.at.timestamp(), gateway.now().timestamp())


def _choose_wire(gateway: Gateway, found: Route, request: HttpRequest) -> Wire:
    if found.service not in gateway.services:
        raise not_implemented(f"the service '{found.service}'")
    return choose(found.service, request, bucket=found.bucket)


def _authenticate(gateway: Gateway, found: Route, request: HttpRequest, logged: LoggedCall) -> Authenticated:
    region = expected_region(found, gateway.region)
    logged.authentic = False
    records = gateway.store.reader()
    caller = authenticate(
        request, records, logged.arrival, gateway.now(), service=found.service, region=region, bucket=found.bucket
    )
    logged.authentic, logged.principal = True, caller.principal
    return caller


async def _receive(
    gateway: Gateway, wire: Wire, name: str, request: HttpRequest, body: Body, caller: Authenticated
) -> HttpRequest:
    """The request with its body, verified: on disk if it is an object's content, else in memory."""
    if not wire.streams_input(name):
        return request.with_body(await read_verified(body, _LIMIT, caller.payload))
    if request.header("content-length") is None and request.header("transfer-encoding") is None:
        raise ServiceError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    algorithms = _wanted_checksums(name, request, caller.payload)
    return request.with_body(await receive(body, _OBJECT_LIMIT, caller.payload, gateway.blobs, algorithms))


def _wanted_checksums(name: str, request: HttpRequest, payload: BodyVerifier) -> frozenset[str]:
    """Of an object the one that is kept; of a part all, since its upload's algorithm is not known before its record."""
    if name != "PutObject":
        return ALGORITHMS
    sent = {header.lower().removeprefix("x-amz-checksum-").upper() for header, _ in request.headers}
    return (payload.promised | sent) & ALGORITHMS or frozenset((DEFAULT,))


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
