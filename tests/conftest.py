"""What all tests share: how hard hypothesis tries, and the real log of visitors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# Databases, as fixtures: postgres_engine, empty_mariadb, ...
pytest_plugins = ["servers.fixtures"]

# No deadlines: a busy machine must not fail a test. Generated inputs are the same from run to run
# in CI; HYPOTHESIS_PROFILE=thorough tries many more.
settings.register_profile(
    "default",
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True
)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=2_000)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default")
)


@pytest.fixture(scope="session")
def funnel_log() -> Path:
    """A real log of visitors of a five-page process; it stands beside the project, not in it."""
    path = ROOT.parent / "shared" / "data" / "funnel_events.csv"
    if not path.is_file():
        pytest.skip("the log funnel_events.csv is not beside this project")
    return path
