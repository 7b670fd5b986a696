"""The generated pages are current, and the registry is what botocore's models know."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from botocore.model import ServiceModel
from botocore.session import get_session

from ringfence import services
from ringfence.core.operation import REGISTRY, Operation

ROOT = Path(__file__).resolve().parents[2]
services.load()


def test_generated_pages_are_current() -> None:
    done = subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@cache
def _model(service: str) -> ServiceModel:
    """Reading one takes up to a third of a second."""
    return get_session().get_service_model(service)


@pytest.mark.parametrize("operation", REGISTRY.values(), ids=lambda operation: f"{operation.service}.{operation.name}")
def test_operation_speaks_of_its_model(operation: Operation) -> None:
    """The name is in the service's model, and each request member that authorization reads is in the input shape."""
    shape = _model(operation.service).operation_model(operation.name).input_shape
    members = set(shape.members) if shape else set()
    named = [source for source in operation.keys.values() if isinstance(source, str)]
    for member in (*named, *operation.passes, *operation.instead):
        assert member.split(".")[0].removesuffix("[]") in members
    if isinstance(operation.on, tuple):
        for template in operation.on:
            for piece in template.split("{")[1:]:
                assert piece.split("}")[0].split(".")[0].split("[")[0] in members
