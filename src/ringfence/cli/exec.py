"""`ringfence exec`: run a command of this machine as if on an instance in a subnet, on the internet, or in an office.

The daemon keeps the instance (its ENI, addresses, credentials) for as long as this command keeps its request open.
"""

import functools
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import click

from ringfence.cli.client import Daemon, connect, fail, state_option
from ringfence.cli.enter import Place, die_with_parent, entering, environment, temporary_directory

# What to run in an instance and its further variables; told of the instance, and where files may be put meanwhile.
Command = Callable[[dict[str, Any], Path], tuple[tuple[str, ...], dict[str, str]]]

_WHERE = (
    click.option("--subnet", metavar="SUBNET-ID", help="Stand in this subnet."),
    click.option(
        "--security-group",
        "groups",
        metavar="SG-ID",
        multiple=True,
        help="A group of the ENI; repeatable. Default: the VPC's default group.",
    ),
    click.option("--role", metavar="NAME|ARN", help="Serve this role's credentials at 169.254.170.2."),
    click.option("--internet", is_flag=True, help="Stand outside every VPC."),
    click.option(
        "--source-ip", metavar="ADDRESS", help="With --internet: the public address to come from. Default: 203.0.113.7."
    ),
    click.option("--customer-network", metavar="CIDR", help="Stand in a customer's own network, joined by VPN."),
    click.option("--via", metavar="VGW-ID", help="With --customer-network: by which virtual private gateway."),
)


def where_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say where to stand; the command gets them as its `question`, as the daemon is asked."""

    @functools.wraps(command)
    def run(
        subnet: str | None,
        groups: tuple[str, ...],
        role: str | None,
        internet: bool,
        source_ip: str | None,
        customer_network: str | None,
        via: str | None,
        **others: Any,
    ) -> None:
        question = {
            "subnet": subnet,
            "security_groups": list(groups),
            "role": role,
            "internet": internet,
            "source_ip": source_ip,
            "customer_network": customer_network,
            "via": via,
        }
        command(question=question, **others)

    for option in reversed(_WHERE):
        run = option(run)
    return run


def check_place(question: dict[str, Any]) -> None:
    """One place, and nothing that belongs to another."""
    subnet, internet, network = question["subnet"], question["internet"], question["customer_network"]
    if [subnet is not None, internet, network is not None].count(True) != 1:
        fail("say where to stand: --subnet SUBNET-ID, --internet or --customer-network CIDR", 64)
    if question["via"] and network is None:
        fail("--via goes with --customer-network", 64)
    if subnet is None and question["security_groups"]:
        fail("security groups belong to a subnet: --security-group goes with --subnet", 64)
    if question["source_ip"] and not internet:
        fail("--source-ip goes with --internet", 64)


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@state_option
@where_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(state: Path, question: dict[str, Any], command: tuple[str, ...]) -> None:
    """Run COMMAND with an ENI in a subnet (--subnet), or outside every VPC (--internet, --customer-network).

    A host in a customer's network reaches the VPC by its virtual private gateway, and the internet by itself.
    It gets the address, the resolver, Ringfence's certificate authority and, with --role, that role's credentials.
    Exits with the command's own exit code; 64 for wrong options, 69 without a daemon, 77 without root.
    """
    check_place(question)
    raise SystemExit(stand(state, question, lambda told, directory: (command, {})))


def stand(state: Path, question: dict[str, Any], command: Command) -> int:
    """Run a command in an instance that lasts as long; its exit code. `question`: where, as the daemon is asked."""
    with open_session(state, question) as (daemon, told):
        return _run(daemon, told, command)


@contextmanager
def open_session(state: Path, question: dict[str, Any]) -> Iterator[tuple[Daemon, dict[str, Any]]]:
    """An instance for as long as this lasts, as the daemon describes it."""
    if os.geteuid() != 0:
        fail("entering a network namespace needs root: run this with sudo", 77)
    daemon = connect(state)
    response = daemon.open("POST", "sessions", question)
    told = _first_line(response)
    try:
        yield daemon, told
    finally:
        daemon.call("DELETE", "sessions", {"instance_id": told["instance_id"]})


def _first_line(response: HTTPResponse) -> dict[str, Any]:
    """The daemon's description of the instance; the response stays open, and with it the instance."""
    line = response.readline()
    if not line:
        fail("the daemon closed the session; see its log")
    told: dict[str, Any] = json.loads(line)
    if "error" in told:
        fail(told["error"])
    return told


def _run(daemon: Daemon, told: dict[str, Any], command: Command) -> int:
    with temporary_directory() as directory:
        program, more = command(told, Path(directory))
        running: list[subprocess.Popen[bytes]] = []
        with _passing_on(running):
            running.append(start(daemon, told, Path(directory), program, more))
            code = running[0].wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _passing_on(running: "list[subprocess.Popen[bytes]]") -> Iterator[None]:
    """What would end this process ends the command, for which it only waits. A Ctrl-C reaches the command by itself."""

    def pass_on(number: int, frame: object) -> None:
        if not running:
            raise SystemExit(128 + number)
        running[0].send_signal(number)

    previous = {signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
            previous[number] = signal.signal(number, pass_on)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def start(
    daemon: Daemon, told: dict[str, Any], directory: Path, program: tuple[str, ...], more: dict[str, str], **how: Any
) -> "subprocess.Popen[bytes]":
    """A program in the instance. `directory`: for what is mounted, until it ends; `how`: further arguments of Popen."""
    place = Place(**{name: told[name] for name in ("namespace", "resolvers", "search", "hostname", "address")})
    variables = environment(
        os.environ, region=daemon.region, ca_bundle=str(daemon.ca_bundle), credentials_uri=told["credentials_uri"]
    )
    try:
        return subprocess.Popen(program, env=variables | more, preexec_fn=_child(entering(place, directory)), **how)
    except FileNotFoundError:
        fail(f"`{program[0]}`: no such command", 127)
    except PermissionError:
        fail(f"`{program[0]}` cannot be run", 126)
    except subprocess.SubprocessError:
        fail(f"could not enter `{place.namespace}`: is this the daemon's machine, and are you root?")


def _child(enter: Any) -> Any:
    def run() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        die_with_parent()
        enter()

    return run
