"""What the versions of tomorrow call between their statements; a test puts its own here."""

from __future__ import annotations

from collections.abc import Callable


def _nothing() -> None:
    pass


during: Callable[[], None] = _nothing


def between() -> None:
    during()
