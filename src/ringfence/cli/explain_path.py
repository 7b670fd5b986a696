"""`ringfence explain path`: why A can or cannot reach B, hop by hop."""

import json
from pathlib import Path

import click

from ringfence.cli.client import connect, fail, state_option

_PLACES = """\b
PLACE is
  eni-…, i-…                 an interface; an instance or a `ringfence exec`
  subnet-…[:sg-…,sg-…]       a new interface there with these groups (the VPC's default group)
  vpce-…                     each of a VPC endpoint's interfaces; a gateway endpoint's service
  endpoint/NAME, model/NAME  each instance of a hosting endpoint, or those that it would have
  job/NAME                   each instance of a job
  internet                   a host outside
  vgw-…/ADDRESS              a host in the customer's network behind a virtual private gateway
  an address, a DNS name     the name as the sender's own resolvers answer it (--to)
"""


@click.command(epilog=_PLACES)
@state_option
@click.option("--from", "source", metavar="PLACE", help="Where the packet comes from.")
@click.option("--from-subnet", metavar="SUBNET-ID", help="Instead of --from: a new ENI in this subnet …")
@click.option(
    "--from-group", "groups", metavar="SG-ID", multiple=True, help="… with these security groups; repeatable."
)
@click.option("--to", "target", required=True, metavar="PLACE", help="Where it goes.")
@click.option("--port", type=click.IntRange(1, 65535), default=443, show_default=True)
@click.option("--protocol", type=click.Choice(["tcp", "udp", "icmp"]), default="tcp", show_default=True)
@click.option("--live", is_flag=True, help="Send a real packet too, and show what the kernel's rules did with it.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def path(
    state: Path,
    source: str | None,
    from_subnet: str | None,
    groups: tuple[str, ...],
    target: str,
    port: int,
    protocol: str,
    live: bool,
    as_json: bool,
) -> None:
    """Walk the path of a packet and of its answer. Exits 1 if it does not arrive, or no answer comes back.

    With --live a packet of its own is sent and traced, and nothing else is; an ENI is made for it if --from is a
    subnet. Exits 2 if the kernel and the model disagree.
    """
    if (source is None) == (from_subnet is None):
        fail("say where the packet comes from: --from PLACE, or --from-subnet SUBNET-ID with --from-group SG-ID", 64)
    place = source or f"{from_subnet}:{','.join(groups)}"
    question = {"from": place, "to": target, "port": port, "protocol": protocol}
    told = connect(state).call("POST", "explain/live" if live else "explain/path", question)
    if as_json:
        click.echo(json.dumps({name: value for name, value in told.items() if name != "lines"}, indent=2))
    else:
        for line in told["lines"]:
            click.echo(line)
    if live and not told["agree"]:
        raise SystemExit(2)
    raise SystemExit(0 if told["reachable"] else 1)
