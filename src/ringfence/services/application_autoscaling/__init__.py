"""Application Auto Scaling: its operations, one file a noun."""
