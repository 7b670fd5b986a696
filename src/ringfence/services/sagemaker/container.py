"""A model's container definition: what of it is implemented, and where its model data is.

Called by `sagemaker.model`; `reconcile` reads the model data's place when it launches an instance.
"""

import re
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from ringfence.services.sagemaker.refusal import invalid, null_member, refuse_others

_MEMBERS = frozenset(
    {"ContainerHostname", "Image", "Mode", "ModelDataUrl", "ModelDataSource", "MultiModelConfig", "Environment"}
)
_HARMLESS = {"ImageConfig": {"RepositoryAccessMode": "Platform"}}
_SOURCE_MEMBERS = frozenset({"S3Uri", "S3DataType", "CompressionType"})

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
_ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/"
    r"(?P<repository>[a-z0-9]+([._/-]+[a-z0-9]+)*)(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
_VIRTUAL_HOST = re.compile(r"(?P<bucket>.+)\.s3[.-]([a-z0-9-]+\.)?amazonaws\.com")
_PATH_STYLE = re.compile(r"s3([.-][a-z0-9-]+)?\.amazonaws\.com")


class ModelData(msgspec.Struct, frozen=True):
    """`url` as the user wrote it. form: a gzipped tar, one plain object, or all objects under the key as a prefix.

    `models`: each object under the key as a prefix is the gzipped tar of a model.
    """

    url: str
    bucket: str
    key: str
    form: Literal["tar", "object", "prefix", "models"]


def check_container(container: dict[str, Any], where: str) -> None:
    """Raise ValidationException for what is missing, malformed or not implemented."""
    refuse_others(container, _MEMBERS, f"{where}.", _HARMLESS)
    image = container.get("Image")
    if image is None:
        raise null_member(f"{where[0].lower()}{where[1:]}.image")
    check_image(image)
    environment = container.get("Environment", {})
    if sum(len(key.encode()) + len(value.encode()) for key, value in environment.items()) > 32 * 1024:
        raise invalid(f"{where}.Environment: the keys and values together must not be longer than 32 KB.")
    _check_mode(container, where)
    model_data(container)


def show_container(container: dict[str, Any]) -> dict[str, Any]:
    """As DescribeModel shows it: with what was left out, and an archive's URL as a ModelDataSource too.

    Of real answers; what AWS shows of a MultiModel container's prefix is not known, and left away.
    """
    shown = {"Mode": "SingleModel", "Environment": {}, **container}
    if "ModelDataUrl" in container and not is_multi_model(container):
        data = {"S3Uri": container["ModelDataUrl"], "S3DataType": "S3Object", "CompressionType": "Gzip"}
        shown["ModelDataSource"] = {"S3DataSource": data}
    return shown


def is_multi_model(container: dict[str, Any]) -> bool:
    return container.get("Mode") == "MultiModel"


def _check_mode(container: dict[str, Any], where: str) -> None:
    """AWS's texts are not published: ours. "Currently you cannot use ModelDataSource in conjunction with […] SageMaker
    multi-model endpoints": https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ContainerDefinition.html
    """
    if not is_multi_model(container):
        if "MultiModelConfig" in container:
            raise invalid(f"{where}.MultiModelConfig can only be specified for a container with the Mode MultiModel.")
        return
    if "ModelDataSource" in container:
        raise invalid(f"{where}.ModelDataSource cannot be specified for a container with the Mode MultiModel.")
    if "ModelDataUrl" not in container:
        raise null_member(f"{where[0].lower()}{where[1:]}.modelDataUrl")


def check_image(image: str) -> None:
    """Raise SageMaker's ValidationException for an image that is not in Amazon ECR."""
    if not _ECR.fullmatch(image):
        raise invalid(f'Using non-ECR image "{image}" without Vpc repository access mode is not supported.')


def model_data(container: dict[str, Any]) -> ModelData | None:
    """Where the model data is; None if the container has none. ValidationException for a form we do not know."""
    url, source = container.get("ModelDataUrl"), container.get("ModelDataSource")
    if url and source:
        raise invalid("ModelDataUrl and ModelDataSource cannot both be specified for a container.")
    if url and is_multi_model(container):
        bucket, key = _bucket_and_key(url)
        return ModelData(url, bucket, f"{key.rstrip('/')}/" if key else "", "models")
    if url:
        return ModelData(url, *_bucket_and_key(url), "tar")
    if source:
        return _from_source(source)
    return None


def _from_source(source: dict[str, Any]) -> ModelData:
    refuse_others(source, frozenset({"S3DataSource"}), "ModelDataSource.")
    data = source["S3DataSource"]
    refuse_others(data, _SOURCE_MEMBERS, "ModelDataSource.S3DataSource.")
    bucket, key = _bucket_and_key(data["S3Uri"])
    match data["S3DataType"], data["CompressionType"]:
        case "S3Object", "Gzip":
            return ModelData(data["S3Uri"], bucket, key, "tar")
        case "S3Object", "None":
            return ModelData(data["S3Uri"], bucket, key, "object")
        case "S3Prefix", "None" if key.endswith("/") or not key:
            return ModelData(data["S3Uri"], bucket, key, "prefix")
        case "S3Prefix", "None":
            raise invalid(f'The S3Uri of an S3Prefix data source must end with a slash: "{data["S3Uri"]}".')
        case kind, compression:
            raise invalid(f"S3DataType {kind} cannot be used with CompressionType {compression}.")


def _bucket_and_key(url: str) -> tuple[str, str]:
    """Of `s3://bucket/key` and of S3's https URLs in virtual-host, path and dash style."""
    parts = urlsplit(url)
    host, path = parts.netloc, parts.path.lstrip("/")
    if parts.scheme == "s3":
        return host, url.split("://", 1)[1].partition("/")[2]
    if found := _VIRTUAL_HOST.fullmatch(host):
        return found["bucket"], unquote(path)
    if _PATH_STYLE.fullmatch(host):
        bucket, _, key = path.partition("/")
        return bucket, unquote(key)
    raise invalid(f'The model data URL "{url}" is not the URL of an object in Amazon S3.')
