"""Tell the story on a daemon of its own; exit 0 only if everything was as told."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from demo import data, hosting, isolation, leftovers, network, refusals
from demo.story import Story, expect
from ringfence.config import Config

BUCKET = "ringfence-demo-models"
ENDPOINT = "iris"


def main() -> int:
    """Run all chapters, then take everything down, whatever happened."""
    if os.geteuid() != 0:
        return _with_sudo()
    start = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="ringfence-demo-"))
    scratch.chmod(0o755)
    story = Story(state=scratch / "state")
    prefix = Config(state=story.state.resolve()).prefix
    before = leftovers.observe(prefix, story.state)
    try:
        _tell(story, scratch)
    except Exception as error:
        if not story.failures:
            raise
        print(f"\nthe story ends here: {type(error).__name__}", file=sys.stderr)
        _show_log(story)
    finally:
        _end(story, prefix, before)
        shutil.rmtree(scratch, ignore_errors=True)
    verdict = "all as told" if not story.failures else f"{story.failures} step(s) failed"
    print(f"\n{verdict}, {time.monotonic() - start:.1f} s", flush=True)
    return 1 if story.failures else 0


def _tell(story: Story, scratch: Path) -> None:
    print("Ringfence: a model in a private VPC, called through PrivateLink", flush=True)
    story.chapter("0  The daemon")
    with story.step("ringfence up --detach") as line:
        line.note = story.up()
    network.build(story, BUCKET, ENDPOINT)
    data.prepare(story, BUCKET, scratch)
    story.chapter("3  The model in the VPC")
    hosting.create(story, ENDPOINT)
    hosting.show_interfaces(story)
    story.chapter("4  Calls through PrivateLink")
    hosting.call(story, ENDPOINT, scratch)
    story.chapter("5  What must fail")
    refusals.show(story, ENDPOINT, BUCKET)
    story.chapter("6  A container without a network")
    isolation.show(story, "iris-isolated")


def _end(story: Story, prefix: str, before: dict[str, set[str]]) -> None:
    story.chapter("7  The end")
    try:
        with story.step("ringfence down --purge"):
            done = story.ringfence("down", "--purge")
            expect(done.returncode == 0, done.stderr.strip())
        with story.step("nothing is left: no namespace, link, rule, mount, cgroup or process"):
            left = leftovers.difference(before, leftovers.observe(prefix, story.state))
            expect(not left, json.dumps({kind: sorted(rows) for kind, rows in left.items()}, indent=2))
    except Exception:
        print("the machine may need `ringfence down`", file=sys.stderr)


def _show_log(story: Story) -> None:
    log = story.state / "daemon.log"
    if log.exists():
        print(f"--- the end of {log}", *log.read_text(errors="replace").splitlines()[-30:], sep="\n", file=sys.stderr)


def _with_sudo() -> int:
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode != 0:
        print("the demo needs root for namespaces and containers: run `sudo make demo`", file=sys.stderr)
        return 77
    return subprocess.run(["sudo", "-n", sys.executable, "-m", "demo"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
