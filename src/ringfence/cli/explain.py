"""`ringfence explain`: why A can or cannot reach B, and why a call was allowed or denied."""

import json
from pathlib import Path

import click

from ringfence.cli.client import connect, fail, state_option


@click.group()
def explain() -> None:
    """Say what the network will do with a packet or why a call was decided so, and which AWS object decides."""


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


_NEVER_CAME = (
    "a call that timed out or did not resolve never came here: "
    "`ringfence explain path --from … --to sts.us-west-2.amazonaws.com`"
)


@explain.command()
@state_option
@click.argument("request_id", required=False, metavar="[REQUEST-ID]")
@click.option("--last", is_flag=True, help="The last call that came in; so it is without a REQUEST-ID.")
@click.option("--denied", is_flag=True, help="The last denied call, also of those that SageMaker makes itself.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def call(state: Path, request_id: str | None, last: bool, denied: bool, as_json: bool) -> None:
    """Show the whole decision on a call: keys, policies, statements, what to change. Exits 1 if it was denied.

    Every answer has a request id: an exception's `response["ResponseMetadata"]["RequestId"]` in boto3, or with
    `aws --debug`. A daemon remembers its last 2,000 calls and 1,000 denials, not those of the one before it.
    """
    if request_id is not None and (last or denied):
        fail("give a REQUEST-ID, or --last with or without --denied, not both", 64)
    told = connect(state).call("POST", "explain/call", {"request_id": request_id, "denied": denied})
    if not told["found"]:
        which = f"the call `{request_id}`" if request_id else "any denied call" if denied else "any call"
        fail(f"the daemon does not remember {which}; {_NEVER_CAME}", 64)
    if as_json:
        click.echo(json.dumps(told["facts"], indent=2))
    else:
        for line in told["lines"]:
            click.echo(line)
    raise SystemExit(1 if told["denied"] else 0)


@explain.command()
@state_option
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def endpoint(state: Path, name: str, as_json: bool) -> None:
    """Check everything that hosting this endpoint in its VPC needs. Exits 1 if something is wrong.

    Network, role, bucket, DNS and policies are looked at as they are now: before a launch it says what would fail,
    after one why it did, with the AWS object, the remedy, and the message that AWS shows.
    """
    _hosting(state, "endpoint", name, as_json)


@explain.command()
@state_option
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def model(state: Path, name: str, as_json: bool) -> None:
    """The same as `explain endpoint` for a model that no endpoint runs yet."""
    _hosting(state, "model", name, as_json)


@explain.command("vpc-endpoint")
@state_option
@click.argument("id", metavar="VPCE-ID")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def vpc_endpoint(state: Path, id: str, as_json: bool) -> None:
    """Check a VPC endpoint: its policy, from where it is reached, names and zones. Exits 1 if something is wrong."""
    _hosting(state, "vpc-endpoint", id, as_json)


def _hosting(state: Path, kind: str, name: str, as_json: bool) -> None:
    told = connect(state).call("POST", "explain/hosting", {"kind": kind, "name": name})
    if not told["found"]:
        listing = "ec2 describe-vpc-endpoints" if kind == "vpc-endpoint" else f"sagemaker list-{kind}s"
        fail(f"there is no {kind} `{name}`: see `aws {listing}`", 64)
    if as_json:
        click.echo(json.dumps(told["facts"], indent=2))
    else:
        for line in told["lines"]:
            click.echo(line)
    raise SystemExit(1 if told["wrong"] else 0)
