"""Images that Docker and podman hold: imported from them, pushed by them to ECR, pulled again, hosted.

Each engine is unmodified and keeps its state in a directory of the test. Skipped where it is not installed.
"""

import json
import os
import platform
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.story import BIN, Story
from tests.patience import eventually
from tests.runtime.oci_image import ARCHITECTURES, Layer, write_layout
from tests.scenarios.hosting import Hosting
from tests.scenarios.perl_model import write_perl_model

pytestmark = [pytest.mark.root, pytest.mark.slow]

REGISTRY = "123456789012.dkr.ecr.us-west-2.amazonaws.com"
AWS = str(BIN / "aws")


def _run(*command: str, check: bool = True, **environment: str) -> str:
    """What it printed, both streams."""
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0 or not check, done.stdout[-3000:]
    return done.stdout


def _installed(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"`{program}` is not installed")


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_perl_model(tmp_path_factory.mktemp("image"))


@dataclass
class Docker:
    """A Docker daemon of the test's own; the tests make images with it and no containers."""

    host: str
    config: Path

    def __call__(self, *arguments: str) -> str:
        return _run("docker", *arguments, DOCKER_HOST=self.host, DOCKER_CONFIG=str(self.config))


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[Docker]:
    _installed("dockerd", "docker")
    socket = tmp_path / "d.sock"
    command = ["dockerd", "-H", f"unix://{socket}", "--data-root", str(tmp_path / "data")]
    command += ["--exec-root", str(tmp_path / "exec"), "--pidfile", str(tmp_path / "pid")]
    command += ["--bridge=none", "--iptables=false", "--ip-forward=false"]  # the machine's network is left alone
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        eventually(lambda: socket.exists() or process.poll() is not None)
        if process.poll() is not None:
            pytest.skip(f"`dockerd` does not run here: {(tmp_path / 'log').read_text()[-300:]}")
        yield Docker(f"unix://{socket}", tmp_path / "config")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


def test_an_image_of_docker(
    story: Story, docker: Docker, layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Imported out of the daemon that DOCKER_HOST names; pushed to ECR on the loopback, which Docker trusts; pulled."""
    _run("skopeo", "copy", "--dest-daemon-host", docker.host, f"oci:{layout}", "docker-daemon:mine:1")
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    done = story.ringfence("image", "import", "docker-daemon:mine:1", f"{REGISTRY}/engine/docker:imported")
    assert done.returncode == 0, done.stderr
    absent = story.ringfence("image", "import", "docker-daemon:none:1", f"{REGISTRY}/engine/docker:none")
    assert absent.returncode == 1 and "docker-daemon:none:1" in absent.stderr
    ecr, host = story.client("ecr"), story.environment["AWS_ENDPOINT_URL"].removeprefix("http://")
    ecr.create_repository(repositoryName="engine/docker")
    password = _run(AWS, "ecr", "get-login-password", **story.environment).strip()
    assert "Login Succeeded" in docker("login", "-u", "AWS", "-p", password, host)
    docker("tag", "mine:1", f"{host}/engine/docker:pushed")
    pushed = docker("push", f"{host}/engine/docker:pushed")
    (image,) = ecr.describe_images(repositoryName="engine/docker")["imageDetails"]
    assert image["imageDigest"] in pushed
    assert image["imageManifestMediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    docker("rmi", "mine:1", f"{host}/engine/docker:pushed")
    assert image["imageDigest"] in docker("pull", f"{host}/engine/docker:pushed")
    ecr.delete_repository(repositoryName="engine/docker", force=True)
    story.ringfence("image", "rm", f"{REGISTRY}/engine/docker:imported")


@pytest.fixture(scope="module")
def podman(layout: Path) -> Iterator[tuple[str, ...]]:
    """podman that holds `localhost/mine:1`, its storage plain files of the test's: no mounts stay."""
    _installed("podman")
    # podman takes no more than 50 characters for its runroot: pytest's own directories are longer
    with tempfile.TemporaryDirectory(prefix="podman-") as made:
        place = Path(made)
        storage = f"[vfs@{place / 'root'}+{place / 'run'}]"
        _run("skopeo", "--insecure-policy", "copy", f"oci:{layout}", f"containers-storage:{storage}localhost/mine:1")
        yield ("podman", "--root", str(place / "root"), "--runroot", str(place / "run"), "--storage-driver", "vfs")


def _storage(podman: tuple[str, ...]) -> str:
    return f"containers-storage:[vfs@{podman[2]}+{podman[4]}]localhost/mine:1"


def test_an_image_of_podman_is_imported(story: Story, podman: tuple[str, ...], hosting: Hosting) -> None:
    name = f"{REGISTRY}/engine/podman:imported"
    done = story.ringfence("image", "import", _storage(podman), name)
    assert done.returncode == 0, done.stderr
    told = hosting.create("engine", container={"Image": name}, VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")


def _pusher(story: Story, repository: str) -> None:
    """A role of an instance on the internet that may push; the repository's policy denies it `denied/…`."""
    iam, ecr = story.client("iam"), story.client("ecr")
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}
    document = {"Version": "2012-10-17"}
    role = iam.create_role(RoleName="pusher", AssumeRolePolicyDocument=json.dumps({**document, "Statement": [trust]}))[
        "Role"
    ]["Arn"]
    iam.put_role_policy(
        RoleName="pusher", PolicyName="push", PolicyDocument=json.dumps({**document, "Statement": [allow]})
    )
    ecr.create_repository(repositoryName=repository)
    ecr.create_repository(repositoryName="engine/denied")
    deny = {"Effect": "Deny", "Principal": {"AWS": role}, "Action": "ecr:PutImage"}
    ecr.set_repository_policy(repositoryName="engine/denied", policyText=json.dumps({**document, "Statement": [deny]}))


_PUSH = """
set -e
aws() { "$AWS_PROGRAM" "$@"; }
unset AWS_ENDPOINT_URL
aws ecr get-login-password | podman login -u AWS --password-stdin $REGISTRY
push() { podman push localhost/mine:1 $REGISTRY/$1; }
push engine/pushed:one
podman manifest create localhost/many:1
skopeo copy oci:$FOREIGN docker://$REGISTRY/engine/pushed:foreign
podman manifest add localhost/many:1 docker://$REGISTRY/engine/pushed:foreign
podman manifest add localhost/many:1 docker://$REGISTRY/engine/pushed:one
podman manifest push --all localhost/many:1 docker://$REGISTRY/engine/pushed:many
podman pull $REGISTRY/engine/pushed:many
skopeo copy --all docker://$REGISTRY/engine/pushed:many docker://$REGISTRY/engine/pushed:copied
skopeo copy oci:$LAYOUT docker://$REGISTRY/engine/pushed:skopeo
push engine/denied:1 && echo "was not denied"
push engine/absent:1 && echo "was not absent"
echo the end
"""


def test_engines_push_over_tls_to_ecrs_own_name(
    story: Story, podman: tuple[str, ...], layout: Path, hosting: Hosting, tmp_path: Path
) -> None:
    """podman and skopeo on an instance: certificates verified, an index of two architectures, policies, deletion."""
    _pusher(story, "engine/pushed")
    foreign = next(one for one in ARCHITECTURES.values() if one != ARCHITECTURES[platform.machine()])
    write_layout(tmp_path / "foreign", [Layer().finish()], {}, architecture=foreign)
    (tmp_path / "podman").write_text(f'#!/bin/sh\nexec {shutil.which("podman")} {" ".join(podman[1:])} "$@"\n')
    (tmp_path / "podman").chmod(0o755)
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
    variables |= {"FOREIGN": str(tmp_path / "foreign")}
    variables |= {"REGISTRY": REGISTRY, "LAYOUT": str(layout), "AWS_PROGRAM": AWS, "RINGFENCE_STATE": str(story.state)}
    command = [str(BIN / "ringfence"), "exec", "--internet", "--role", "pusher", "--", "sh", "-c", _PUSH]
    output = _run(*command, **variables)
    assert output.rstrip().endswith("the end"), output
    assert "is not authorized to perform: ecr:PutImage" in output
    assert "was not" not in output
    ecr = story.client("ecr")
    tags = {one.get("imageTag") for one in ecr.list_images(repositoryName="engine/pushed")["imageIds"]}
    assert {"one", "many", "copied", "skopeo"} <= tags
    assert ecr.list_images(repositoryName="engine/denied")["imageIds"] == []
    _is_hosted_by_its_index(story, hosting)
    ecr.batch_delete_image(repositoryName="engine/pushed", imageIds=[{"imageTag": "copied"}])
    assert "copied" not in [one.get("imageTag") for one in ecr.list_images(repositoryName="engine/pushed")["imageIds"]]
    for repository in ("engine/pushed", "engine/denied"):
        ecr.delete_repository(repositoryName=repository, force=True)


def _is_hosted_by_its_index(story: Story, hosting: Hosting) -> None:
    iam, role = story.client("iam"), story.facts["roles"]["execution"].rpartition("/")[2]
    statement = {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="engine", PolicyDocument=document)
    told = hosting.create(
        "index", container={"Image": f"{REGISTRY}/engine/pushed:many"}, VpcConfig=hosting.vpc_config()
    )
    iam.delete_role_policy(RoleName=role, PolicyName="engine")
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    answer = story.client("sagemaker-runtime").invoke_endpoint(EndpointName="index", Body=b"hello")
    assert answer["Body"].read() == b"model(8080): hello"
