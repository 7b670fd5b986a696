"""What the `ringfence` command asks of the daemon, under `/_ringfence/` on the loopback listener only.

Not an AWS API: JSON in and out, a bearer token that only the daemon's own user can read. `app` routes to `handle`.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from aiohttp.client_exceptions import ClientConnectionError

from ringfence import __version__
from ringfence.config import Config
from ringfence.core.call import Principal, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.explain.call import explain_call
from ringfence.explain.path import explain_path, parse_question
from ringfence.gateway import session
from ringfence.gateway.decision_log import DecisionLog
from ringfence.gateway.hosting import explain_hosted
from ringfence.network.topology import Topology
from ringfence.resources.ec2 import Vpc, VpcEndpoint, VpcEndpointStatus
from ringfence.resources.instance import Instance
from ringfence.resources.sagemaker import Endpoint, EndpointStatus
from ringfence.runtime.driver import State
from ringfence.runtime.image import ImageStore, InvalidImage
from ringfence.store.database import Store

PREFIX = "/_ringfence/"
_LOOK_SECONDS = 0.2  # how often an open session looks whether its client is still there


class Running(Protocol):
    """The parts of the daemon that the command reaches; `app.App` has them."""

    config: Config
    store: Store
    images: ImageStore
    admin_token: str
    decisions: DecisionLog

    def now(self) -> datetime: ...
    def entropy(self, size: int, /) -> bytes: ...
    def call(self, principal: Principal, service: str, operation: str, request: Request) -> Result: ...
    def assume(self, role_arn: str, session_name: str) -> None:
        """Raise ServiceError if no compute service may assume this role."""
        ...

    def namespace_path(self, namespace: str) -> Path: ...
    def container(self, instance_id: str) -> State: ...
    def topology(self) -> Topology | None:
        """The one that was applied last."""
        ...

    async def settled(self, revision: int) -> Topology:
        """Return once the network and the listeners are as this revision of the records wants them."""
        ...

    def shut_down(self) -> None:
        """Begin to stop, taking every container and namespace down."""
        ...


Answer = Callable[[web.BaseRequest, Running], Awaitable[web.StreamResponse]]


async def handle(request: web.BaseRequest, app: Running) -> web.StreamResponse:
    """Answer one request of the command; errors are `{"error": text}` with a 4xx status."""
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {app.admin_token}".encode()):
        return _error("the admin token is wrong", 401)
    answer = _ROUTES.get((request.method, request.path.removeprefix(PREFIX)))
    if answer is None:
        return _error(f"no such admin request: {request.method} {request.path}", 404)
    try:
        return await answer(request, app)
    except ServiceError as error:
        return _error(f"{error.code}: {error.message}", 400)
    except (InvalidImage, ValueError, KeyError) as error:
        return _error(str(error), 400)


def _error(text: str, status: int) -> web.Response:
    return web.json_response({"error": text}, status=status)


async def _body(request: web.BaseRequest) -> dict[str, Any]:
    body = json.loads(await request.read() or b"{}")
    if not isinstance(body, dict):
        raise ValueError("a JSON object is expected")
    return body


async def _status(_: web.BaseRequest, app: Running) -> web.Response:
    snapshot = app.store.snapshot()
    topology = app.topology()
    statuses = {status.endpoint_key: status for status in snapshot.all(EndpointStatus)}
    endpoints = [
        (endpoint.name, status.status if (status := statuses.get(endpoint.key)) else "Creating")
        for endpoint in snapshot.all(Endpoint)
    ]
    states = {status.id: status.state for status in snapshot.all(VpcEndpointStatus)}
    vpc_endpoints = [(e.id, e.service_name, e.vpc_id, states.get(e.id, "pending")) for e in snapshot.all(VpcEndpoint)]
    tables: dict[str, Sequence[tuple[str, ...]]] = {
        "VPCs": [(vpc.id, vpc.cidr) for vpc in snapshot.all(Vpc)],
        "VPC endpoints": vpc_endpoints,
        "SageMaker endpoints": endpoints,
        "instances": [(one.id, one.network, one.owner) for one in snapshot.all(Instance)],
    }
    applied = topology.revision if topology else None
    told = {"version": __version__, "revision": snapshot.revision, "applied_revision": applied, "tables": tables}
    return web.json_response(told)


async def _shut_down(_: web.BaseRequest, app: Running) -> web.Response:
    asyncio.get_running_loop().call_soon(app.shut_down)
    return web.json_response({})


async def _explain_path(request: web.BaseRequest, app: Running) -> web.Response:
    topology = await app.settled(app.store.revision)
    told = explain_path(topology, parse_question(await _body(request)))
    return web.json_response({"reachable": told.reachable, "lines": list(told.lines), "hops": list(told.hops)})


async def _list_images(_: web.BaseRequest, app: Running) -> web.Response:
    return web.json_response({"names": list(app.images.names())})


async def _import_image(request: web.BaseRequest, app: Running) -> web.Response:
    body = await _body(request)
    image = await app.images.import_archive(body["source"], body["name"])
    return web.json_response({"name": image.name, "digest": image.digest})


async def _remove_image(request: web.BaseRequest, app: Running) -> web.Response:
    name = (await _body(request))["name"]
    if not app.images.remove(name):
        return _error(f"no imported image is called `{name}`: see `ringfence image list`", 404)
    return web.json_response({})


async def _session(request: web.BaseRequest, app: Running) -> web.StreamResponse:
    """Keep an instance for as long as the client keeps this request open."""
    wish = _wish(await _body(request))
    instance = _open(app, wish)
    try:
        topology = await app.settled(app.store.revision)
        told = session.describe(topology, instance, app.namespace_path(instance.id))
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        await response.write(json.dumps(told).encode() + b"\n")
        while request.transport is not None and not request.transport.is_closing():
            if app.store.load(Instance, instance.id) is None:
                break  # ended by the client's own request
            await asyncio.sleep(_LOOK_SECONDS)
        return response
    except (ConnectionError, ClientConnectionError):
        return web.Response()  # the client is gone, nobody reads this
    finally:
        with app.store.transaction() as records:
            session.remove(records, instance.id)


async def _end_session(request: web.BaseRequest, app: Running) -> web.Response:
    """Answered once the ENI is gone and the namespace too, so that a subnet can be deleted after the command."""
    identifier = (await _body(request))["instance_id"]
    with app.store.transaction() as records:
        session.remove(records, identifier)
    await app.settled(app.store.revision)
    return web.json_response({})


async def _explain_call(request: web.BaseRequest, app: Running) -> web.Response:
    """The call with this request id, or the last; `found` is false if it is not remembered."""
    body = await _body(request)
    log, wanted = app.decisions, body.get("request_id")
    call = log.find(wanted) if wanted else log.last(denied=bool(body.get("denied")))
    if call is None:
        return web.json_response({"found": False})
    told = explain_call(call, log.purpose_of(call))
    return web.json_response({"found": True, "denied": told.denied, "lines": told.lines, "facts": told.facts})


async def _explain_hosting(request: web.BaseRequest, app: Running) -> web.Response:
    """An endpoint, a model or a VPC endpoint of the daemon's own account; `found` is false if there is none."""
    body = await _body(request)
    wanted = (body["kind"], body["name"])
    topology = await app.settled(app.store.revision)
    place = (app.config.account, app.config.region)
    machine = (app.images.resolve, app.container)
    # a transaction that writes nothing: it reads objects and log events, which a snapshot does not have
    with app.store.transaction() as records:
        told = explain_hosted(records, topology, place, wanted, machine, app.now(), app.entropy)
    if told is None:
        return web.json_response({"found": False})
    return web.json_response({"found": True, "wrong": told.wrong, "lines": told.lines, "facts": told.facts})


def _wish(body: dict[str, Any]) -> session.Wish:
    groups = tuple(body.get("security_groups") or ())
    return session.Wish(body.get("subnet"), groups, body.get("role"), body.get("source_ip"))


def _open(app: Running, wish: session.Wish) -> Instance:
    """The records of a new session; an ENI that was made for nothing is taken away again."""
    before, region = app.store.snapshot(), app.config.region
    account = session.account_for(before, wish) or app.config.account
    instance = session.instance_for(before, wish, account, region, app.entropy)
    if instance.role_arn is not None:
        app.assume(instance.role_arn, instance.role_session_name)
    interface_id = _create_interface(app, wish, account) if wish.subnet else None
    with app.store.transaction() as records:
        return session.place(records, instance, interface_id, app.now(), app.entropy)


def _create_interface(app: Running, wish: session.Wish, account: str) -> str:
    request: Request = {"SubnetId": wish.subnet, "Description": "ringfence exec"}
    if wish.security_groups:
        request["Groups"] = list(wish.security_groups)
    made = app.call(session.root_principal(account), "ec2", "CreateNetworkInterface", request)
    identifier: str = made["NetworkInterface"]["NetworkInterfaceId"]
    return identifier


_ROUTES: dict[tuple[str, str], Answer] = {
    ("GET", "status"): _status,
    ("POST", "shutdown"): _shut_down,
    ("POST", "sessions"): _session,
    ("DELETE", "sessions"): _end_session,
    ("POST", "explain/path"): _explain_path,
    ("POST", "explain/call"): _explain_call,
    ("POST", "explain/hosting"): _explain_hosting,
    ("GET", "images"): _list_images,
    ("POST", "images"): _import_image,
    ("DELETE", "images"): _remove_image,
}
