"""`ringfence shell`: an interactive shell as if on an instance in a subnet, with a prompt that says where it is."""

import os
import shlex
from pathlib import Path
from typing import Any

import click

from ringfence.cli.client import fail, state_option
from ringfence.cli.exec import stand


@click.command()
@state_option
@click.argument("subnet", metavar="[SUBNET-ID]", required=False)
@click.option(
    "--security-group",
    "--groups",
    "groups",
    metavar="SG-ID[,SG-ID]",
    multiple=True,
    help="Groups of the ENI; repeatable. Default: the VPC's default group.",
)
@click.option("--role", metavar="NAME|ARN", help="Serve this role's credentials at 169.254.170.2.")
@click.option("--internet", is_flag=True, help="Stand outside every VPC.")
@click.option("--customer-network", metavar="CIDR", help="Stand in a customer's own network, joined by VPN.")
@click.option("--via", metavar="VGW-ID", help="With --customer-network: by which virtual private gateway.")
def shell(
    state: Path,
    subnet: str | None,
    groups: tuple[str, ...],
    role: str | None,
    internet: bool,
    customer_network: str | None,
    via: str | None,
) -> None:
    """Open $SHELL with an ENI in a subnet, or outside every VPC (--internet, --customer-network).

    The ENI goes when the shell ends.
    """
    if [subnet is not None, internet, customer_network is not None].count(True) != 1:
        fail("say where to stand: a SUBNET-ID, --internet or --customer-network CIDR", 64)
    if via and customer_network is None:
        fail("--via goes with --customer-network", 64)
    split = [one for given in groups for one in given.split(",") if one]
    if subnet is None and split:
        fail("security groups belong to a subnet", 64)
    question = {
        "subnet": subnet,
        "security_groups": split,
        "role": role,
        "internet": internet,
        "customer_network": customer_network,
        "via": via,
    }

    def command(told: dict[str, Any], directory: Path) -> tuple[tuple[str, ...], dict[str, str]]:
        where = " ".join(
            filter(None, (subnet or customer_network or "internet", told["address"], role and role.rpartition("/")[2]))
        )
        return shell_at(os.environ.get("SHELL") or "/bin/sh", f"[{where}]", directory)

    raise SystemExit(stand(state, question, command))


def shell_at(program: str, prompt: str, directory: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command and its variables: the user's own start-up file, and `prompt` before what that makes of the prompt.

    `directory`: for files that last as long as the shell.
    """
    home, name, shown = Path(os.environ.get("HOME") or "/"), Path(program).name, shlex.quote(f"{prompt} ")
    if name == "bash":
        own = home / ".bashrc"
        file = directory / "bashrc"
        _write(file, own, f'PROMPT_COMMAND=\nPS1={shown}"${{PS1:-\\$ }}"\n')
        return (program, "--rcfile", str(file), "-i"), {}
    if name == "zsh":
        own = home / ".zshrc"
        _write(directory / ".zshrc", own, f'PROMPT={shown}"$PROMPT"\n')
        return (program, "-i"), {"ZDOTDIR": str(directory)}
    if name == "fish":
        text = f"functions -c fish_prompt _their_prompt; function fish_prompt; echo -n {shown}; _their_prompt; end"
        return (program, "-i", "-C", text), {}
    return (program, "-i"), {"PS1": f"{prompt} $ "}


def _write(file: Path, own: Path, more: str) -> None:
    file.write_text(f"[ -f {shlex.quote(str(own))} ] && . {shlex.quote(str(own))}\n{more}")
