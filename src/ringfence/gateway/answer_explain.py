"""The admin API's answers to `ringfence explain …`. Nothing is written. Routed by gateway.admin."""

from aiohttp import web

from ringfence.explain.call import explain_call
from ringfence.explain.path import explain_path, parse_question
from ringfence.explain.place import Scene
from ringfence.gateway.hosting import explain_hosted
from ringfence.gateway.running import Running, read_body


async def answer_path(request: web.BaseRequest, app: Running) -> web.Response:
    """The ways between two places of the daemon's own account, by the network that is applied."""
    topology = await app.settled(app.store.revision)
    scene = Scene(app.store.snapshot(), topology, app.config.account, app.config.region)
    told = explain_path(scene, parse_question(await read_body(request)))
    return web.json_response(told.facts | {"lines": list(told.lines)})


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
