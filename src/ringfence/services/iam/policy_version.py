"""Versions of managed policies: at most five, one of them in force."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.iam.managed import AwsManagedPolicy, managed_policies
from ringfence.resources.iam import ManagedPolicy, PolicyVersion
from ringfence.services.iam.document import check_size, checked_document, shown_document
from ringfence.services.iam.listing import listed
from ringfence.services.iam.lookup import delete_conflict, find_policy, limit_exceeded, no_such_entity
from ringfence.services.iam.managed_policy import POLICY_QUOTA, day

_MAX_VERSIONS = 5
_ON = ("{PolicyArn}",)


@operation("CreatePolicyVersion", takes="PolicyArn PolicyDocument SetAsDefault", on=_ON)
def create_policy_version(call: Call, request: Request) -> Result:
    policy = find_policy(call, request["PolicyArn"])
    document = checked_document(request["PolicyDocument"], "identity")
    check_size(document, *POLICY_QUOTA)
    if len(policy.versions) >= _MAX_VERSIONS:
        raise limit_exceeded(
            f"A managed policy can have up to {_MAX_VERSIONS} versions. Before you create a new version, you must "
            "delete an existing version."
        )
    number = policy.last_version + 1
    version = PolicyVersion(id=f"v{number}", document=document, created=call.now)
    default = version.id if request.get("SetAsDefault") else policy.default_version
    changed = msgspec.structs.replace(
        policy,
        versions=(*policy.versions, version),
        last_version=number,
        default_version=default,
        updated=call.now,
    )
    call.records.put(changed)
    return {"PolicyVersion": _shown(changed, version)}


@operation("GetPolicyVersion", takes="PolicyArn VersionId", on=_ON)
def get_policy_version(call: Call, request: Request) -> Result:
    aws = managed_policies().get(request["PolicyArn"])
    if aws is not None:
        if request["VersionId"] != aws.version:
            raise _no_version(aws.arn, request["VersionId"])
        return {"PolicyVersion": {**_shown_aws(aws), "Document": shown_document(aws.document)}}
    policy = find_policy(call, request["PolicyArn"])
    version = _find(policy, request["VersionId"])
    return {"PolicyVersion": {**_shown(policy, version), "Document": shown_document(version.document)}}


@operation("ListPolicyVersions", takes="PolicyArn Marker MaxItems", on=_ON)
def list_policy_versions(call: Call, request: Request) -> Result:
    aws = managed_policies().get(request["PolicyArn"])
    if aws is not None:
        return {"Versions": [_shown_aws(aws)], "IsTruncated": False}
    policy = find_policy(call, request["PolicyArn"])

    def newest_first(version: PolicyVersion) -> str:
        return f"{10**9 - int(version.id[1:]):010}"

    return listed(request, "Versions", policy.versions, newest_first, lambda version: _shown(policy, version))


@operation("SetDefaultPolicyVersion", takes="PolicyArn VersionId", on=_ON)
def set_default_policy_version(call: Call, request: Request) -> Result:
    policy = find_policy(call, request["PolicyArn"])
    version = _find(policy, request["VersionId"])
    call.records.put(msgspec.structs.replace(policy, default_version=version.id, updated=call.now))
    return {}


@operation("DeletePolicyVersion", takes="PolicyArn VersionId", on=_ON)
def delete_policy_version(call: Call, request: Request) -> Result:
    policy = find_policy(call, request["PolicyArn"])
    version = _find(policy, request["VersionId"])
    if version.id == policy.default_version:
        raise delete_conflict("Cannot delete the default version of a policy.")
    left = tuple(other for other in policy.versions if other.id != version.id)
    call.records.put(msgspec.structs.replace(policy, versions=left))
    return {}


def _find(policy: ManagedPolicy, identifier: str) -> PolicyVersion:
    for version in policy.versions:
        if version.id == identifier:
            return version
    raise _no_version(policy.arn, identifier)


def _no_version(arn: str, identifier: str) -> Exception:
    return no_such_entity(f"Policy {arn} version {identifier} does not exist or is not attachable.")


def _shown(policy: ManagedPolicy, version: PolicyVersion) -> Result:
    default = version.id == policy.default_version
    return {"VersionId": version.id, "IsDefaultVersion": default, "CreateDate": version.created}


def _shown_aws(policy: AwsManagedPolicy) -> Result:
    return {"VersionId": policy.version, "IsDefaultVersion": True, "CreateDate": day(policy.updated)}
