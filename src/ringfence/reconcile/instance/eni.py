"""The network interface of an instance in the customer's VPC: made and removed with the execution role, so that the
role's EC2 permissions count at each launch, as with AWS. The same for endpoints and jobs; called by `launch`.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ringfence.core.call import Principal
from ringfence.core.errors import ServiceError
from ringfence.core.record import Reader
from ringfence.reconcile.ports import Caller
from ringfence.resources.ec2 import NetworkInterface, NetworkInterfacePermission
from ringfence.services.sagemaker import failure_reason

# Ours: SageMaker's text for endpoints and jobs is not published; in the style of Studio's and the notebooks'.
_DESCRIPTION = "[DO NOT DELETE] ENI managed by SageMaker for {noun}({name}) - {instance}"
_NOTEBOOK = (
    "[Do not delete] Network Interface created to access resources in your VPC for SageMaker Notebook Instance {name}"
)
# The account that SageMaker's instances run in: ours, AWS does not publish its own.
SERVICE_ACCOUNT = "770088000000"


# of the execution role, as the principal's ARN shows it: (recalled) from CloudTrail records of SageMaker's
SESSION_NAME = "SageMaker"


class NoFreeAddresses(Exception):
    """No subnet of the VpcConfig has two free addresses."""


class IncompleteDhcpOptions(Exception):
    """The VPC's DHCP options lack the resolver or the domain; `reason` in SageMaker's words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Place:
    """Where interfaces go: in one of the subnets, with all of the groups.

    `managed_for`: ARN of Studio's domain, whose interfaces a role of SageMaker's own makes and tags with it.
    """

    subnet_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    managed_for: str | None = None


def describe(noun: str, name: str, instance_id: str) -> str:
    """The interface's description: `noun` is `Endpoint`, `ProcessingJob`, `TrainingJob`, `TransformJob`."""
    return _DESCRIPTION.format(noun=noun, name=name, instance=instance_id)


def describe_notebook(name: str) -> str:
    """Of a notebook instance's, which it keeps while it is stopped."""
    return _NOTEBOOK.format(name=name)


def find_notebook_interface(records: Reader, account: str, place: Place, name: str) -> NetworkInterface | None:
    """The one that a daemon made for a notebook instance and did not live to write down: with its subnet and groups.

    One that an earlier instance of the name has left behind has others as often as not.
    """
    for one in records.all(NetworkInterface):
        by_us = (one.requester_id or "").endswith(f":{SESSION_NAME}") and one.description == describe_notebook(name)
        placed = (one.account, (one.subnet_id,), set(one.group_ids))
        if by_us and one.attachment is None and placed == (account, place.subnet_ids, set(place.group_ids)):
            return one
    return None


def create_interface(caller: Caller, role: Principal, place: Place, zones: Counter[str], description: str) -> str:
    """Make an interface in the subnet that spreads best over the zones (`zones`: instances that each has already).

    Raises ServiceError if the role may not, NoFreeAddresses if there is no room, IncompleteDhcpOptions.
    """
    subnet_id = _choose_subnet(caller, role, place, zones)
    request: dict[str, Any] = {"SubnetId": subnet_id, "Groups": list(place.group_ids), "Description": description}
    if place.managed_for is not None:
        request["TagSpecifications"] = [tags_for("network-interface", place.managed_for)]
    created = caller.call(role, "ec2", "CreateNetworkInterface", request)
    interface_id: str = created["NetworkInterface"]["NetworkInterfaceId"]
    try:
        _permit(caller, role, interface_id)
    except ServiceError:
        caller.call(role, "ec2", "DeleteNetworkInterface", {"NetworkInterfaceId": interface_id})
        raise
    return interface_id


def permit_attachment(records: Reader, caller: Caller, role: Principal, interface_id: str) -> None:
    """Of an interface that is there already: a daemon may have died between making it and permitting this."""
    if not any(one.network_interface_id == interface_id for one in records.all(NetworkInterfacePermission)):
        _permit(caller, role, interface_id)


def _permit(caller: Caller, role: Principal, interface_id: str) -> None:
    permission = {"AwsAccountId": SERVICE_ACCOUNT, "Permission": "INSTANCE-ATTACH"}
    caller.call(role, "ec2", "CreateNetworkInterfacePermission", {"NetworkInterfaceId": interface_id, **permission})


def tags_for(resource_type: str, arn: str) -> dict[str, Any]:
    """A TagSpecification: what Studio's role may change is tagged so."""
    return {"ResourceType": resource_type, "Tags": [{"Key": "ManagedByAmazonSageMakerResource", "Value": arn}]}


def find_interface(records: Reader, instance_id: str) -> NetworkInterface | None:
    """The interface that was made for the instance, attached or not (a daemon may have died in between)."""
    end = f" - {instance_id}"
    for interface in records.all(NetworkInterface):
        if is_platform_interface(interface) and interface.description.endswith(end):
            return interface
    return None


def is_platform_interface(interface: NetworkInterface) -> bool:
    """Whether the launch of an instance made it: the description alone anybody could write."""
    by_us = (interface.requester_id or "").endswith(f":{SESSION_NAME}")
    return by_us and interface.description.startswith(_DESCRIPTION.partition("{")[0])


def _choose_subnet(caller: Caller, role: Principal, place: Place, zones: Counter[str]) -> str:
    """Looks at all that SageMaker's policy for VPCs lists, so that each Describe permission of it counts.

    https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html
    """

    def look(operation: str, **request: Any) -> Any:
        (found,) = caller.call(role, "ec2", operation, request).values()
        return found

    ids = list(place.subnet_ids)
    subnets = look("DescribeSubnets", SubnetIds=ids)
    vpc = look("DescribeVpcs", VpcIds=[subnets[0]["VpcId"]])[0]
    # AWS has a set called `default`, which is none: nobody tells the instance anything
    id = vpc["DhcpOptionsId"]
    _check_dhcp_options(id, [] if id == "default" else look("DescribeDhcpOptions", DhcpOptionsIds=[id]))
    look("DescribeSecurityGroups", GroupIds=list(place.group_ids))
    in_vpc = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    if place.managed_for is None:  # the role of Studio may not, with AWS either
        look("DescribeVpcEndpoints", Filters=in_vpc)
    look("DescribeNetworkInterfaces", Filters=in_vpc)
    able = [subnet for subnet in subnets if subnet["AvailableIpAddressCount"] >= failure_reason.ADDRESSES_EACH]
    if not able:
        raise NoFreeAddresses
    able.sort(key=lambda subnet: (zones[subnet["AvailabilityZone"]], ids.index(subnet["SubnetId"])))
    chosen: str = able[0]["SubnetId"]
    return chosen


def _check_dhcp_options(id: str, sets: list[Any]) -> None:
    listed = [one for found in sets for one in found["DhcpConfigurations"]]
    options = {one["Key"]: [value["Value"] for value in one["Values"]] for one in listed}
    servers, domain = options.get("domain-name-servers", []), options.get("domain-name", [])
    if not servers or not domain:
        raise IncompleteDhcpOptions(failure_reason.dhcp_incomplete(id, servers, domain))
