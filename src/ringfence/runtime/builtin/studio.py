"""Studio's image: JupyterLab in a Python environment of its own, on the same small root as the built-in image.

The environment is installed by `make studio`; the daemon itself needs nothing of it. Called by
`reconcile.studio` and `reconcile.notebook`.
"""

from pathlib import Path

from ringfence.runtime.builtin.environment import find_python
from ringfence.runtime.builtin.rootfs import build_image
from ringfence.runtime.driver import Image

_NAME = "sagemaker-distribution"


def studio_image(directory: Path, environment: Path) -> Image | None:
    """`directory`: where roots are built. None if the environment has not been installed."""
    python = find_python(environment)
    return build_image(_NAME, directory, python, "jupyterlab") if python else None
