"""The image of a container: on this machine, or in ECR and the role may pull it."""

from ringfence.core.call import Request
from ringfence.explain import aws_message
from ringfence.explain.checks.role import IN_PROCESS
from ringfence.explain.denial import because, mend
from ringfence.explain.finding import Finding, ok, wrong
from ringfence.explain.hosting import Ground, role_record, role_session
from ringfence.resources.sagemaker import Variant
from ringfence.runtime.builtin.registry import what_to_install
from ringfence.services.ecr.manifest import read_manifest
from ringfence.services.ecr.reference import NamedImage, named_image

_PULL = ("GetAuthorizationToken", "BatchGetImage", "BatchCheckLayerAvailability", "GetDownloadUrlForLayer")


def check_image(ground: Ground, variant: Variant) -> Finding:
    """A repository of this server's ECR is asked first, as the launch does."""
    name = variant.container["Image"]
    named = named_image(ground.records, name)
    if named is not None:
        return _in_repository(ground, variant, named)
    image = ground.image(name)
    if image is not None:
        return ok("image", variant.name, f"image {name} is here ({image.digest[:19]}…)", name)
    seen = aws_message.image_missing(variant.name, name)
    return wrong("image", variant.name, f"no image on this machine is called {name}", how_to_get(name), seen, name)


def how_to_get(name: str) -> str:
    """An image that is not here, built in or not."""
    imported = f"`ringfence image import docker-archive:FILE {name}`; see `ringfence image list`"
    todo = what_to_install(name)
    return f"{todo}; or {imported}" if todo else imported


def _in_repository(ground: Ground, variant: Variant, named: NamedImage) -> Finding:
    name, repository = variant.container["Image"], named.repository
    seen = aws_message.image_missing(variant.name, name)
    if named.manifest is None:
        (wanted,) = named.wanted.values()
        sentence = f"repository {repository.name} has no image {wanted}"
        remedy = f"push it: `skopeo copy SOURCE docker://{name}`; `aws ecr list-images` shows what is there"
        return wrong("image", variant.name, sentence, remedy, seen, repository.arn)
    role = role_record(ground.records, variant.role_arn)
    if role is None:
        return ok("image", variant.name, f"image {name} is in ECR ({named.manifest.digest[:19]}…)", repository.arn)
    who, members = role_session(role), {"registryId": repository.account, "repositoryName": repository.name}
    blobs = read_manifest(named.manifest.body, named.manifest.media_type).blobs
    requests: tuple[Request, ...] = (
        {},
        {**members, "imageIds": [named.wanted]},
        {**members, "layerDigests": list(blobs)},
        {**members, "layerDigest": next(iter(blobs), named.manifest.digest)},
    )
    for operation, request in zip(_PULL, requests, strict=True):
        denied = ground.permits(who, "ecr", operation, request, IN_PROCESS)
        if denied is not None:
            sentence = f"role `{role.name}` may not pull {name}: {because(denied)}"
            return wrong("image", variant.name, sentence, mend(denied), seen, repository.arn)
    sentence = f"role `{role.name}` may pull {name} ({named.manifest.digest[:19]}…)"
    return ok("image", variant.name, sentence, repository.arn)
