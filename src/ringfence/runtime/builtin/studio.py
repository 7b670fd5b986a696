"""Studio's image: JupyterLab in a Python environment of its own, on the same small root as the built-in image.

The environment is installed by `make studio`; the daemon itself needs nothing of it. Called by `reconcile.studio_app`.
"""

from pathlib import Path

from ringfence.runtime.builtin.rootfs import Python, build_image
from ringfence.runtime.driver import Image

_NAME = "sagemaker-distribution"


def studio_image(directory: Path, environment: Path) -> Image | None:
    """`directory`: where roots are built. None if the environment has not been installed."""
    executable = environment / "bin" / "python"
    settings = environment / "pyvenv.cfg"
    if not executable.exists() or not settings.is_file():
        return None
    return build_image(_NAME, directory, Python(executable, _prefixes(environment, settings)), "jupyterlab")


def _prefixes(environment: Path, settings: Path) -> tuple[Path, ...]:
    """The environment, and the installation of Python that it was made of."""
    lines = (line.partition("=") for line in settings.read_text().splitlines())
    home = next((value.strip() for name, _, value in lines if name.strip() == "home"), "/usr/bin")
    wanted = {environment, Path(home).parent}
    return tuple(sorted(path for path in wanted if not path.is_relative_to("/usr")))
