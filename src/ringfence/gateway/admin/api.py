"""What the `ringfence` command asks of the daemon, under `/_ringfence/` on the loopback listener only.

Not an AWS API: JSON in and out, a bearer token that only the daemon's own user can read. `app` routes to `handle`.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from aiohttp import web
from aiohttp.client_exceptions import ClientConnectionError

from ringfence import __version__
from ringfence.core.call import Request
from ringfence.core.errors import ServiceError
from ringfence.dataplane.naming import link_name
from ringfence.gateway.admin import answer_explain, session
from ringfence.gateway.admin.answer_live import answer_live
from ringfence.gateway.admin.open_session import open_session
from ringfence.gateway.admin.running import Running, read_body
from ringfence.resources.ec2 import Vpc, VpcEndpoint, VpcEndpointStatus
from ringfence.resources.instance import Instance
from ringfence.resources.sagemaker import Endpoint, EndpointStatus
from ringfence.runtime.image import InvalidImage

PREFIX = "/_ringfence/"
RESET_PATH = "/moto-api/reset"
_LOOK_SECONDS = 0.2  # how often an open session looks whether its client is still there


Answer = Callable[[web.BaseRequest, Running], Awaitable[web.StreamResponse]]


async def handle(request: web.BaseRequest, app: Running) -> web.StreamResponse:
    """Answer one request of the command; errors are `{"error": text}` with a 4xx status."""
    if (request.method, request.path) == ("POST", RESET_PATH):
        return await _reset(app)
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


async def _reset(app: Running) -> web.Response:
    """What test suites written for moto's server ask before each test, without any credentials."""
    try:
        await app.reset()
    except PermissionError:
        return _error("only a scratch state can be reset: `ringfence up --scratch` on a new state directory", 403)
    return web.json_response({"status": "ok"})


def _error(text: str, status: int) -> web.Response:
    return web.json_response({"error": text}, status=status)


async def _find_drift(_: web.BaseRequest, app: Running) -> web.Response:
    return web.json_response({"drift": await app.find_drift()})


async def _look_at_online(_: web.BaseRequest, app: Running) -> web.Response:
    return web.json_response({"online": await app.look_at_online()})


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


async def _shut_down(request: web.BaseRequest, app: Running) -> web.Response:
    forget = bool((await read_body(request)).get("purge", False))
    asyncio.get_running_loop().call_soon(partial(app.shut_down, forget=forget))
    return web.json_response({})


async def _list_images(_: web.BaseRequest, app: Running) -> web.Response:
    return web.json_response({"names": list(app.images.names())})


async def _import_image(request: web.BaseRequest, app: Running) -> web.Response:
    body = await read_body(request)
    image = await app.images.import_archive(body["source"], body["name"], body.get("docker_host"))
    return web.json_response({"name": image.name, "digest": image.digest})


async def _remove_image(request: web.BaseRequest, app: Running) -> web.Response:
    name = (await read_body(request))["name"]
    if not app.images.remove(name):
        return _error(f"no imported image is called `{name}`: see `ringfence image list`", 404)
    return web.json_response({})


async def _session(request: web.BaseRequest, app: Running) -> web.StreamResponse:
    """Keep an instance for as long as the client keeps this request open."""
    wish = _wish(await read_body(request))
    instance = open_session(app, wish)
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


async def _interface(request: web.BaseRequest, app: Running) -> web.Response:
    """Where an interface's link to the VPC's router is."""
    identifier = str((await read_body(request))["id"])
    topology = await app.settled(app.store.revision)
    for vpc in topology.vpcs.values():
        found = vpc.interfaces.get(identifier)
        if found is not None:
            if found.namespace is None:
                return _error(f"`{identifier}` is attached to nothing: it has no packets", 400)
            link = {"namespace": str(app.namespace_path(vpc.id)), "device": link_name("e", identifier)}
            return web.json_response(link | {"vpc_id": vpc.id, "address": found.address})
    return _error(f"`{identifier}` is no network interface: see `aws ec2 describe-network-interfaces`", 404)


async def _end_session(request: web.BaseRequest, app: Running) -> web.Response:
    """Answered once the ENI is gone and the namespace too, so that a subnet can be deleted after the command."""
    identifier = (await read_body(request))["instance_id"]
    with app.store.transaction() as records:
        session.remove(records, identifier)
    await app.settled(app.store.revision)
    return web.json_response({})


def _wish(body: Request) -> session.Wish:
    groups = tuple(body.get("security_groups") or ())
    place = (body.get("customer_network"), body.get("via"))
    return session.Wish(body.get("subnet"), groups, body.get("role"), body.get("source_ip"), *place)


_ROUTES: dict[tuple[str, str], Answer] = {
    ("GET", "status"): _status,
    ("POST", "drift"): _find_drift,
    ("GET", "online-store"): _look_at_online,
    ("POST", "shutdown"): _shut_down,
    ("POST", "sessions"): _session,
    ("DELETE", "sessions"): _end_session,
    ("POST", "interface"): _interface,
    ("POST", "explain/path"): answer_explain.answer_path,
    ("POST", "explain/live"): answer_live,
    ("POST", "explain/deletion"): answer_explain.answer_deletion,
    ("POST", "explain/call"): answer_explain.answer_call,
    ("POST", "explain/hosting"): answer_explain.answer_hosting,
    ("GET", "images"): _list_images,
    ("POST", "images"): _import_image,
    ("DELETE", "images"): _remove_image,
}
