"""The code that a user submits to a framework's container: found or fetched, unpacked, its requirements installed.

Runs inside the built-in image, for serve.py and train.py beside it; imports nothing of ringfence. Behaviour follows
AWS's sagemaker-training and sagemaker-inference toolkits.
"""

import os
import sys
import tarfile
from urllib.parse import urlsplit


def log(line: str) -> None:
    os.write(1, f"{line}\n".encode(errors="replace"))


def fetch_code(source: str, target: str) -> str:
    """The directory of the code: `source` is `s3://…tar.gz`, `s3://…py`, an archive, or a directory that is there."""
    if source.startswith("s3://"):
        source = _download(source, target)
    source = source.removeprefix("file://")
    if source.endswith((".tar.gz", ".tgz")):
        return _extract(source, os.path.join(target, "code"))
    return os.path.dirname(source) if os.path.isfile(source) else source


def requirements_command(directory: str, prefix: str | None = None) -> list[str] | None:
    """`pip install -r requirements.txt`, to be run there; None if there is none.

    `prefix`: where the environment itself cannot be written.
    """
    requirements = os.path.join(directory, "requirements.txt")
    if not os.path.exists(requirements):
        return None
    log(f"Installing the modules of {requirements}")
    place = ["--prefix", prefix] if prefix else []
    pip = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--disable-pip-version-check", *place]
    return [*pip, "-r", "requirements.txt"]


def packages(prefix: str) -> str:
    """Where modules of a pip prefix are imported from."""
    return os.path.join(prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")


def _download(source: str, target: str) -> str:
    """From S3, with the container's own credentials and network."""
    import boto3  # type: ignore[import-untyped, unused-ignore]

    parts = urlsplit(source)
    os.makedirs(target, exist_ok=True)
    file = os.path.join(target, os.path.basename(parts.path))
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    boto3.client("s3", region_name=region).download_file(parts.netloc, parts.path.lstrip("/"), file)
    return file


def _extract(archive: str, target: str) -> str:
    with tarfile.open(archive) as tar:
        # Debian 12's Python 3.11.2 has no filters yet; this runs in the container, with the rights of the user's code
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(target)  # noqa: S202
    return target
