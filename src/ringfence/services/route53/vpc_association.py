"""Which VPCs a private hosted zone serves. A VPC sees a domain once: by one zone, or by an endpoint's private DNS."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.network.addresses import private_dns_names, private_hosted_zone
from ringfence.resources.ec2 import Vpc, VpcEndpoint
from ringfence.resources.route53 import HostedZone
from ringfence.services.route53.change import new_change
from ringfence.services.route53.lookup import find_vpc, find_zone
from ringfence.services.route53.zone_name import on_zone, vpcs_key

_MOST_VPCS = 300


def check_conflict(call: Call, vpc: Vpc, name: str) -> None:
    """Refuse a zone whose name the VPC resolves by another one already, its own or an interface endpoint's."""
    for zone in call.records.all(HostedZone):
        if zone.name == name and (vpc.region, vpc.id) in zone.vpcs:
            raise _conflict(vpc, zone.id, name)
    for endpoint in call.records.all(VpcEndpoint):
        if endpoint.vpc_id == vpc.id and endpoint.private_dns_enabled and not endpoint.deleting:
            names = (one.removeprefix("*.") for one in private_dns_names(endpoint.service_name, endpoint.region))
            if name.rstrip(".") in names:
                raise _conflict(vpc, private_hosted_zone(endpoint.id), name)


def _conflict(vpc: Vpc, holder: str, name: str) -> ServiceError:
    return ServiceError(
        "ConflictingDomainExists",
        f"The VPC that you chose, {vpc.id} in region {vpc.region}, is already associated with another private hosted "
        f"zone that has an overlapping name space, {name} ({holder}).",
    )


@operation(
    "AssociateVPCWithHostedZone",
    takes="HostedZoneId VPC Comment",
    on=on_zone("HostedZoneId"),
    keys={"route53:VPCs": vpcs_key},
)
def associate_vpc_with_hosted_zone(call: Call, request: Request) -> Result:
    zone = find_zone(call, request["HostedZoneId"])
    vpc = find_vpc(call, request)
    if not zone.private:
        raise ServiceError(
            "PublicZoneVPCAssociation", f"Attempting to associate public zone: {zone.id} with vpc: {vpc.id}"
        )
    check_conflict(call, vpc, zone.name)
    if len(zone.vpcs) >= _MOST_VPCS:
        raise ServiceError("LimitsExceeded", f"Limits Exceeded: MAX_VPCS_ASSOCIATED_BY_ZONE - {_MOST_VPCS}")
    call.records.put(msgspec.structs.replace(zone, vpcs=(*zone.vpcs, (vpc.region, vpc.id))))
    return {"ChangeInfo": new_change(call, request.get("Comment"))}


@operation(
    "DisassociateVPCFromHostedZone",
    takes="HostedZoneId VPC Comment",
    on=on_zone("HostedZoneId"),
    keys={"route53:VPCs": vpcs_key},
)
def disassociate_vpc_from_hosted_zone(call: Call, request: Request) -> Result:
    """A VPC that is gone can still be taken off."""
    zone = find_zone(call, request["HostedZoneId"])
    named = (request["VPC"].get("VPCRegion", ""), request["VPC"].get("VPCId", ""))
    if named not in zone.vpcs:
        find_vpc(call, request)
        raise ServiceError(
            "VPCAssociationNotFound", "The specified VPC and hosted zone are not currently associated.", 404
        )
    if len(zone.vpcs) == 1:
        raise ServiceError(
            "LastVPCAssociation",
            "The VPC that you're trying to disassociate from the private hosted zone is the last VPC that is "
            "associated with the hosted zone. Amazon Route 53 doesn't support disassociating the last VPC from a "
            "hosted zone.",
        )
    call.records.put(msgspec.structs.replace(zone, vpcs=tuple(one for one in zone.vpcs if one != named)))
    return {"ChangeInfo": new_change(call, request.get("Comment"))}
