"""The admin API's answers to `ringfence explain …`. Nothing is written. Routed by gateway.admin.api."""

from aiohttp import web

from ringfence.core.call import Arrival, Call
from ringfence.core.errors import ServiceError
from ringfence.explain.call import explain_call
from ringfence.explain.deletion import OPERATIONS, explain_deletion
from ringfence.explain.path import explain_path, parse_question
from ringfence.explain.place import Scene
from ringfence.explain.supposed import SupposedRecords
from ringfence.gateway.admin.hosting import explain_hosted
from ringfence.gateway.admin.running import Running, read_body
from ringfence.gateway.admin.session import root_principal
from ringfence.gateway.perform import find_operation


async def answer_path(request: web.BaseRequest, app: Running) -> web.Response:
    """The ways between two places of the daemon's own account, by the network that is applied."""
    topology = await app.settled(app.store.revision)
    scene = Scene(app.store.snapshot(), topology, app.config.account, app.config.region)
    told = explain_path(scene, parse_question(await read_body(request)))
    return web.json_response(told.facts | {"lines": list(told.lines)})


async def answer_deletion(request: web.BaseRequest, app: Running) -> web.Response:
    """What the delete operation would answer, asked without any effect, and what is in its way."""
    id = str((await read_body(request))["id"])
    operation, member = OPERATIONS.get(id.rpartition("-")[0], ("", ""))
    if not operation:
        known = ", ".join(f"{prefix}-…" for prefix in OPERATIONS)
        raise ValueError(f"`{id}` is nothing that this command knows: {known}")
    records, account = app.store.snapshot(), app.config.account
    supposed = SupposedRecords(records)
    arrival = Arrival(source_ip="")
    who = root_principal(account)
    call = Call(supposed, account, app.config.region, who, arrival, app.now(), "", app.entropy)
    refusal = None
    try:
        find_operation("ec2", operation).handler(call, {member: id})
    except ServiceError as error:
        if error.code.endswith((".NotFound", ".Malformed")):
            raise
        refusal = error
    told = explain_deletion(records, id, refusal)
    return web.json_response({"held": told.held, "lines": list(told.lines), "facts": told.facts})


async def answer_call(request: web.BaseRequest, app: Running) -> web.Response:
    """The call with this request id, or the last; `found` is false if it is not remembered."""
    body = await read_body(request)
    log, wanted = app.decisions, body.get("request_id")
    call = log.find(wanted) if wanted else log.last(denied=bool(body.get("denied")))
    if call is None:
        return web.json_response({"found": False})
    told = explain_call(call, log.purpose_of(call))
    return web.json_response({"found": True, "denied": told.denied, "lines": told.lines, "facts": told.facts})


async def answer_hosting(request: web.BaseRequest, app: Running) -> web.Response:
    """An endpoint, a model or a VPC endpoint of the daemon's own account; `found` is false if there is none."""
    body = await read_body(request)
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
