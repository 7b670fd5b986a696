"""VPC endpoints: creation, change and deletion. `vpc_endpoint_wiring` writes the routes and interfaces they need.

Whether an endpoint answers, the reconciler says in its VpcEndpointStatus.
"""

import msgspec

from ringfence.core import ids
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.network.addresses import private_dns_names
from ringfence.network.service import ServiceFacts
from ringfence.resources.ec2 import Vpc, VpcEndpoint
from ringfence.resources.route53 import HostedZone
from ringfence.services.ec2 import client_token, endpoint_policy, noun, quota
from ringfence.services.ec2 import vpc_endpoint_wiring as wiring
from ringfence.services.ec2.operation import named, operation
from ringfence.services.ec2.security_group import find_groups
from ringfence.services.ec2.tagging import remove, tag_new
from ringfence.services.ec2.vpc_endpoint_description import describe_endpoint
from ringfence.services.ec2.vpc_endpoint_service import find_service

_ONLY_INBOUND = "PrivateDnsOnlyForInboundResolverEndpoint"
# request member -> (the only type that has it, how AWS's refusal names it)
_OF_ONE_TYPE = {
    "RouteTableIds": ("Gateway", "Route table IDs are only supported for Gateway type VPC Endpoint."),
    "SubnetIds": (
        "Interface",
        "Subnet IDs are only supported for Interface and GatewayLoadBalancer type VPC Endpoints.",
    ),
    "SubnetConfigurations": ("Interface", "Subnet configurations are only supported for Interface type VPC Endpoint."),
    "SecurityGroupIds": ("Interface", "Security group IDs are only supported for Interface type VPC Endpoint."),
    "PrivateDnsEnabled": ("Interface", "Private DNS is only supported for Interface type VPC Endpoint."),
}


@operation(
    "CreateVpcEndpoint",
    takes="VpcEndpointType VpcId ServiceName PolicyDocument RouteTableIds SubnetIds SecurityGroupIds IpAddressType "
    "DnsOptions ClientToken PrivateDnsEnabled TagSpecifications SubnetConfigurations",
    on=named(
        "vpc/{VpcId}",
        "vpc-endpoint/*",
        optional={"RouteTableIds": "route-table", "SubnetIds": "subnet", "SecurityGroupIds": "security-group"},
    ),
    keys={
        "ec2:VpceServiceName": "ServiceName",
        "ec2:VpceServiceOwner": lambda call, request: ["amazon"],
        "ec2:VpceServiceRegion": lambda call, request: [request.get("ServiceRegion", call.region)],
        "ec2:VpcePrivateDnsPreference": "DnsOptions.PrivateDnsPreference",
        "ec2:VpcePrivateDnsSpecifiedDomains": "DnsOptions.PrivateDnsSpecifiedDomains",
    },
)
def create_vpc_endpoint(call: Call, request: Request) -> Result:
    if earlier := client_token.earlier(call, request, VpcEndpoint):
        return {"VpcEndpoint": describe_endpoint(call, earlier), **client_token.echoed(request)}
    vpc = noun.find(call, Vpc, request["VpcId"])
    kind = request.get("VpcEndpointType") or "Gateway"
    if "ServiceName" not in request:
        raise ServiceError("MissingParameter", "The request must contain the parameter serviceName")
    service = find_service(call, request["ServiceName"])
    if kind not in service.endpoints:
        offered = ", ".join(service.endpoints)
        raise ServiceError(
            "InvalidParameter", f"Endpoint type ({kind}) does not match available service types ([{offered}])."
        )
    _refuse_members_of_other_types(kind, request)
    _check_takes_policy(service, request.get("PolicyDocument"))
    endpoint = VpcEndpoint(
        id=call.new_id("vpce"),
        account=call.account,
        region=call.region,
        vpc_id=vpc.id,
        service_name=request["ServiceName"],
        type=kind,
        policy=endpoint_policy.check(request.get("PolicyDocument") or endpoint_policy.DEFAULT),
        created=call.now,
        made_for=client_token.of(request),
    )
    made = _add_gateway(call, request, endpoint) if kind == "Gateway" else _add_interface(call, request, endpoint, vpc)
    call.records.put(made)
    tag_new(call, request, VpcEndpoint, made.id)
    return {"VpcEndpoint": describe_endpoint(call, made), **client_token.echoed(request)}


def _refuse_members_of_other_types(kind: str, request: Request) -> None:
    for member, (only, message) in _OF_ONE_TYPE.items():
        if request.get(member) and kind != only:
            raise ServiceError("InvalidParameter", message)


def _add_gateway(call: Call, request: Request, endpoint: VpcEndpoint) -> VpcEndpoint:
    have = sum(other.type == "Gateway" for other in noun.mine(call, VpcEndpoint))
    quota.check(have, quota.GATEWAY_ENDPOINTS, "VpcEndpointLimitExceeded", "gateway VPC endpoints")
    _check_dns_options(request, find_service(call, endpoint.service_name))
    return wiring.add_routes(call, endpoint, request.get("RouteTableIds") or [])


def _add_interface(call: Call, request: Request, endpoint: VpcEndpoint, vpc: Vpc) -> VpcEndpoint:
    have = [other for other in noun.mine(call, VpcEndpoint) if other.vpc_id == vpc.id and other.type == "Interface"]
    most = quota.INTERFACE_ENDPOINTS_PER_VPC
    quota.check(len(have), most, "VpcEndpointLimitExceeded", "interface VPC endpoints")
    facts = find_service(call, endpoint.service_name)
    _check_dns_options(request, facts)
    # AWS turns private DNS on unless told otherwise, but for what a gateway endpoint serves.
    private_dns = request.get("PrivateDnsEnabled", "Gateway" not in facts.endpoints)
    endpoint = msgspec.structs.replace(
        endpoint,
        dns_label=ids.lower_id(8, call.entropy),
        group_ids=find_groups(call, vpc.id, request.get("SecurityGroupIds") or []),
    )
    if private_dns:
        endpoint = _give_private_dns(call, request, endpoint, vpc)
    else:
        _refuse_only_inbound(request)
    return wiring.add_interfaces(call, endpoint, request.get("SubnetIds") or [], _wanted_addresses(request))


def _wanted_addresses(request: Request) -> dict[str, str]:
    """Subnet id -> address, of the SubnetConfigurations that choose one."""
    chosen: dict[str, str] = {}
    for one in request.get("SubnetConfigurations") or ():
        subnet = one.get("SubnetId")
        if one.get("Ipv6"):
            raise not_implemented("IPv6 addresses of VPC endpoints")
        if subnet is None or subnet not in (request.get("SubnetIds") or request.get("AddSubnetIds") or ()):
            raise ServiceError("InvalidParameter", "Each subnet configuration must name one of the given subnet IDs.")
        if one.get("Ipv4"):
            chosen[subnet] = one["Ipv4"]
    return chosen


def _check_dns_options(request: Request, facts: ServiceFacts) -> None:
    options = request.get("DnsOptions") or {}
    if _ONLY_INBOUND in options and facts.service != "s3":
        raise ServiceError("InvalidParameter", f"{_ONLY_INBOUND} not supported for this service.")
    for address_type in (request.get("IpAddressType"), options.get("DnsRecordIpType")):
        if address_type not in (None, "ipv4"):
            raise not_implemented(f"VPC endpoints with addresses of type {address_type}")
    for member in ("PrivateDnsPreference", "PrivateDnsSpecifiedDomains"):
        if options.get(member):
            raise not_implemented(f"DnsOptions.{member} of VPC endpoints")


def _refuse_only_inbound(request: Request) -> None:
    """Without private names there is nothing to keep to inbound resolvers. Our wording."""
    if (request.get("DnsOptions") or {}).get(_ONLY_INBOUND):
        raise ServiceError("InvalidParameter", f"{_ONLY_INBOUND} requires PrivateDnsEnabled to be true.")


def _give_private_dns(call: Call, request: Request, endpoint: VpcEndpoint, vpc: Vpc) -> VpcEndpoint:
    """The endpoint with private names; refused if it has none, or if the VPC cannot resolve or has them already."""
    if not private_dns_names(endpoint.service_name, endpoint.region):
        raise ServiceError(
            "InvalidParameter",
            f"Private DNS can't be enabled because the service {endpoint.service_name} does not provide a private DNS "
            "name.",
        )
    if not (vpc.dns_support and vpc.dns_hostnames):
        raise ServiceError(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true "
            f"for {vpc.id}",
        )
    alike = [
        other
        for other in noun.mine(call, VpcEndpoint)
        if (other.vpc_id, other.service_name) == (vpc.id, endpoint.service_name) and other.id != endpoint.id
    ]
    if any(other.private_dns_enabled for other in alike):
        name = wiring.private_name(endpoint)
        raise ServiceError(
            "InvalidParameter",
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
            f"{name} in the VPC {vpc.id}",
        )
    _check_own_zones(call, endpoint, vpc)
    is_s3 = find_service(call, endpoint.service_name).service == "s3"
    only_inbound = is_s3 and (request.get("DnsOptions") or {}).get(_ONLY_INBOUND, True)
    if only_inbound and not any(other.type == "Gateway" for other in alike):
        raise ServiceError(
            "InvalidParameter",
            f"To set {_ONLY_INBOUND} to true, the VPC {vpc.id} must have a Gateway endpoint for the service.",
        )
    return msgspec.structs.replace(endpoint, private_dns_enabled=True, private_dns_only_inbound=only_inbound)


def _check_own_zones(call: Call, endpoint: VpcEndpoint, vpc: Vpc) -> None:
    """A VPC sees a domain once: by a hosted zone of one's own, or by the one that the endpoint would bring."""
    names = {f"{name.removeprefix('*.')}." for name in private_dns_names(endpoint.service_name, endpoint.region)}
    for zone in call.records.all(HostedZone):
        if zone.name in names and (vpc.region, vpc.id) in zone.vpcs:
            raise ServiceError(
                "ConflictingDomainExists",
                f"The VPC {vpc.id} in region {vpc.region} has already been associated with the hosted zone {zone.id} "
                "with the same domain name.",
            )


@operation(
    "ModifyVpcEndpoint",
    takes="VpcEndpointId ResetPolicy PolicyDocument AddRouteTableIds RemoveRouteTableIds AddSubnetIds RemoveSubnetIds "
    "AddSecurityGroupIds RemoveSecurityGroupIds IpAddressType DnsOptions PrivateDnsEnabled SubnetConfigurations",
    on=named(
        "vpc-endpoint/{VpcEndpointId}",
        optional={
            "AddRouteTableIds": "route-table",
            "RemoveRouteTableIds": "route-table",
            "AddSubnetIds": "subnet",
            "RemoveSubnetIds": "subnet",
            "AddSecurityGroupIds": "security-group",
            "RemoveSecurityGroupIds": "security-group",
        },
    ),
)
def modify_vpc_endpoint(call: Call, request: Request) -> Result:
    endpoint = noun.find(call, VpcEndpoint, request["VpcEndpointId"])
    for member, (only, message) in _OF_ONE_TYPE.items():
        given = any(request.get(prefix + member) for prefix in ("", "Add", "Remove"))
        if given and endpoint.type != only:
            raise ServiceError("InvalidParameter", message)
    _check_dns_options(request, find_service(call, endpoint.service_name))
    endpoint = _change_policy(call, endpoint, request)
    if endpoint.type == "Gateway":
        endpoint = wiring.remove_routes(call, endpoint, request.get("RemoveRouteTableIds") or [])
        endpoint = wiring.add_routes(call, endpoint, request.get("AddRouteTableIds") or [])
    else:
        endpoint = _change_interfaces(call, endpoint, request)
    call.records.put(endpoint)
    return {"Return": True}


def _change_policy(call: Call, endpoint: VpcEndpoint, request: Request) -> VpcEndpoint:
    if request.get("ResetPolicy") and request.get("PolicyDocument"):
        raise ServiceError(
            "InvalidParameterCombination", "PolicyDocument cannot be specified when ResetPolicy is true."
        )
    if request.get("ResetPolicy"):
        return msgspec.structs.replace(endpoint, policy=endpoint_policy.DEFAULT)
    if document := request.get("PolicyDocument"):
        _check_takes_policy(find_service(call, endpoint.service_name), document)
        return msgspec.structs.replace(endpoint, policy=endpoint_policy.check(document))
    return endpoint


def _check_takes_policy(facts: ServiceFacts, document: str | None) -> None:
    """Not those of runtime-fips; the wording is ours.

    https://docs.aws.amazon.com/sagemaker/latest/dg/interface-vpc-endpoint.html
    """
    if document and not facts.policy_supported:
        raise ServiceError("InvalidParameter", "Endpoint policies are not supported for this service.")


def _change_interfaces(call: Call, endpoint: VpcEndpoint, request: Request) -> VpcEndpoint:
    added, removed = request.get("AddSecurityGroupIds") or [], request.get("RemoveSecurityGroupIds") or []
    if added or removed:
        kept = [id for id in (*endpoint.group_ids, *added) if id not in removed]
        if not kept:
            raise ServiceError("InvalidParameter", "A VPC endpoint must have at least one security group.")
        endpoint = wiring.set_groups(call, endpoint, find_groups(call, endpoint.vpc_id, kept))
    endpoint = wiring.remove_interfaces(call, endpoint, request.get("RemoveSubnetIds") or [])
    endpoint = wiring.add_interfaces(call, endpoint, request.get("AddSubnetIds") or [], _wanted_addresses(request))
    return _change_private_dns(call, endpoint, request)


def _change_private_dns(call: Call, endpoint: VpcEndpoint, request: Request) -> VpcEndpoint:
    chosen = _ONLY_INBOUND in (request.get("DnsOptions") or {})
    wanted = request.get("PrivateDnsEnabled", endpoint.private_dns_enabled)
    if not wanted:
        _refuse_only_inbound(request)
        return msgspec.structs.replace(endpoint, private_dns_enabled=False, private_dns_only_inbound=False)
    if endpoint.private_dns_enabled and not chosen:
        return endpoint
    return _give_private_dns(call, request, endpoint, noun.find(call, Vpc, endpoint.vpc_id))


@operation("DeleteVpcEndpoints", takes="VpcEndpointIds", on=("vpc-endpoint/{VpcEndpointIds}",))
def delete_vpc_endpoints(call: Call, request: Request) -> Result:
    """Delete what can be, and say of the rest why not. Its routes and interfaces go at once."""
    failed: list[Result] = []
    for id in dict.fromkeys(request["VpcEndpointIds"]):
        try:
            endpoint = noun.find(call, VpcEndpoint, id)
        except ServiceError as error:
            failed.append({"ResourceId": id, "Error": {"Code": error.code, "Message": error.message}})
            continue
        wiring.remove_routes(call, endpoint, list(endpoint.route_table_ids))
        wiring.remove_interfaces(call, endpoint, list(endpoint.subnet_ids))
        remove(call, endpoint)
    return {"Unsuccessful": failed}
