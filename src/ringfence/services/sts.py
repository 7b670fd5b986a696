"""STS: who am I, and temporary credentials. Whether a role may be assumed is decided before these run (its trust)."""

import dataclasses
from typing import Any

from ringfence.core.arn import parse_arn
from ringfence.core.call import Call, Principal, Request, Result
from ringfence.core.errors import ServiceError, not_implemented
from ringfence.core.operation import operation
from ringfence.core.tags import from_list
from ringfence.iam.managed import managed_policies
from ringfence.iam.policy import PolicyError, parse_policy
from ringfence.iam.session_token import Credentials, issue, open_message, sealing_key
from ringfence.resources.iam import ManagedPolicy, Role

_HOUR = 3600
# What a session's policies and tags may take up, packed; AWS's own packing is not documented.
_PACKED_LIMIT = 4096
_MOST_POLICIES = 10
# members of AssumeRole that would change what the session may do or looks like
_NOT_YET = (
    "SerialNumber",
    "TokenCode",
    "SourceIdentity",
    "ProvidedContexts",
    "TransitiveTagKeys",
    "MinimumSessionTokenSize",
)


@operation("GetCallerIdentity", action=None)
def get_caller_identity(call: Call, request: Request) -> Result:
    return {"UserId": call.principal.id, "Account": call.principal.account, "Arn": call.principal.arn}


def _tagged_role(call: Call, request: Request) -> list[str]:
    return [request["RoleArn"]] if request.get("Tags") else []


def _named_role(call: Call, request: Request) -> list[str]:
    return [request["RoleArn"]] if request.get("SourceIdentity") else []


@operation(
    "AssumeRole",
    on=("{RoleArn}",),
    keys={
        "sts:ExternalId": "ExternalId",
        "sts:RoleSessionName": "RoleSessionName",
        "sts:SourceIdentity": "SourceIdentity",
        "sts:TransitiveTagKeys": "TransitiveTagKeys",
    },
    also=(("sts:TagSession", _tagged_role), ("sts:SetSourceIdentity", _named_role)),
)
def assume_role(call: Call, request: Request) -> Result:
    for member in _NOT_YET:
        if request.get(member):
            raise not_implemented(f"the parameter {member} of AssumeRole")
    role = _find_role(call, request["RoleArn"])
    seconds = _role_seconds(call, role, request.get("DurationSeconds", _HOUR))
    name = request["RoleSessionName"]
    policies, tags = _session_policies(call, request, role.account), _session_tags(request)
    percent = _packed_percent(policies, tags)
    session = Principal(
        kind="role",
        account=role.account,
        arn=f"arn:aws:sts::{role.account}:assumed-role/{role.name}/{name}",
        id=f"{role.id}:{name}",
        role_arn=role.arn,
        session_name=name,
        session_policies=policies,
        tags=tags,
    )
    made = issue(sealing_key(call.records), session, call.now, seconds, call.entropy)
    result: Result = {
        "Credentials": _shown(made),
        "AssumedRoleUser": {"AssumedRoleId": session.id, "Arn": session.arn},
    }
    return {**result, "PackedPolicySize": percent} if percent else result


def _session_tags(request: Request) -> dict[str, str]:
    given = request.get("Tags", ())
    tags = from_list(given)
    if any(key.lower().startswith("aws:") for key in tags):
        raise ServiceError("InvalidParameterValue", "System tags (prefixed with aws:) cannot be session tags.")
    if len({key.lower() for key in tags}) < len(given):
        raise ServiceError(
            "InvalidParameterValue", "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        )
    return tags


def _packed_percent(policies: tuple[str, ...], tags: dict[str, str]) -> int:
    """How much of what a session token may hold is taken; PackedPolicyTooLarge."""
    packed = sum(map(len, policies)) + sum(len(key) + len(value) for key, value in tags.items())
    percent = -(-packed * 100 // _PACKED_LIMIT)
    if percent > 100:
        message = f"Packed size of session policies and tags consumes {percent}% of allotted space."
        raise ServiceError("PackedPolicyTooLarge", message)
    return percent


def _find_role(call: Call, arn: str) -> Role:
    """Authorization has found it, unless the root user, who needs no permission, asks for what is not there."""
    if call.principal.kind == "root":
        raise ServiceError("AccessDenied", "Roles may not be assumed by root accounts.", 403)
    parsed = parse_arn(arn)
    role = call.records.get(Role, f"{parsed.account}/{parsed.name.lower()}") if parsed else None
    if role is None or role.arn != arn:
        message = f"User: {call.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
        raise ServiceError("AccessDenied", message, 403)
    return role


def _role_seconds(call: Call, role: Role, seconds: int) -> int:
    if seconds > _HOUR and call.principal.kind == "role":
        raise ServiceError(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        )
    if seconds > role.max_session_seconds:
        raise ServiceError(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    return seconds


def _session_policies(call: Call, request: Request, account: str) -> tuple[str, ...]:
    """The documents, and the ARNs of managed policies of the session's account, that limit the session."""
    policies: list[str] = []
    if text := request.get("Policy"):
        try:
            parse_policy(text, "identity")
        except PolicyError as error:
            raise ServiceError("MalformedPolicyDocument", error.message) from None
        policies.append(text)
    given = request.get("PolicyArns") or ()
    if len(given) > _MOST_POLICIES:
        listed = ", ".join(f"PolicyDescriptorType(arn={item.get('arn')})" for item in given)
        text = f"1 validation error detected: Value '[{listed}]' at 'policyArns' failed to satisfy constraint: "
        raise ServiceError("ValidationError", f"{text}Member must have length less than or equal to {_MOST_POLICIES}")
    for item in given:
        arn = item.get("arn", "")
        own = call.records.get(ManagedPolicy, arn)
        if arn not in managed_policies() and (own is None or own.account != account):
            raise ServiceError("MalformedPolicyDocument", f"Policy {arn} does not exist or is not attachable.")
        policies.append(arn)
    return tuple(policies)


@operation("GetSessionToken", action=None)
def get_session_token(call: Call, request: Request) -> Result:
    """The caller's own rights for a while; without MFA the session may call neither IAM nor most of STS."""
    for member in ("SerialNumber", "TokenCode", "MinimumSessionTokenSize"):
        if request.get(member):
            raise not_implemented(f"the parameter {member} of GetSessionToken")
    who = call.principal
    if who.kind not in ("root", "user") or (who.access_key_id or "").startswith("ASIA"):
        raise ServiceError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
    longest = _HOUR if who.kind == "root" else 36 * _HOUR
    seconds = min(request.get("DurationSeconds", 12 * _HOUR), longest)
    # its tags are the user's own, read at each call
    made = issue(sealing_key(call.records), dataclasses.replace(who, tags={}), call.now, seconds, call.entropy)
    return {"Credentials": _shown(made)}


def _federated_arn(call: Call, request: Request) -> list[str]:
    return [call.arn("sts", f"federated-user/{request['Name']}")] if request.get("Tags") else []


@operation("GetFederationToken", on=("federated-user/{Name}",), also=(("sts:TagSession", _federated_arn),))
def get_federation_token(call: Call, request: Request) -> Result:
    """A user of somebody else's directory, with what both the calling user and the policies given here allow."""
    if request.get("MinimumSessionTokenSize"):
        raise not_implemented("the parameter MinimumSessionTokenSize of GetFederationToken")
    who = call.principal
    if who.kind not in ("root", "user") or (who.access_key_id or "").startswith("ASIA"):
        raise ServiceError("AccessDenied", "Cannot call GetFederationToken with session credentials", 403)
    longest = _HOUR if who.kind == "root" else 36 * _HOUR
    seconds = min(request.get("DurationSeconds", 12 * _HOUR), longest)
    policies, tags = _session_policies(call, request, call.account), _session_tags(request)
    percent = _packed_percent(policies, tags)
    name = request["Name"]
    session = Principal(
        kind="federated",
        account=call.account,
        arn=call.arn("sts", f"federated-user/{name}"),
        id=f"{call.account}:{name}",
        session_name=name,
        session_policies=policies,
        tags=tags,
        user_arn=who.arn if who.kind == "user" else None,
    )
    made = issue(sealing_key(call.records), session, call.now, seconds, call.entropy)
    shown = {"FederatedUserId": session.id, "Arn": session.arn}
    result: Result = {"Credentials": _shown(made), "FederatedUser": shown}
    return {**result, "PackedPolicySize": percent} if percent else result


@operation("DecodeAuthorizationMessage")
def decode_authorization_message(call: Call, request: Request) -> Result:
    text = open_message(sealing_key(call.records), request["EncodedMessage"])
    if text is None:
        raise ServiceError("InvalidAuthorizationMessageException", "Message is not valid")
    return {"DecodedMessage": text}


def _shown(made: Credentials) -> dict[str, Any]:
    return {
        "AccessKeyId": made.access_key_id,
        "SecretAccessKey": made.secret_access_key,
        "SessionToken": made.session_token,
        "Expiration": made.expiration,
    }
