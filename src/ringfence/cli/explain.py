"""`ringfence explain`: why A can or cannot reach B."""

import json
from pathlib import Path

import click

from ringfence.cli.client import connect, state_option


@click.group()
def explain() -> None:
    """Say what the network will do with a packet, and which AWS object decides."""


@explain.command()
@state_option
@click.option("--from", "source", required=True, help="An ENI, an instance, or `internet`.")
@click.option("--to", "target", required=True, help="An ENI, an address or a DNS name.")
@click.option("--port", type=click.IntRange(1, 65535), default=443, show_default=True)
@click.option("--protocol", type=click.Choice(["tcp", "udp"]), default="tcp", show_default=True)
@click.option("--json", "as_json", is_flag=True)
def path(state: Path, source: str, target: str, port: int, protocol: str, as_json: bool) -> None:
    """Walk the path of a packet. Exits 1 if it does not arrive."""
    question = {"from": source, "to": target, "port": port, "protocol": protocol}
    told = connect(state).call("POST", "explain/path", question)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        for line in told["lines"]:
            click.echo(line)
    raise SystemExit(0 if told["reachable"] else 1)
