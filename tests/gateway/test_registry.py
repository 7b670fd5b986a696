"""The registry's protocol: skopeo pushes and pulls, and raw requests that it must refuse."""

import base64
import hashlib
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session
from daemon import Daemon, local_daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture(scope="module")
def ecr(daemon: Daemon) -> Any:
    client = daemon.client("ecr")
    client.create_repository(repositoryName="model")
    return client


def password_of(client: Any) -> str:
    token = client.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(token).decode()


def skopeo(*arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["skopeo", "--insecure-policy", *arguments], check=check, capture_output=True, text=True, timeout=200
    )


def make_layout(directory: Path) -> Path:
    """An OCI layout with one image of one layer."""
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layer = directory / "layer.tar"
    (directory / "hello").write_text("hello " * 50_000)
    with tarfile.open(layer, "w") as archive:
        archive.add(directory / "hello", "hello")

    def add(content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {
            "mediaType": f"application/vnd.oci.image.{media_type}",
            "digest": f"sha256:{digest}",
            "size": len(content),
        }

    added = add(layer.read_bytes(), "layer.v1.tar")
    rootfs = {"type": "layers", "diff_ids": [added["digest"]]}
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/hello"]}, "rootfs": rootfs}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add(json.dumps(config).encode(), "config.v1+json"),
        "layers": [added],
    }
    index = {"schemaVersion": 2, "manifests": [add(json.dumps(manifest).encode(), "manifest.v1+json")]}
    (directory / "index.json").write_text(json.dumps(index))
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return directory


def test_skopeo_pushes_and_pulls(daemon: Daemon, ecr: Any, tmp_path: Path) -> None:
    layout = make_layout(tmp_path / "layout")
    name = f"docker://{daemon.url.removeprefix('http://')}/model:v1"
    credentials = password_of(ecr)
    for _ in range(2):  # the second push finds all that there is
        skopeo(
            "copy", "--preserve-digests", "--dest-tls-verify=false", "--dest-creds", credentials, f"oci:{layout}", name
        )
    (image,) = ecr.describe_images(repositoryName="model")["imageDetails"]
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]
    assert (image["imageTags"], image["imageDigest"]) == (["v1"], manifest["digest"])
    skopeo(
        "copy",
        "--preserve-digests",
        "--src-tls-verify=false",
        "--src-creds",
        credentials,
        name,
        f"oci:{tmp_path / 'pulled'}:v1",
    )
    pulled = {path.name for path in (tmp_path / "pulled" / "blobs" / "sha256").iterdir()}
    assert pulled == {path.name for path in (layout / "blobs" / "sha256").iterdir()}
    tags = skopeo("list-tags", "--tls-verify=false", "--creds", credentials, name.removesuffix(":v1"))
    assert json.loads(tags.stdout)["Tags"] == ["v1"]


def test_a_push_needs_its_permissions(daemon: Daemon, ecr: Any, tmp_path: Path) -> None:
    iam = daemon.client("iam")
    iam.create_user(UserName="reader")
    statement = {"Effect": "Allow", "Action": ["ecr:GetAuthorizationToken", "ecr:Batch*"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = daemon.client("ecr", (key["AccessKeyId"], key["SecretAccessKey"]))
    layout = make_layout(tmp_path / "layout")
    name = f"docker://{daemon.url.removeprefix('http://')}/model:v2"
    pushed = skopeo(
        "copy", "--dest-tls-verify=false", "--dest-creds", password_of(reader), f"oci:{layout}", name, check=False
    )
    assert pushed.returncode
    assert "user/reader is not authorized to perform: ecr:" in pushed.stderr


def ask(daemon: Daemon, method: str, path: str, password: str | None, body: bytes = b"", **headers: str) -> Any:
    if password is not None:
        headers["Authorization"] = f"Basic {base64.b64encode(password.encode()).decode()}"
    prepared = AWSRequest(method, daemon.url + path, headers=headers, data=body).prepare()
    return URLLib3Session().send(prepared)


@pytest.mark.parametrize("password", [None, "AWS:", "AWS:guess", "root:guess"])
def test_nobody_comes_in_without_a_token(daemon: Daemon, password: str | None) -> None:
    response = ask(daemon, "GET", "/v2/", password)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic realm=")


def test_a_session_token_is_no_password(daemon: Daemon) -> None:
    token = daemon.client("sts").get_session_token()["Credentials"]["SessionToken"]
    assert ask(daemon, "GET", "/v2/", f"AWS:{token}").status_code == 401


def test_chunks_become_one_layer_and_digests_are_checked(daemon: Daemon, ecr: Any) -> None:
    password = password_of(ecr)
    first, second = b"a" * 1000, b"b" * 500
    digest = f"sha256:{hashlib.sha256(first + second).hexdigest()}"
    place = ask(daemon, "POST", "/v2/model/blobs/uploads/", password).headers["Location"]
    assert ask(daemon, "PATCH", place, password, first).headers["Range"] == "0-999"
    assert ask(daemon, "PATCH", place, password, second).headers["Range"] == "0-1499"
    assert ask(daemon, "GET", place, password).status_code == 204
    wrong = ask(daemon, "PUT", f"{place}?digest=sha256:{'0' * 64}", password)
    assert (wrong.status_code, json.loads(wrong.content)["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    assert ask(daemon, "PUT", f"{place}?digest={digest}", password).status_code == 201
    assert ask(daemon, "GET", f"/v2/model/blobs/{digest}", password).content == first + second
    head = ask(daemon, "HEAD", f"/v2/model/blobs/{digest}", password)
    assert (head.status_code, head.headers["Content-Length"]) == (200, "1500")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2/none/tags/list", 404, "NAME_UNKNOWN"),
        ("GET", "/v2/model/manifests/none", 404, "MANIFEST_UNKNOWN"),
        ("GET", f"/v2/model/blobs/sha256:{'0' * 64}", 404, "BLOB_UNKNOWN"),
        ("PATCH", "/v2/model/blobs/uploads/0-0", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("GET", "/v2/_catalog", 405, "UNSUPPORTED"),
        ("DELETE", "/v2/model/tags/list", 405, "UNSUPPORTED"),
    ],
)
def test_refusals_as_registries_have_them(
    daemon: Daemon, ecr: Any, method: str, path: str, status: int, code: str
) -> None:
    response = ask(daemon, method, path, password_of(ecr))
    assert (response.status_code, json.loads(response.content)["errors"][0]["code"]) == (status, code)


def test_bytes_that_nobody_took_are_not_kept(daemon: Daemon, ecr: Any) -> None:
    assert daemon.app is not None
    before = {path.name for path in blobs_of(daemon).iterdir()}
    ask(daemon, "PATCH", "/v2/model/blobs/uploads/0-0", password_of(ecr), b"x" * 100)
    assert {path.name for path in blobs_of(daemon).iterdir()} == before


def blobs_of(daemon: Daemon) -> Path:
    assert daemon.app is not None
    return daemon.app.config.blobs
