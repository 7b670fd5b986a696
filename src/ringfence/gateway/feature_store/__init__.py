"""Calls of Feature Store's runtime: shared writes, measured, and an online store that is another server's."""
