"""What stands on this machine, compared before and after the story.

Links and rules of the machine's own namespace must not change at all; the rest carries the daemon's name.
"""

import os
import subprocess
from pathlib import Path


def observe(prefix: str, state: Path) -> dict[str, set[str]]:
    """Links and rules of the machine, and the namespaces, mounts, cgroups and processes that carry our name."""
    return {
        "namespaces": {line for line in _run("ip", "netns", "list") if line.startswith(prefix)},
        "links": {line.split(":")[1].strip() for line in _run("ip", "-o", "link")},
        "rules": set(_run("nft", "list", "tables")),
        "mounts": {
            line for line in Path("/proc/self/mountinfo").read_text().splitlines() if _ours(line, prefix, state)
        },
        # those of others may vanish while they are walked, which os.walk bears
        "cgroups": {place for place, _, _ in os.walk("/sys/fs/cgroup") if prefix in os.path.basename(place)},
        "processes": _processes(prefix, state),
    }


def difference(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, set[str]]:
    """What is there afterwards and was not before, by kind; empty if nothing is left."""
    return {kind: after[kind] - before[kind] for kind in after if after[kind] - before[kind]}


def _ours(line: str, prefix: str, state: Path) -> bool:
    return prefix in line or str(state) in line


def _processes(prefix: str, state: Path) -> set[str]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if _ours(command, prefix, state) and "-m demo" not in command:
            found.add(f"{path.parent.name} {command[:120]}")
    return found


def _run(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.splitlines()
