"""What an app must reach before it can serve, tried on the very paths that it will take: home directory, SageMaker.

Called by `app`, from the namespace that has the app's interface.
"""

import asyncio
import socket
import ssl

from ringfence.network.topology.instance import Instance
from ringfence.reconcile.instance.namespace_http import connect
from ringfence.reconcile.parts import Parts
from ringfence.resources.ec2 import NetworkInterface
from ringfence.resources.studio import DomainStatus, MountTarget
from ringfence.services.sagemaker.studio_failure import NFS_PORT

_MOUNT_SECONDS = 5.0
_API_SECONDS = 10.0


def nearest(parts: Parts, place: Instance, status: DomainStatus) -> MountTarget:
    """The mount target of the app's own subnet; of any, if the domain has left that."""
    interface = parts.store.snapshot().get(NetworkInterface, place.interface_id or "")
    subnet_id = interface.subnet_id if interface is not None else None
    return next((one for one in status.mount_targets if one.subnet_id == subnet_id), status.mount_targets[0])


async def reaches_mount_target(parts: Parts, instance_id: str, target: MountTarget) -> bool:
    """Whether a TCP connection to NFS comes through: the groups and ACLs in between let it."""
    applied = parts.applied.topology
    address = applied.instances[target.id].address if applied and target.id in applied.instances else None
    if address is None:
        return False
    loop = asyncio.get_running_loop()
    with (
        parts.network.open_socket(target.id, socket.SOCK_STREAM) as server,
        parts.network.open_socket(instance_id, socket.SOCK_STREAM) as client,
    ):
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind((address, NFS_PORT))
        server.listen()
        client.setblocking(False)
        try:
            await asyncio.wait_for(loop.sock_connect(client, (address, NFS_PORT)), _MOUNT_SECONDS)
        except (OSError, TimeoutError):
            return False
    return True


async def reaches_sagemaker(parts: Parts, instance_id: str, place: Instance, region: str) -> bool:
    """Whether the API's endpoint proves its name. Nothing is asked of it: that would be a call of nobody's among those
    that `explain call` remembers."""
    host = f"api.sagemaker.{region}.amazonaws.com"
    context = ssl.create_default_context(cafile=str(parts.config.ca_bundle))
    try:
        async with asyncio.timeout(_API_SECONDS):
            made = await connect(parts.network, instance_id, place.resolvers, host)
            _, writer = await asyncio.open_connection(sock=made, ssl=context, server_hostname=host)
            writer.close()
    except (OSError, TimeoutError):  # ssl.SSLError is an OSError
        return False
    return True
