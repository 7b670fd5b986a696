"""`ringfence env`: shell exports that point AWS clients at the daemon."""

import shlex
from pathlib import Path

import click

from ringfence.cli.client import Daemon, connect, state_option


def exports(daemon: Daemon) -> dict[str, str]:
    """What an AWS client on this machine needs to talk to the daemon as the account's root."""
    return {
        "AWS_ENDPOINT_URL": daemon.url,
        # clients put the account before its host, which needs a name: systemd-resolved knows all below this one
        "AWS_ENDPOINT_URL_S3_CONTROL": daemon.url.replace("//127.0.0.1:", "//localhost:"),
        "AWS_ACCESS_KEY_ID": daemon.access_key_id,
        "AWS_SECRET_ACCESS_KEY": daemon.secret_access_key,
        "AWS_REGION": daemon.region,
        "AWS_DEFAULT_REGION": daemon.region,
        "AWS_CA_BUNDLE": str(daemon.ca_bundle),
        "RINGFENCE_STATE": str(daemon.state),
    }


@click.command()
@state_option
def env(state: Path) -> None:
    """Print shell exports for AWS clients: eval "$(ringfence env)"."""
    told = exports(connect(state))  # before the first line: without a daemon nothing is evaluated
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
        click.echo(f"unset {name}")
    for name, value in told.items():
        click.echo(f"export {name}={shlex.quote(value)}")
