"""The shell that stands between the daemon and an OCI runtime: its program, if it lives, when it ends, why it failed.

It outlives the daemon, and writes down what a later one must know. Not how it is started: oci.py does that.
"""

import asyncio
import json
import os
import re
from pathlib import Path

from ringfence.runtime.bundle import Place

# $1 directory, $2 runtime, $3 the runtime's state, $4 id, $5 log, $6 read-only root or empty, $7 the runtime's options
SHIM = """
cd "$1" || exit 1
set -f
read -r stat < "/proc/$$/stat"
echo "$stat" > shim.part && mv shim.part shim
{
    if [ -n "$6" ]; then mount -t tmpfs -o size=16m,mode=755 tmpfs layer; fi &&
    mkdir -p layer/upper layer/work &&
    mount -t overlay -o lowerdir=lower,upperdir=layer/upper,workdir=layer/work,nosuid,nodev overlay rootfs
} 2>> runtime.log &&
"$2" --root "$3" --log runtime.log --log-format json run $7 --bundle . --pid-file pid "$4" >> "$5" 2>&1 < /dev/null
echo $? > exit.part && mv exit.part exit
"""


def find_shim(place: Place) -> int | None:
    """The shim's pid if it lives: the process that has its number now must also have its start time."""
    text = place.read("shim")
    if text is None:
        return None
    pid = int(text.split(" ", 1)[0])
    try:
        now = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return pid if _start_time(now) == _start_time(text) and _process_state(now) != "Z" else None


def _start_time(stat: str) -> str:
    return stat.rpartition(")")[2].split()[19]


def _process_state(stat: str) -> str:
    return stat.rpartition(")")[2].split()[0]


async def await_end(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def read_reason(log: str) -> str:
    """The runtime's last error, in the words of docker, whichever the runtime."""
    said = ""
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            said = line
            continue
        if entry.get("level") in ("error", "fatal"):
            said = str(entry.get("msg", ""))
    said = re.sub(r"^(runc run failed: )?(unable to start container process: )?", "", said)
    if missing := re.search(r"executable file `(.*)` not found in \$PATH", said):
        said = f'exec: "{missing[1]}": executable file not found in $PATH'
    return said or "the OCI runtime ended without saying why"
