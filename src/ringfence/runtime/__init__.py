"""Containers: through an OCI runtime, with images of this machine, the built-in ones too. Read driver.py first."""
