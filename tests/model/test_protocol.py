"""The sending protocol, walked through exhaustively (R3, R4, R7, I3, I4).

What must hold does in every state, and whatever must never be done is shown to break it.

``ABANDONED_BOOKING_MODEL=large`` walks farther; ``python -m model`` from ``tests/`` prints it all.
"""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

import pytest
from model.bounds import FORBIDDEN, LARGE, SMALL
from model.explore import TooManyStates, explore, stuck
from model.invariants import Invariant, breaks, is_settled
from model.protocol import steps
from model.telling import told, with_names
from model.world import EVERYTHING, NEXT, TAKEN, UNDER_WAY, Act, Forbidden, P, Scope, World

MOST = 2_000_000
PAGE = Path(__file__).resolve().parents[2] / "docs/explanation/once-only-sending.md"
SCOPES = LARGE if os.environ.get("ABANDONED_BOOKING_MODEL") == "large" else SMALL


@pytest.mark.parametrize("name", SCOPES)
def test_everything_holds_in_every_state_and_can_be_settled_from_there(name: str) -> None:
    scope = SCOPES[name]
    explored = explore(scope.start(), partial(steps, scope), breaks(scope), most=MOST)
    print(f"{name}: {explored.states:,} states, {explored.steps:,} steps")
    assert explored.broken is None, f"{explored.broken}\n{told(scope, explored.trace)}"
    assert stuck(explored, partial(is_settled, scope)) == []


def test_the_small_scopes_have_everything_that_can_happen() -> None:
    assert {what for scope in SMALL.values() for what in scope.happens} == EVERYTHING


def test_the_model_goes_through_every_cell_of_the_phases_that_an_honest_gateway_leads_to() -> None:
    """The others are reports against the gateway's own word: of what it said was not taken."""
    gone: set[tuple[P, P]] = set()

    def watch(before: World, after: World) -> None:
        pairs = zip(before.requests, after.requests, strict=True)
        gone.update((old.phase, new.phase) for old, new in pairs)

    scope = Scope(happens=frozenset({"book", "opt out", "report", "return"}))
    explore(scope.start(), partial(steps, scope), watch, most=MOST)
    cells = {(phase, to) for phase, row in NEXT.items() for to in row.values()}
    against_its_word = {(phase, to) for phase in (P.PENDING, P.FAILED, P.SKIPPED) for to in TAKEN}
    # A "not sent" that finds the booking closed: pending and skipped in one write.
    at_once = {(phase, P.SKIPPED) for phase in UNDER_WAY}
    assert gone - {(phase, phase) for phase in P} - at_once == cells - against_its_word


@pytest.mark.parametrize("forbidden", Forbidden, ids=lambda forbidden: forbidden.name)
def test_what_must_never_be_done_breaks_something(forbidden: Forbidden) -> None:
    scope, invariant = FORBIDDEN[forbidden]
    explored = explore(scope.start(), partial(steps, scope), breaks(scope, [invariant]), most=MOST)
    assert explored.broken == invariant
    print(f"{forbidden} breaks: {invariant}\n{told(scope, explored.trace)}")
    allowed = Scope(requests=scope.requests, workers=scope.workers, happens=scope.happens)
    acts = [act for act, _ in explored.trace]
    assert not _is_allowed(allowed, acts, invariant), "that breaks without the switch, too"


def _is_allowed(scope: Scope, acts: list[Act], invariant: Invariant) -> bool:
    """Whether the protocol as it is can go the same way and break the same."""
    broken, worlds = breaks(scope, [invariant]), [scope.start()]
    for act in acts:
        following = []
        for world in worlds:
            for found, after, _ in steps(scope, world):
                if found == act:
                    if broken(world, after):
                        return True
                    following.append(after)
        worlds = following
    return False


def test_the_docs_tell_what_each_breaks_and_in_how_many_steps() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = re.search(r"<!-- the model's: forbidden -->(.*?)<!-- end", text, re.DOTALL)
    assert table is not None
    rows = []
    for forbidden, (scope, invariant) in FORBIDDEN.items():
        broken = breaks(scope, [invariant])
        explored = explore(scope.start(), partial(steps, scope), broken, most=MOST)
        rows.append(f"| {forbidden} | {invariant} | {len(explored.trace)} |")
    assert table[1].strip().splitlines()[2:] == rows


def test_every_invariant_can_be_broken() -> None:
    broken = {invariant for _, invariant in FORBIDDEN.values()}
    assert broken == set(Invariant) - {Invariant.SETTLED}


def test_a_claim_that_never_ends_leaves_states_that_nothing_settles() -> None:
    scope = Scope(happens=frozenset(), forbidden=frozenset({Forbidden.CLAIMS_NEVER_END}))
    explored = explore(scope.start(), partial(steps, scope), breaks(scope, []), most=MOST)
    lost = stuck(explored, partial(is_settled, scope))
    assert lost
    assert all(
        request.phase in (P.PENDING, P.SENDING) for world in lost for request in world.requests
    )


# ── the walk itself ─────────────────────────────────────────────────────────────────────────────


def test_the_walk_finds_the_shortest_trace() -> None:
    explored = explore(
        0,
        lambda state: [("one", state + 1, True), ("three", state + 3, True)],
        lambda _, after: "seven" if after == 7 else None,
        most=100,
    )
    assert explored.broken == "seven"
    assert [act for act, _ in explored.trace] == ["one", "three", "three"]
    assert [state for _, state in explored.trace] == [1, 4, 7]


def test_the_walk_comes_to_every_state_once() -> None:
    explored = explore(0, lambda state: [("on", (state + 1) % 5, True)], lambda *_: None, most=100)
    assert sorted(explored.seen) == [0, 1, 2, 3, 4]
    assert (explored.states, explored.steps, explored.depth) == (5, 5, 4)


def test_a_walk_that_is_cut_short_says_so() -> None:
    with pytest.raises(TooManyStates):
        explore(0, lambda state: [("on", state + 1, True)], lambda *_: None, most=100)


def test_stuck_is_what_only_somebody_else_gets_out_of() -> None:
    ways = {0: [("go", 1, True), ("fall", 2, False)], 1: [], 2: [("climb", 0, False)]}
    explored = explore(0, ways.__getitem__, lambda *_: None, most=100)
    assert stuck(explored, lambda state: state == 1) == [2]


def test_a_told_trace_gives_every_worker_one_number() -> None:
    scope, invariant = FORBIDDEN[Forbidden.BEGIN_WITHOUT_CAS]
    explored = explore(scope.start(), partial(steps, scope), breaks(scope, [invariant]), most=MOST)
    at = ["idle"] * scope.workers
    for act, world in with_names(scope, explored.trace):
        changed = [n for n in range(scope.workers) if world.workers[n].at != at[n]]
        assert changed in ([act.who], []), "a step moves the worker that it is told of"
        at = [worker.at for worker in world.workers]
    assert "worker 2 sends (A): taken" in told(scope, explored.trace)
