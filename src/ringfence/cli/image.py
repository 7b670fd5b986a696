"""`ringfence image`: container images under ECR-style names."""

import os
from pathlib import Path

import click

from ringfence.cli.client import connect, state_option


@click.group()
def image() -> None:
    """Import, list and remove container images."""


@image.command("import")
@state_option
@click.argument("source")
@click.argument("name")
def import_(state: Path, source: str, name: str) -> None:
    """Import SOURCE under NAME (ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG).

    SOURCE is an OCI layout directory (oci:DIR:TAG or DIR), an archive (docker-archive:FILE, oci-archive:FILE or
    FILE), or an image of a running Docker (docker-daemon:NAME:TAG, at DOCKER_HOST if that is set) or of root's podman
    (containers-storage:NAME; another user's: `podman save -o FILE NAME` first).
    """
    if ":" not in source.split("/")[0]:
        source = str(Path(source).resolve())
    asked = {"source": source, "name": name}
    if host := os.environ.get("DOCKER_HOST"):
        asked["docker_host"] = host
    told = connect(state).call("POST", "images", asked)
    click.echo(f"{told['name']}  {told['digest']}")


@image.command("list")
@state_option
def list_(state: Path) -> None:
    """List image names that CreateModel can use."""
    for name in connect(state).call("GET", "images")["names"]:
        click.echo(name)


@image.command("rm")
@state_option
@click.argument("name")
def remove(state: Path, name: str) -> None:
    """Remove an imported image."""
    connect(state).call("DELETE", "images", {"name": name})
