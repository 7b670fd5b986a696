"""Notebook instances: each that is to run, runs or is to go has a task, which is told when the user wants its end."""

import asyncio

import msgspec

from ringfence.reconcile.notebook.notebook_life import NotebookLife
from ringfence.reconcile.parts import Parts
from ringfence.resources.notebook import NotebookInstance
from ringfence.services.sagemaker.notebook_state import ENDED, notebook_status
from ringfence.store.database import Snapshot


class NotebookInstances:
    """The noun of the loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lives: dict[str, tuple[NotebookLife, asyncio.Task[None]]] = {}

    async def reconcile(self, records: Snapshot, applied: bool) -> None:
        if not applied:
            return  # without namespaces nothing can be launched or adopted
        records = self._parts.store.snapshot()
        notebooks = {one.arn: one for one in records.all(NotebookInstance)}
        for arn, notebook in notebooks.items():
            status = notebook_status(records, notebook)
            ended = status is not None and status.launch == notebook.launch and status.status in ENDED
            if ended and not notebook.deleting:
                self._take_over_changes(notebook)
            elif arn not in self._lives or self._lives[arn][1].done():
                life = NotebookLife(self._parts, notebook)
                self._lives[arn] = life, asyncio.create_task(life.run(), name=f"notebook {arn}")
            if notebook.stopping and arn in self._lives:
                self._lives[arn][0].stop()
        for arn in [one for one in self._lives if one not in notebooks]:
            del self._lives[arn]

    async def close(self) -> None:
        """Leave everything as it is, for the next daemon to go on with."""
        tasks = [task for _, task in self._lives.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take_over_changes(self, notebook: NotebookInstance) -> None:
        """An update holds from the next launch, which reads the record: nothing of one that has ended is to change."""
        with self._parts.store.transaction() as records:
            status = notebook_status(records, notebook)
            if status is not None and status.generation != notebook.generation:
                now = self._parts.edge.now()
                records.put(msgspec.structs.replace(status, generation=notebook.generation, modified=now))
