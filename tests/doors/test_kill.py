"""Four processes sweep one SQLite file and are killed at random: R3, and nothing is lost.

Of 2,000 due requests none is accepted twice, and none is lost but those counted as unconfirmed,
every one of which can be explained.
"""

from __future__ import annotations

import random
import selectors
import signal
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from door_world import START

from abandoned_booking import (
    AbandonedBookings,
    AfterDelay,
    BusinessSettings,
    Reason,
    RecoveryCampaign,
    Status,
)
from abandoned_booking.core import phone as phones
from abandoned_booking.core.model import MessagePhase
from abandoned_booking.ports import RequestStore
from abandoned_booking.stores.sqlite import SqliteStore
from abandoned_booking.testing import FakeClock, a_request

REQUESTS = 2_000
KILLS = 60
AREA_CODES = (
    *(201, 202, 203, 205, 206, 207, 208, 209, 210, 212),
    *(213, 214, 215, 216, 217, 218, 219, 224, 225, 228),
)


def fill(store: RequestStore, due_at: datetime) -> None:
    """Two thousand requests of as many people, all due at one instant."""
    settings = BusinessSettings(
        business_id="paws",
        name="Paws",
        campaign=RecoveryCampaign(enabled=True, timing=AfterDelay(hours=2)),
    )
    AbandonedBookings(store, clock=FakeClock(START)).settings.put(settings)
    for n in range(REQUESTS):
        number = f"+1{AREA_CODES[n // 100]}55501{n % 100:02}"
        store.add(
            a_request(
                id=f"{n:024x}",
                abandoned_at=due_at - timedelta(hours=2),
                phone=phones.parse(number, region="US"),
                next_action_at=due_at,
            )
        )


class Herd:
    """Four sweeping processes, one of which is killed every now and then and replaced."""

    def __init__(self, store: Path, accepted: Path) -> None:
        self._command = [sys.executable, str(Path(__file__).with_name("kill_worker.py"))]
        self._command += [str(store), str(accepted)]
        self._chance = random.Random(20261122)
        self.kills = 0

    def run(self, now: datetime, *, kills: int) -> None:
        """Sweep until every process finds nothing due at ``now``; up to that many are killed."""
        with selectors.DefaultSelector() as selector:
            try:
                self._run(selector, now, kills)
            finally:
                for key in list(selector.get_map().values()):
                    self._kill(selector, key.data)

    def _run(self, selector: selectors.BaseSelector, now: datetime, kills: int) -> None:
        for _ in range(4):
            self._start(selector, now)
        until_kill = self._chance.randrange(40)
        while selector.get_map():
            for key, _ in selector.select():
                process: subprocess.Popen[bytes] = key.data
                assert process.stdout is not None
                if not process.stdout.readline():
                    assert process.wait() == 0
                    self._forget(selector, process)
                    continue
                until_kill -= 1
                if until_kill <= 0 and kills > 0:
                    kills -= 1
                    until_kill = self._chance.randrange(80)
                    self._kill(selector, process)
                    self._start(selector, now)

    def _start(self, selector: selectors.BaseSelector, now: datetime) -> None:
        process = subprocess.Popen(
            [*self._command, now.isoformat()], stdout=subprocess.PIPE, bufsize=0
        )
        assert process.stdout is not None
        selector.register(process.stdout, selectors.EVENT_READ, process)

    def _kill(self, selector: selectors.BaseSelector, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()
        self._forget(selector, process)
        self.kills += 1

    def _forget(self, selector: selectors.BaseSelector, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        selector.unregister(process.stdout)
        process.stdout.close()


def test_killed_at_random_nothing_is_sent_twice_and_nothing_is_lost(tmp_path: Path) -> None:
    path, accepted_path = tmp_path / "bookings.db", tmp_path / "accepted.txt"
    accepted_path.touch()
    due_at = START + timedelta(hours=2)
    with SqliteStore(path) as store:
        fill(store, due_at)
    herd = Herd(path, accepted_path)
    herd.run(due_at, kills=KILLS)
    # What the killed ones had claimed is due again when their claims have run out.
    herd.run(due_at + timedelta(minutes=3), kills=0)
    herd.run(due_at + timedelta(minutes=6), kills=0)

    accepted = Counter(accepted_path.read_text().split())
    with SqliteStore(path) as store:
        requests = list(store.stream("paws"))
        clock = FakeClock(due_at + timedelta(minutes=6))
        desk = AbandonedBookings(store, clock=clock).desk("paws")
        phases = Counter(request.message.phase for request in requests)
        print(f"kills {herd.kills}, accepted {accepted.total()}, {dict(phases)}")

        assert herd.kills == KILLS
        assert set(accepted.values()) == {1}, "a request was accepted twice"
        assert set(phases) <= {MessagePhase.SENT, MessagePhase.UNCONFIRMED}, "a request was lost"
        assert phases[MessagePhase.SENT] >= REQUESTS - 2 * KILLS
        for request in requests:
            if request.message.phase is MessagePhase.SENT:
                assert request.status is Status.CONTACTED
                assert accepted[request.message.attempt_id or ""] == 1
            else:
                explanation = desk.explain(request.id)
                assert explanation.message_reasons == (Reason.IN_DOUBT,)
                assert "may have been sent" in explanation.message
        known = {request.message.attempt_id for request in requests}
        assert set(accepted) <= known
