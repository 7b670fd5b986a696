"""A Python environment that a make target installed beside the daemon's own, as an image mounts it.

`make studio` and `make pytorch` make such environments; the daemon itself needs nothing of them. Called by studio.py
and rootfs.py.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Python:
    """The environment that the image mounts: the interpreter, and the directories that it needs."""

    executable: Path
    prefixes: tuple[Path, ...]


def find_python(environment: Path) -> Python | None:
    """None if the environment has not been installed whole: make's stamp comes last."""
    executable = environment / "bin" / "python"
    settings = environment / "pyvenv.cfg"
    if not executable.exists() or not settings.is_file() or not (environment / ".done").exists():
        return None
    return Python(executable, _prefixes(environment, settings))


def _prefixes(environment: Path, settings: Path) -> tuple[Path, ...]:
    """The environment, and the installation of Python that it was made of."""
    lines = (line.partition("=") for line in settings.read_text().splitlines())
    home = next((value.strip() for name, _, value in lines if name.strip() == "home"), "/usr/bin")
    wanted = {environment, Path(home).parent}
    return tuple(sorted(path for path in wanted if not path.is_relative_to("/usr")))
