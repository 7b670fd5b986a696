"""The verbs: one module or package a service, one file a noun. `load` fills `core.operation.REGISTRY`."""

import importlib
import pkgutil


def load() -> None:
    """Import every module below this package, so that each `@operation` has registered itself. Called by `app`."""
    for module in pkgutil.walk_packages(__path__, __name__ + "."):
        importlib.import_module(module.name)
