"""The AWS CLI of this environment for the scenarios, unmodified: run, and its exit code judged."""

import json
import os
import subprocess
from typing import Any

from demo.story import BIN, Story


class Cli:
    """`aws …`: what it printed, or with `fails` what it complained of."""

    def __init__(self, story: Story) -> None:
        self._env = {**os.environ, **story.environment, "AWS_PAGER": ""}

    def __call__(self, *arguments: str, fails: bool = False, given: bytes | None = None) -> str:
        done = subprocess.run(
            [str(BIN / "aws"), *arguments], env=self._env, input=given, capture_output=True, timeout=200, check=False
        )
        # for an error of the service: 255 in version 1, 254 in version 2
        assert done.returncode in ((254, 255) if fails else (0,)), (done.returncode, done.stderr.decode()[-2000:])
        return (done.stderr if fails else done.stdout).decode()

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--output", "json"))
