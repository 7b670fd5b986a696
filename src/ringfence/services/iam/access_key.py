"""Access keys of users. The account root's key is made at the daemon's first start, not here."""

import msgspec

from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.ids import principal_id
from ringfence.core.operation import operation
from ringfence.iam.session_token import new_secret
from ringfence.resources.iam import AccessKey, User
from ringfence.services.iam.listing import listed
from ringfence.services.iam.lookup import find_user, limit_exceeded, no_such_entity, user_arns, user_name

_MAX_KEYS = 2


def _keys_of(call: Call, user: User) -> list[AccessKey]:
    return [key for key in call.records.all(AccessKey) if key.account == user.account and key.user_name == user.name]


def _shown(key: AccessKey) -> Result:
    return {"UserName": key.user_name, "AccessKeyId": key.id, "Status": key.status, "CreateDate": key.created}


@operation("CreateAccessKey", takes="UserName", on=user_arns)
def create_access_key(call: Call, request: Request) -> Result:
    user = find_user(call, user_name(call, request))
    if len(_keys_of(call, user)) >= _MAX_KEYS:
        raise limit_exceeded(f"Cannot exceed quota for AccessKeysPerUser: {_MAX_KEYS}")
    key = AccessKey(
        id=principal_id("AKIA", call.entropy),
        secret=new_secret(call.entropy),
        account=call.account,
        created=call.now,
        user_name=user.name,
    )
    call.records.put(key)
    return {"AccessKey": {**_shown(key), "SecretAccessKey": key.secret}}


@operation("ListAccessKeys", takes="UserName Marker MaxItems", on=user_arns)
def list_access_keys(call: Call, request: Request) -> Result:
    user = find_user(call, user_name(call, request))
    return listed(request, "AccessKeyMetadata", _keys_of(call, user), lambda key: key.id, _shown)


@operation("UpdateAccessKey", takes="UserName AccessKeyId Status", on=user_arns)
def update_access_key(call: Call, request: Request) -> Result:
    key = _find(call, request)
    status = request["Status"]
    if status not in ("Active", "Inactive"):
        raise ServiceError("ValidationError", f"An access key cannot be made {status}.")
    call.records.put(msgspec.structs.replace(key, status=status))
    return {}


@operation("DeleteAccessKey", takes="UserName AccessKeyId", on=user_arns)
def delete_access_key(call: Call, request: Request) -> Result:
    call.records.delete(_find(call, request))
    return {}


def _find(call: Call, request: Request) -> AccessKey:
    user = find_user(call, user_name(call, request))
    for key in _keys_of(call, user):
        if key.id == request["AccessKeyId"]:
            return key
    raise no_such_entity(f"The Access Key with id {request['AccessKeyId']} cannot be found.")
