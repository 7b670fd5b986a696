"""Ringfence: the Amazon SageMaker API on one's own machine, inside VPCs that the kernel enforces."""

__version__ = "0.1.0"
