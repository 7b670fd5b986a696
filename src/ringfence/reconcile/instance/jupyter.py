"""JupyterLab on an instance, for Studio's apps and notebook instances alike: its command, waiting for it, serving."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from ringfence.reconcile.hosting.ping import wait_for_ping
from ringfence.reconcile.instance.launch import LaunchFailed, container_namespace
from ringfence.reconcile.parts import Parts
from ringfence.resources.instance import Instance
from ringfence.services.sagemaker.failure_reason import INTERNAL_ERROR

log = logging.getLogger("ringfence.reconcile")

PORT = 8888
PAGE = "/etc/jupyter/labconfig/page_config.json"
# It would ask people, and then the Jupyter project's servers, for news.
PAGE_CONFIG = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
STARTUP_SECONDS = 120.0
# https://docs.aws.amazon.com/sagemaker/latest/dg/studio-lcc-create.html
# https://docs.aws.amazon.com/sagemaker/latest/dg/notebook-lifecycle-config.html
LIFECYCLE_SECONDS = 300
_REASON_LENGTH = 1024  # of a FailureReason


def server_arguments(root: str) -> tuple[str, ...]:
    """Of every Jupyter server here; `root`: the directory that it shows."""
    return (
        f"--ServerApp.port={PORT}", "--ServerApp.port_retries=0", "--ServerApp.open_browser=False",
        "--ServerApp.allow_remote_access=True", "--ServerApp.quit_button=False", f"--ServerApp.root_dir={root}",
    )  # fmt: skip


def lab_command(root: str, base: str) -> tuple[str, ...]:
    """JupyterLab listens on loopback, where only the daemon is: who comes there has been let in."""
    return (
        "python", "-m", "jupyterlab", *server_arguments(root), "--ServerApp.ip=127.0.0.1",
        "--IdentityProvider.token=", f"--ServerApp.base_url={base}",
    )  # fmt: skip


async def wait_until_it_answers(parts: Parts, instance: Instance, path: str, seconds: float) -> bool:
    """Whether it did, before its container ended and the time was over."""
    pinging = asyncio.create_task(wait_for_ping(parts.network, container_namespace(instance), PORT, path))
    running = asyncio.create_task(parts.driver.wait(instance.id))
    try:
        await asyncio.wait({pinging, running}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if pinging.done():
            pinging.result()
        return pinging.done()
    finally:
        pinging.cancel()
        running.cancel()


async def serve_until_asked(asked: asyncio.Event, work: Coroutine[Any, Any, None], arn: str) -> str | None:
    """Why the work failed, as a FailureReason; None if it was broken off."""
    try:
        await _until_asked(asked, work)
    except LaunchFailed as failure:
        return failure.reason[:_REASON_LENGTH]
    except Exception:
        log.exception("`%s` failed for a reason of ours", arn)
        return INTERNAL_ERROR
    return None


async def _until_asked(asked: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, or break it off; raises what it raises."""
    task, waiting = asyncio.create_task(work), asyncio.create_task(asked.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done() and not waiting.done():
            task.result()
    finally:
        for one in (task, waiting):
            one.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)
