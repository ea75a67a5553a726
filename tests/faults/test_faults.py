"""Workers are killed, stopped, cut off and misled: nothing is lost, nothing is sent twice (R3, I4).

Short runs of what ``make faults`` does for longer; ``python -m faults.run`` says more.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from faults.audit import Counts
from faults.herd import Stuck
from faults.plan import GATEWAY, Fault, How
from faults.run import Asked, run, told
from servers import PostgresServer
from servers.fixtures import or_skipped

from abandoned_booking._failpoints import POINTS

SHORT = Asked(
    store="sqlite",
    requests=120,
    kills=15,
    seed=1,
    fsync=False,
    within=timedelta(minutes=40),
    limit=8,
)
FEW = attrs.evolve(SHORT, requests=40, within=timedelta(minutes=20))
IN_MEMORY = Path("/dev/shm")


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory if it can be: what a process leaves when it is killed is there all the same."""
    place = str(IN_MEMORY) if IN_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as made:
        yield Path(made)


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_whatever_goes_wrong_nothing_is_lost_and_nothing_is_sent_twice(
    store: str, folder: Path
) -> None:
    if store == "postgres":
        with or_skipped(store):
            PostgresServer(fsync=False).close()
    missed = set(POINTS)
    for seed in range(1, 5):
        asked, place = attrs.evolve(SHORT, store=store, seed=seed), folder / str(seed)
        place.mkdir()
        ran = run(asked, place)
        print(told(asked, ran))
        assert ran.counts.is_clean
        missed &= set(ran.missed)
        if not missed:
            break
    assert not missed, "at some points nothing went wrong"
    assert ran.figures.kills > len(POINTS)
    assert ran.counts.requests == asked.requests
    assert ran.counts.accepted_once > asked.requests / 2
    if store == "postgres":
        assert ran.figures.of(How.KILL_SERVER) > 0
        assert ran.figures.of(How.CUT_AFTER_COMMIT, How.CUT_AT_COMMIT) > 0


# ── a runner that cannot fail proves nothing: what must never be done, done ──────────────────────


def _faults(*faults: Fault) -> list[Fault]:
    return [attrs.evolve(fault, passes=passes) for passes in range(6) for fault in faults]


def _is_found(asked: Asked, folder: Path, what: Callable[[Counts], Sequence[str]]) -> bool:
    """Whether a run shows it. What meets whom is the machine's: one that is busy may need more."""
    for seed in range(8):
        place = folder / str(seed)
        place.mkdir()
        if what(run(attrs.evolve(asked, seed=seed), place).counts):
            return True
    return False


def test_a_begin_without_compare_and_set_is_found_to_send_twice(folder: Path) -> None:
    faults = _faults(Fault(How.STOP, "sweep.beginning"), Fault(How.DELAY, "sweep.beginning"))
    asked = attrs.evolve(FEW, broken="begin-without-compare-and-set", faults=faults)
    assert _is_found(asked, folder, lambda counts: counts.twice)


def test_an_expired_send_that_is_pending_again_is_found_to_send_twice(folder: Path) -> None:
    faults = _faults(Fault(How.KILL, GATEWAY), Fault(How.KILL, "sweep.answered"))
    asked = attrs.evolve(FEW, broken="expired-back-to-pending", faults=faults)
    assert _is_found(asked, folder, lambda counts: counts.twice)


def test_an_opt_out_that_moves_no_version_is_found_to_come_too_late(folder: Path) -> None:
    faults = _faults(Fault(How.STOP, "sweep.beginning", crossed_by="opt_out"))
    asked = attrs.evolve(FEW, broken="opt-outs-move-no-version", faults=faults)
    assert _is_found(asked, folder, lambda counts: counts.begun_after_opt_out)


def test_a_request_that_was_said_to_be_stored_is_found_to_be_lost(folder: Path) -> None:
    asked = attrs.evolve(FEW, broken="says-stored-and-is-not", faults=[])
    assert run(asked, folder).counts.lost


def test_a_worker_that_ends_by_itself_ends_the_run(folder: Path) -> None:
    with pytest.raises(Stuck, match="ended by itself"):
        run(attrs.evolve(FEW, broken="ends-by-itself", faults=[]), folder)
