"""A daemon for one measurement alone, with the demo's network and data. Called by what runs as `python -m bench.X`."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from demo import data, network
from demo.story import Story

_BUCKET = "ringfence-bench-models"


@contextmanager
def alone() -> Iterator[tuple[Story, Path]]:
    """Until the measurement has ended; nothing of either is left."""
    scratch = Path(tempfile.mkdtemp(prefix="ringfence-bench-"))
    scratch.chmod(0o755)
    story = Story(state=scratch / "state")
    try:
        story.up()
        network.build(story, _BUCKET, "iris")
        data.prepare(story, _BUCKET, scratch)
        yield story, scratch
    finally:
        story.ringfence("down", "--purge")
        shutil.rmtree(scratch, ignore_errors=True)
