"""How the hosts of a PyTorch training job find each other: what AWS's container sets before it runs the script.

https://github.com/aws/sagemaker-pytorch-training-toolkit : it waits until each host's name resolves, names the first as
master, and with the hyperparameter sagemaker_torch_distributed_enabled begins the script by torchrun. Runs inside the
built-in image, for train.py beside it; imports nothing of ringfence.
"""

import socket
import sys
import time
from collections.abc import Sequence

MASTER_PORT = "7777"
_SECONDS = 15 * 60.0
_LONGEST_PAUSE = 30.0


def await_hosts(hosts: Sequence[str], seconds: float = _SECONDS) -> None:
    """Return once each has an address; OSError if that takes longer."""
    waited, pause = 0.0, 0.1
    for host in hosts:
        while not _has_address(host, final=waited + pause > seconds):
            time.sleep(pause)
            waited, pause = waited + pause, min(2 * pause, _LONGEST_PAUSE)


def _has_address(host: str, *, final: bool) -> bool:
    try:
        socket.gethostbyname(host)
    except OSError:
        if final:
            raise
        return False
    return True


def variables(hosts: Sequence[str], interface: str) -> dict[str, str]:
    """What torch.distributed's `env://` and NCCL read; hosts are sorted."""
    return {
        "MASTER_ADDR": hosts[0],
        "MASTER_PORT": MASTER_PORT,
        "NCCL_SOCKET_IFNAME": interface,
        "NCCL_IB_DISABLE": "1",
        "NCCL_DEBUG": "WARN",
    }


def torchrun(hosts: Sequence[str], current: str) -> list[str]:
    """Without accelerators one process a host."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(len(hosts)), "--nproc_per_node", "1"]
    if len(hosts) > 1:
        command += ["--master_addr", hosts[0], "--master_port", MASTER_PORT, "--node_rank", str(hosts.index(current))]
    return command
