"""The table of instance types against botocore's enumerations and AWS's published sizes."""

import botocore.session
import pytest

from ringfence.runtime.instance_type import GIB, instance_types, limits


@pytest.mark.parametrize(
    ("name", "cpus", "gib", "accelerators"),
    [
        ("ml.t2.medium", 2, 4, 0),
        ("ml.m5.large", 2, 8, 0),
        ("ml.m5.xlarge", 4, 16, 0),
        ("ml.m4.16xlarge", 64, 256, 0),
        ("ml.c4.large", 2, 3.75, 0),
        ("ml.c4.8xlarge", 36, 60, 0),
        ("ml.c5.18xlarge", 72, 144, 0),
        ("ml.r5.24xlarge", 96, 768, 0),
        ("ml.g4dn.12xlarge", 48, 192, 4),
        ("ml.g5.xlarge", 4, 16, 1),
        ("ml.p3.2xlarge", 8, 61, 1),
    ],
)
def test_sizes(name: str, cpus: int, gib: float, accelerators: int) -> None:
    found = limits(name)
    assert found is not None
    assert (found.cpus, found.memory_bytes, found.accelerators) == (cpus, gib * GIB, accelerators)


@pytest.mark.parametrize(
    "name", ["", "m5.large", "ml.m5", "ml.m5.3xlarge", "ml.m5.large.x", "ml.zz.large", "ml.t2.nano"]
)
def test_unknown(name: str) -> None:
    assert limits(name) is None


def test_every_type_is_one_of_aws() -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    shapes = (
        "ProductionVariantInstanceType",
        "TrainingInstanceType",
        "ProcessingInstanceType",
        "TransformInstanceType",
    )
    known = {name for shape in shapes for name in model.shape_for(shape).enum}
    assert set(instance_types()) <= known
    assert all(limits(name) is not None for name in instance_types())
