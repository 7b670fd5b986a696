"""DHCP options sets: which resolvers and search domain the instances of a VPC get. Sets never change.

Time servers and NetBIOS options are kept and shown, no more: no SageMaker container reads them, on AWS either.
"""

from ipaddress import IPv4Address

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.network.addresses import internal_domain
from ringfence.resources.ec2 import DhcpOptions, Vpc
from ringfence.services.ec2 import noun
from ringfence.services.ec2.listing import Filters, describe, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.tagging import described, remove, tag_new


def default_options(call: Call) -> DhcpOptions:
    """The set that new VPCs get, made when the account's first VPC of the region is.

    https://docs.aws.amazon.com/vpc/latest/userguide/DHCPOptionSet.html
    """
    options: dict[str, tuple[str, ...]] = {
        "domain-name": (internal_domain(call.region),),
        "domain-name-servers": ("AmazonProvidedDNS",),
    }
    for known in noun.mine(call, DhcpOptions):
        if known.options == options:
            return known
    made = DhcpOptions(id=call.new_id("dopt"), account=call.account, region=call.region, options=options)
    call.records.put(made)
    return made


@operation("CreateDhcpOptions", takes="DhcpConfigurations TagSpecifications", on=("dhcp-options/*",))
def create_dhcp_options(call: Call, request: Request) -> Result:
    options: dict[str, tuple[str, ...]] = {}
    for one in request["DhcpConfigurations"]:
        key, values = one.get("Key") or "", tuple(one.get("Values") or ())
        if key in options or not values:
            raise ServiceError("InvalidParameterValue", f"The option '{key}' must have values, and be given once.")
        _check_option(key, values)
        options[key] = values
    if not options:
        raise ServiceError("MissingParameter", "The request must contain the parameter dhcpConfiguration")
    made = DhcpOptions(id=call.new_id("dopt"), account=call.account, region=call.region, options=options)
    call.records.put(made)
    tag_new(call, request, DhcpOptions, made.id)
    return {"DhcpOptions": _described(call, made)}


def _check_option(key: str, values: tuple[str, ...]) -> None:
    """Refuse what EC2 would, and the one option that there is no IPv6 for."""
    match key:
        case "domain-name":
            if len(values) != 1:
                raise ServiceError("InvalidParameterValue", "The option 'domain-name' has exactly one value.")
        case "domain-name-servers" | "ntp-servers" | "netbios-name-servers":
            if len(values) > 4:
                raise ServiceError("InvalidParameterValue", f"The option '{key}' has at most 4 values.")
            for value in values:
                if not _is_address(value) and (key, value) != ("domain-name-servers", "AmazonProvidedDNS"):
                    raise ServiceError("InvalidParameterValue", f"Value ({value}) for parameter {key} is invalid.")
        case "netbios-node-type":
            if len(values) != 1 or values[0] not in ("1", "2", "4", "8"):
                raise ServiceError("InvalidParameterValue", f"Value ({values[0]}) for parameter {key} is invalid.")
        case "ipv6-address-preferred-lease-time":
            raise not_implemented(f"IPv6: the DHCP option {key}")
        case _:
            raise ServiceError(
                "InvalidParameterValue", f"Value ({key}) for parameter Key is invalid. Unknown DHCP option"
            )


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except ValueError:
        return False
    return True


@operation("DeleteDhcpOptions", takes="DhcpOptionsId", on=("dhcp-options/{DhcpOptionsId}",))
def delete_dhcp_options(call: Call, request: Request) -> Result:
    options = noun.find(call, DhcpOptions, request["DhcpOptionsId"])
    if any(vpc.dhcp_options_id == options.id for vpc in call.records.all(Vpc)):
        raise noun.dependency("dhcpOptions", options.id)
    remove(call, options)
    return {}


@operation("AssociateDhcpOptions", takes="DhcpOptionsId VpcId", on=("vpc/{VpcId}", "dhcp-options/{DhcpOptionsId}"))
def associate_dhcp_options(call: Call, request: Request) -> Result:
    """Give a VPC another set; `default` means none at all."""
    vpc, id = noun.find(call, Vpc, request["VpcId"]), request["DhcpOptionsId"]
    if id != "default":
        noun.find(call, DhcpOptions, id)
    call.records.put(msgspec.structs.replace(vpc, dhcp_options_id=id))
    return {}


_FILTERS: Filters = {
    "dhcp-options-id": lambda call, item: item.id,
    "key": lambda call, item: item.options,
    "value": lambda call, item: [value for values in item.options.values() for value in values],
    "owner-id": lambda call, item: item.account,
}


@operation("DescribeDhcpOptions", takes="DhcpOptionsIds NextToken MaxResults Filters")
def describe_dhcp_options(call: Call, request: Request) -> Result:
    found, token = describe(call, request, DhcpOptions, ids="DhcpOptionsIds", filters=_FILTERS)
    return paged("DhcpOptions", [_described(call, one) for one in found], token)


def _described(call: Call, one: DhcpOptions) -> Result:
    return {
        "DhcpOptionsId": one.id,
        "OwnerId": one.account,
        "DhcpConfigurations": [
            {"Key": key, "Values": [{"Value": value} for value in values]} for key, values in one.options.items()
        ],
        **described(call, one),
    }
