"""A real connect() beside `ringfence explain path`: both must say the same of each address that a target has."""

import json
from typing import Any

from demo.story import BIN, Story, expect

# A refusal has been there and back, as far as the network is concerned.
_CONNECT = """
import json, socket, sys
def reach(host, port, patience):
    try:
        socket.create_connection((host, port), patience).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True
port, *asked = sys.argv[1:]
print(json.dumps([reach(host, int(port), float(patience)) for host, patience in zip(asked[::2], asked[1::2])]))
"""


class Agreement:
    """`check(source, target)`: whether all of the target is reached; fails if packets and explainer differ."""

    def __init__(self, story: Story) -> None:
        self.story = story

    def place(self, group: str = "client", subnet: int = 0) -> str:
        """A new interface in one of the demo's subnets."""
        return f"{self.story.facts['subnets'][subnet]}:{self.story.facts['groups'][group]}"

    def check(self, source: str, target: str, port: int = 443) -> bool:
        """`source`: `subnet-…:sg-…,sg-…` or `internet`."""
        done = self.story.ringfence("explain", "path", "--json", "--from", source, "--to", target, "--port", str(port))
        expect(done.returncode in (0, 1), done.stderr)
        paths: list[dict[str, Any]] = json.loads(done.stdout)["paths"]
        hosts = [path["packet"]["destination"] if path["reached"] or path["forward"] else target for path in paths]
        said = [path["reachable"] for path in paths]
        connected = self._connect(source, port, hosts, said)
        expect(said == connected, f"{source} -> {target}: packets say {connected}, and\n{json.dumps(paths, indent=1)}")
        return all(said)

    def _connect(self, source: str, port: int, hosts: list[str], said: list[bool]) -> list[bool]:
        """What is said to be reached is waited for; what is not would be there at once."""
        patient = [
            word for host, reached in zip(hosts, said, strict=True) for word in (host, "30" if reached else "1.2")
        ]
        subnet, _, groups = source.partition(":")
        where = ["--subnet", subnet] if source != "internet" else ["--internet"]
        where += [word for group in groups.split(",") if group for word in ("--security-group", group)]
        done = self.story.ringfence("exec", *where, str(BIN / "python"), "-c", _CONNECT, str(port), *patient)
        expect(done.returncode == 0, done.stderr)
        told: list[bool] = json.loads(done.stdout)
        return told
