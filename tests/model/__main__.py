"""Prints the model's figures, and the shortest way to each forbidden end.

Usage, from ``tests/``: ``python -m model`` (some minutes), ``python -m model small``.
"""

from __future__ import annotations

import sys
import time
from functools import partial

from model.bounds import FORBIDDEN, LARGE, SMALL
from model.explore import explore, stuck
from model.invariants import breaks, is_settled
from model.protocol import steps
from model.telling import told


def main() -> int:
    """Returns 1 if something does not hold that must, or holds that must not."""
    wrong = 0
    for name, scope in (SMALL if "small" in sys.argv[1:] else LARGE).items():
        began = time.perf_counter()
        explored = explore(scope.start(), partial(steps, scope), breaks(scope), most=20_000_000)
        ends = (
            "BROKEN"
            if explored.broken
            else f"{len(stuck(explored, partial(is_settled, scope)))} stuck"
        )
        took = time.perf_counter() - began
        print(
            f"{name}: {explored.states:,} states, {explored.steps:,} steps, "
            f"depth {explored.depth}, {ends}, {took:.0f} s"
        )
        wrong += ends != "0 stuck"
    for forbidden, (scope, invariant) in FORBIDDEN.items():
        explored = explore(
            scope.start(), partial(steps, scope), breaks(scope, [invariant]), most=2_000_000
        )
        print(f"\n{forbidden}\n  breaks: {explored.broken}\n{told(scope, explored.trace)}")
        wrong += explored.broken != invariant
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
