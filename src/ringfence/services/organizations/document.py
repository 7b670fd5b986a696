"""Control policies' documents on their way in: what AWS would not store is refused here.

https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_syntax.html
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps_syntax.html
"""

import json
from typing import Any

from ringfence.core.errors import ServiceError
from ringfence.iam.organization import RCP_SERVICES
from ringfence.iam.policy import PolicyError, parse_policy
from ringfence.resources.organizations import SCP
from ringfence.services.organizations.lookup import constraint_violation

_MOST = 5120  # characters, white space among them


def checked_document(type: str, text: str) -> str:
    """The document; MalformedPolicyDocumentException if it is none of this type."""
    if len(text) > _MOST:
        raise constraint_violation(
            "POLICY_CONTENT_LIMIT_EXCEEDED", f"You have exceeded the maximum policy size of {_MOST} characters."
        )
    try:
        policy = parse_policy(text, "identity" if type == SCP else "resource")
    except PolicyError as error:
        raise _malformed(error.message) from None
    if type != SCP:
        if policy.version != "2012-10-17":
            raise _malformed('an RCP must have the Version "2012-10-17"')
        listed = json.loads(text)["Statement"]
        for statement in listed if isinstance(listed, list) else [listed]:
            _check_rcp(statement)
    return text


def _check_rcp(statement: dict[str, Any]) -> None:
    if statement["Effect"] != "Deny":
        raise _malformed("only RCPFullAWSAccess may have the Effect Allow")
    if statement.get("Principal") != "*":
        raise _malformed('the Principal of an RCP must be "*"')
    if "NotAction" in statement:
        raise _malformed("an RCP may not have the element NotAction")
    actions = statement["Action"]
    for action in actions if isinstance(actions, list) else [actions]:
        if action.partition(":")[0].lower() not in RCP_SERVICES:
            raise _malformed(f"{action} is no action of a service that supports RCPs")


def _malformed(why: str) -> ServiceError:
    """AWS gives the first sentence only."""
    text = "The provided policy document does not meet the requirements of the specified policy type."
    return ServiceError("MalformedPolicyDocumentException", f"{text} ({why})")
