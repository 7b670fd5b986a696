"""GetAuthorizationToken: the password of `docker login`, which makes its bearer the caller for twelve hours."""

import base64

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.iam.session_token import seal_bearer, sealing_key

_SECONDS = 12 * 3600


@operation("GetAuthorizationToken", takes="registryIds")
def get_authorization_token(call: Call, request: Request) -> Result:
    password, expires = seal_bearer(sealing_key(call.records), call.principal, call.now, _SECONDS, call.entropy)
    token = base64.b64encode(f"AWS:{password}".encode()).decode()
    registries = request.get("registryIds") or [call.account]
    return {
        "authorizationData": [
            {
                "authorizationToken": token,
                "expiresAt": expires,
                "proxyEndpoint": f"https://{registry}.dkr.ecr.{call.region}.amazonaws.com",
            }
            for registry in registries
        ]
    }
