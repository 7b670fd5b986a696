"""Enter an instance: its network namespace, and a mount namespace in which this machine's files name its resolvers.

Linux only, root only; called in the child between fork and exec, and by `capture`, which stays there.
"""

import ctypes
import os
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_MS_BIND = 4096
_MS_REC = 16384
_MS_SLAVE = 1 << 19
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Place:
    """An instance as the daemon describes it: where its namespace is and what its files in /etc say.

    `resolvers`: addresses parted by spaces.
    """

    namespace: str
    resolvers: str
    search: str
    hostname: str
    address: str


def entering(place: Place, directory: Path) -> Callable[[], None]:
    """What the child has to run before exec. The files that it mounts are written into `directory` now."""
    files = {Path("/etc") / name: directory / name for name in ("resolv.conf", "hosts", "nsswitch.conf")}
    resolvers = "".join(f"nameserver {address}\n" for address in place.resolvers.split())
    (directory / "resolv.conf").write_text(f"{resolvers}search {place.search}\noptions timeout:2 attempts:2\n")
    (directory / "hosts").write_text(f"127.0.0.1 localhost\n{place.address} {place.hostname}\n")
    # Resolvers other than DNS (systemd's, mDNS) would answer with this machine's view.
    (directory / "nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")
    directory.chmod(0o755)

    def enter() -> None:
        enter_namespace(place.namespace)
        _check(_libc.unshare(_CLONE_NEWNS), "unshare")
        # not private: it would keep in use what this machine unmounts
        _check(_libc.mount(b"none", b"/", None, _MS_REC | _MS_SLAVE, None), "mount slave")
        for target, source in files.items():
            # /etc/resolv.conf is often a link into /run: a bind mount lands on what it points to.
            real = os.path.realpath(target)
            if os.path.exists(real):  # noqa: PTH110 - between fork and exec, plain calls only
                _check(_libc.mount(os.fsencode(source), os.fsencode(real), None, _MS_BIND, None), f"bind {real}")

    return enter


def enter_namespace(path: str) -> None:
    """The calling thread's network is that one from now on."""
    descriptor = os.open(path, os.O_RDONLY)
    _check(_libc.setns(descriptor, _CLONE_NEWNET), "setns")
    os.close(descriptor)


def die_with_parent() -> None:
    """The calling process is killed when the one that made it ends, however that ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def temporary_directory() -> "tempfile.TemporaryDirectory[str]":
    """A directory for the files that `entering` mounts; remove it after the child has ended."""
    return tempfile.TemporaryDirectory(prefix="ringfence-exec-")


# What would lead a client around the instance's network, or to credentials that are not the instance's.
_OUTSIDE = (
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "RINGFENCE_STATE",
)
_IDENTITY = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
)
_TRUST = (
    "AWS_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
)


def environment(
    current: Mapping[str, str], *, region: str, ca_bundle: str, credentials_uri: str | None
) -> dict[str, str]:
    """The command's environment: this one's, less what leads around the instance, plus region, CA and credentials.

    Without a role the caller's own AWS keys stay, as a person would carry them onto an instance.
    """
    kept = {
        name: value
        for name, value in current.items()
        if name not in _OUTSIDE and not name.startswith("AWS_ENDPOINT_URL")
    }
    kept.pop("SSL_CERT_DIR", None)
    if credentials_uri is not None:
        kept = {name: value for name, value in kept.items() if name not in _IDENTITY}
        kept["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = credentials_uri
        kept["AWS_CONFIG_FILE"] = kept["AWS_SHARED_CREDENTIALS_FILE"] = "/dev/null"
    kept |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_EC2_METADATA_DISABLED": "true"}
    return kept | dict.fromkeys(_TRUST, ca_bundle)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
