"""What a hosted zone says of DNSSEC: no zone is signed here, and the operations that would sign one are refused.

Terraform's provider asks before it deletes a zone with `force_destroy`.
"""

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.services.route53.lookup import find_zone
from ringfence.services.route53.zone_name import on_zone


@operation("GetDNSSEC", takes="HostedZoneId", on=on_zone("HostedZoneId"))
def get_dnssec(call: Call, request: Request) -> Result:
    if find_zone(call, request["HostedZoneId"]).private:
        raise ServiceError("InvalidArgument", "Operation is unsupported for private hosted zones.")
    return {"Status": {"ServeSignature": "NOT_SIGNING"}, "KeySigningKeys": []}
