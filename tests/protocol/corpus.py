"""botocore's source distribution, fetched once: it carries AWS's protocol cases and signature vectors.

Run it alone (`python tests/protocol/corpus.py`) to fill the cache before the tests do.
"""

import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
_PIN = _REPOSITORY / "requirements" / "corpus.txt"
_CACHE = _REPOSITORY / ".cache"


def corpus_root() -> Path:
    """The unpacked distribution's directory, with `tests/unit/protocols` and `tests/unit/auth/aws4_testsuite`."""
    match = re.search(r"^botocore==(\S+)", _PIN.read_text(), re.MULTILINE)
    assert match, f"no pin of botocore in {_PIN}"
    name = f"botocore-{match[1]}"
    root = _CACHE / name
    if not root.is_dir():
        _fetch(name, root)
    return root


def _fetch(name: str, root: Path) -> None:
    """Download by hash, keep only the tests. Two test workers may do it at once: the rename decides."""
    _CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
        _download(scratch)
        with tarfile.open(Path(scratch) / f"{name}.tar.gz") as archive:
            members = [member for member in archive if member.name.startswith(f"{name}/tests/unit/")]
            archive.extractall(scratch, members)  # pinned by its hash
        try:
            (Path(scratch) / name).rename(root)
        except OSError:
            if not root.is_dir():
                raise


def _download(scratch: str) -> None:
    # pip reads the metadata of what it downloads, which runs the build backend: the pinned setuptools of the
    # environment does, an isolated build would fetch an unpinned one
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-binary", "botocore", "--no-deps", "--no-build-isolation", "--require-hashes"]
    command += ["--dest", scratch, "-r", str(_PIN)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"could not fetch botocore's source distribution: {done.stderr}")


if __name__ == "__main__":
    print(corpus_root())
