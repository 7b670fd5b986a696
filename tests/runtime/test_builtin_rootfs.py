"""The built-in image: the names that it answers to, and what of this machine its root holds."""

from pathlib import Path

import pytest

from ringfence.runtime.builtin import registry
from ringfence.runtime.builtin.rootfs import Python, resolve, this_python

NAME = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


@pytest.mark.parametrize(
    "name",
    [
        NAME,
        "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:0.23-1-cpu-py3",
        "450853457545.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-scikit-learn:1.0-1",
        "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn",
        "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1",
        "123456789012.dkr.ecr.us-west-2.amazonaws.com/ringfence-python:3",
    ],
)
def test_names(name: str, tmp_path: Path) -> None:
    image = resolve(name, tmp_path)
    assert image is not None and image.name == name


@pytest.mark.parametrize(
    "name",
    [
        "123456789012.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1",
        "246618743249.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
        "246618743249.dkr.ecr.us-west-2.amazonaws.com.cn/sagemaker-scikit-learn:1.2-1-cpu-py3",
        "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-tensorflow:2",
        "246618743249.dkr.ecr.us-west-2.amazonaws.com/mine/sagemaker-scikit-learn:1",
        "sagemaker-scikit-learn:1.2-1-cpu-py3",
        "evil.example/246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1",
        NAME + "\n",
    ],
)
def test_other_names(name: str, tmp_path: Path) -> None:
    assert resolve(name, tmp_path) is None


def test_root_is_made_once_and_whole(tmp_path: Path) -> None:
    first, second = resolve(NAME, tmp_path / "images"), resolve(NAME, tmp_path / "images")
    assert first == second
    assert first is not None
    assert [path.name for path in (tmp_path / "images").iterdir()] == [first.rootfs.name]
    assert (tmp_path / "images").stat().st_mode & 0o777 == 0o700


def test_etc_holds_no_secret(tmp_path: Path) -> None:
    image = resolve(NAME, tmp_path)
    assert image is not None
    names = {path.name for path in (image.rootfs / "etc").iterdir()}
    assert not names & {"shadow", "gshadow", "ssh", "sudoers", "machine-id", "krb5.keytab", "pip.conf"}
    users = (image.rootfs / "etc/passwd").read_text().splitlines()
    assert [line.split(":")[0] for line in users] == ["root", "nobody"]
    assert not any((image.rootfs / "root").iterdir())
    assert not (image.rootfs / "home").exists()


def test_only_usr_and_the_environment_are_mounted(tmp_path: Path) -> None:
    python = Python(Path("/srv/venv/bin/python"), (Path("/srv/base"), Path("/srv/venv")))
    image = resolve(NAME, tmp_path, python)
    assert image is not None
    targets = {mount.target for mount in image.mounts} - {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}
    assert targets == {"/usr", "/srv/base", "/srv/venv", "/opt/ringfence/ringfence/runtime/builtin"}
    assert all(mount.read_only for mount in image.mounts)
    layered = {mount.target for mount in image.mounts if mount.layered}
    assert layered == {"/usr", "/srv/base", "/srv/venv"}
    assert '"/srv/venv/bin/python"' in (image.rootfs / "opt/ringfence/bin/serve").read_text()


def test_prefixes_inside_usr_need_no_mount() -> None:
    assert not any(path.is_relative_to("/usr") for path in this_python().prefixes)


def test_a_framework_that_is_not_installed_has_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    assert resolve(NAME, tmp_path) is None
    assert resolve("123456789012.dkr.ecr.us-west-2.amazonaws.com/ringfence-python:3", tmp_path) is not None


PYTORCH = "763104351884.dkr.ecr.us-west-2.amazonaws.com/pytorch-inference:2.6.0-cpu-py312"


@pytest.mark.parametrize(
    "name",
    [
        PYTORCH,
        "763104351884.dkr.ecr.eu-west-3.amazonaws.com/pytorch-training:2.8.0-cpu-py312",
        "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/pytorch-training:2.1.0-cpu-py310",
        "626614931356.dkr.ecr.af-south-1.amazonaws.com/pytorch-inference:2.1.0-cpu-py310",
    ],
)
def test_pytorch_has_an_environment_of_its_own(name: str, tmp_path: Path) -> None:
    environment = tmp_path / "pytorch"
    assert resolve(name, tmp_path / "images", pytorch=environment) is None
    assert "`make pytorch`" in str(registry.what_to_install(name))
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/python").touch()
    (environment / "pyvenv.cfg").write_text("home = /opt/python/bin\n")
    assert resolve(name, tmp_path / "images", pytorch=environment) is None, "make was not done"
    (environment / ".done").touch()
    image = resolve(name, tmp_path / "images", pytorch=environment)
    assert image is not None and image.env["RINGFENCE_FRAMEWORK"] == "torch"
    assert {str(environment), "/opt/python"} <= {mount.target for mount in image.mounts}


@pytest.mark.parametrize(
    "name",
    [
        "763104351884.dkr.ecr.af-south-1.amazonaws.com/pytorch-training:2.1.0-cpu-py310",
        "763104351884.dkr.ecr.us-west-2.amazonaws.com/huggingface-pytorch-training:2.1.0",
        "123456789012.dkr.ecr.us-west-2.amazonaws.com/pytorch-training:2.1.0",
    ],
)
def test_names_that_are_not_pytorchs(name: str) -> None:
    assert registry.what_to_install(name) is None
