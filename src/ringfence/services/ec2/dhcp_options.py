"""DHCP options sets. Each account has AWS's default set per region; sets of one's own are not built yet."""

from ringfence.core.call import Call, Request, Result
from ringfence.network.addresses import internal_domain
from ringfence.resources.ec2 import DhcpOptions
from ringfence.services.ec2 import noun
from ringfence.services.ec2.listing import Filters, describe, paged
from ringfence.services.ec2.operation import operation
from ringfence.services.ec2.tagging import described


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
