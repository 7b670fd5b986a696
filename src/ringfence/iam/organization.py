"""An account's place in its organization, and the control policies that limit it there.

Not the policies' meaning (`evaluate`) nor their care (services.organizations). Read by
gateway.authorization.policy_layers and by the condition keys.
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
"""

import json
from typing import NamedTuple

from ringfence.core.call import Principal
from ringfence.core.record import Reader
from ringfence.iam.evaluate import Source
from ringfence.resources.organizations import (
    RCP,
    SCP,
    ControlPolicy,
    MemberAccount,
    Organization,
    OrganizationalUnit,
    OrganizationRoot,
)

# Services whose resources RCPs reach. SageMaker, EC2 and IAM are not on the list.
# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html#rcp-supported-services
RCP_SERVICES = frozenset({"s3", "sts", "kms", "sqs", "secretsmanager", "ecr", "aoss"})

FULL_ACCESS = {SCP: "p-FullAWSAccess", RCP: "p-RCPFullAWSAccess"}
FULL_ACCESS_CONTENT = {
    FULL_ACCESS[SCP]: json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}, indent=2
    ),
    FULL_ACCESS[RCP]: json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
        },
        indent=2,
    ),
}

# What a level of an organization is.
Node = OrganizationRoot | OrganizationalUnit | MemberAccount


class Place(NamedTuple):
    """`levels`: the root, then units, then the account."""

    organization: Organization
    levels: tuple[Node, ...]

    @property
    def path(self) -> str:
        """As aws:PrincipalOrgPaths has it: `o-…/r-…/ou-…/`, without the account."""
        return "/".join((self.organization.id, *(level.id for level in self.levels[:-1]), ""))

    @property
    def policy_types(self) -> tuple[str, ...]:
        """The policy types that are enabled in the root."""
        root = self.levels[0]
        return root.policy_types if isinstance(root, OrganizationRoot) else ()


def place_of(records: Reader, account: str) -> Place | None:
    """Where an account is; None for one that is in no organization."""
    member = records.get(MemberAccount, account)
    organization = records.get(Organization, member.organization_id) if member is not None else None
    if member is None or organization is None:
        return None
    levels: list[Node] = [member]
    parent = member.parent_id
    while (unit := records.get(OrganizationalUnit, parent)) is not None:
        levels.append(unit)
        parent = unit.parent_id
    root = records.get(OrganizationRoot, parent)
    if root is None:
        raise LookupError(f"{account} hangs on {parent}, which does not exist")
    return Place(organization, (root, *reversed(levels)))


def scps_of(records: Reader, who: Principal) -> tuple[tuple[Source, ...], ...]:
    """The SCPs that limit a principal, level by level; none for the management account and for services."""
    if who.kind in ("service", "anonymous") or is_service_linked(who):
        return ()
    place = place_of(records, who.account)
    if place is None or place.organization.management == who.account or SCP not in place.policy_types:
        return ()
    return tuple(_sources(records, level, SCP) for level in place.levels)


def rcps_of(records: Reader, who: Principal, action: str, owner: str) -> tuple[Source, ...]:
    """The RCPs on an account's resources: whoever calls, save service-linked roles; the management account has none."""
    if action.partition(":")[0] not in RCP_SERVICES or is_service_linked(who):
        return ()
    place = place_of(records, owner)
    if place is None or place.organization.management == owner or RCP not in place.policy_types:
        return ()
    return tuple(source for level in place.levels for source in _sources(records, level, RCP))


def is_service_linked(who: Principal) -> bool:
    return who.role_arn is not None and ":role/aws-service-role/" in who.role_arn


def _sources(records: Reader, level: Node, type: str) -> tuple[Source, ...]:
    """A level's policies of one type. One that is gone cannot be read, and so denies."""
    noun = "service control policy" if type == SCP else "resource control policy"
    found = []
    for id in level.attached:
        own = records.get(ControlPolicy, id)
        if own is not None and own.type == type:
            found.append(Source(f"{noun} `{own.name}` ({id}) of {level.id}", own.content))
        elif id == FULL_ACCESS[type]:
            found.append(Source(f"{noun} {id} of {level.id}", FULL_ACCESS_CONTENT[id]))
        elif own is None and id not in FULL_ACCESS_CONTENT:
            found.append(Source(f"{noun} {id} of {level.id}", ""))
    return tuple(found)
