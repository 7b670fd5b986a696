"""What the proxy before Studio's apps adds: the same JupyterLab through it, with TLS and policies, and at its own port.

Needs `make studio`; without it there is nothing to measure.
"""

import json
import subprocess
import sys
from pathlib import Path

from bench.table import Row
from demo.story import Story, expect
from ringfence.config import DEFAULT_STUDIO, Config
from tests.scenarios.studio import Studio

_CLIENT = Path(__file__).with_name("studio_client.py")
_ROUNDS = 3
_ALLOWED = ["sagemaker:CreatePresignedDomainUrl", "sagemaker:DescribeUserProfile"]


def measure(story: Story) -> list[Row]:
    """The best of three medians each, taken in turn."""
    if not DEFAULT_STUDIO.is_dir():
        print("JupyterLab is not installed: `make studio`", file=sys.stderr)
        return []
    studio = Studio(story)
    try:
        studio.make_endpoint()
        studio.allow({"Effect": "Allow", "Action": _ALLOWED, "Resource": "*"})
        domain = studio.make_domain("bench")
        studio.make_profile(domain, "ann")
        made = studio.make_app(domain, "ann")
        expect(made["Status"] == "InService", str(made))
        rounds = [(_through(studio, domain), _direct(story)) for _ in range(_ROUNDS)]
        rows = []
        for what, goal in (("GET, ms", "<= 3"), ("echo, ms", "<= 3")):
            ours, direct = (min(one[side][what] for one in rounds) for side in (0, 1))
            rows.append(Row(f"Studio {what}", f"{ours:.2f}", f"{direct:.2f} (without proxy)", ours / direct, goal))
        return rows
    finally:
        studio.clean()


def _through(studio: Studio, domain: str) -> dict[str, float]:
    """As a browser in the VPC."""
    facts, authority = studio.story.facts, studio.story.environment["AWS_CA_BUNDLE"]
    cookie = studio.browse(make={"DomainId": domain, "UserProfileName": "ann"})["cookie"]
    place = ("--subnet", facts["subnets"][0], "--security-group", facts["groups"]["client"])
    base = f"https://{domain}.studio.{studio.story.region}.sagemaker.aws/jupyterlab/default"
    done = studio.story.ringfence("exec", *place, sys.executable, str(_CLIENT), base, cookie, authority)
    return _told(done)


def _direct(story: Story) -> dict[str, float]:
    """On the loopback of the app's own namespace, where the proxy reaches it."""
    (instance,) = [
        one.name for one in (story.state / "instances").iterdir() if (one / "resource-metadata.json").exists()
    ]
    namespace = f"{Config(state=story.state.resolve()).prefix}-{instance}"
    command = (sys.executable, str(_CLIENT), "http://127.0.0.1:8888/jupyterlab/default", "-", "")
    return _told(
        subprocess.run(["ip", "netns", "exec", namespace, *command], capture_output=True, text=True, check=False)
    )


def _told(done: "subprocess.CompletedProcess[str]") -> dict[str, float]:
    expect(done.returncode == 0, done.stderr[-2000:])
    told: dict[str, float] = json.loads(done.stdout)
    return told
