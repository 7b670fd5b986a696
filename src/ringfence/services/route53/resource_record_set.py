"""Resource record sets: changed in batches, all or nothing, and listed. `record_value` judges the values.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html
"""

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.operation import operation
from ringfence.resources.route53 import AliasTarget, ResourceRecordSet, reversed_name
from ringfence.services.route53.change import new_change
from ringfence.services.route53.change_batch import Batch, Step
from ringfence.services.route53.domain_name import BadName, normalize
from ringfence.services.route53.lookup import find_zone, page_size, record_sets
from ringfence.services.route53.record_value import TYPES
from ringfence.services.route53.zone_name import on_zone

_MOST_RECORDS, _MOST_CHARACTERS, _MOST_LISTED = 1000, 32_000, 300
_TAKEN = frozenset({"Name", "Type", "TTL", "ResourceRecords", "AliasTarget"})
# Members of routing policies other than the simple one, and of what goes with them.
_ROUTING = (
    "SetIdentifier", "Weight", "Region", "GeoLocation", "Failover", "MultiValueAnswer", "HealthCheckId",
    "TrafficPolicyInstanceId", "CidrRoutingConfig", "GeoProximityLocation",
)  # fmt: skip


def _changes(request: Request) -> list[Result]:
    return list(request["ChangeBatch"]["Changes"])


def _names_key(call: Call, request: Request) -> list[str]:
    """Normalized, without the final dot.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html
    """
    return list(dict.fromkeys(_key_name(one["ResourceRecordSet"]["Name"]) for one in _changes(request)))


def _key_name(text: str) -> str:
    try:
        return normalize(text).rstrip(".")
    except BadName:
        return text.lower().rstrip(".")  # the handler refuses it


def _types_key(call: Call, request: Request) -> list[str]:
    return list(dict.fromkeys(one["ResourceRecordSet"]["Type"] for one in _changes(request)))


def _actions_key(call: Call, request: Request) -> list[str]:
    return list(dict.fromkeys(one["Action"] for one in _changes(request)))


@operation(
    "ChangeResourceRecordSets",
    takes="HostedZoneId ChangeBatch",
    on=on_zone("HostedZoneId"),
    keys={
        "route53:ChangeResourceRecordSetsNormalizedRecordNames": _names_key,
        "route53:ChangeResourceRecordSetsRecordTypes": _types_key,
        "route53:ChangeResourceRecordSetsActions": _actions_key,
    },
)
def change_resource_record_sets(call: Call, request: Request) -> Result:
    zone = find_zone(call, request["HostedZoneId"])
    changes = _changes(request)
    _check_size(changes)
    steps = [Step(one["Action"], _read(zone.id, one)) for one in changes]
    batch = Batch(call, zone, record_sets(call.records, zone.id))
    for step in steps:
        batch.apply(step)
    batch.check()
    if batch.faults:
        raise ServiceError("InvalidChangeBatch", f"[{', '.join(dict.fromkeys(batch.faults))}]")
    batch.write()
    return {"ChangeInfo": new_change(call, request["ChangeBatch"].get("Comment"))}


def _check_size(changes: list[Result]) -> None:
    """An UPSERT counts twice. https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html"""
    records = characters = 0
    for one in changes:
        values = [record["Value"] for record in one["ResourceRecordSet"].get("ResourceRecords") or ()]
        weight = 2 if one["Action"] == "UPSERT" else 1
        records += weight * max(1, len(values))
        characters += weight * sum(map(len, values))
    if records > _MOST_RECORDS:
        raise ServiceError("InvalidChangeBatch", f"[Number of records limit of {_MOST_RECORDS} exceeded.]")
    if characters > _MOST_CHARACTERS:
        raise ServiceError("InvalidChangeBatch", f"[Number of characters limit of {_MOST_CHARACTERS} exceeded.]")


def _read(zone_id: str, change: Result) -> ResourceRecordSet:
    """The record set of one change: of simple routing, with either records and a TTL or an alias."""
    given = change["ResourceRecordSet"]
    for member in given:
        if member in _ROUTING:
            raise not_implemented(f"the routing policies of record sets: {member}")
        if member not in _TAKEN:
            raise not_implemented(f"the member {member} of record sets")
    if given["Type"] not in TYPES:
        raise not_implemented(f"record sets of type {given['Type']}")
    records, alias, ttl = given.get("ResourceRecords"), given.get("AliasTarget"), given.get("TTL")
    plain = bool(records) and ttl is not None
    if plain == (alias is not None) or (alias is not None and (records or ttl is not None)):
        found = "none" if alias is None else "more than one"
        raise ServiceError(
            "InvalidInput",
            "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "
            f"TrafficPolicyInstanceId], but found {found} in Change with [Action={change['Action']}, "
            f"Name={given['Name']}, Type={given['Type']}, SetIdentifier=null]",
        )
    try:
        name = normalize(given["Name"])
    except BadName as error:
        raise ServiceError(
            "InvalidChangeBatch", f"[FATAL problem: {error} encountered with '{given['Name']}']"
        ) from None
    made = ResourceRecordSet(zone_id=zone_id, name=name, type=given["Type"])
    if alias is not None:
        return _with_alias(made, alias)
    return ResourceRecordSet(
        zone_id=zone_id, name=name, type=made.type, ttl=ttl, values=tuple(one["Value"] for one in records)
    )


def _with_alias(made: ResourceRecordSet, alias: Result) -> ResourceRecordSet:
    target = AliasTarget(
        hosted_zone_id=alias["HostedZoneId"].rpartition("/")[2],
        dns_name=alias["DNSName"],
        evaluate_target_health=alias["EvaluateTargetHealth"],
    )
    return ResourceRecordSet(zone_id=made.zone_id, name=made.name, type=made.type, alias=target)


@operation(
    "ListResourceRecordSets",
    takes="HostedZoneId StartRecordName StartRecordType MaxItems",
    on=on_zone("HostedZoneId"),
)
def list_resource_record_sets(call: Call, request: Request) -> Result:
    zone, size = find_zone(call, request["HostedZoneId"]), page_size(request, _MOST_LISTED)
    start = _start(request)
    found = [one for one in record_sets(call.records, zone.id) if _place(one) >= start]
    told: Result = {
        "ResourceRecordSets": [_described(one) for one in found[:size]],
        "IsTruncated": len(found) > size,
        "MaxItems": str(size),
    }
    if len(found) > size:
        told |= {"NextRecordName": found[size].name, "NextRecordType": found[size].type}
    return told


def _place(one: ResourceRecordSet) -> tuple[str, str]:
    return reversed_name(one.name), one.type


def _start(request: Request) -> tuple[str, str]:
    name = request.get("StartRecordName")
    if not name:
        if "StartRecordType" in request:
            raise ServiceError("InvalidInput", "The input is not valid: StartRecordType requires StartRecordName.")
        return "", ""
    try:
        return reversed_name(normalize(name)), request.get("StartRecordType", "")
    except BadName as error:
        raise ServiceError("InvalidInput", f"Invalid StartRecordName: {error}") from None


def _described(one: ResourceRecordSet) -> Result:
    told: Result = {"Name": one.name, "Type": one.type}
    if one.alias is None:
        return {**told, "TTL": one.ttl, "ResourceRecords": [{"Value": value} for value in one.values]}
    target = {
        "HostedZoneId": one.alias.hosted_zone_id,
        "DNSName": one.alias.dns_name.rstrip(".").lower() + ".",
        "EvaluateTargetHealth": one.alias.evaluate_target_health,
    }
    return {**told, "AliasTarget": target}
