"""Attributes of network interfaces, one at a time: read, changed, reset."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import NetworkInterface
from ringfence.services.ec2 import noun
from ringfence.services.ec2.network_interface import describe_interface
from ringfence.services.ec2.operation import named, operation
from ringfence.services.ec2.requester_managed import find_own
from ringfence.services.ec2.security_group import find_groups


@operation(
    "ModifyNetworkInterfaceAttribute",
    takes="NetworkInterfaceId Description Groups SourceDestCheck",
    on=named("network-interface/{NetworkInterfaceId}", optional={"Groups": "security-group"}),
)
def modify_network_interface_attribute(call: Call, request: Request) -> Result:
    interface = find_own(call, request["NetworkInterfaceId"])
    given = [name for name in ("Description", "Groups", "SourceDestCheck") if request.get(name)]
    if len(given) != 1:
        raise ServiceError("InvalidParameterCombination", "Exactly one attribute must be specified.")
    if given == ["Groups"]:
        groups = find_groups(call, interface.vpc_id, request["Groups"], subnet_id=interface.subnet_id)
        call.records.put(msgspec.structs.replace(interface, group_ids=groups))
        return {}
    value = request[given[0]].get("Value")
    if value is None:
        raise ServiceError("MissingParameter", f"The request must contain the parameter {given[0]}.Value")
    field = {"Description": "description", "SourceDestCheck": "source_dest_check"}[given[0]]
    call.records.put(msgspec.structs.replace(interface, **{field: value}))
    return {}


@operation("DescribeNetworkInterfaceAttribute", takes="NetworkInterfaceId Attribute")
def describe_network_interface_attribute(call: Call, request: Request) -> Result:
    interface = noun.find(call, NetworkInterface, request["NetworkInterfaceId"])
    shown = describe_interface(call, interface)
    match request.get("Attribute"):
        case "description":
            member: Result = {"Description": {"Value": interface.description}}
        case "groupSet":
            member = {"Groups": shown["Groups"]}
        case "sourceDestCheck":
            member = {"SourceDestCheck": {"Value": interface.source_dest_check}}
        case "attachment":
            member = {"Attachment": shown["Attachment"]} if interface.attachment else {}
        case other:
            raise ServiceError(
                "InvalidParameterValue", f"Value ({other}) for parameter attribute is invalid. Unknown attribute."
            )
    return {"NetworkInterfaceId": interface.id, **member}


@operation(
    "ResetNetworkInterfaceAttribute",
    takes="NetworkInterfaceId SourceDestCheck",
    on=("network-interface/{NetworkInterfaceId}",),
)
def reset_network_interface_attribute(call: Call, request: Request) -> Result:
    """The source/destination check is the only attribute that has a default. The value given is not looked at."""
    interface = find_own(call, request["NetworkInterfaceId"])
    if "SourceDestCheck" not in request:
        raise ServiceError("MissingParameter", "The request must contain the parameter sourceDestCheck")
    call.records.put(msgspec.structs.replace(interface, source_dest_check=True))
    return {}
