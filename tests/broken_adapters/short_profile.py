"""A pytest plugin: generated values are few and not shrunk. That a test fails is enough."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, Phase, settings

# Loaded before the suites are: they take what is set here.
settings.register_profile(
    "short",
    max_examples=20,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[*HealthCheck],
)
settings.load_profile("short")


def pytest_configure() -> None:
    """A call that hangs is found out sooner."""
    from abandoned_booking.testing.contracts import _tools

    _tools.waits_for_another_thread = timedelta(seconds=0.3)
