"""What `train` runs in the built-in image: the user's script, as AWS's framework containers do (script mode).

Runs inside the container; imports nothing of ringfence but what lies beside it. The contract is that of AWS's
sagemaker-training toolkit: the code of `sagemaker_submit_directory`, its requirements, the SM_… variables,
hyperparameters as arguments, /opt/ml/output/failure. Without a script the XGBoost image trains by its own algorithm.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ringfence.runtime.builtin.submission import fetch_code, log, requirements_command

ML = Path("/opt/ml")
# of stderr, for the failure's text: how a traceback ends has to be in the first 1,024 characters of that
_TAIL = 700
# what pip says when it comes to no index at all
_NO_WAY = ("Failed to establish a new connection", "Connection to ")
_PREFIX = "sagemaker_"
_TORCHRUN = "sagemaker_torch_distributed_enabled"
# what the SDK's `distribution` asks of a container, and these have not
_DISTRIBUTIONS = (
    "sagemaker_mpi_enabled", "sagemaker_parameter_server_enabled", "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_pytorch_ddp_enabled", "sagemaker_multi_worker_mirrored_strategy_enabled", _TORCHRUN,
)  # fmt: skip


class TrainingFailed(Exception):
    """`code`: what this process ends with; the text goes to /opt/ml/output/failure."""

    def __init__(self, kind: str, code: int, message: str, command: str) -> None:
        # the form that users know from FailureReason: `AlgorithmError: ExecuteUserScriptError: ExitCode 1 …`
        super().__init__(f'{kind}:\nExitCode {code}\nErrorMessage "{message}"\nCommand "{command}"')
        self.code = code


def read_config(name: str, ml: Path = ML) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = json.loads((ml / "input/config" / f"{name}.json").read_text())
    except FileNotFoundError:
        return {}
    return loaded


def decode_hyperparameters(given: Mapping[str, str]) -> dict[str, Any]:
    """The SDK writes each value as JSON; what is no JSON is text."""
    decoded: dict[str, Any] = {}
    for name, value in given.items():
        try:
            decoded[name] = json.loads(value)
        except (TypeError, ValueError):
            decoded[name] = value
    return decoded


def split_hyperparameters(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The user's, and those that speak to the container."""
    own = {name: value for name, value in given.items() if not name.startswith(_PREFIX)}
    return own, {name: value for name, value in given.items() if name not in own}


def to_arguments(hyperparameters: Mapping[str, Any]) -> list[str]:
    """`--name value`, sorted by name; one letter takes one dash; a mapping is written `a=1,b=2`."""
    arguments: list[str] = []
    for name, value in sorted(hyperparameters.items()):
        arguments.append(f"--{name}" if len(name) > 1 else f"-{name}")
        if isinstance(value, dict):
            value = ",".join(f"{key}={item}" for key, item in sorted(value.items()))
        arguments.append("" if value is None else str(value))
    return arguments


def environment(hyperparameters: Mapping[str, Any], told: Mapping[str, Any], ml: Path = ML) -> dict[str, str]:
    """The SM_… variables. https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md"""
    resources, channels = read_config("resourceconfig", ml), read_config("inputdataconfig", ml)
    groups = {group["instance_group_name"]: group for group in resources.get("instance_groups", [])}
    program = str(told.get("sagemaker_program") or "")
    inputs = {name: str(ml / "input/data" / name) for name in channels}
    values: dict[str, Any] = {
        "hosts": resources.get("hosts", []),
        "network_interface_name": resources.get("network_interface_name", "eth0"),
        "hps": hyperparameters,
        "user_entry_point": program,
        "framework_params": told,
        "resource_config": resources,
        "input_data_config": channels,
        "output_data_dir": str(ml / "output/data"),
        "channels": sorted(channels),
        "current_host": resources.get("current_host", ""),
        "current_instance_type": resources.get("current_instance_type", ""),
        "current_instance_group": resources.get("current_group_name", ""),
        "current_instance_group_hosts": groups.get(resources.get("current_group_name", ""), {}).get("hosts", []),
        "instance_groups": sorted(groups),
        "instance_groups_dict": groups,
        "distribution_instance_groups": [],
        "is_hetero": len(groups) > 1,
        "module_name": program.removesuffix(".py"),
        "log_level": told.get("sagemaker_container_log_level", 20),
        "framework_module": None,
        "input_dir": str(ml / "input"),
        "input_config_dir": str(ml / "input/config"),
        "output_dir": str(ml / "output"),
        "num_cpus": len(os.sched_getaffinity(0)),
        "num_gpus": 0,
        "num_neurons": 0,
        "model_dir": str(ml / "model"),
        "module_dir": told.get("sagemaker_submit_directory") or str(ml / "code"),
        "output_intermediate_dir": str(ml / "output/intermediate"),
        "user_args": to_arguments(hyperparameters),
    }
    values["training_env"] = _training_environment(values, told, inputs)
    values |= {f"channel_{name}": path for name, path in inputs.items()}
    values |= {f"hp_{name}": value for name, value in hyperparameters.items()}
    return {f"SM_{name.upper()}": _as_text(value) for name, value in values.items()}


def _training_environment(values: Mapping[str, Any], told: Mapping[str, Any], inputs: dict[str, str]) -> dict[str, Any]:
    """SM_TRAINING_ENV: the same facts as one object, with the toolkit's own names for some."""
    renamed = {"hps": "hyperparameters", "framework_params": "additional_framework_parameters"}
    shown = {renamed.get(name, name): value for name, value in values.items() if name not in ("channels", "user_args")}
    hosts = sorted(values["hosts"])
    is_master = bool(hosts) and values["current_host"] == hosts[0]
    return {
        **shown,
        "channel_input_dirs": inputs,
        "job_name": told.get("sagemaker_job_name") or os.environ.get("TRAINING_JOB_NAME", ""),
        "master_hostname": hosts[0] if hosts else "",
        "is_master": is_master,
    }


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def command_of(program: str, directory: Path, arguments: list[str], launcher: Sequence[str] = ()) -> list[str]:
    """A package (setup.py) is run as a module, a script by this Python, anything else by the shell.

    `launcher`: a program that runs the script, and nothing but a script.
    """
    if launcher:
        if (directory / "setup.py").exists() or not program.endswith(".py"):
            raise TrainingFailed("ClientError", 1, "Unsupported entry point type for torch_distributed", program)
        return [*launcher, program, *arguments]
    if not program.endswith(".sh") and (directory / "setup.py").exists():
        return [sys.executable, "-m", program.removesuffix(".py"), *arguments]
    if program.endswith(".py"):
        return [sys.executable, program, *arguments]
    return ["/bin/sh", "-c", f'exec ./{shlex.quote(program)} "$@"', "sh", *arguments]


def run_script(
    program: str, source: str, arguments: list[str], variables: Mapping[str, str], launcher: Sequence[str] = ()
) -> None:
    directory = Path(fetch_code(source, str(ML / "code-archive")))
    if not (directory / program).exists() and not (directory / "setup.py").exists():
        raise TrainingFailed("ImportModuleError", 1, f"no file {program} in {source}", program)
    _install(directory)
    command = command_of(program, directory, arguments, launcher)
    log(f"Invoking script with the following command:\n\n{shlex.join(command)}\n")
    paths = os.pathsep.join(filter(None, [str(directory), os.environ.get("PYTHONPATH")]))
    if program.endswith(".sh"):
        (directory / program).chmod(0o755)
    _execute(command, directory, {**os.environ, **variables, "PYTHONPATH": paths})


def _install(directory: Path) -> None:
    """The script's own package and its requirements."""
    if (directory / "setup.py").exists():
        _pip([sys.executable, "-m", "pip", "install", "--no-cache-dir", "."], directory)
    if command := requirements_command(str(directory)):
        _pip(command, directory)


def _pip(command: list[str], directory: Path) -> None:
    """Fails with pip's own errors, and says so if no package index was reached."""
    process = subprocess.Popen(command, cwd=directory, stderr=subprocess.PIPE, text=True, errors="replace")
    assert process.stderr is not None
    errors, unreached = [], False
    for line in process.stderr:
        sys.stderr.write(line)
        unreached |= any(words in line for words in _NO_WAY)
        errors += [line.strip()] if line.startswith("ERROR") else []
    if process.wait():
        if unreached:
            errors.append("the network of the job leads to no package index: set PIP_INDEX_URL to one that it reaches")
        raise TrainingFailed("InstallRequirementsError", 1, "\n".join(errors)[-_TAIL:], shlex.join(command))


def _execute(command: list[str], directory: Path, variables: Mapping[str, str]) -> None:
    process = subprocess.Popen(command, cwd=directory, env=variables, stderr=subprocess.PIPE)
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGTERM))
    tail = bytearray()
    assert process.stderr is not None
    reader = threading.Thread(target=_pass_on, args=(process.stderr, tail), daemon=True)
    reader.start()
    code = process.wait()
    reader.join(5)  # a child of the script's may hold the pipe open
    if code:
        shown = code if code > 0 else 128 - code
        message = bytes(tail).decode(errors="replace").strip()
        if len(tail) == _TAIL:
            message = message.partition("\n")[2] or message  # without what is left of the first line
        raise TrainingFailed("ExecuteUserScriptError", shown, message, shlex.join(command))


def _pass_on(stream: IO[bytes], tail: bytearray) -> None:
    """What the script says to stderr, and its end for the failure's text."""
    for line in stream:
        os.write(2, line)
        tail += line
        del tail[:-_TAIL]


def asks_for_torchrun(told: Mapping[str, Any], framework: str | None) -> bool:
    """Whether the hyperparameters do; any other distribution is refused."""
    asked = [name for name in _DISTRIBUTIONS if told.get(name) in (True, "true", "True")]
    for name in asked:
        if (name, framework) != (_TORCHRUN, "torch"):
            raise TrainingFailed("ClientError", 1, f"the built-in images do not implement {name}", "train")
    return bool(asked)


def meet_hosts(by_torchrun: bool) -> tuple[dict[str, str], list[str]]:
    """PyTorch's variables and, if it is asked for, its launcher; once the hosts have names."""
    from ringfence.runtime.builtin import torch_hosts

    resources = read_config("resourceconfig")
    hosts, current = sorted(resources["hosts"]), resources["current_host"]
    torch_hosts.await_hosts(hosts)
    launcher = torch_hosts.torchrun(hosts, current) if by_torchrun else []
    return torch_hosts.variables(hosts, resources.get("network_interface_name", "eth0")), launcher


def train() -> None:
    decoded = decode_hyperparameters(read_config("hyperparameters"))
    hyperparameters, told = split_hyperparameters(decoded)
    program = told.get("sagemaker_program") or os.environ.get("SAGEMAKER_PROGRAM")
    source = told.get("sagemaker_submit_directory") or os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY") or str(ML / "code")
    told["sagemaker_program"] = program
    framework = os.environ.get("RINGFENCE_FRAMEWORK")
    torchrun = asks_for_torchrun(told, framework)
    if program:
        variables = environment(hyperparameters, told)
        launcher: list[str] = []
        if framework == "torch":
            added, launcher = meet_hosts(torchrun)
            variables |= added
        run_script(str(program), str(source), to_arguments(hyperparameters), variables, launcher)
    elif framework == "xgboost":
        from ringfence.runtime.builtin import xgboost_algorithm

        xgboost_algorithm.train(hyperparameters, ML)
    else:
        raise TrainingFailed(
            "ClientError", 1, "no script: set the hyperparameter sagemaker_program or ContainerEntrypoint", "train"
        )


def main() -> int:
    try:
        train()
    except Exception as error:
        if not isinstance(error, TrainingFailed):
            sys.excepthook(type(error), error, error.__traceback__)
        failure = str(error) if isinstance(error, TrainingFailed) else f"{type(error).__name__}: {error}"
        log(f"Reporting training FAILURE\n{failure}")
        (ML / "output/failure").write_text(failure)
        return error.code if isinstance(error, TrainingFailed) else 1
    log("Reporting training SUCCESS")
    return 0
