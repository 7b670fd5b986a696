"""Internet gateways. Only interfaces with an Elastic IP can use one, and SageMaker's have none: packets end there.

https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html sends such traffic through a NAT gateway instead.
"""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.resources.ec2 import InternetGateway, NetworkInterface, Vpc
from ringfence.services.ec2 import elastic_ip, noun, quota
from ringfence.services.ec2.listing import Filters, describe, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.tagging import described, remove, tag_new

_BOTH = ("internet-gateway/{InternetGatewayId}", "vpc/{VpcId}")


@operation("CreateInternetGateway", takes="TagSpecifications", on=("internet-gateway/*",))
def create_internet_gateway(call: Call, request: Request) -> Result:
    gateway = make_gateway(call)
    tag_new(call, request, InternetGateway, gateway.id)
    return {"InternetGateway": _described(call, gateway)}


def make_gateway(call: Call) -> InternetGateway:
    """One that is attached to nothing."""
    have = len(noun.mine(call, InternetGateway))
    quota.check(have, quota.INTERNET_GATEWAYS, "InternetGatewayLimitExceeded", "internet gateways")
    gateway = InternetGateway(id=call.new_id("igw"), account=call.account, region=call.region)
    call.records.put(gateway)
    return gateway


@operation("AttachInternetGateway", takes="InternetGatewayId VpcId", on=_BOTH)
def attach_internet_gateway(call: Call, request: Request) -> Result:
    gateway = noun.find(call, InternetGateway, request["InternetGatewayId"])
    vpc = noun.find(call, Vpc, request["VpcId"])
    if gateway.vpc_id is not None:
        raise ServiceError(
            "Resource.AlreadyAssociated", f"resource {gateway.id} is already attached to network {gateway.vpc_id}"
        )
    if any(other.vpc_id == vpc.id for other in noun.mine(call, InternetGateway)):
        raise ServiceError("InvalidParameterValue", f"Network {vpc.id} already has an internet gateway attached")
    call.records.put(msgspec.structs.replace(gateway, vpc_id=vpc.id))
    return {}


@operation("DetachInternetGateway", takes="InternetGatewayId VpcId", on=_BOTH)
def detach_internet_gateway(call: Call, request: Request) -> Result:
    gateway = noun.find(call, InternetGateway, request["InternetGatewayId"])
    vpc = noun.find(call, Vpc, request["VpcId"])
    if gateway.vpc_id != vpc.id:
        raise ServiceError("Gateway.NotAttached", f"resource {gateway.id} is not attached to network {vpc.id}")
    inside = (interface.id for interface in noun.mine(call, NetworkInterface) if interface.vpc_id == vpc.id)
    if elastic_ip.associated(call.records, inside):
        raise ServiceError(
            "DependencyViolation",
            f"Network {vpc.id} has some mapped public address(es). Please unmap those public address(es) before "
            "detaching the gateway.",
        )
    call.records.put(msgspec.structs.replace(gateway, vpc_id=None))
    return {}


@operation("DeleteInternetGateway", takes="InternetGatewayId", on=("internet-gateway/{InternetGatewayId}",))
def delete_internet_gateway(call: Call, request: Request) -> Result:
    gateway = noun.find(call, InternetGateway, request["InternetGatewayId"])
    if gateway.vpc_id is not None:
        raise noun.dependency("internetGateway", gateway.id)
    remove(call, gateway)
    return {}


_FILTERS: Filters = {
    "attachment.state": lambda call, item: item.vpc_id and "available",
    "attachment.vpc-id": lambda call, item: item.vpc_id,
    "internet-gateway-id": lambda call, item: item.id,
    "owner-id": lambda call, item: item.account,
}


@operation("DescribeInternetGateways", takes="InternetGatewayIds Filters MaxResults NextToken")
def describe_internet_gateways(call: Call, request: Request) -> Result:
    found, token = describe(call, request, InternetGateway, ids="InternetGatewayIds", filters=_FILTERS)
    return paged("InternetGateways", [_described(call, gateway) for gateway in found], token)


def _described(call: Call, gateway: InternetGateway) -> Result:
    attached = [{"State": "available", "VpcId": gateway.vpc_id}] if gateway.vpc_id else []
    return {
        "InternetGatewayId": gateway.id,
        "OwnerId": gateway.account,
        "Attachments": attached,
        **described(call, gateway),
    }
