"""CreatePresignedDomainUrl: a URL that opens Studio for a profile, once, from where its maker's policies allow.

Not what opens it: `gateway.browser.studio`, which asks these policies again at every request and frame.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedDomainUrl.html
"""

import re

from ringfence.core.call import Call, Request, Result
from ringfence.core.operation import operation
from ringfence.resources.studio import PresignedUrl, Space, UserProfile
from ringfence.services.sagemaker.domain import url_of
from ringfence.services.sagemaker.presigned_url import OPENS_SECONDS, SESSION_SECONDS, make_token, opens_until
from ringfence.services.sagemaker.refusal import invalid
from ringfence.services.sagemaker.studio import find_domain, find_owner, may_open, owner_state

# Of the rest, what may stand in a Location as it is.
_LANDING = re.compile(r"app:(JupyterLab|JupyterServer|jupyterlab):[!-~]*")


@operation(
    "CreatePresignedDomainUrl",
    on=("user-profile/{DomainId}/{UserProfileName}",),
    takes="DomainId UserProfileName SessionExpirationDurationInSeconds ExpiresInSeconds SpaceName LandingUri",
)
def create_presigned_domain_url(call: Call, request: Request) -> Result:
    domain = find_domain(call, request["DomainId"])
    profile = find_owner(call, UserProfile, domain.id, request["UserProfileName"])
    if domain.auth_mode != "IAM":
        # https://docs.aws.amazon.com/sagemaker/latest/dg/studio-interface-endpoint.html ; the text is ours
        raise invalid(
            f"Domain [{domain.id}] has AuthMode {domain.auth_mode}: CreatePresignedDomainUrl needs AuthMode IAM."
        )
    state = owner_state(call.records, profile)
    if state != "InService":
        raise invalid(f"UserProfile [{profile.name}] is not in InService state: it is {state}.")
    space = request.get("SpaceName")
    if space is not None:
        _check_space(find_owner(call, Space, domain.id, space), profile)
    landing = request.get("LandingUri")
    if landing is not None and not _LANDING.fullmatch(landing):
        raise invalid(f"Ringfence does not implement the LandingUri {landing}.")
    token, digest = make_token(call)
    call.records.put(
        PresignedUrl(
            digest=digest,
            account=domain.account,
            region=domain.region,
            domain_id=domain.id,
            profile=profile.name,
            principal=call.principal,
            opens_until=opens_until(call, request.get("ExpiresInSeconds", OPENS_SECONDS)),
            seconds=request.get("SessionExpirationDurationInSeconds", SESSION_SECONDS),
            space=space,
            landing_uri=landing,
        )
    )
    return {"AuthorizedUrl": f"{url_of(domain)}/auth?token={token}"}


def _check_space(space: Space, profile: UserProfile) -> None:
    if not may_open(space, profile):
        raise invalid(f"Space [{space.name}] is private and not of UserProfile [{profile.name}].")
