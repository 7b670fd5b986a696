"""VPC endpoints: what addresses they own and which names lead to them."""

from collections.abc import Mapping

from ringfence.network import addresses
from ringfence.network.topology.endpoint import Endpoint
from ringfence.network.topology.interface import Interface
from ringfence.network.topology.vpc import Subnet
from ringfence.resources import ec2


def compile_endpoint(
    record: ec2.VpcEndpoint, vpc: ec2.Vpc, subnets: Mapping[str, Subnet], interfaces: Mapping[str, Interface]
) -> Endpoint:
    """An endpoint of a service that does not answer here keeps its interfaces and routes, without anybody behind."""
    facts = addresses.service_of(record.service_name, vpc.region)
    service = facts.service if facts else record.service_name.removeprefix(f"com.amazonaws.{vpc.region}.")
    if record.type == "Gateway":
        prefix_list = addresses.prefix_list_of(record.service_name, vpc.region)
        prefixes = addresses.prefix_list_cidrs(vpc.region, prefix_list) if prefix_list else ()
        public = (addresses.public_address(facts, vpc.region),) if facts else ()
        return Endpoint(record.id, "Gateway", service, vpc.region, public, prefixes, service_name=record.service_name)
    wired = tuple(id for id in record.network_interface_ids if id in interfaces)
    zones = tuple(sorted({subnets[interfaces[id].subnet_id].availability_zone for id in wired}))
    names = addresses.vpce_names(record.id, record.dns_label, record.service_name, vpc.region, zones)
    # with this option the names are for queries that come in by an inbound resolver: the VPC's own go to the gateway
    in_vpc = record.private_dns_enabled and not record.private_dns_only_inbound
    private_dns = in_vpc and vpc.dns_support and vpc.dns_hostnames
    return Endpoint(
        record.id,
        "Interface",
        service,
        vpc.region,
        interface_ids=wired,
        regional_name=names.regional,
        zonal_names=names.zonal,
        other_names=names.others,
        private_names=addresses.private_dns_names(record.service_name, vpc.region) if private_dns else (),
        buckets=service == "s3",
        private_dns=record.private_dns_enabled,
        only_inbound=record.private_dns_only_inbound,
        service_name=record.service_name,
    )
