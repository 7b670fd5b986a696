"""What a notebook instance finds in its container: volume, metadata, lifecycle scripts, sudo, the server's command.

Pure but for `prepare`.

https://docs.aws.amazon.com/sagemaker/latest/dg/notebook-lifecycle-config.html
"""

import base64
import json
from dataclasses import replace
from pathlib import Path

from ringfence.config import Config
from ringfence.reconcile.instance.jupyter import LIFECYCLE_SECONDS, PAGE, PAGE_CONFIG, lab_command
from ringfence.reconcile.instance.launch import Launched, container_environment
from ringfence.resources.notebook import NOTEBOOK_GID, NOTEBOOK_UID, NotebookInstance, NotebookLifecycleConfig
from ringfence.runtime.builtin.rootfs import INSIDE
from ringfence.runtime.driver import ContainerSpec, Image, Mount
from ringfence.runtime.instance_type import GIB, Limits, limits

ON_CREATE_FAILED, ON_START_FAILED, TOO_LONG = 96, 97, 98
USER, HOME = "ec2-user", "/home/ec2-user"
VOLUME = f"{HOME}/SageMaker"
# file of the instance's directory -> stream
LOGS = {
    "container.log": "jupyter.log",
    "container-OnCreate.log": "LifecycleConfigOnCreate",
    "container-OnStart.log": "LifecycleConfigOnStart",
}
_METADATA = "/opt/ml/metadata/resource-metadata.json"
_HOOKS = "/opt/ringfence/hooks"
_SUDO = f"{INSIDE}/sudo.py"
# "The value of the $PATH environment variable that is available to both scripts is /sbin:bin:/usr/sbin:/usr/bin"
_PATH = "/sbin:/bin:/usr/sbin:/usr/bin"
# What root needs to be another user and to look after another user's files; nothing that reaches out of the container.
_CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID")
_UNKNOWN = Limits(memory_bytes=4 * GIB, cpus=2)
_RUN_HOOKS = f"""
hook() {{
  [ ! -f "$0/$1.sh" ] || PATH={_PATH} HOME=/root bash "$0/$1.sh" >>"$0/container-$1.log" 2>&1 || exit "$2"
}}
hook OnCreate {ON_CREATE_FAILED}
hook OnStart {ON_START_FAILED}
"""


def start_script(hooks: str = _HOOKS, seconds: int = LIFECYCLE_SECONDS) -> str:
    """Root's: both scripts, which have so many seconds together, then the server as the user. In the container
    $RINGFENCE_SUDO says whether the user may become root."""
    return f"""
mkdir -p {HOME} && chown {NOTEBOOK_UID}:{NOTEBOOK_GID} {HOME}
if [ "$RINGFENCE_SUDO" = Enabled ]; then python {_SUDO} --serve & fi
timeout -k 5 {seconds} bash -c '{_RUN_HOOKS}' {hooks}
code=$?
case $code in 0) ;; 124|137) exit {TOO_LONG} ;; *) exit $code ;; esac
cd {VOLUME} && exec python {_SUDO} -E -u {USER} -- "$@"
"""


def prepare(notebook: NotebookInstance, config: NotebookLifecycleConfig | None, created: bool, directory: Path) -> None:
    """Write what is mounted into the container. `created`: OnCreate has been run."""
    directory.mkdir(parents=True, exist_ok=True)
    metadata = {"ResourceArn": notebook.arn, "ResourceName": notebook.name, "ExecutionRoleArn": notebook.role_arn}
    (directory / "resource-metadata.json").write_text(json.dumps(metadata))
    (directory / "page_config.json").write_text(json.dumps(PAGE_CONFIG))
    (directory / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/bash\n"
        f"{USER}:x:{NOTEBOOK_UID}:{NOTEBOOK_GID}:EC2 Default User:{HOME}:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    )
    (directory / "group").write_text(f"root:x:0:\n{USER}:x:{NOTEBOOK_GID}:\nnogroup:x:65534:\n")
    (directory / "sudo").write_text(f'#!/bin/sh\nexec "$RINGFENCE_PYTHON" {_SUDO} "$@"\n')
    hooks = {"OnCreate": None if created or config is None else config.on_create}
    hooks["OnStart"] = config.on_start if config is not None else None
    for hook, script in hooks.items():
        if script is not None:
            (directory / f"{hook}.sh").write_bytes(base64.b64decode(script).replace(b"\r\n", b"\n"))
        (directory / f"container-{hook}.log").touch()
    for file in directory.iterdir():
        file.chmod(0o644)
    (directory / "sudo").chmod(0o755)
    directory.chmod(0o755)


def notebook_spec(
    config: Config, notebook: NotebookInstance, made: Launched, image: Image, namespace: Path, volume: Path
) -> ContainerSpec:
    limit = limits(notebook.instance_type) or _UNKNOWN
    directory = config.instances / made.instance.id
    return ContainerSpec(
        id=made.instance.id,
        image=replace(image, user="0:0"),
        network_namespace=namespace,
        log=directory / "container.log",
        memory_bytes=limit.memory_bytes,
        cpus=limit.cpus,
        pids=limit.pids,
        entrypoint=("/bin/sh", "-c", start_script(), "notebook"),
        args=lab_command(VOLUME, "/"),
        env=container_environment(made.instance, _environment(config, notebook)),
        mounts=(Mount(volume, VOLUME, read_only=False), *_files(directory)),
        hostname=made.place.hostname or "localhost",
        nameservers=made.place.resolvers,
        search=made.place.search,
        ca_bundle=config.ca_bundle,
        read_only_root=False,
        capabilities=_CAPABILITIES,
    )


def _files(directory: Path) -> list[Mount]:
    found = [
        Mount(directory / "resource-metadata.json", _METADATA),
        Mount(directory / "page_config.json", PAGE),
        Mount(directory / "passwd", "/etc/passwd"),
        Mount(directory / "group", "/etc/group"),
        Mount(directory / "sudo", "/usr/bin/sudo"),
    ]
    for hook in ("OnCreate", "OnStart"):
        log, script = f"container-{hook}.log", f"{hook}.sh"
        found.append(Mount(directory / log, f"{_HOOKS}/{log}", read_only=False))
        if (directory / script).exists():
            found.append(Mount(directory / script, f"{_HOOKS}/{script}"))
    return found


def _environment(config: Config, notebook: NotebookInstance) -> dict[str, str]:
    return {
        "HOME": HOME,
        "SHELL": "/bin/bash",
        "JUPYTER_RUNTIME_DIR": "/tmp/jupyter",  # noqa: S108  of the container
        "PYTHONNOUSERSITE": "",
        "RINGFENCE_PYTHON": str(config.studio / "bin" / "python"),
        "RINGFENCE_SUDO": notebook.root_access,
    }
