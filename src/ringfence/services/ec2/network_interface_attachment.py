"""AttachNetworkInterface and DetachNetworkInterface. There are no EC2 instances: what is attached, the platform did.

Neither succeeds, each says why: instances of the platform have one interface for as long as they live.
"""

import re

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import NetworkInterface
from ringfence.resources.instance import Instance
from ringfence.services.ec2 import noun
from ringfence.services.ec2.network_interface import in_use
from ringfence.services.ec2.operation import operation


@operation(
    "AttachNetworkInterface",
    takes="NetworkInterfaceId InstanceId DeviceIndex NetworkCardIndex",
    on=("network-interface/{NetworkInterfaceId}", "instance/{InstanceId}"),
)
def attach_network_interface(call: Call, request: Request) -> Result:
    interface, id = noun.find(call, NetworkInterface, request["NetworkInterfaceId"]), request["InstanceId"]
    if not re.fullmatch("i-([0-9a-f]{8}|[0-9a-f]{17})", id):
        raise ServiceError("InvalidInstanceID.Malformed", f'Invalid id: "{id}" (expecting "i-...")')
    instance = call.records.get(Instance, id)
    if instance is None or instance.account != call.account:
        raise ServiceError("InvalidInstanceID.NotFound", f"The instance ID '{id}' does not exist")
    if interface.attachment is not None:
        raise in_use(interface.id)
    raise ServiceError(
        "OperationNotPermitted",
        f"The instance '{id}' is managed by Ringfence and cannot have another network interface at device index "
        f"{request['DeviceIndex']}, network card {request.get('NetworkCardIndex') or 0}.",
    )


def _interface_of(call: Call, request: Request) -> list[str]:
    """What the attachment is of; all of them if there is no such attachment."""
    interface = _attached_by(call, request["AttachmentId"])
    attachment = interface.attachment if interface else None
    instance = attachment.instance_id if attachment else None
    return [
        call.arn("ec2", f"network-interface/{interface.id if interface else '*'}"),
        *([call.arn("ec2", f"instance/{instance}")] if instance else []),
    ]


@operation("DetachNetworkInterface", takes="AttachmentId Force", on=_interface_of)
def detach_network_interface(call: Call, request: Request) -> Result:
    interface = _attached_by(call, request["AttachmentId"])
    if interface is None:
        raise ServiceError(
            "InvalidAttachmentID.NotFound", f"The attachment ID '{request['AttachmentId']}' does not exist"
        )
    attachment = interface.attachment
    if interface.requester_managed or attachment is None or attachment.instance_owner != call.account:
        raise ServiceError("OperationNotPermitted", "You are not allowed to manage 'ela-attach' attachments.")
    raise ServiceError(
        "OperationNotPermitted",
        f"The network interface '{interface.id}' is attached for as long as its instance lives and cannot be "
        f"detached{', by force neither' if request.get('Force') else ''}.",
    )


def _attached_by(call: Call, id: str) -> NetworkInterface | None:
    found = (one for one in noun.mine(call, NetworkInterface) if one.attachment is not None)
    return next((one for one in found if one.attachment is not None and one.attachment.id == id), None)
