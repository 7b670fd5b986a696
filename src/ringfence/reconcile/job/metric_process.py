"""`python -m ringfence.reconcile.job.metric_process DAEMON`: what regular expressions of users find in lines.

A pattern of Python's `re` can take for ever on one short line, and some take seconds to compile: a process of its own
can be given a limit. Patterns first, then batches of lines, each a line of JSON; each batch is answered with a line of
JSON a pattern, so that what has no answer when the process ends is the pattern that ended it. Started by `metric`.
"""

import re
import resource
import signal
import sys
from collections.abc import Sequence

import msgspec

from ringfence.reconcile.instance.child_process import drop_privileges
from ringfence.services.cloudwatch.summary import LARGEST, Summary, summarize

# Of processor time, not of the clock, which runs on while others compute. An ordinary pattern takes milliseconds.
SECONDS = 2.0
_MEMORY = 1 << 30


class Found(msgspec.Struct, frozen=True):
    """What one pattern found in a batch: None if there was no number. `failure`: why it is no pattern at all."""

    summary: Summary | None = None
    last: float | None = None
    failure: str = ""


def search(regex: str, lines: Sequence[str]) -> Found:
    """The numbers in the pattern's first group, one of each line that it is found in."""
    try:
        pattern = re.compile(regex)
    except (re.error, RecursionError, OverflowError) as error:
        return Found(failure=str(error))
    counts: dict[float, float] = {}
    value = None
    for line in lines:
        match = pattern.search(line)
        if match is None or (number := _number(match)) is None:
            continue
        value = number
        counts[value] = counts.get(value, 0.0) + 1.0
    return Found(summarize(counts), value) if counts else Found()


def _number(match: re.Match[str]) -> float | None:
    if not match.re.groups:
        return None
    try:
        value = float(match[1])
    except (TypeError, ValueError):
        return None
    return value if abs(value) <= LARGEST else None  # CloudWatch has no other values


def main(daemon: int) -> int:
    drop_privileges(daemon)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # the kernel ends the process, whatever it is in the middle of
    patterns = msgspec.json.decode(sys.stdin.buffer.readline() or b"[]", type=list[str])
    for batch in sys.stdin.buffer:
        lines = msgspec.json.decode(batch, type=list[str])
        for regex in patterns:
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            found = search(regex, lines)
            signal.setitimer(signal.ITIMER_PROF, 0)
            sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
            sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
