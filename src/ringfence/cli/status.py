"""`ringfence status`: what the daemon runs."""

import json
from pathlib import Path

import click

from ringfence.cli.client import connect, state_option


@click.command()
@state_option
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def status(state: Path, as_json: bool) -> None:
    """Show the daemon, its VPCs, endpoints and instances. Exits 69 if none runs."""
    daemon = connect(state)
    told = daemon.call("GET", "status")
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(
        f"ringfence {told['version']} at {daemon.url}  pid {daemon.pid}  "
        f"region {daemon.region}  account {daemon.account}"
    )
    click.echo(f"state {daemon.state}  revision {told['revision']}  network applied {told['applied_revision']}")
    for title, rows in told["tables"].items():
        click.echo(f"\n{title}")
        if not rows:
            click.echo("  none")
        for row in rows:
            click.echo("  " + "  ".join(str(cell) for cell in row))
