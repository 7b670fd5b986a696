"""Run all measurements on a daemon of their own and print one table. Needs root; takes about six minutes."""

import shutil
import sys
import tempfile
from pathlib import Path

from bench import (
    api,
    concurrency,
    decision,
    endpoint,
    feature_store,
    flow_count,
    forward,
    interfaces,
    invoke,
    job,
    scale,
    studio,
    table,
    transfer,
)
from demo import data, hosting, network
from demo.story import Story

BUCKET = "ringfence-bench-models"
NAME = "iris"
MOTO = Path(".venv-bench/bin/python")


def main() -> int:
    """The API first, on an idle daemon; then hosting; then the kernel alone."""
    scratch = Path(tempfile.mkdtemp(prefix="ringfence-bench-"))
    scratch.chmod(0o755)
    story = Story(state=scratch / "state")
    rows: list[table.Row] = []
    try:
        story.up()
        rows += api.measure(_client(story), str(MOTO))
        rows += feature_store.measure(_client, story, scratch)
        network.build(story, BUCKET, NAME)
        data.prepare(story, BUCKET, scratch)
        hosting.create(story, NAME)
        hosting.show_interfaces(story)
        rows += invoke.measure(story, NAME, scratch)
        rows += concurrency.measure(story, BUCKET, scratch)
        rows += endpoint.measure(story, scratch)
        rows += job.measure(story, scratch)
        rows += transfer.measure(story, scratch)
        rows += studio.measure(story)
    finally:
        story.ringfence("down", "--purge")
        shutil.rmtree(scratch, ignore_errors=True)
    rows += interfaces.measure()
    rows += scale.measure()
    rows += flow_count.measure()
    rows += forward.measure()
    rows += decision.measure(str(MOTO))
    print()
    table.show(rows)
    return 0


def _client(story: Story) -> dict[str, str]:
    """boto3's arguments for the administrator."""
    return {
        "endpoint_url": story.environment["AWS_ENDPOINT_URL"],
        "aws_access_key_id": story.environment["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": story.environment["AWS_SECRET_ACCESS_KEY"],
        "region_name": story.region,
    }


if __name__ == "__main__":
    sys.exit(main())
