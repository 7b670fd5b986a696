"""The container of an app or a notebook instance that failed: its lifecycle configuration, or Jupyter itself.

Called by explain.app and explain.notebook.
"""

from collections.abc import Iterator

from ringfence.explain.finding import Finding, Seen, wrong
from ringfence.explain.hosting import Ground
from ringfence.explain.log_tail import say_last_lines

_BROKEN = "correct the script, or name another; what it fetches must be within reach of the subnets"
_SLOW = (
    "see what it waits for: what it fetches must be within reach of the subnets; long work belongs into the "
    "background (`nohup … &`)"
)
_ENDED = "see the log; then create it again"


def check_script(ground: Ground, subject: str, reason: str, group: str, stream: str) -> Iterator[Finding]:
    """`reason`: a FailureReason about the container. `stream`: how the names of its log streams begin."""
    if "took longer than" in reason:
        what, remedy = "the lifecycle configuration was not done within 5 minutes", _SLOW
    elif "ifecycle" in reason:
        what, remedy = "the lifecycle configuration ended with an error", _BROKEN
    else:
        what, remedy = "Jupyter did not come up, or ended", _ENDED
    yield wrong("container", subject, what + say_last_lines(ground, group, stream), remedy, Seen("", reason))
