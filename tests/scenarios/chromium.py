"""A browser that stands somewhere: a Chromium started by `ringfence exec`, kept open, spoken to in JSON lines.

Not a test file. What can be asked of it is what `studio_browser.Browser` has methods for.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from demo.story import BIN, Story, expect

PROGRAM = Path(__file__).with_name("studio_browser.py")
PYTHON = Path(__file__).parents[2] / ".venv-browser" / "bin" / "python"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MISSING = (
    not PYTHON.exists() or CHROMIUM is None or shutil.which("certutil") is None
)  # for a skip, with `make browser` as what to do


class Chromium:
    def __init__(self, story: Story, *where: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        assert CHROMIUM is not None
        self._process = subprocess.Popen(
            [str(BIN / "ringfence"), "exec", *where, str(PYTHON), str(PROGRAM), CHROMIUM],
            env=environment | {"RINGFENCE_STATE": str(story.state)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, do: str, **asked: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **asked}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        expect(bool(line), "the browser is gone: see its errors above")
        told: dict[str, Any] = json.loads(line)
        expect("error" not in told, f"{do}: {told}")
        return told

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
