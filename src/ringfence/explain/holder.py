"""Whose a network interface is, and how it goes. Pure; called by explain.deletion and explain.checks.leftover."""

from ringfence.core.record import Reader
from ringfence.resources.ec2 import NetworkInterface, RouteTable, VpcEndpoint
from ringfence.resources.instance import Instance
from ringfence.resources.nat_gateway import NatGateway
from ringfence.resources.notebook import NotebookInstanceStatus
from ringfence.resources.studio import App


def is_sagemakers(interface: NetworkInterface) -> bool:
    by_it = (interface.requester_id or "").endswith(":SageMaker")
    return by_it and interface.description.startswith("[DO NOT DELETE] ENI managed by SageMaker")


def is_main(table: RouteTable) -> bool:
    return any(one.subnet_id is None for one in table.associations)


def find_instance(records: Reader, interface: NetworkInterface) -> Instance | None:
    attached = interface.attachment.instance_id if interface.attachment else None
    return records.get(Instance, attached) if attached else None


def is_mount_target(records: Reader, interface: NetworkInterface) -> bool:
    """Of a Studio domain: it goes with the domain, after all that is in that."""
    instance = find_instance(records, interface)
    return instance is not None and instance.owner.split(":", 5)[-1].startswith("domain/")


def _notebook_of(records: Reader, interface: NetworkInterface) -> str | None:
    """The ARN of the notebook instance whose interface it is, attached or not."""
    found = (one.arn for one in records.all(NotebookInstanceStatus) if one.interface_id == interface.id)
    return next(found, None)


def describe_owner(records: Reader, interface: NetworkInterface) -> str:
    """`arn:…:endpoint/iris (i-…)`, `VPC Endpoint Interface vpce-…`, `SageMaker, left behind`"""
    instance = find_instance(records, interface)
    if instance is not None:
        return f"{instance.owner} ({instance.id})"
    if (notebook := _notebook_of(records, interface)) is not None:
        return f"{notebook}, which keeps it while it is stopped"
    if interface.interface_type != "interface":
        return interface.description or interface.interface_type
    return "SageMaker, left behind" if is_sagemakers(interface) else "an interface of your own"


def describe_interface(records: Reader, interface: NetworkInterface) -> str:
    where = f"{interface.id} ({interface.private_ip}) in {interface.subnet_id}"
    return f"{where} is {'attached to' if interface.attachment else 'of'} {describe_owner(records, interface)}"


def mend_interface(records: Reader, interface: NetworkInterface) -> str:
    """How the interface goes: with its owner, or by itself."""
    for endpoint in records.all(VpcEndpoint):
        if interface.id in endpoint.network_interface_ids:
            return f"aws ec2 delete-vpc-endpoints --vpc-endpoint-ids {endpoint.id}"
    for nat in records.all(NatGateway):
        if nat.network_interface_id == interface.id:
            return f"aws ec2 delete-nat-gateway --nat-gateway-id {nat.id}"
    if (notebook := _notebook_of(records, interface)) is not None:
        name = f"--notebook-instance-name {notebook.rpartition('/')[2]}"
        stop = f"aws sagemaker stop-notebook-instance {name}, then " if interface.attachment is not None else ""
        return f"{stop}aws sagemaker delete-notebook-instance {name}"
    instance = find_instance(records, interface)
    if instance is None:
        detach = ""
        if interface.attachment is not None:
            detach = f"aws ec2 detach-network-interface --attachment-id {interface.attachment.id}, then "
        return f"{detach}aws ec2 delete-network-interface --network-interface-id {interface.id}"
    if instance.owner.startswith("session/"):
        return f"end the `ringfence exec` or `shell` of {instance.id}"
    kind, _, name = instance.owner.split(":", 5)[-1].partition("/")
    if kind == "endpoint":
        return f"aws sagemaker delete-endpoint --endpoint-name {name}"
    if kind == "domain":
        delete = f"aws sagemaker delete-domain --domain-id {name}, after its apps, spaces and user profiles"
        return f"{delete}, or update-domain with --subnet-ids that do not name {interface.subnet_id}"
    if kind == "app":
        domain, person, type, app = name.split("/")
        space = any(one.arn == instance.owner and one.in_space for one in records.all(App))
        owner = f"--{'space' if space else 'user-profile'}-name {person}"
        return f"aws sagemaker delete-app --domain-id {domain} {owner} --app-type {type} --app-name {app}"
    return f"aws sagemaker stop-{kind} --{kind}-name {name}" if kind.endswith("-job") else f"end {instance.owner}"
