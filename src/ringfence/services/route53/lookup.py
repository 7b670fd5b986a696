"""Finding a zone, its records and a VPC, each with Route 53's error if it is not there; ids; pages."""

from collections import Counter
from collections.abc import Iterator

from ringfence.core.arn import make_arn
from ringfence.core.call import Call, Request
from ringfence.core.errors import ServiceError
from ringfence.core.record import Reader
from ringfence.resources.ec2 import Vpc
from ringfence.resources.route53 import HostedZone, ResourceRecordSet
from ringfence.services.route53.zone_name import bare

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_ID_LENGTH = 19  # `/hostedzone/Z…` is then as long as the model lets ids be
_PAGE = 100


def new_id(call: Call, prefix: str) -> str:
    """`Z` or `C` and 19 letters and digits."""
    return prefix + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in call.entropy(_ID_LENGTH))


def find_zone(call: Call, id: str) -> HostedZone:
    """The caller's zone of this id, with or without `/hostedzone/`."""
    zone = call.records.get(HostedZone, bare(id))
    if zone is None:
        raise ServiceError("NoSuchHostedZone", f"No hosted zone found with ID: {bare(id)}", 404)
    if zone.account != call.account:
        raise ServiceError("AccessDenied", f"User: {call.principal.arn} is not authorized to access this resource", 403)
    return zone


def zone_arn(id: str) -> str:
    return make_arn("route53", "", "", f"hostedzone/{id}")


def own_zones(call: Call) -> list[HostedZone]:
    return [zone for zone in call.records.all(HostedZone) if zone.account == call.account]


def record_sets(records: Reader, zone_id: str) -> Iterator[ResourceRecordSet]:
    """The zone's record sets in Route 53's order."""
    return records.scan(ResourceRecordSet, f"{zone_id} ")


def count_sets(call: Call) -> Counter[str]:
    """Zone id -> how many record sets it has."""
    return Counter(one.zone_id for one in call.records.all(ResourceRecordSet))


def find_vpc(call: Call, request: Request) -> Vpc:
    """The VPC of the request's `VPC` member; it must be the caller's own and in the region that is named."""
    asked = request["VPC"]
    id, region = asked.get("VPCId"), asked.get("VPCRegion")
    if not id or not region:
        raise ServiceError("InvalidInput", "Both VPCId and VPCRegion must be specified.")
    vpc = call.records.get(Vpc, id)
    if vpc is None or (vpc.account, vpc.region) != (call.account, region):
        raise ServiceError(
            "InvalidVPCId",
            f"The VPC: {id} in region {region} isn't a valid VPC, or the current account is not authorized to access "
            "it.",
        )
    return vpc


def page_size(request: Request, most: int = _PAGE) -> int:
    """MaxItems, which is text on the wire; what is above the most that AWS returns counts as that."""
    text = request.get("MaxItems", str(most))
    if not text.isascii() or not text.isdigit() or int(text[:9]) < 1:
        raise ServiceError("InvalidInput", f"Invalid value for MaxItems: {text[:40]}")
    return min(int(text[:9]), most)
