"""The image that is there without a download: its root (rootfs.py) and the program inside it (serve.py)."""
