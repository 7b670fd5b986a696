"""Linux: what the machine should have and has, the steps in between, the edge that takes them. Read apply.py."""
