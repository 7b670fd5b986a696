"""VolumeSizeInGB is what a job's container can write, and no more: by a file system of that size."""

from pathlib import Path

import pytest

from tests.scenarios.hosting import BUCKET
from tests.scenarios.jobs import Jobs

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not Path("/dev/loop-control").exists(), reason="no loop devices here: volumes are not limited"),
]

# in the output directory, and in the root of the image: both are the volume
_FILL = """
import errno, os, pathlib, sys
out = pathlib.Path("/opt/ml/processing/output")
(out / "small").write_text("written before it was full")
for place in (out / "large", pathlib.Path("/srv/large")):
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 600 << 20)
        try:
            os.posix_fallocate(file.fileno(), 0, 2 << 30)
        except OSError as error:
            print(place, errno.errorcode[error.errno], flush=True)
    place.unlink()
block = b"x" * (1 << 20)
try:
    with (out / "full").open("wb") as file:
        while True:
            file.write(block)
finally:
    (out / "full").unlink()
"""


def test_a_container_that_fills_its_volume_is_told_so(jobs: Jobs) -> None:
    outputs = [jobs.output("all", f"s3://{BUCKET}/filled/", "/opt/ml/processing/output", "Continuous")]
    told = jobs.process("fill", _FILL, outputs=outputs)
    lines = [line for found in jobs.log("fill").values() for line in found]
    assert "/opt/ml/processing/output/large ENOSPC" in lines and "/srv/large ENOSPC" in lines, lines
    assert "OSError: [Errno 28] No space left on device" in lines
    assert told["ProcessingJobStatus"] == "Failed"
    assert jobs.keys("filled/small") == {"": b"written before it was full"}
    mounted = Path("/proc/mounts").read_text()
    assert str(jobs.story.state / "instances") not in mounted, "nothing stays mounted"
    backing = Path("/sys/block").glob("loop*/loop/backing_file")
    assert not [file for file in backing if str(jobs.story.state) in file.read_text()], "nor any loop device"
