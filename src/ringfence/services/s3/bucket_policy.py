"""Bucket policies: put, get, delete, and whether one is public. The authorizer evaluates them on every call."""

import json

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.operation import operation
from ringfence.iam.policy import PolicyError, parse_policy
from ringfence.iam.principals import UnknownPrincipal, bind_principals, shown_text
from ringfence.resources.s3 import Bucket
from ringfence.services.s3.find import find_bucket
from ringfence.services.s3.parameter import BODY_CHECKS, SHARED, bucket_arn, with_shared
from ringfence.services.s3.public_access import is_public

_LARGEST = 20 * 1024


@operation("PutBucketPolicy", takes=with_shared(*BODY_CHECKS, "ConfirmRemoveSelfBucketAccess Policy"), on=("{Bucket}",))
def put_bucket_policy(call: Call, request: Request) -> Result:
    bucket = _own_bucket(call, request)
    policy: str = request["Policy"]
    _check(policy, bucket.name)
    if (bucket.public_access_block or {}).get("BlockPublicPolicy") and is_public(policy):
        message = (
            f"User: {call.principal.arn} is not authorized to perform: s3:PutBucketPolicy on resource: "
            f'"{bucket_arn(bucket.name)}" because public policies are prevented by the BlockPublicPolicy setting in '
            "S3 Block Public Access."
        )
        raise ServiceError("AccessDenied", message, 403)
    bound = _bound(call, policy)
    call.records.put(msgspec.structs.replace(bucket, policy=policy, policy_principals=bound))
    return {}


def _own_bucket(call: Call, request: Request) -> Bucket:
    """Only identities of the owner's account may use a bucket's policy, whatever the policy says."""
    bucket = find_bucket(call, request)
    if call.account != bucket.account:
        message = "The specified method is not allowed against this resource."
        raise ServiceError("MethodNotAllowed", message, 405)
    return bucket


def _check(policy: str, bucket: str) -> None:
    if len(policy.encode()) > _LARGEST:
        raise _malformed("Policies must be no larger than 20 KB")
    try:
        parse_policy(policy, "bucket")
    except PolicyError as error:
        raise _malformed(str(error)) from None
    statements = json.loads(policy)["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        resources = statement.get("Resource", statement.get("NotResource", ()))
        for resource in [resources] if isinstance(resources, str) else resources:
            if not _is_of(resource, bucket):
                raise _malformed("Policy has invalid resource")


def _bound(call: Call, policy: str) -> dict[str, str]:
    """Who the policy names, by ARN; MalformedPolicy if one of them is not there."""
    try:
        return bind_principals(call.records, policy, call.account)
    except UnknownPrincipal as error:
        named = {"Detail": f'"AWS" : "{error.value}"'}
        raise ServiceError("MalformedPolicy", "Invalid principal in policy", 400, named) from None


def _is_of(resource: str, bucket: str) -> bool:
    """Whether the resource is the bucket or its objects. A wildcard may follow the name; another bucket may not."""
    path = resource.removeprefix("arn:aws:s3:::")
    return resource == "*" or (path != resource and (path == f"{bucket}*" or path.split("/", 1)[0] == bucket))


def _malformed(message: str) -> ServiceError:
    return ServiceError("MalformedPolicy", message, 400)


@operation("GetBucketPolicy", takes=SHARED, on=("{Bucket}",))
def get_bucket_policy(call: Call, request: Request) -> Result:
    bucket = _own_bucket(call, request)
    return {"Policy": shown_text(call.records, _policy_of(bucket), bucket.policy_principals)}


@operation("GetBucketPolicyStatus", takes=SHARED, on=("{Bucket}",))
def get_bucket_policy_status(call: Call, request: Request) -> Result:
    return {"PolicyStatus": {"IsPublic": is_public(_policy_of(_own_bucket(call, request)))}}


def _policy_of(bucket: Bucket) -> str:
    if bucket.policy is None:
        message = "The bucket policy does not exist"
        raise ServiceError("NoSuchBucketPolicy", message, 404, {"BucketName": bucket.name})
    return bucket.policy


@operation("DeleteBucketPolicy", takes=SHARED, on=("{Bucket}",))
def delete_bucket_policy(call: Call, request: Request) -> Result:
    call.records.put(msgspec.structs.replace(_own_bucket(call, request), policy=None, policy_principals={}))
    return {}
