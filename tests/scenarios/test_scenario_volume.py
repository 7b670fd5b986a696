"""VolumeSizeInGB is what a container can write, and no more: by a file system of that size."""

import contextlib
import errno
import io
import tarfile
from pathlib import Path

import pytest

from tests.patience import eventually
from tests.scenarios.hosting import BUCKET, Hosting
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
    # nothing stays mounted, nor any loop device
    eventually(lambda: str(jobs.story.state / "instances") not in Path("/proc/mounts").read_text())
    eventually(lambda: loop_devices(jobs.story.state), lambda left: not left)


def loop_devices(state: Path) -> list[str]:
    """The files below it that are loop devices; those of others come and go."""
    found = []
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            found.append(file.read_text())
    return [name for name in found if str(state) in name]


_SERVE = """
import os, pathlib
def model_fn(directory):
    assert os.statvfs(directory).f_blocks == os.statvfs("/tmp").f_blocks, "one volume"
def input_fn(data, kind): return data
def predict_fn(data, model):
    told = {}
    for place in ("/tmp/large", "/srv/large"):
        pathlib.Path(place).parent.mkdir(exist_ok=True)
        for megabytes in (600, 2048):
            with open(place, "wb") as file:
                try:
                    os.posix_fallocate(file.fileno(), 0, megabytes << 20)
                except OSError as error:
                    told[f"{place} {megabytes}"] = error.errno
            os.unlink(place)
    return told
"""


def test_so_can_a_model_container_and_its_root_is_its_own(hosting: Hosting) -> None:
    """Images write below /var and /tmp when they start, as on AWS; the model data lies on the volume too."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        code = tarfile.TarInfo("code/inference.py")
        code.size = len(_SERVE)
        tar.addfile(code, io.BytesIO(_SERVE.encode()))
    hosting.story.client("s3").put_object(Bucket=BUCKET, Key="fill/model.tar.gz", Body=archive.getvalue())
    data = {"ModelDataUrl": f"s3://{BUCKET}/fill/model.tar.gz"}
    hosting.create_model("fill", VpcConfig=hosting.vpc_config(), container=data)
    told = hosting.create_endpoint("fill", hosting.variant("one", "fill", VolumeSizeInGB=1))
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    assert hosting.invoke("fill") == {f"{place}/large 2048": errno.ENOSPC for place in ("/tmp", "/srv")}
