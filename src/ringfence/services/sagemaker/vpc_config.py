"""Checks of a VpcConfig against the EC2 records.

SageMaker's own texts for these are not published: the wording is EC2's where EC2 has one, else ours.
"""

from typing import Any

from ringfence.core.call import Call
from ringfence.resources.ec2 import SecurityGroup, Subnet
from ringfence.services.sagemaker.refusal import invalid


def check_vpc_config(call: Call, config: dict[str, Any]) -> None:
    """Subnets and groups exist in the caller's account and region, all of them in one VPC."""
    subnets = [_subnet(call, subnet_id) for subnet_id in config["Subnets"]]
    first = subnets[0]
    for subnet in subnets[1:]:
        if subnet.vpc_id != first.vpc_id:
            raise invalid(
                f"All subnets must belong to the same VPC: '{first.vpc_id}' ('{first.id}'), "
                f"'{subnet.vpc_id}' ('{subnet.id}')."
            )
    for group_id in config["SecurityGroupIds"]:
        group = call.records.get(SecurityGroup, group_id)
        if group is None or (group.account, group.region) != (call.account, call.region):
            raise invalid(f"The security group '{group_id}' does not exist")
        if group.vpc_id != first.vpc_id:
            raise invalid(f"Security group {group_id} and subnet {first.id} belong to different networks.")


def check_hosting_zones(call: Call, subnet_ids: tuple[str, ...]) -> None:
    """Hosting needs two Availability Zones even for one instance; checked when an endpoint is made, not for a model.

    https://docs.aws.amazon.com/sagemaker/latest/dg/host-vpc.html
    """
    zones = {_subnet(call, subnet_id).availability_zone for subnet_id in subnet_ids}
    if len(zones) < 2:
        raise invalid(
            "Hosting a model needs subnets in at least two Availability Zones: "
            f"the VpcConfig's subnets {list(subnet_ids)} are all in '{zones.pop()}'."
        )


def _subnet(call: Call, subnet_id: str) -> Subnet:
    found = call.records.get(Subnet, subnet_id)
    if found is None or (found.account, found.region) != (call.account, call.region):
        raise invalid(f"The subnet ID '{subnet_id}' does not exist")
    return found
