"""A Python process of ours beside the daemon, for what must not stall it: it has no privilege and ends with the daemon.

`start_child` is the daemon's side, `drop_privileges` what the process does before it begins. Not a container: no
program of a user's runs in it. Called by `transfer` and `job.metric`, and by the processes that they start.
"""

import asyncio
import ctypes
import os
import signal
import sys
from typing import Any

_NOBODY = 65534
_PR_SET_PDEATHSIG = 1


async def start_child(module: str, *arguments: str, **channels: Any) -> asyncio.subprocess.Process:
    """`python -m MODULE ARGUMENTS… DAEMON`. `channels`: stdin, stdout, pass_fds and limit, as asyncio has them."""
    null = asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-m", module, *arguments, str(os.getpid()),
        cwd="/", env={}, **{"stdin": null, "stdout": null, "stderr": null, **channels},
    )  # fmt: skip


def drop_privileges(daemon: int) -> None:
    """Nobody's rights; and the end as soon as the daemon's process has ended, however it did.

    After this nothing can be imported: nobody may not be let into the directory that it is in.
    """
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # after setuid, which forgets it
    if os.getppid() != daemon:
        sys.exit(0)
