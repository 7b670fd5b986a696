"""Measurements, as ratios against a peer or a raw baseline in the same run. `make bench` prints them as a table."""
