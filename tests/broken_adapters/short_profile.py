"""A pytest plugin: generated values are few and not shrunk. That a test fails is enough."""

from __future__ import annotations

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
