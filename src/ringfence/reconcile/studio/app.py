"""Studio's apps: each that is not Deleted or Failed has a task, which is told when the user wants its end."""

import asyncio

from ringfence.reconcile.parts import Parts
from ringfence.reconcile.studio.app_life import AppLife
from ringfence.resources.studio import App
from ringfence.services.sagemaker.studio import app_status
from ringfence.store.database import Snapshot


class Apps:
    """The apps' noun of the loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lives: dict[str, tuple[AppLife, asyncio.Task[None]]] = {}

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        if not applied:
            return  # without namespaces nothing can be launched or adopted
        records = self._parts.store.snapshot()
        wanted = set()
        for app in records.all(App):
            wanted.add(app.launch)
            status = app_status(records, app)
            state = status.status if status is not None else "Pending"
            running = app.launch in self._lives and not self._lives[app.launch][1].done()
            if not running and state != "Deleted" and (app.deleting or state != "Failed"):
                life = AppLife(self._parts, app)
                self._lives[app.launch] = life, asyncio.create_task(life.run(), name=f"app {app.arn}")
            if app.deleting and app.launch in self._lives:
                self._lives[app.launch][0].stop()
        for launch in [one for one in self._lives if one not in wanted]:
            del self._lives[launch]

    async def close(self) -> None:
        """Leave everything as it is, for the next daemon to go on with."""
        tasks = [task for _, task in self._lives.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
