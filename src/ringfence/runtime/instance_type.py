"""What each ml.* instance type has: the limits of a container that runs on one.

Facts only; whether a type is offered (accelerators are not) is the asking service's decision. Read by
services/sagemaker and reconcile. Sources: https://aws.amazon.com/sagemaker/ai/pricing/ and
https://aws.amazon.com/ec2/instance-types/ .
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ringfence.resources.sagemaker import Variant

GIB = 1024**3
_MB_PER_VCPU = 1769
PIDS = 32768  # AWS names no limit; this stops a fork bomb and nothing else


@dataclass(frozen=True, slots=True)
class Limits:
    """`cpus` are the type's vCPUs, however many cores this machine has. `accelerators`: GPUs or Neuron devices."""

    memory_bytes: int
    cpus: float
    pids: int = PIDS
    accelerators: int = 0


# Families whose sizes follow the rule large = 2 vCPU, xlarge = 4, Nxlarge = 4 N: GiB of memory per vCPU.
GIB_PER_VCPU: Mapping[str, float] = {
    "m4": 4, "m5": 4, "m5d": 4, "m6g": 4, "m6gd": 4, "m6i": 4, "m7i": 4, "m7i-flex": 4,
    "m8g": 4, "m8i": 4, "m8i-flex": 4,
    "c4": 1.875, "c5": 2, "c5d": 2, "c6g": 2, "c6gd": 2, "c6gn": 2, "c6i": 2, "c6in": 2, "c7g": 2, "c7i": 2,
    "c7i-flex": 2, "c8g": 2, "c8i": 2, "c8i-flex": 2,
    "r5": 8, "r5d": 8, "r6g": 8, "r6gd": 8, "r6i": 8, "r7gd": 8, "r7i": 8, "r8g": 8, "r8i": 8, "r8i-flex": 8,
}  # fmt: skip
SIZES: Mapping[str, str] = {
    "m4": "xlarge 2xlarge 4xlarge 10xlarge 16xlarge",
    "m5": "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge",
    "m5d": "large xlarge 2xlarge 4xlarge 12xlarge 24xlarge",
    "m6g": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "m6gd": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "m6i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "m7i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "m7i-flex": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "m8g": "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "m8i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge 96xlarge",
    "m8i-flex": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "c4": "large xlarge 2xlarge 4xlarge",
    "c5": "large xlarge 2xlarge 4xlarge 9xlarge 18xlarge",
    "c5d": "large xlarge 2xlarge 4xlarge 9xlarge 18xlarge",
    "c6g": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "c6gd": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "c6gn": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "c6i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "c6in": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "c7g": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "c7i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "c7i-flex": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "c8g": "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "c8i": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge 96xlarge",
    "c8i-flex": "xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "r5": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge",
    "r5d": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge",
    "r6g": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "r6gd": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "r6i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge",
    "r7gd": "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
    "r7i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "r8g": "medium large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge",
    "r8i": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 32xlarge 48xlarge 96xlarge",
    "r8i-flex": "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge",
}
VCPUS_OF_SIZE: Mapping[str, int] = {"medium": 1, "large": 2, "xlarge": 4}

# Everything that breaks the rule: (vCPU, GiB, accelerators).
IRREGULAR: Mapping[str, tuple[int, float, int]] = {
    "t2.medium": (2, 4, 0), "t2.large": (2, 8, 0), "t2.xlarge": (4, 16, 0), "t2.2xlarge": (8, 32, 0),
    "t3.medium": (2, 4, 0), "t3.large": (2, 8, 0), "t3.xlarge": (4, 16, 0), "t3.2xlarge": (8, 32, 0),
    "c4.8xlarge": (36, 60, 0),
    "c5n.xlarge": (4, 10.5, 0), "c5n.2xlarge": (8, 21, 0), "c5n.4xlarge": (16, 42, 0),
    "c5n.9xlarge": (36, 96, 0), "c5n.18xlarge": (72, 192, 0),
    "p2.xlarge": (4, 61, 1), "p2.8xlarge": (32, 488, 8), "p2.16xlarge": (64, 732, 16),
    "p3.2xlarge": (8, 61, 1), "p3.8xlarge": (32, 244, 4), "p3.16xlarge": (64, 488, 8), "p3dn.24xlarge": (96, 768, 8),
    "p4d.24xlarge": (96, 1152, 8), "p4de.24xlarge": (96, 1152, 8),
    "p5.4xlarge": (16, 256, 1), "p5.48xlarge": (192, 2048, 8), "p5e.48xlarge": (192, 2048, 8),
    "p5en.48xlarge": (192, 2048, 8), "dl1.24xlarge": (96, 768, 8),
    "g4dn.xlarge": (4, 16, 1), "g4dn.2xlarge": (8, 32, 1), "g4dn.4xlarge": (16, 64, 1), "g4dn.8xlarge": (32, 128, 1),
    "g4dn.12xlarge": (48, 192, 4), "g4dn.16xlarge": (64, 256, 1),
    "g5.xlarge": (4, 16, 1), "g5.2xlarge": (8, 32, 1), "g5.4xlarge": (16, 64, 1), "g5.8xlarge": (32, 128, 1),
    "g5.12xlarge": (48, 192, 4), "g5.16xlarge": (64, 256, 1), "g5.24xlarge": (96, 384, 4), "g5.48xlarge": (192, 768, 8),
    "g6.xlarge": (4, 16, 1), "g6.2xlarge": (8, 32, 1), "g6.4xlarge": (16, 64, 1), "g6.8xlarge": (32, 128, 1),
    "g6.12xlarge": (48, 192, 4), "g6.16xlarge": (64, 256, 1), "g6.24xlarge": (96, 384, 4), "g6.48xlarge": (192, 768, 8),
    "g6e.xlarge": (4, 32, 1), "g6e.2xlarge": (8, 64, 1), "g6e.4xlarge": (16, 128, 1), "g6e.8xlarge": (32, 256, 1),
    "g6e.12xlarge": (48, 384, 4), "g6e.16xlarge": (64, 512, 1), "g6e.24xlarge": (96, 768, 4),
    "g6e.48xlarge": (192, 1536, 8),
    "inf1.xlarge": (4, 8, 1), "inf1.2xlarge": (8, 16, 1), "inf1.6xlarge": (24, 48, 4), "inf1.24xlarge": (96, 192, 16),
    "inf2.xlarge": (4, 16, 1), "inf2.8xlarge": (32, 128, 1), "inf2.24xlarge": (96, 384, 6),
    "inf2.48xlarge": (192, 768, 12),
    "trn1.2xlarge": (8, 32, 1), "trn1.32xlarge": (128, 512, 16), "trn1n.32xlarge": (128, 512, 16),
    "trn2.48xlarge": (192, 2048, 16),
}  # fmt: skip


def limits(instance_type: str) -> Limits | None:
    """The limits of `ml.<family>.<size>`; None for a type that is not in the table."""
    parts = instance_type.split(".")
    if len(parts) != 3 or parts[0] != "ml":
        return None
    family, size = parts[1], parts[2]
    if irregular := IRREGULAR.get(f"{family}.{size}"):
        vcpus, gib, accelerators = irregular
        return Limits(memory_bytes=int(gib * GIB), cpus=vcpus, accelerators=accelerators)
    if size not in SIZES.get(family, "").split():
        return None
    count = VCPUS_OF_SIZE.get(size) or 4 * int(size.removesuffix("xlarge"))
    return Limits(memory_bytes=int(count * GIB_PER_VCPU[family] * GIB), cpus=count)


def serverless_limits(memory_mb: int) -> Limits:
    """ "assigns compute resources proportional to the memory"; the proportion is Lambda's, which it runs on.

    https://docs.aws.amazon.com/sagemaker/latest/dg/serverless-endpoints.html
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
    """
    return Limits(memory_bytes=memory_mb * 1024**2, cpus=round(memory_mb / _MB_PER_VCPU, 2))


def limits_of(variant: Variant) -> Limits:
    """What an instance of a hosted variant has."""
    if variant.serverless is not None:
        return serverless_limits(variant.serverless.memory_mb)
    found = limits(variant.instance_type)
    assert found is not None, "CreateEndpointConfig knows the type"
    return found


def instance_types() -> tuple[str, ...]:
    """Every type in the table."""
    regular = [f"ml.{family}.{size}" for family, sizes in SIZES.items() for size in sizes.split()]
    return (*regular, *(f"ml.{name}" for name in IRREGULAR))
