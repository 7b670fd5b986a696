"""The admin API's answer to `ringfence explain path --live`: real packets beside the model's paths.

A sender that is only thought of (a subnet with groups, the internet) is made for as long as that takes, as
`ringfence exec` makes its own. Routed by gateway.admin.api.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiohttp import web

from ringfence.explain.live import compare, fact_of_live, make_probe, show_live
from ringfence.explain.path import Question, explain_path, parse_question
from ringfence.explain.path_lines import Path
from ringfence.explain.place import Scene
from ringfence.gateway.admin import session
from ringfence.gateway.admin.open_session import open_session
from ringfence.gateway.admin.running import Running, read_body
from ringfence.network.topology.instance import INTERNET

_MOST_PROBES = 12  # about a second each


async def answer_live(request: web.BaseRequest, app: Running) -> web.Response:
    """`agree`: whether model and kernel do, on every path that a packet could be sent on."""
    asked = parse_question(await read_body(request))
    async with _sender(app, asked) as question:
        topology = await app.settled(app.store.revision)
        scene = Scene(app.store.snapshot(), topology, app.config.account, app.config.region)
        told = explain_path(scene, question)
        lines, facts = list(told.lines), []
        for path in told.paths[:_MOST_PROBES]:
            shown, fact = await _probe(app, scene, path)
            lines += shown
            facts.append(fact)
    agree = all(fact is None or fact["agree"] is not False for fact in facts)
    paths = [fact | {"live": live} for fact, live in zip(told.facts["paths"], facts, strict=False)]
    return web.json_response(told.facts | {"paths": paths, "lines": lines, "agree": agree})


async def _probe(app: Running, scene: Scene, path: Path) -> tuple[list[str], dict[str, Any] | None]:
    probe = make_probe(scene.topology, path, int.from_bytes(app.entropy(2), "big"))
    if probe is None or path.trace is None:
        return [f"live  {path.source.label}: nobody is there who could send a packet"], None
    live = compare(path.trace, probe, await app.probe(probe))
    return list(show_live(live)), fact_of_live(live)


@asynccontextmanager
async def _sender(app: Running, asked: Question) -> AsyncIterator[Question]:
    """The question with a sender that exists."""
    subnet, _, groups = asked.source.partition(":")
    if not subnet.startswith("subnet-") and asked.source != INTERNET:
        yield asked
        return
    wanted = tuple(filter(None, groups.split(",")))
    wish = session.Wish(None if asked.source == INTERNET else subnet, wanted)
    instance = open_session(app, wish)
    try:
        yield replace(asked, source=instance.id)
    finally:
        with app.store.transaction() as records:
            session.remove(records, instance.id)
        await app.settled(app.store.revision)
