"""Markers of the whole suite."""

import gc
import os

import hypothesis
import pytest

# How fast examples are made and run is the machine's, which may have much else to do.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    # botocore's models are a heap that each full collection looks through in vain: a quarter of the suite's time
    gc.set_threshold(200_000, 20, 100)
    config.addinivalue_line(
        "markers", "statement(*ids): the numbered statements of the specification that a test proves"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of namespaces and containers cannot run without root: skipped, and listed as such."""
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs root: run `sudo make test`"))
