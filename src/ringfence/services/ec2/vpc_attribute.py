"""DescribeVpcAttribute and ModifyVpcAttribute: the two DNS switches of a VPC. Usage metrics are always off."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import Vpc
from ringfence.services.ec2 import noun
from ringfence.services.ec2.operation import accept_off, operation

# Request member -> field of the record; None: what is always off.
_SETTABLE = {
    "EnableDnsSupport": "dns_support",
    "EnableDnsHostnames": "dns_hostnames",
    "EnableNetworkAddressUsageMetrics": None,
}


@operation("ModifyVpcAttribute", takes=f"VpcId {' '.join(_SETTABLE)}", on=("vpc/{VpcId}",))
def modify_vpc_attribute(call: Call, request: Request) -> Result:
    vpc = noun.find(call, Vpc, request["VpcId"])
    given = [name for name in _SETTABLE if name in request]
    if len(given) > 1:
        raise ServiceError("InvalidParameterCombination", "Fields for multiple attribute types specified")
    if not given:
        raise ServiceError("InvalidParameterCombination", "No attributes specified.")
    value = request[given[0]].get("Value")
    if value is None:
        raise ServiceError("MissingParameter", f"The request must contain the parameter {given[0]}.Value")
    field = _SETTABLE[given[0]]
    if field is None:
        return accept_off(given[0], value)
    call.records.put(msgspec.structs.replace(vpc, **{field: value}))
    return {}


@operation("DescribeVpcAttribute", takes="VpcId Attribute", on=("vpc/{VpcId}",))
def describe_vpc_attribute(call: Call, request: Request) -> Result:
    vpc = noun.find(call, Vpc, request["VpcId"])
    match request["Attribute"]:
        case "enableDnsSupport":
            return {"VpcId": vpc.id, "EnableDnsSupport": {"Value": vpc.dns_support}}
        case "enableDnsHostnames":
            return {"VpcId": vpc.id, "EnableDnsHostnames": {"Value": vpc.dns_hostnames}}
        case "enableNetworkAddressUsageMetrics":
            return {"VpcId": vpc.id, "EnableNetworkAddressUsageMetrics": {"Value": False}}
        case other:
            raise ServiceError(
                "InvalidParameterValue", f"Value ({other}) for parameter attribute is invalid. Unknown attribute."
            )
