"""Hosted zones: made, shown, renamed in their comment, deleted. Which VPCs a private one serves is `vpc_association`.

A public zone is what the public resolver answers from, as if its domain's registrar had delegated to it; nobody answers
at the name servers that it shows.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.core.tags import drop_tags
from ringfence.resources.route53 import HostedZone, ResourceRecordSet
from ringfence.services.route53.change import new_change
from ringfence.services.route53.domain_name import BadName, is_within, normalize
from ringfence.services.route53.lookup import count_sets, find_vpc, find_zone, new_id, own_zones, record_sets, zone_arn
from ringfence.services.route53.vpc_association import check_conflict
from ringfence.services.route53.zone_name import on_zone, vpcs_key

# https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
_MOST_ZONES = 500
_TOP_LEVELS = ("com.", "net.", "org.", "co.uk.")
# AWS's own, and the test host's: a public zone would never be asked about them.
_RESERVED = ("amazonaws.com.", "api.aws.", "sagemaker.aws.", "example.com.")


@operation("CreateHostedZone", takes="Name VPC CallerReference HostedZoneConfig", keys={"route53:VPCs": vpcs_key})
def create_hosted_zone(call: Call, request: Request) -> Result:
    name = domain(request["Name"])
    config = request.get("HostedZoneConfig") or {}
    private = _is_private(request, config.get("PrivateZone"))
    zones = own_zones(call)
    if any(zone.caller_reference == request["CallerReference"] for zone in zones):
        raise ServiceError(
            "HostedZoneAlreadyExists", "A hosted zone has already been created with the specified caller reference."
        )
    if len(zones) >= _MOST_ZONES:
        raise ServiceError("TooManyHostedZones", f"Limits Exceeded: MAX_HOSTED_ZONES_BY_OWNER - {_MOST_ZONES}")
    vpcs = _first_vpc(call, request, name) if private else ()
    if not private:
        _check_public(call, name)
    zone = HostedZone(
        id=new_id(call, "Z"),
        account=call.account,
        name=name,
        caller_reference=request["CallerReference"],
        private=private,
        comment=config.get("Comment"),
        vpcs=vpcs,
    )
    call.records.put(zone)
    for made in _required_sets(zone):
        call.records.put(made)
    told = {
        "HostedZone": described(call, zone),
        "ChangeInfo": new_change(call),
        "Location": f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone.id}",
    }
    return told | ({"VPC": request["VPC"]} if private else {"DelegationSet": {"NameServers": name_servers(zone)}})


def _is_private(request: Request, asked: bool | None) -> bool:
    if asked and "VPC" not in request:
        raise ServiceError(
            "InvalidInput",
            "When you're creating a private hosted zone (when you specify true for PrivateZone), you must also specify "
            "values for VPCId and VPCRegion.",
        )
    if asked is False and "VPC" in request:
        raise ServiceError("InvalidInput", "A VPC can be associated with a private hosted zone only.")
    return "VPC" in request


def _first_vpc(call: Call, request: Request, name: str) -> tuple[tuple[str, str], ...]:
    vpc = find_vpc(call, request)
    check_conflict(call, vpc, name)
    return ((vpc.region, vpc.id),)


def _check_public(call: Call, name: str) -> None:
    shown = name.rstrip(".")
    if any(is_within(name, reserved) for reserved in _RESERVED):
        raise ServiceError("InvalidDomainName", f"{shown} is reserved by AWS!")
    if any(zone.name == name and not zone.private for zone in call.records.all(HostedZone)):
        raise ServiceError(
            "ConflictingDomainExists",
            f"A public hosted zone for {shown} exists: here a second one would never be asked, as all have the same "
            "name servers.",
        )


def domain(text: str) -> str:
    """A zone's name, normalized."""
    try:
        name = normalize(text)
    except BadName as error:
        raise ServiceError("InvalidDomainName", f"Invalid domain name: {text[:255]}: {error}") from None
    if name.startswith("\\052."):
        raise ServiceError("InvalidDomainName", f"Invalid domain name: {text[:255]}: a zone's name is no wildcard")
    return name


def name_servers(zone: HostedZone) -> list[str]:
    """The four that a zone shows. A private zone's are the same for all.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/SOA-NSrecords.html
    """
    digest = bytes(4) if zone.private else hashlib.sha256(zone.id.encode()).digest()
    first, second = digest[0] * 2, digest[1] % 64
    return [f"ns-{first + 512 * place}.awsdns-{second:02d}.{top}"[:-1] for place, top in enumerate(_TOP_LEVELS)]


def _required_sets(zone: HostedZone) -> tuple[ResourceRecordSet, ResourceRecordSet]:
    """The apex's NS and SOA, with the TTLs and times of AWS's own."""
    servers = tuple(f"{server}." for server in name_servers(zone))
    soa = f"{servers[0]} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
    return (
        ResourceRecordSet(zone_id=zone.id, name=zone.name, type="NS", ttl=172800, values=servers),
        ResourceRecordSet(zone_id=zone.id, name=zone.name, type="SOA", ttl=900, values=(soa,)),
    )


def described(call: Call, zone: HostedZone, counts: Mapping[str, int] | None = None) -> Result:
    """`counts`: the record sets of all zones, for lists."""
    config: Result = {"PrivateZone": zone.private}
    if zone.comment:
        config["Comment"] = zone.comment
    return {
        "Id": f"/hostedzone/{zone.id}",
        "Name": zone.name,
        "CallerReference": zone.caller_reference,
        "Config": config,
        "ResourceRecordSetCount": count_sets(call)[zone.id] if counts is None else counts[zone.id],
    }


@operation("GetHostedZone", takes="Id", on=on_zone("Id"))
def get_hosted_zone(call: Call, request: Request) -> Result:
    zone = find_zone(call, request["Id"])
    told: Result = {"HostedZone": described(call, zone)}
    if not zone.private:
        return {**told, "DelegationSet": {"NameServers": name_servers(zone)}}
    return {**told, "VPCs": [{"VPCRegion": region, "VPCId": id} for region, id in zone.vpcs]}


@operation("UpdateHostedZoneComment", takes="Id Comment", on=on_zone("Id"))
def update_hosted_zone_comment(call: Call, request: Request) -> Result:
    """Without a comment the one that is there goes."""
    zone = msgspec.structs.replace(find_zone(call, request["Id"]), comment=request.get("Comment"))
    call.records.put(zone)
    return {"HostedZone": described(call, zone)}


@operation("DeleteHostedZone", takes="Id", on=on_zone("Id"))
def delete_hosted_zone(call: Call, request: Request) -> Result:
    zone = find_zone(call, request["Id"])
    sets = list(record_sets(call.records, zone.id))
    if any(one.name != zone.name or one.type not in ("NS", "SOA") for one in sets):
        raise ServiceError(
            "HostedZoneNotEmpty",
            "The specified hosted zone contains non-required resource record sets and so cannot be deleted.",
        )
    for one in sets:
        call.records.delete(one)
    call.records.delete(zone)
    drop_tags(call.records, zone_arn(zone.id))
    return {"ChangeInfo": new_change(call)}


@operation("GetHostedZoneCount", takes="")
def get_hosted_zone_count(call: Call, request: Request) -> Result:
    return {"HostedZoneCount": len(own_zones(call))}
