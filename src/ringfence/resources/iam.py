"""IAM's nouns: users, groups, access keys, roles, instance profiles, managed policies. Frozen records, no behaviour.

Policy documents are kept as the text that was given. AWS managed policies are data files of `ringfence.iam.managed`.
Tags live in core.tags under the ARN.
"""

from datetime import datetime
from typing import Literal

import msgspec

from ringfence.core.record import Record


class Identity(Record, frozen=True, kw_only=True):
    """What users, groups and roles have in common: names are unique per account, whatever their case.

    `policies`: inline policies by name. `attached`: ARNs of managed policies. `boundary`: ARN of a managed policy.
    """

    name: str
    account: str
    id: str  # AIDA…, AGPA… or AROA…
    created: datetime
    path: str = "/"
    policies: dict[str, str] = {}
    attached: tuple[str, ...] = ()
    boundary: str | None = None

    @property
    def key(self) -> str:
        return f"{self.account}/{self.name.lower()}"


class User(Identity, frozen=True, kw_only=True):
    """`groups`: keys of the groups that the user is in."""

    groups: tuple[str, ...] = ()

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:user{self.path}{self.name}"


class Group(Identity, frozen=True, kw_only=True):
    """Has no boundary. Its members say so themselves: `User.groups`."""

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:group{self.path}{self.name}"


class Role(Identity, frozen=True, kw_only=True):
    """`trust`: the assume-role policy document; `trusted`: the unique ids of the users and roles it names, by ARN."""

    trust: str
    trusted: dict[str, str] = {}
    description: str | None = None
    max_session_seconds: int = 3600

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role{self.path}{self.name}"


class InstanceProfile(Record, frozen=True, kw_only=True):
    """What hands one role to an instance."""

    name: str
    account: str
    id: str  # AIPA…
    created: datetime
    path: str = "/"
    role_name: str | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:instance-profile{self.path}{self.name}"

    @property
    def key(self) -> str:
        return f"{self.account}/{self.name.lower()}"


class AccountAlias(Record, frozen=True, kw_only=True):
    """An account's other name, one of its own among all accounts."""

    account: str
    alias: str

    @property
    def key(self) -> str:
        return self.account


class AccessKey(Record, frozen=True, kw_only=True):
    """A long-term key. `user_name` is None for the account root's."""

    id: str  # AKIA…
    secret: str
    account: str
    created: datetime
    user_name: str | None = None
    status: Literal["Active", "Inactive"] = "Active"

    @property
    def key(self) -> str:
        return self.id


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """`id`: v1, v2 … never used twice."""

    id: str
    document: str
    created: datetime


class ManagedPolicy(Record, frozen=True, kw_only=True):
    """A customer managed policy. `arn` is its key; `last_version` counts every version ever made."""

    name: str
    account: str
    id: str  # ANPA…
    created: datetime
    updated: datetime
    versions: tuple[PolicyVersion, ...]
    default_version: str = "v1"
    last_version: int = 1
    path: str = "/"
    description: str | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:policy{self.path}{self.name}"

    @property
    def key(self) -> str:
        return self.arn
