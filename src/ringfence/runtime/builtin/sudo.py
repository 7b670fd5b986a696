"""`sudo` of a notebook instance: no program there is set-uid, so a process of root's runs what the user asks it to.

`sudo.py --serve` is that process, begun only where RootAccess is Enabled; without it nobody becomes root. What root
itself asks for needs nobody. Options: -u USER, -i, -E, -H, -n, -s, VAR=value. Run by `reconcile.notebook.contract`.
"""

import array
import contextlib
import json
import os
import pwd
import shlex
import signal
import socket
import struct
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

SOCKET = "/run/sudo.socket"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# what the machine's credentials, region and trust are found by, and the terminal's looks
_KEPT_STARTS = ("AWS_", "RINGFENCE_")
_KEPT = ("LANG", "TERM", "COLORTERM", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_LONGEST = 1 << 20


class Misused(Exception):
    """The message for the user."""


@dataclass
class Wanted:
    user: str = "root"
    login: bool = False
    shell: bool = False
    keep: bool = False
    given: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)


def main(arguments: list[str]) -> int:
    if arguments == ["--serve"]:
        serve(SOCKET)
    try:
        wanted = parse(arguments)
    except Misused as error:
        print(f"sudo: {error}", file=sys.stderr)
        return 1
    if os.geteuid() == 0:
        become(wanted, os.environ)
    return ask(SOCKET, arguments)


def parse(arguments: list[str]) -> Wanted:
    wanted, left = Wanted(), list(arguments)
    while left and left[0].startswith("-"):
        option = left.pop(0)
        if option == "--":
            break
        if option in ("-u", "--user"):
            if not left:
                raise Misused(f"option {option} needs a user")
            wanted.user = left.pop(0)
            continue
        for letter in option[1:]:
            match letter:
                case "i":
                    wanted.login = True
                case "s":
                    wanted.shell = True
                case "E":
                    wanted.keep = True
                case "H" | "n" | "S":
                    pass  # the home is the user's anyway, and there are no passwords
                case _:
                    raise Misused(f"option {option} is not implemented")
    while left and "=" in left[0] and left[0].partition("=")[0].isidentifier():
        name, _, value = left.pop(0).partition("=")
        wanted.given[name] = value
    wanted.command = left
    if not left and not (wanted.login or wanted.shell):
        raise Misused("a command is missing")
    return wanted


def command_of(wanted: Wanted, entry: pwd.struct_passwd) -> list[str]:
    if not (wanted.login or wanted.shell):
        return wanted.command
    shell = [entry.pw_shell or "/bin/sh", *(["-l"] if wanted.login else [])]
    return [*shell, "-c", shlex.join(wanted.command)] if wanted.command else shell


def environment_of(wanted: Wanted, entry: pwd.struct_passwd, given: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in given.items() if wanted.keep or k in _KEPT or k.startswith(_KEPT_STARTS)}
    own = {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name, "SHELL": entry.pw_shell}
    return {"PATH": _PATH, **kept, **own, **wanted.given}


def become(wanted: Wanted, given: Mapping[str, str]) -> NoReturn:
    """Root only: this process goes on as the command."""
    try:
        entry = pwd.getpwnam(wanted.user)
    except KeyError:
        print(f"sudo: unknown user {wanted.user}", file=sys.stderr)
        os._exit(1)
    environment, command = environment_of(wanted, entry, given), command_of(wanted, entry)
    if wanted.login:
        os.chdir(entry.pw_dir)
    os.setgroups([entry.pw_gid])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606  that is what sudo is for
    except FileNotFoundError:
        print(f"sudo: {command[0]}: command not found", file=sys.stderr)
        os._exit(1)
    except OSError as error:
        print(f"sudo: {command[0]}: {error.strerror}", file=sys.stderr)
        os._exit(126)


def ask(path: str, arguments: list[str]) -> int:
    """Have root's process run it, on this one's own input and output."""
    with socket.socket(socket.AF_UNIX) as server:  # noqa: TID251  in the container, where there is no daemon
        try:
            server.connect(path)
        except OSError:
            who = pwd.getpwuid(os.getuid()).pw_name
            print(f"sudo: {who} is not allowed to be root here: RootAccess is Disabled", file=sys.stderr)
            return 1
        told = json.dumps({"arguments": arguments, "cwd": str(Path.cwd()), "environment": dict(os.environ)}).encode()
        fds = array.array("i", [0, 1, 2])
        server.sendmsg([struct.pack("!I", len(told))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        server.sendall(told)
        answer = server.recv(4)
    return struct.unpack("!i", answer)[0] if len(answer) == 4 else 1


def serve(path: str) -> NoReturn:
    """A child for each request; what it runs ends with who asked for it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:  # noqa: TID251
        listening.bind(path)
        Path(path).chmod(0o666)  # everybody in the container has root access
        listening.listen()
        while True:
            client, _ = listening.accept()
            if os.fork() == 0:
                with contextlib.suppress(OSError, ValueError, KeyError):
                    handle(client)
                os._exit(0)
            client.close()


def handle(client: socket.socket) -> None:  # noqa: TID251
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, ancillary, _, _ = client.recvmsg(4, socket.CMSG_SPACE(3 * 4))
    fds = array.array("i")
    for _, _, data in ancillary:
        fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    (length,) = struct.unpack("!I", head)
    told = json.loads(_read(client, min(length, _LONGEST)))
    child = os.fork()
    if child == 0:
        client.close()
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        with contextlib.suppress(OSError):
            os.chdir(told["cwd"])
        become(parse(told["arguments"]), told["environment"])
    for fd in fds:
        os.close(fd)
    threading.Thread(target=_end_with, args=(client, child), daemon=True).start()
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    client.sendall(struct.pack("!i", code if code >= 0 else 128 - code))


def _end_with(client: socket.socket, child: int) -> None:  # noqa: TID251
    """Who was interrupted wants no more of it."""
    with contextlib.suppress(OSError):
        if not client.recv(1):
            os.kill(child, signal.SIGTERM)


def _read(client: socket.socket, length: int) -> bytes:  # noqa: TID251
    parts = bytearray()
    while len(parts) < length and (part := client.recv(length - len(parts))):
        parts += part
    return bytes(parts)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
