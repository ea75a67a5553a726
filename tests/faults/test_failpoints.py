"""The points themselves: every gap has one, and nobody but a test can switch one on."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from door_world import World

import abandoned_booking
from abandoned_booking import _failpoints
from abandoned_booking._failpoints import POINTS
from abandoned_booking.stores.memory import MemoryStore

PACKAGE: Final = Path(abandoned_booking.__file__).parent


@cache
def calls() -> list[tuple[Path, str]]:
    """Every point that is reached anywhere in the package."""
    return [
        (path.relative_to(PACKAGE), ast.literal_eval(node.args[0]))
        for path in sorted(PACKAGE.rglob("*.py"))
        if "_failpoints" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_failpoints.reached"
    ]


def test_every_point_is_reached_somewhere_and_what_is_reached_is_one() -> None:
    assert {point for _, point in calls()} == set(POINTS)


def test_only_doors_and_stores_have_points_and_each_its_own() -> None:
    """The core does nothing that could be torn apart."""
    for path, point in calls():
        kind = point.partition(".")[0]
        places = {"store": "stores", "desk": "_outreach.py"}
        assert path.parts[0] == places.get(kind, f"{kind}.py"), point


def test_both_sql_stores_have_every_point_of_a_store() -> None:
    of_stores = {point for point in POINTS if point.startswith("store.")}
    for store in ("sqlite", "sqlalchemy"):
        assert {point for path, point in calls() if store in path.parts} == of_stores


def test_nothing_but_a_test_can_arm_them() -> None:
    """No environment, no setting, no import: who wants to arm them has to call ``armed``."""
    imported = ast.parse(Path(_failpoints.__file__).read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(imported) if isinstance(node, ast.ImportFrom)}
    assert modules == {"__future__", "collections.abc", "contextlib", "types", "typing"}
    assert not [node for node in ast.walk(imported) if isinstance(node, ast.Import)]
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "armed" not in text or path.name == "_failpoints.py", path


def test_a_send_passes_its_points_in_their_order() -> None:
    passed: list[str] = []
    world = World(MemoryStore())
    request = world.visit()
    with _failpoints.armed(lambda point, about="", /: passed.append(f"{point} {about}")):
        world.sweep(minutes=120)
    of_sending = ("claimed", "announced", "asked", "reserved", "beginning", "begun")
    of_answer = ("answered", "recorded")
    assert passed == [f"sweep.{point} {request.id}" for point in (*of_sending, *of_answer)]


def test_they_do_nothing_again_once_the_block_has_ended() -> None:
    passed: list[str] = []

    def stumbles(point: str, _about: str = "", /) -> None:
        passed.append(point)
        raise KeyboardInterrupt

    before = _failpoints.reached
    world = World(MemoryStore())
    world.visit()
    world.clock.advance(hours=2)
    with pytest.raises(KeyboardInterrupt), _failpoints.armed(stumbles):
        world.bookings.sweep.run_once()
    assert _failpoints.reached is before
    world.sweep(minutes=3)
    assert passed == ["sweep.claimed"]
    assert world.gateway.accepted.total() == 1
