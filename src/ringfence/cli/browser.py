"""A browser of this machine with a profile of its own: it trusts Ringfence's authority and goes through one proxy.

The person's own profile, and what this machine trusts, stay as they are. Called by `open_url`.
"""

import html
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "brave-browser")


@dataclass(frozen=True)
class Person:
    """Whose screen it is: a browser does not run as root."""

    uid: int
    gid: int


def find_browser() -> str | None:
    """A program with Chromium's options."""
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)


def find_person() -> Person | None:
    """Who ran sudo; None for root itself."""
    try:
        return Person(int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))
    except (KeyError, ValueError):
        return None


def lacks() -> str | None:
    """Why no browser can be opened here; None if one can."""
    if find_browser() is None:
        return "no Chromium, Chrome, Edge or Brave is installed"
    if shutil.which("certutil") is None:
        return "`certutil` is missing, with which a browser's profile is made to trust the authority: "\
               "`apt-get install libnss3-tools`"  # fmt: skip
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display"
    if os.geteuid() == 0 and find_person() is None:
        return "a browser is not run as root: use sudo from your own account"
    return None


@contextmanager
def browser(program: str, url: str, port: int, authority: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Running, with the URL open and everything through the proxy on that port of loopback; ended with this."""
    person = find_person()
    with TemporaryDirectory(prefix="ringfence-browser-", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        _prepare(home, url, authority, person)
        command = [
            program, f"--user-data-dir={home / 'profile'}", f"--proxy-server=http://127.0.0.1:{port}",
            "--no-first-run", "--no-default-browser-check", (home / "open.html").as_uri(),
        ]  # fmt: skip
        process = subprocess.Popen(
            command,
            env=_environment(home, person),
            user=person.uid if person else None,
            group=person.gid if person else None,
            extra_groups=[] if person else None,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def _prepare(home: Path, url: str, authority: Path, person: Person | None) -> None:
    """The certificate store, and a page that leads to the URL: in arguments of a program anybody could read its token.

    https://chromium.googlesource.com/chromium/src/+/main/docs/linux/cert_management.md
    """
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    for arguments in (("-N", "--empty-password"), ("-A", "-t", "C,,", "-n", "ringfence", "-i", str(authority))):
        subprocess.run(["certutil", "-d", f"sql:{store}", *arguments], check=True, capture_output=True)
    page = f'<meta http-equiv="refresh" content="0; url={html.escape(url)}">'
    (home / "open.html").write_text(page)
    if person is not None:
        for path in (home, *home.rglob("*")):
            os.chown(path, person.uid, person.gid)


def _environment(home: Path, person: Person | None) -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RINGFENCE_"))}
    if person is not None:
        variables.setdefault("XDG_RUNTIME_DIR", f"/run/user/{person.uid}")
        own = Path(pwd.getpwuid(person.uid).pw_dir) / ".Xauthority"
        if own.exists():
            variables.setdefault("XAUTHORITY", str(own))
    return variables | {"HOME": str(home)}
