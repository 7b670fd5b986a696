"""InvokeEndpoint through the interface endpoint (TLS, SigV4, IAM, endpoint policy) against the same container direct.

Both loads run from the same place in the VPC: the direct one goes to the container's port 8080 over its ENI.
"""

import json
from pathlib import Path

from bench.load import Outcome
from bench.table import Row
from demo.story import BIN, Story

LOAD = str(Path(__file__).with_name("load.py"))

# Signs as the instance's role does, inside the VPC, and measures.
THROUGH = """
import json, sys
sys.path.insert(0, sys.argv[4])
from bench.load import Job, run
from bench.signed import capture
from dataclasses import asdict
host = f"runtime.sagemaker.{sys.argv[3]}.amazonaws.com"
import os
text = capture("sagemaker-runtime", "invoke_endpoint",
    {"EndpointName": sys.argv[1], "ContentType": "application/json", "Body": sys.argv[2].encode()})
job = Job(host, 443, text, threads=int(sys.argv[5]), ca=os.environ["AWS_CA_BUNDLE"], server_name=host)
print(json.dumps(asdict(run(job))))
"""


def measure(story: Story, name: str, scratch: Path) -> list[Row]:
    """Added latency of one caller, and the throughput ratio of four."""
    body = json.dumps({"rows": story.facts["rows"]})
    root = str(Path(__file__).resolve().parents[1])
    through = Outcome(
        **json.loads(story.inside(str(BIN / "python"), "-c", THROUGH, name, body, story.region, root, "4"))
    )
    request = (
        f"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    job = scratch / "job.json"
    job.write_text(json.dumps({"host": story.facts["model_address"], "port": 8080, "request": request}))
    direct = Outcome(**json.loads(story.inside(str(BIN / "python"), LOAD, str(job))))
    added = through.p50 - direct.p50
    return [
        Row(
            "InvokeEndpoint p50, ms",
            f"{through.p50:.2f}",
            f"{direct.p50:.2f} (container)",
            through.p50 / direct.p50,
            "",
        ),
        Row("InvokeEndpoint added p50, ms", f"{added:.2f}", "-", None, "<= 1"),
        Row(
            "InvokeEndpoint p99, ms",
            f"{through.p99:.2f}",
            f"{direct.p99:.2f} (container)",
            through.p99 / direct.p99,
            "",
        ),
        Row(
            "InvokeEndpoint calls/s",
            f"{through.rate:.0f}",
            f"{direct.rate:.0f} (container)",
            through.rate / direct.rate,
            "",
        ),
    ]
