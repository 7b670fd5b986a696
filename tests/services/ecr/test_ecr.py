"""ECR's handlers over a real store."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ringfence.core.call import Principal
from ringfence.resources.ecr import Layer, Repository
from ringfence.store.blob_reference import BlobReference, keep
from tests.direct_calls import ACCOUNT, Aws

LAYER = b"layer"
CONFIG = b"{}"


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    client = Aws(tmp_path)
    yield client
    client.store.close()


@pytest.fixture
def repository(aws: Aws) -> dict[str, Any]:
    created: dict[str, Any] = aws("ecr", "CreateRepository", repositoryName="team/model")["repository"]
    return created


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def add_layers(aws: Aws, name: str = "team/model") -> None:
    """What a push would have made of the two blobs."""
    with aws.store.transaction() as records:
        repository = records.get(Repository, f"{ACCOUNT}/us-west-2/{name}")
        assert repository is not None
        for content in (LAYER, CONFIG):
            digest = digest_of(content)
            records.put(Layer(repository=repository.key, digest=digest, blob=digest[7:39], size=len(content)))
            keep(records, [digest[7:39]])


def manifest(**more: Any) -> str:
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "c", "digest": digest_of(CONFIG), "size": len(CONFIG)},
        "layers": [{"mediaType": "l", "digest": digest_of(LAYER), "size": len(LAYER)}],
        **more,
    }
    return json.dumps(document)


def put(aws: Aws, tag: str | None = "v1", **more: Any) -> str:
    tagged = {"imageTag": tag} if tag else {}
    image = aws("ecr", "PutImage", repositoryName="team/model", imageManifest=manifest(**more), **tagged)["image"]
    digest: str = image["imageId"]["imageDigest"]
    return digest


def test_a_repository_as_aws_shows_it(aws: Aws, repository: dict[str, Any]) -> None:
    assert repository["repositoryUri"] == f"{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com/team/model"
    assert repository["repositoryArn"] == f"arn:aws:ecr:us-west-2:{ACCOUNT}:repository/team/model"
    assert aws("ecr", "DescribeRepositories")["repositories"] == [repository]
    error = aws.fails("ecr", "CreateRepository", repositoryName="team/model")
    assert (error.code, error.message) == (
        "RepositoryAlreadyExistsException",
        f"The repository with name 'team/model' already exists in the registry with id '{ACCOUNT}'",
    )


@pytest.mark.parametrize("name", ["Upper", "a//b", "-a", "a_-b"])
def test_bad_names(aws: Aws, name: str) -> None:
    assert aws.fails("ecr", "CreateRepository", repositoryName=name).code == "InvalidParameterException"


def test_absent_repositories_are_named(aws: Aws) -> None:
    error = aws.fails("ecr", "ListImages", repositoryName="none")
    assert error.message == f"The repository with name 'none' does not exist in the registry with id '{ACCOUNT}'"


def test_an_image_needs_its_layers(aws: Aws, repository: dict[str, Any]) -> None:
    request = {"repositoryName": "team/model", "imageManifest": manifest(), "imageTag": "v1"}
    assert aws.fails("ecr", "PutImage", **request).code == "LayersNotFoundException"
    add_layers(aws)
    digest = put(aws)
    assert digest == digest_of(manifest().encode())
    assert aws.fails("ecr", "PutImage", **request).code == "ImageAlreadyExistsException"
    (detail,) = aws("ecr", "DescribeImages", repositoryName="team/model")["imageDetails"]
    assert (detail["imageTags"], detail["imageSizeInBytes"]) == (["v1"], len(LAYER) + len(CONFIG))
    got = aws("ecr", "BatchGetImage", repositoryName="team/model", imageIds=[{"imageTag": "v1"}, {"imageTag": "x"}])
    assert got["images"][0]["imageManifest"] == manifest()
    assert got["failures"][0]["failureCode"] == "ImageNotFound"


def test_tags_move_unless_immutable(aws: Aws, repository: dict[str, Any]) -> None:
    add_layers(aws)
    first = put(aws)
    second = put(aws, annotations={"a": "b"})
    ids = aws("ecr", "ListImages", repositoryName="team/model")["imageIds"]
    assert {(one["imageDigest"], one.get("imageTag")) for one in ids} == {(first, None), (second, "v1")}
    untagged = aws("ecr", "ListImages", repositoryName="team/model", filter={"tagStatus": "UNTAGGED"})["imageIds"]
    assert [one["imageDigest"] for one in untagged] == [first]
    aws("ecr", "PutImageTagMutability", repositoryName="team/model", imageTagMutability="IMMUTABLE")
    request = {"repositoryName": "team/model", "imageManifest": manifest(), "imageTag": "v1"}
    assert aws.fails("ecr", "PutImage", **request).code == "ImageTagAlreadyExistsException"


def test_an_index_needs_its_images_and_holds_them(aws: Aws, repository: dict[str, Any]) -> None:
    add_layers(aws)
    digest = put(aws, tag=None)
    media_type = "application/vnd.oci.image.index.v1+json"
    index = {"schemaVersion": 2, "mediaType": media_type, "manifests": [{"digest": digest, "size": 1}]}
    aws("ecr", "PutImage", repositoryName="team/model", imageManifest=json.dumps(index), imageTag="all")
    put(aws, tag="other", annotations={"a": "b"})
    ids = [{"imageTag": "other"}, {"imageDigest": digest}]
    result = aws("ecr", "BatchDeleteImage", repositoryName="team/model", imageIds=ids)
    assert result["failures"][0]["failureCode"] == "ImageReferencedByManifestList"
    index["manifests"] = [{"digest": digest_of(b"none"), "size": 1}]
    error = aws.fails("ecr", "PutImage", repositoryName="team/model", imageManifest=json.dumps(index))
    assert error.code == "ReferencedImagesNotFoundException"


def test_deleting_the_last_tag_deletes_the_image_and_its_layers(aws: Aws, repository: dict[str, Any]) -> None:
    add_layers(aws)
    put(aws)
    assert aws.fails("ecr", "DeleteRepository", repositoryName="team/model").code == "RepositoryNotEmptyException"
    result = aws("ecr", "BatchDeleteImage", repositoryName="team/model", imageIds=[{"imageTag": "v1"}])
    assert len(result["imageIds"]) == 1
    assert aws("ecr", "DescribeImages", repositoryName="team/model")["imageDetails"] == []
    assert aws.store.load(BlobReference, digest_of(LAYER)[7:39]) is None
    aws("ecr", "DeleteRepository", repositoryName="team/model")


@pytest.mark.parametrize(
    "text", ["not json", "[]", '{"schemaVersion": 1}', '{"schemaVersion": 2, "layers": [{}]}', "[" * 100_000]
)
def test_bad_manifests(aws: Aws, repository: dict[str, Any], text: str) -> None:
    error = aws.fails("ecr", "PutImage", repositoryName="team/model", imageManifest=text)
    assert error.code == "InvalidParameterException"


def test_a_repository_policy_lets_others_pull(aws: Aws, repository: dict[str, Any]) -> None:
    user = aws("iam", "CreateUser", UserName="puller")["User"]
    puller = Principal("user", ACCOUNT, user["Arn"], user["UserId"])
    request = {"repositoryName": "team/model", "imageIds": [{"imageTag": "v1"}]}
    assert aws.fails("ecr", "BatchGetImage", puller, **request).code == "AccessDeniedException"
    statement = {"Effect": "Allow", "Principal": {"AWS": user["Arn"]}, "Action": "ecr:BatchGetImage"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws("ecr", "SetRepositoryPolicy", repositoryName="team/model", policyText=text)
    assert aws("ecr", "BatchGetImage", puller, **request)["failures"]
    shown = aws("ecr", "GetRepositoryPolicy", repositoryName="team/model")["policyText"]
    assert json.loads(shown) == json.loads(text)
    aws("ecr", "DeleteRepositoryPolicy", repositoryName="team/model")
    assert aws.fails("ecr", "GetRepositoryPolicy", repositoryName="team/model").code == (
        "RepositoryPolicyNotFoundException"
    )


@pytest.mark.parametrize("text", ["not json", "{}", '{"Statement": [{"Effect": "Allow", "Action": "ecr:*"}]}'])
def test_bad_policies(aws: Aws, repository: dict[str, Any], text: str) -> None:
    error = aws.fails("ecr", "SetRepositoryPolicy", repositoryName="team/model", policyText=text)
    assert error.code == "InvalidParameterException"


def test_a_token_is_for_docker_login(aws: Aws) -> None:
    (data,) = aws("ecr", "GetAuthorizationToken")["authorizationData"]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    assert user == "AWS" and password
    assert data["proxyEndpoint"] == f"https://{ACCOUNT}.dkr.ecr.us-west-2.amazonaws.com"


def test_tags(aws: Aws, repository: dict[str, Any]) -> None:
    arn = repository["repositoryArn"]
    aws("ecr", "TagResource", resourceArn=arn, tags=[{"Key": "team", "Value": "ml"}])
    assert aws("ecr", "ListTagsForResource", resourceArn=arn)["tags"] == [{"Key": "team", "Value": "ml"}]
    aws("ecr", "UntagResource", resourceArn=arn, tagKeys=["team"])
    assert aws("ecr", "ListTagsForResource", resourceArn=arn)["tags"] == []
