"""`ringfence explain`: why A can or cannot reach B, and why a call was allowed or denied."""

import json
from pathlib import Path

import click

from ringfence.cli.client import connect, fail, state_option
from ringfence.cli.explain_path import path


@click.group()
def explain() -> None:
    """Say what the network will do with a packet or why a call was decided so, and which AWS object decides."""


explain.add_command(path)

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


@explain.command()
@state_option
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def job(state: Path, name: str, as_json: bool) -> None:
    """Check everything that a processing or training job needs, and why it failed. Exits 1 if something is wrong.

    Besides what `explain endpoint` looks at: every input and output, with the role and by the way that its transfer
    takes; whether the hosts of a distributed job reach each other; how each container ended.
    """
    _hosting(state, "job", name, as_json)


@explain.command()
@state_option
@click.argument("domain")
@click.argument("profile")
@click.argument("app")
@click.option("--type", "kind", type=click.Choice(["JupyterLab", "JupyterServer", "KernelGateway"]), help="AppType.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def app(state: Path, domain: str, profile: str, app: str, kind: str | None, as_json: bool) -> None:
    """Check everything that an app of Studio needs in the VPC, and why it failed. Exits 1 if something is wrong.

    NFS to the home directory, SageMaker's API, the ports between apps, the policies of VPC endpoints. PROFILE may be a
    space. An app that CreateApp has not made yet is looked at as the one it would make, a JupyterLab unless --type says
    otherwise.
    """
    _hosting(state, "app", "/".join([domain, profile, app, *([kind] if kind else [])]), as_json)


@explain.command()
@state_option
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def notebook(state: Path, name: str, as_json: bool) -> None:
    """Check everything that a notebook instance needs, and how its URL is opened. Exits 1 if something is wrong.

    Its role; without DirectInternetAccess the ways to SageMaker and S3; whether browsers in its VPC reach it.
    """
    _hosting(state, "notebook", name, as_json)


@explain.command("vpc-endpoint")
@state_option
@click.argument("id", metavar="VPCE-ID")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def vpc_endpoint(state: Path, id: str, as_json: bool) -> None:
    """Check a VPC endpoint: its policy, from where it is reached, names and zones. Exits 1 if something is wrong."""
    _hosting(state, "vpc-endpoint", id, as_json)


@explain.command()
@state_option
@click.argument("id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def delete(state: Path, id: str, as_json: bool) -> None:
    """Why a VPC, subnet, security group, route table, ACL, gateway, ENI or DHCP options cannot be deleted.

    Nothing is deleted. Says what holds it, whose that is, and in which order to take it away. Exits 1 if it is held.
    """
    told = connect(state).call("POST", "explain/deletion", {"id": id})
    if as_json:
        click.echo(json.dumps(told["facts"], indent=2))
    else:
        for line in told["lines"]:
            click.echo(line)
    raise SystemExit(1 if told["held"] else 0)


def _hosting(state: Path, kind: str, name: str, as_json: bool) -> None:
    told = connect(state).call("POST", "explain/hosting", {"kind": kind, "name": name})
    if not told["found"]:
        others = {
            "vpc-endpoint": "ec2 describe-vpc-endpoints",
            "notebook": "sagemaker list-notebook-instances",
            "job": "sagemaker list-processing-jobs` and `list-training-jobs",
        }
        listing = others.get(kind, f"sagemaker list-{kind}s")
        fail(f"there is no {kind} `{name}`: see `aws {listing}`", 64)
    if as_json:
        click.echo(json.dumps(told["facts"], indent=2))
    else:
        for line in told["lines"]:
            click.echo(line)
    raise SystemExit(1 if told["wrong"] else 0)
