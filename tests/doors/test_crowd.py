"""Everybody at once on one request, from threads of several processes: one client, one appointment,
one message, one status, nothing lost (R3, I2, L6, S)."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from door_world import START, World

from abandoned_booking import Status
from abandoned_booking.core.model import HistoryKind, MessagePhase
from abandoned_booking.stores.sqlite import SqliteStore

WORKER = Path(__file__).with_name("crowd_worker.py")


@pytest.mark.parametrize("attempt", range(3))
def test_one_client_one_appointment_one_message_one_status(tmp_path: Path, attempt: int) -> None:
    with SqliteStore(tmp_path / "bookings.db") as store:
        request = World(store).visit(f"s{attempt}")
    now = START + timedelta(hours=2)
    command = [sys.executable, str(WORKER), str(tmp_path), request.id, now.isoformat()]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    said = [worker.communicate("go\n", timeout=120)[0] for worker in workers]
    assert said == ["done\n"] * 3

    with SqliteStore(tmp_path / "bookings.db") as store:
        stored = store.get("paws", request.id)
    assert stored is not None
    assert stored.status is Status.RECOVERED
    assert len(list(tmp_path.glob("appointment-*"))) == 1
    assert len(list(tmp_path.glob("client-*"))) == 1
    assert stored.client_id is not None
    assert stored.recovery is not None
    kinds = [entry.kind for entry in stored.history]
    assert kinds.count(HistoryKind.CLIENT_ADDED) == kinds.count(HistoryKind.SCHEDULED) == 1
    texts = (tmp_path / "texts").read_text().split() if (tmp_path / "texts").exists() else []
    # Whoever was first: the sweep, or the staff's booking, which leaves nothing to win back.
    assert (len(texts), stored.message.phase) in [
        (1, MessagePhase.SENT),
        (0, MessagePhase.SKIPPED),
    ]
