"""Several records at a time, of several groups: each succeeds or fails on its own."""

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.services.sagemaker_featurestore_runtime.group import find_group, group_arn, not_found
from ringfence.services.sagemaker_featurestore_runtime.record import read_online, write_record


def _named_groups(member: str, call: Call, request: Request) -> list[str]:
    return list(dict.fromkeys(group_arn(call, one["FeatureGroupName"]) for one in request[member]))


@operation("BatchGetRecord", on=lambda call, request: _named_groups("Identifiers", call, request))
def batch_get_record(call: Call, request: Request) -> Result:
    """Records that are not there are in neither list."""
    expiry = request.get("ExpirationTimeResponse") == "Enabled"
    found: list[Result] = []
    errors: list[Result] = []
    for one in request["Identifiers"]:
        for identifier in one["RecordIdentifiersValueAsString"]:
            named = {"FeatureGroupName": one["FeatureGroupName"], "RecordIdentifierValueAsString": identifier}
            try:
                group = find_group(call, one["FeatureGroupName"], not_found)
                record = read_online(call, group, identifier, one.get("FeatureNames"), expiry)
            except ServiceError as error:
                errors.append({**named, "ErrorCode": error.code, "ErrorMessage": error.message})
            else:
                found += [{**named, **record}] if record is not None else []
    return {"Records": found, "Errors": errors, "UnprocessedIdentifiers": []}


@operation("BatchWriteRecord", on=lambda call, request: _named_groups("Entries", call, request))
def batch_write_record(call: Call, request: Request) -> Result:
    """In the order of the entries, in one transaction."""
    errors: list[Result] = []
    for entry in request["Entries"]:
        try:
            write_record(call, entry, entry.get("TtlDuration", request.get("TtlDuration")), not_found)
        except ServiceError as error:
            errors.append({"Entry": entry, "ErrorCode": error.code, "ErrorMessage": error.message})
    return {"Errors": errors, "UnprocessedEntries": []}
