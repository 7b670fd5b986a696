"""How the story is told: a line a step, with its time, a tick or a cross; and how it runs commands."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

BIN = Path(sys.executable).parent


class StepFailed(Exception):
    """What a step saw is not what was told."""


def expect(truth: bool, otherwise: str) -> None:
    """Fail the step unless `truth`; `otherwise` says what was seen instead."""
    if not truth:
        raise StepFailed(otherwise)


@dataclass
class Line:
    """The note behind a step's line, which the step may set: a fact that it saw."""

    note: str = ""


@dataclass
class Story:
    """The daemon's state directory, the environment that points at it, and how many steps failed."""

    state: Path
    environment: dict[str, str] = field(default_factory=dict)
    failures: int = 0
    region: str = "us-west-2"
    facts: dict[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    def client(self, service: str, **settings: Any) -> Any:
        """A boto3 client of the account's administrator, on this machine's loopback."""
        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=self.region,
            **settings,
        )

    def up(self, *options: str) -> str:
        """Start the daemon on a free port and take its environment; the ready line.

        `options`: of `ringfence up`, which hold for the next times too.
        """
        self.options += options
        done = self.ringfence("up", "--detach", "--port", "0", *self.options)
        expect(done.returncode == 0, done.stderr.strip())
        told = [
            row.removeprefix("export ")
            for row in self.ringfence("env").stdout.splitlines()
            if row.startswith("export ")
        ]
        self.environment = {name: shlex.split(value)[0] for name, value in (row.split("=", 1) for row in told)}
        return done.stdout.strip()

    def chapter(self, title: str) -> None:
        print(f"\n{title}", flush=True)

    @contextmanager
    def step(self, text: str) -> Iterator[Line]:
        """Time one step and print its line; a failed one ends the story (later steps need it)."""
        line = Line()
        start = time.monotonic()
        try:
            yield line
        except Exception as error:
            self.failures += 1
            print(
                f"  ✗ {time.monotonic() - start:6.2f} s  {text}\n             {type(error).__name__}: {error}",
                flush=True,
            )
            raise
        note = "".join(f"\n             {row}" for row in line.note.splitlines())
        print(f"  ✓ {time.monotonic() - start:6.2f} s  {text}{note}", flush=True)

    def ringfence(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run the `ringfence` command on this story's state directory."""
        environment = {**_clean(os.environ), "RINGFENCE_STATE": str(self.state)}
        return subprocess.run(
            [str(BIN / "ringfence"), *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            check=False,
        )

    def inside(self, *command: str, group: str = "client", role: str = "app", timeout: float = 120) -> str:
        """Run a command as if on an instance in the first private subnet; its output, or StepFailed with its error."""
        return self._output(*self._inside(group, role), *command, timeout=timeout)

    def inside_fails(self, *command: str, group: str = "client", role: str = "app") -> str:
        """Like `inside`, for a command that has to fail: what it said."""
        return self._refusal(*self._inside(group, role), *command)

    def outside_fails(self, *command: str, role: str = "app") -> str:
        """Run a command on the internet that has to fail: what it said."""
        return self._refusal("--internet", "--role", self.facts["roles"][role], *command)

    def _inside(self, group: str, role: str) -> tuple[str, ...]:
        subnet = self.facts["subnets"][0]
        return (
            "--subnet",
            subnet,
            "--security-group",
            self.facts["groups"][group],
            "--role",
            self.facts["roles"][role],
        )

    def _output(self, *arguments: str, timeout: float = 120) -> str:
        done = self.ringfence("exec", *arguments, timeout=timeout)
        expect(done.returncode == 0, f"exit {done.returncode}: {last_line(done.stderr) or last_line(done.stdout)}")
        return done.stdout.strip()

    def _refusal(self, *arguments: str) -> str:
        done = self.ringfence("exec", *arguments)
        expect(done.returncode != 0, f"it worked: {done.stdout.strip()}")
        return last_line(done.stderr) or last_line(done.stdout)


def last_line(text: str) -> str:
    """The last line that says something: where commands put their error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _clean(environment: "os._Environ[str]") -> dict[str, str]:
    """Without the caller's own AWS settings: the story brings its own."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}
