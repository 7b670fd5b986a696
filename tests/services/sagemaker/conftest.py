"""Handlers called directly, on a real store, with requests and results checked against botocore's shapes."""

from pathlib import Path

import pytest
from sagemaker_caller import SageMaker

from ringfence.store.database import open_store


@pytest.fixture
def sagemaker(tmp_path: Path) -> SageMaker:
    return SageMaker(open_store(tmp_path))
