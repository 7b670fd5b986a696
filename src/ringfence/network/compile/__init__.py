"""Records -> Topology, in ordered pure passes. Called by the reconciler and the explainers."""

from ringfence.network.compile.passes import NetworkSettings, compile_topology

compile = compile_topology

__all__ = ["NetworkSettings", "compile", "compile_topology"]
