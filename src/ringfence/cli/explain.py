"""`ringfence explain`: why A can or cannot reach B."""

import json
from pathlib import Path

import click

from ringfence.cli.client import connect, fail, state_option


@click.group()
def explain() -> None:
    """Say what the network will do with a packet, and which AWS object decides."""


@explain.command()
@state_option
@click.option("--from", "source", metavar="PLACE", help="An ENI, an instance, or `internet`.")
@click.option("--from-subnet", metavar="SUBNET-ID", help="Instead of --from: a new ENI in this subnet …")
@click.option(
    "--from-group", "groups", metavar="SG-ID", multiple=True, help="… with these security groups; repeatable."
)
@click.option("--to", "target", required=True, metavar="PLACE", help="An ENI, an instance, an address or a DNS name.")
@click.option("--port", type=click.IntRange(1, 65535), default=443, show_default=True)
@click.option("--protocol", type=click.Choice(["tcp", "udp"]), default="tcp", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def path(
    state: Path,
    source: str | None,
    from_subnet: str | None,
    groups: tuple[str, ...],
    target: str,
    port: int,
    protocol: str,
    as_json: bool,
) -> None:
    """Walk the path of a packet. Exits 1 if it does not arrive."""
    if (source is None) == (from_subnet is None):
        fail("say where the packet comes from: --from PLACE, or --from-subnet SUBNET-ID with --from-group SG-ID", 64)
    question = {"from": source, "subnet": from_subnet, "groups": list(groups), "to": target}
    told = connect(state).call("POST", "explain/path", question | {"port": port, "protocol": protocol})
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        for line in told["lines"]:
            click.echo(line)
    raise SystemExit(0 if told["reachable"] else 1)
