"""What an app of Studio finds in its container: home directory, metadata, the command that serves it. Pure but for
`prepare`.

https://docs.aws.amazon.com/sagemaker/latest/dg/notebooks-run-and-manage-metadata.html
"""

import base64
import hashlib
import json
from pathlib import Path

from ringfence.config import Config
from ringfence.network.topology import instance as compiled
from ringfence.reconcile.instance.jupyter import (
    LIFECYCLE_SECONDS,
    PAGE,
    PAGE_CONFIG,
    PORT,
    lab_command,
    server_arguments,
)
from ringfence.reconcile.instance.launch import container_environment
from ringfence.resources.instance import Instance
from ringfence.resources.studio import USER_GID, App, StudioLifecycleConfig
from ringfence.runtime.driver import ContainerSpec, Image, Mount
from ringfence.runtime.instance_type import GIB, Limits, limits

HOME = "/home/sagemaker-user"
LIFECYCLE_FAILED, LIFECYCLE_TOO_LONG = 97, 98
_METADATA = "/opt/ml/metadata/resource-metadata.json"
_LIFECYCLE = "/opt/ringfence/lifecycle.sh"
_USER = "sagemaker-user"
# of `system`, AWS says only that it costs nothing
_SYSTEM = Limits(memory_bytes=4 * GIB, cpus=2)
_START = f"""
if [ -f {_LIFECYCLE} ]; then
  timeout -k 5 {LIFECYCLE_SECONDS} bash {_LIFECYCLE}
  case $? in 0) ;; 124|137) exit {LIFECYCLE_TOO_LONG} ;; *) exit {LIFECYCLE_FAILED} ;; esac
fi
cd "$HOME" && exec "$@"
"""


def base_path(app: App) -> str:
    """Where the domain's host shows the app. https://docs.aws.amazon.com/sagemaker/latest/dg/studio-jl.html"""
    return f"/{'jupyterlab' if app.type == 'JupyterLab' else 'jupyter'}/{app.name}/"


def token_of(app: App) -> str:
    """What a kernel gateway asks of who connects to it in the VPC: known to apps of the same owner alone."""
    return hashlib.sha256(f"kernel gateway {app.launch}".encode()).hexdigest()


def log_stream(app: App) -> str:
    return f"{app.domain_id}/{app.owner}/{app.type}/{app.name}"


def prepare(app: App, uid: int, config: StudioLifecycleConfig | None, directory: Path) -> None:
    """Write what is mounted into the container."""
    directory.mkdir(parents=True, exist_ok=True)
    metadata = {
        "AppType": app.type,
        "DomainId": app.domain_id,
        "SpaceName" if app.in_space else "UserProfileName": app.owner,
        "ResourceArn": app.arn,
        "ResourceName": app.name,
        "ExecutionRoleArn": app.role_arn,
    }
    (directory / "resource-metadata.json").write_text(json.dumps(metadata))
    (directory / "page_config.json").write_text(json.dumps(PAGE_CONFIG))
    nobody = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    people = f"root:x:0:0:root:/root:/bin/sh\n{_USER}:x:{uid}:{USER_GID}::{HOME}:/bin/bash\n{nobody}"
    (directory / "passwd").write_text(people)
    if config is not None:
        (directory / "lifecycle.sh").write_bytes(base64.b64decode(config.content).replace(b"\r\n", b"\n"))
    for file in directory.iterdir():
        file.chmod(0o644)
    directory.chmod(0o755)


def app_spec(
    config: Config,
    app: App,
    instance: Instance,
    image: Image,
    place: compiled.Instance,
    namespace: Path,
    home: Path,
    gateway: tuple[str, str] | None,
) -> ContainerSpec:
    """`gateway`: address and token of the kernel gateway that a JupyterServer runs its kernels in; None: in itself."""
    limit = limits(app.instance_type) or _SYSTEM
    directory = config.instances / instance.id
    mounts = [
        Mount(home, HOME, read_only=False),
        Mount(directory / "resource-metadata.json", _METADATA),
        Mount(directory / "passwd", "/etc/passwd"),
        Mount(directory / "page_config.json", PAGE),
    ]
    if (directory / "lifecycle.sh").exists():
        mounts.append(Mount(directory / "lifecycle.sh", _LIFECYCLE))
    return ContainerSpec(
        id=instance.id,
        image=image,
        network_namespace=namespace,
        log=directory / "container.log",
        memory_bytes=limit.memory_bytes,
        cpus=limit.cpus,
        pids=limit.pids,
        entrypoint=("/bin/sh", "-c", _START, "studio"),
        args=_command(app, gateway),
        env=container_environment(instance, _environment(app)),
        mounts=tuple(mounts),
        hostname=place.hostname or "localhost",
        nameservers=place.resolvers,
        search=place.search,
        ca_bundle=config.ca_bundle,
        read_only_root=False,
    )


def _environment(app: App) -> dict[str, str]:
    return {
        "HOME": HOME,
        "USER": _USER,
        "LOGNAME": _USER,
        "SHELL": "/bin/bash",
        "JUPYTER_RUNTIME_DIR": "/tmp/jupyter",  # noqa: S108  of the container
        "PYTHONNOUSERSITE": "",
        "SAGEMAKER_APP_TYPE": app.type,
    }


def _command(app: App, gateway: tuple[str, str] | None) -> tuple[str, ...]:
    """A kernel gateway listens in the VPC and wants its token."""
    if app.type == "KernelGateway":
        open_to = ("--ServerApp.ip=0.0.0.0", f"--IdentityProvider.token={token_of(app)}")
        return ("python", "-m", "jupyter_server", *server_arguments(HOME), *open_to)
    kernels = (
        (f"--gateway-url=http://{gateway[0]}:{PORT}", f"--GatewayClient.auth_token={gateway[1]}") if gateway else ()
    )
    return (*lab_command(HOME, base_path(app)), *kernels)
