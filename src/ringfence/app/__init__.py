"""The daemon: the composition root, the only package that imports everything. `python -m ringfence.app` runs it."""
