"""ECR's nouns: repositories, manifests and tags in them, layers and their uploads.

Written by the ecr handlers; layers' bytes are blobs, received by gateway.registry.
"""

from datetime import datetime
from typing import ClassVar

import msgspec

from ringfence.core.record import Record


class Repository(Record, frozen=True, kw_only=True):
    """`policy_principals`: who the policy names, by ARN."""

    account: str
    region: str
    name: str
    created: datetime
    tag_mutability: str = "MUTABLE"
    policy: str | None = None
    policy_principals: dict[str, str] = {}

    @property
    def key(self) -> str:
        return f"{self.account}/{self.region}/{self.name}"

    @property
    def arn(self) -> str:
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{self.name}"

    @property
    def uri(self) -> str:
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com/{self.name}"


class ImageManifest(Record, frozen=True, kw_only=True):
    """A manifest or an index of manifests, as it was pushed. `repository`: its key. `size`: of all layers, in bytes."""

    repository: str
    digest: str
    media_type: str
    body: str
    pushed: datetime
    size: int

    @property
    def key(self) -> str:
        return f"{self.repository}\0{self.digest}"


class ImageTag(Record, frozen=True, kw_only=True):
    """A name for a manifest of the repository."""

    repository: str
    tag: str
    digest: str

    @property
    def key(self) -> str:
        return f"{self.repository}\0{self.tag}"


class Layer(Record, frozen=True, kw_only=True):
    """A layer or an image's configuration: any blob that manifests name."""

    CACHED: ClassVar[bool] = False

    repository: str
    digest: str
    blob: str
    size: int

    @property
    def key(self) -> str:
        return f"{self.repository}\0{self.digest}"


class LayerPart(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a layer on its way in. `sha256`: hex, of the piece."""

    blob: str
    size: int
    sha256: str


class LayerUpload(Record, frozen=True, kw_only=True):
    """A layer that is being pushed; forgotten after a day."""

    id: str
    repository: str
    begun: datetime
    parts: tuple[LayerPart, ...] = ()

    @property
    def key(self) -> str:
        return self.id

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)
