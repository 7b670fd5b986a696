"""What an image's name means in ECR: `<account>.dkr.ecr.<region>.amazonaws.com/<repository>[:tag][@digest]`."""

import re
from dataclasses import dataclass

from ringfence.core.record import Reader
from ringfence.resources.ecr import ImageManifest, Repository
from ringfence.services.ecr.image import find_image

_NAME = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<repository>[^:@]+)"
    r"(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True, slots=True)
class NamedImage:
    """A name that leads to a repository of ours. `wanted`: an ImageIdentifier; `manifest` None: no such image in it."""

    repository: Repository
    wanted: dict[str, str]
    manifest: ImageManifest | None


def named_image(records: Reader, name: str) -> NamedImage | None:
    """What the name means in a registry of this server; None if it is about none of its repositories."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    repository = records.get(Repository, f"{found['account']}/{found['region']}/{found['repository']}")
    if repository is None:
        return None
    wanted = {"imageDigest": found["digest"]} if found["digest"] else {"imageTag": found["tag"] or "latest"}
    image = find_image(records, repository, wanted)
    return NamedImage(repository, wanted, image if isinstance(image, ImageManifest) else None)
