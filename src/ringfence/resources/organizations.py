"""Organizations' nouns: an organization, its root, units and accounts, and its control policies. Frozen records.

An account exists by being named: its users, roles and resources carry its id. `MemberAccount` is its place in an
organization, and goes when it leaves. Tags live in core.tags under the ARN.
"""

from datetime import datetime
from typing import Literal

from ringfence.core.record import Record

SCP = "SERVICE_CONTROL_POLICY"
RCP = "RESOURCE_CONTROL_POLICY"


class Organization(Record, frozen=True, kw_only=True):
    """`management`: the account that made it, and that its policies do not limit."""

    id: str  # o-…
    management: str
    root_id: str

    @property
    def key(self) -> str:
        return self.id


class Target(Record, frozen=True, kw_only=True):
    """What a policy can be attached to. `attached`: ids of policies, of all types, AWS's own among them."""

    id: str
    organization_id: str
    attached: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.id


class OrganizationRoot(Target, frozen=True, kw_only=True):
    """`policy_types`: those that are enabled."""

    policy_types: tuple[str, ...] = ()
    name: str = "Root"


class OrganizationalUnit(Target, frozen=True, kw_only=True):
    """`parent_id`: the root or another unit."""

    parent_id: str
    name: str


class MemberAccount(Target, frozen=True, kw_only=True):
    """An account in an organization, the management account among them; `id` is the account's."""

    parent_id: str
    name: str
    email: str
    joined: datetime
    joined_method: Literal["INVITED", "CREATED"]


class CreateAccountRequest(Record, frozen=True, kw_only=True):
    """A request that has been answered: `account_id`, or why there is none."""

    id: str  # car-…
    organization_id: str
    account_name: str
    requested: datetime
    account_id: str | None = None
    failure: str | None = None

    @property
    def key(self) -> str:
        return self.id


class ControlPolicy(Record, frozen=True, kw_only=True):
    """A policy of the organization's own; AWS's are constants of `ringfence.iam.organization`."""

    id: str  # p-…
    organization_id: str
    type: str
    name: str
    description: str
    content: str

    @property
    def key(self) -> str:
        return self.id
