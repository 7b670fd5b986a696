"""S3's nouns: buckets, objects, multipart uploads and their parts. Contents are blobs, named here by extents.

Written by the S3 handlers; the authorizer reads `Bucket` (owner, policy).
"""

from datetime import datetime
from typing import ClassVar

from ringfence.core.record import Record

# A range of a blob: (blob id, offset, length). Copies share blobs; store.blob_reference counts who refers to one.
Extent = tuple[str, int, int]

# The version id of what is written while a bucket is not versioned, or no longer: a key has at most one such version.
NULL = "null"
PLACE_LENGTH = 10


def place_of(order: int) -> str:
    """Text that sorts later orders first."""
    return f"{16**PLACE_LENGTH - 1 - order:0{PLACE_LENGTH}x}"


ENFORCED = "BucketOwnerEnforced"


class Bucket(Record, frozen=True, kw_only=True):
    """Bucket names are unique across accounts and regions.

    `policy` is the document as given, `policy_principals` the unique ids of the users and roles it names, by ARN.
    `public_access_block`: the four settings as S3 spells them, or None when the configuration was deleted.
    `encryption`: the default that the owner set, or None for S3's own (AES256).
    `versioning`: `Enabled`, `Suspended`, or None for a bucket that never was versioned; it does not go back to that.
    `mfa_delete`: None unless the owner ever said something of it.
    """

    name: str
    account: str
    region: str
    created: datetime
    policy: str | None = None
    policy_principals: dict[str, str] = {}
    public_access_block: dict[str, bool] | None = None
    encryption: dict[str, str | bool] | None = None
    has_ownership_controls: bool = True
    object_ownership: str = ENFORCED
    versioning: str | None = None
    mfa_delete: str | None = None

    @property
    def key(self) -> str:
        return self.name

    @property
    def has_acls(self) -> bool:
        """Whether access control lists may be put: not on a bucket that its owner did not change."""
        return not self.has_ownership_controls or self.object_ownership != ENFORCED


class S3Object(Record, frozen=True, kw_only=True):
    """The current version of an object; those before it are `ObjectVersion`s, as is a delete marker, current or not.

    Keys sort as S3 lists them: by bucket, then UTF-8 bytes of the name. `order`: which version of its key this is; a
    later one has a greater.

    `name` is the object's key. `etag` without quotes. `part_sizes`: sizes of a multipart object's parts, else empty.
    `headers`: ContentType, CacheControl and their like by member name. `checksums`: algorithm -> base64 (`…-N` when
    `checksum_type` is COMPOSITE). `kms_key`: ARN of the AWS managed key that it is encrypted with; empty: S3's own.
    """

    CACHED: ClassVar[bool] = False

    bucket: str
    name: str
    etag: str
    size: int
    extents: tuple[Extent, ...]
    last_modified: datetime
    part_sizes: tuple[int, ...] = ()
    headers: dict[str, str] = {}
    expires: datetime | None = None
    metadata: dict[str, str] = {}
    storage_class: str = "STANDARD"
    kms_key: str = ""
    checksums: dict[str, str] = {}
    checksum_type: str = "FULL_OBJECT"
    version_id: str = NULL
    order: int = 0

    @property
    def key(self) -> str:
        return f"{self.bucket}\0{self.name}"


class ObjectVersion(Record, frozen=True, kw_only=True):
    """A version that is not current, or a delete marker (`held` is None). Sorts by bucket, name, the newest first.

    `noncurrent_since`: None for the delete marker that is current. The key of a record of this kind follows that of
    the S3Object of its name, and precedes that of any other name.
    """

    CACHED: ClassVar[bool] = False

    bucket: str
    name: str
    version_id: str
    order: int
    last_modified: datetime
    held: S3Object | None = None
    noncurrent_since: datetime | None = None

    @property
    def key(self) -> str:
        return f"{self.bucket}\0{self.name}\0{place_of(self.order)}"


class NullVersion(Record, frozen=True, kw_only=True):
    """Where the ObjectVersion is whose id is `null`: the one id that does not tell. Absent if there is none."""

    CACHED: ClassVar[bool] = False

    bucket: str
    name: str
    order: int

    @property
    def key(self) -> str:
        return f"{self.bucket}\0{self.name}"


class MultipartUpload(Record, frozen=True, kw_only=True):
    """An upload in progress: what the object will carry once it is complete. Sorts by bucket, name, upload id."""

    CACHED: ClassVar[bool] = False

    upload_id: str
    bucket: str
    name: str
    initiated: datetime
    initiator_arn: str
    headers: dict[str, str] = {}
    expires: datetime | None = None
    metadata: dict[str, str] = {}
    storage_class: str = "STANDARD"
    kms_key: str = ""
    tags: dict[str, str] = {}
    checksum_algorithm: str = "CRC64NVME"
    checksum_type: str = "FULL_OBJECT"
    # False when the client named no algorithm: the checksum is S3's own and not asked for in each part.
    checksum_chosen: bool = False

    @property
    def key(self) -> str:
        return f"{self.bucket}\0{self.name}\0{self.upload_id}"


class Part(Record, frozen=True, kw_only=True):
    """One uploaded part. `checksums`: all that are known, by algorithm; those of a copied range are not."""

    CACHED: ClassVar[bool] = False

    upload_id: str
    number: int
    etag: str
    size: int
    extents: tuple[Extent, ...]
    last_modified: datetime
    checksums: dict[str, str] = {}

    @property
    def key(self) -> str:
        return f"{self.upload_id}\0{self.number:05d}"
