"""Records -> Topology, in ordered pure passes. Called by the reconciler and the explainers."""

from ringfence.network.compile.passes import NetworkSettings, compile_topology
from ringfence.network.memory import Memory

compile = compile_topology

__all__ = ["Memory", "NetworkSettings", "compile", "compile_topology"]
