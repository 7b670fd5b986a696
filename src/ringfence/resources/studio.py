"""Studio's nouns: domains, user profiles, spaces, apps, lifecycle configurations; and who has a browser open on them.

`spec` is the validated request as boto3 spells it, without names, ids and tags. What is named `…Status` the reconciler
alone writes.
"""

from datetime import datetime
from typing import Any

import msgspec

from ringfence.core.record import Record
from ringfence.resources.opening import OpenSession, UnopenedUrl
from ringfence.resources.sagemaker import SageMakerRecord

# "200001": the first user of a domain; each further profile or space has the next one.
# https://docs.aws.amazon.com/sagemaker/latest/dg/studio-interface-endpoint.html
FIRST_UID = 200001
USER_GID = 1001


class Domain(SageMakerRecord, frozen=True, kw_only=True):
    """What the user wants of `d-…`. `deleting`: what becomes of the home directories, Retain or Delete.

    `next_uid`: no number is used twice, as home directories outlive their users.
    """

    id: str
    file_system_id: str
    auth_mode: str  # IAM | SSO
    vpc_id: str
    subnet_ids: tuple[str, ...]
    access: str  # VpcOnly | PublicInternetOnly
    modified: datetime
    spec: dict[str, Any]
    generation: int = 1
    next_uid: int = FIRST_UID
    deleting: str | None = None

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.id}"


class MountTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Where one subnet reaches the home file system: `id` names its namespace."""

    id: str
    subnet_id: str
    interface_id: str


class DomainStatus(Record, frozen=True, kw_only=True):
    """What the reconciler saw: of the generation that `generation` says. The groups are those of the home directories'
    NFS: of the mount targets (`inbound_group_id`) and of the apps (`outbound_group_id`)."""

    domain_key: str
    status: str  # Pending | InService | Failed | Update_Failed | Delete_Failed
    generation: int
    modified: datetime
    failure_reason: str | None = None
    inbound_group_id: str | None = None
    outbound_group_id: str | None = None
    mount_targets: tuple[MountTarget, ...] = ()

    @property
    def key(self) -> str:
        return self.domain_key


class Owner(SageMakerRecord, frozen=True, kw_only=True):
    """What apps belong to: it has a home directory, whose user id is `uid`."""

    domain_id: str
    uid: int
    modified: datetime
    spec: dict[str, Any]
    generation: int = 1
    deleting: bool = False

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.domain_id}/{self.name}"


class UserProfile(Owner, frozen=True, kw_only=True):
    pass


class Space(Owner, frozen=True, kw_only=True):
    """`owner`: the name of the profile that made it, if it says so."""

    owner: str | None = None


class HomeStatus(Record, frozen=True, kw_only=True):
    """The home directory of the profile or space with this ARN is there, as of its `generation`."""

    arn: str
    status: str  # InService | Failed
    generation: int
    modified: datetime
    failure_reason: str | None = None

    @property
    def key(self) -> str:
        return self.arn


class App(SageMakerRecord, frozen=True, kw_only=True):
    """`launch` tells one app from an earlier one of the same name, which stays until then as Deleted.

    `idle_minutes`: after which it is shut down; None if it stays.
    """

    domain_id: str
    owner: str
    in_space: bool
    type: str
    launch: str
    instance_type: str
    role_arn: str
    group_ids: tuple[str, ...] = ()
    lifecycle_config: str | None = None  # ARN
    idle_minutes: int | None = None
    spec: dict[str, Any]
    deleting: bool = False

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.domain_id}/{self.owner}/{self.type}/{self.name}"


class AppStatus(Record, frozen=True, kw_only=True):
    arn: str
    launch: str
    status: str  # Pending | InService | Failed | Deleting, by itself | Deleted
    modified: datetime
    instance_id: str
    failure_reason: str | None = None
    healthy: datetime | None = None

    @property
    def key(self) -> str:
        return self.arn


class StudioLifecycleConfig(SageMakerRecord, frozen=True, kw_only=True):
    """`content`: base64 of a shell script."""

    app_type: str
    content: str


class PresignedUrl(UnopenedUrl, frozen=True, kw_only=True):
    """`space`: opened instead of the profile's own."""

    domain_id: str
    profile: str
    space: str | None = None
    landing_uri: str | None = None


class StudioSession(OpenSession, frozen=True, kw_only=True):
    domain_id: str
    profile: str
    space: str | None = None


StudioOpening = PresignedUrl | StudioSession
