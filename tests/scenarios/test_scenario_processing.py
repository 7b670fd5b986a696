"""Processing jobs and a VPC: https://docs.aws.amazon.com/sagemaker/latest/dg/process-vpc.html"""

import json

import pytest

from tests.scenarios.hosting import BUCKET
from tests.scenarios.jobs import Jobs

pytestmark = pytest.mark.root

_COUNT = """
import json, os, pathlib, socket, sys
rows = pathlib.Path("/opt/ml/processing/input/rows")
out = pathlib.Path("/opt/ml/processing/output")
config = json.loads(pathlib.Path("/opt/ml/config/resourceconfig.json").read_text())
job = json.loads(pathlib.Path("/opt/ml/config/processingjobconfig.json").read_text())
(out / "deep").mkdir()
total = sum(int(path.read_text()) for path in sorted(rows.rglob("*")) if path.is_file())
(out / "deep" / "total.txt").write_text(str(total))
(out / "link").symlink_to("/etc/passwd")
told = {"hosts": config, "job": job["ProcessingJobName"], "arguments": sys.argv[1:],
        "colour": os.environ.get("COLOUR"), "host": socket.gethostname(), "me": socket.gethostbyname("algo-1")}
(out / "told.json").write_text(json.dumps(told))
print("counted", total)
pathlib.Path("/opt/ml/output/message").write_text("all rows counted")
"""


@pytest.mark.statement("S4.4", "S4.8", "S4.9", "S4.10", "S4.12", "S4.17", "S2.23", "S2.31", "S4.47")
def test_a_job_in_the_vpc_reads_computes_and_writes(jobs: Jobs) -> None:
    for name, content in (("a", b"1"), ("deep/b", b"2"), ("deep/c", b"39")):
        jobs.s3.put_object(Bucket=BUCKET, Key=f"rows/{name}", Body=content)
    told = jobs.process(
        "count",
        _COUNT,
        inputs=[jobs.input("rows", f"s3://{BUCKET}/rows", "/opt/ml/processing/input/rows")],
        outputs=[jobs.output("all", f"s3://{BUCKET}/counted/", "/opt/ml/processing/output")],
        Environment={"COLOUR": "red"},
        AppSpecification={
            "ImageUri": "123456789012.dkr.ecr.us-west-2.amazonaws.com/ringfence-python:3",
            "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/program.py"],
            "ContainerArguments": ["--fast", "1"],
        },
    )
    assert told["ProcessingJobStatus"] == "Completed", (told.get("FailureReason"), jobs.log("count"))
    assert told["ExitMessage"] == "all rows counted"
    assert told["ProcessingStartTime"] <= told["ProcessingEndTime"]
    written = jobs.keys("counted/")
    assert written.keys() == {"deep/total.txt", "told.json"}, "links are not uploaded"
    assert written["deep/total.txt"] == b"42"
    seen = json.loads(written["told.json"])
    assert seen["hosts"] == {"current_host": "algo-1", "hosts": ["algo-1"]}
    assert (seen["job"], seen["arguments"], seen["colour"]) == ("count", ["--fast", "1"], "red")
    assert seen["host"] == "algo-1"
    ((stream, lines),) = jobs.log("count").items()
    assert stream.startswith("count/algo-1-") and "counted 42" in lines
    assert jobs.interfaces() == []
