"""What a request, a message and a step of a visitor cost a PostgreSQL: bytes, rows, log, time.

These are the figures that *How much it takes* in the docs multiplies. The requests are of many
businesses, and the server is as it comes, but that it syncs. All is measured right after a
checkpoint, when every page that is touched goes into the write-ahead log as a whole; those pages
and the records beside them are told apart. The truth of a busy server lies between: the second
message on a page costs its record only. And once more with ``wal_compression``.

Run: ``python -m benchmarks.scale_sizing``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import attrs

from abandoned_booking import (
    AbandonedBookings,
    AfterDelay,
    BookingForm,
    BusinessSettings,
    Person,
    Pet,
    Progress,
    RecoveryCampaign,
    Step,
)
from abandoned_booking.core.model import AbandonedRequest
from abandoned_booking.testing import FakeClock, RecordingSmsGateway
from benchmarks._crowd import NOW, due_request, request_number
from benchmarks._databases import databases, plain
from benchmarks._fill import ON_POSTGRES, SQLITE, Filled, filled, open_sql
from benchmarks._harness import Bench, pick

ROWS: Final = pick(full=200_000, quick=50_000, tiny=300)
BUSINESSES: Final = pick(full=20_000, quick=5_000, tiny=100)
MESSAGES: Final = pick(full=1_000, quick=500, tiny=20)
"""and as many visitors"""
THREADS: Final = 8
_FORM: Final = (
    (Step.PET, BookingForm(pets=(Pet(name="Rex", species="dog", breed="Poodle"),))),
    (Step.SERVICE, BookingForm(services=("Bath and brush",))),
    (Step.TIME, BookingForm(preferred_at=NOW + timedelta(days=3))),
    (
        Step.PERSONAL_INFO,
        BookingForm(
            person=Person(
                first_name="Ann", last_name="Lee", phone="(212) 555-0199", email="ann@example.com"
            )
        ),
    ),
)
"""what a visitor fills in, step by step"""


def of_many(number: int) -> AbandonedRequest:
    """A request of one of many businesses; the first ones wait for their message."""
    if number >= 2 * MESSAGES:
        return attrs.evolve(request_number(number), business_id=_business(number))
    own = f"due-{number:020}"
    return attrs.evolve(due_request(number), business_id=_business(number), id=own, session_id=own)


def _business(number: int) -> str:
    # So that the requests of one minute are not neighbours in the indexes.
    return f"business-{number * 7_919 % BUSINESSES:07}"


def main() -> None:
    bench = Bench("sizing")
    with databases() as places:
        _file(bench, filled(places, SQLITE, ROWS // 10, name="sizing", make=of_many))
        if places.postgres is None:
            bench.leave_out(ON_POSTGRES)
            return
        places.drop(f"sizing_{ROWS}")
        place = filled(places, ON_POSTGRES, ROWS, name="sizing", make=of_many)
        with import_module("psycopg").connect(plain(place.place), autocommit=True) as server:
            _sizes(bench, server)
            server.execute("UPDATE abandoned_booking_queue SET next_action_at = NULL")
            server.execute("CREATE EXTENSION pg_walinspect")
            meter = _Meter(bench, server, place.place)
            meter.put_settings(_business(number) for number in range(2 * MESSAGES))
            try:
                for nth, compression in enumerate(("off", "on")):
                    meter.compress(compression)
                    _messages(meter, nth * MESSAGES)
                    _visitors(meter, nth * MESSAGES)
            finally:
                meter.compress("off")


def _file(bench: Bench, place: Filled) -> None:
    each = Path(place.place).stat().st_size / place.rows
    what, all_of_it = "bytes of a request in the file", {"all": lambda: each}
    bench.in_turns(what, all_of_it, unit="bytes", where=SQLITE, rows=place.rows, rounds=1)


def _sizes(bench: Bench, server: Any) -> None:
    sizes = server.execute(
        "SELECT c.relname, CASE c.relkind WHEN 'r' THEN pg_table_size(c.oid) "
        "ELSE pg_relation_size(c.oid) END, c.relkind FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' "
        "AND c.relkind IN ('r', 'i') AND c.relname ~ '(requests|queue|documents|search)' "
        "ORDER BY c.relname"
    ).fetchall()
    names = {"r": "the rows of", "i": "the index"}
    each = {
        f"{names[kind]} {name.removeprefix('abandoned_booking_')}": size / ROWS
        for name, size, kind in sizes
    }
    _tell(bench, "bytes of a request on the disk", each | {"all": sum(each.values())}, "bytes")


def _tell(bench: Bench, what: str, values: dict[str, float], unit: str) -> None:
    takes = {name: (lambda value=value: value) for name, value in values.items()}
    bench.in_turns(what, takes, unit=unit, where=ON_POSTGRES, rows=ROWS, rounds=1)


# ── what is done ────────────────────────────────────────────────────────────────────────────────


def _messages(meter: _Meter, first: int) -> None:
    """Recovery messages, by a sweep of eight threads."""
    ids = [of_many(number).id for number in range(first, first + MESSAGES)]
    meter.server.execute(
        "UPDATE abandoned_booking_queue SET next_action_at = %s WHERE id = ANY(%s)", (NOW, ids)
    )
    with meter.measured("a recovery message", MESSAGES) as bookings:
        report = bookings.sweep.run_once(limit=MESSAGES)
        assert report.sent == MESSAGES, report


def _visitors(meter: _Meter, first: int) -> None:
    """Visitors who take four steps each, one after the other."""
    for what, form in (("a visitor's first step", _FORM[:1]), ("a later step", _FORM[1:])):
        with meter.measured(what, MESSAGES * len(form)) as bookings:
            for step, filled_in in form:
                for visitor in range(first, first + MESSAGES):
                    bookings.capture.progress(_step_of(visitor, step, filled_in))


def _step_of(visitor: int, step: Step, form: BookingForm) -> Progress:
    return Progress(
        business_id=_business(visitor),
        session_id=f"visitor-{visitor}",
        step=step,
        at=NOW,
        form=form,
    )


# ── what it cost ────────────────────────────────────────────────────────────────────────────────


class _Meter:
    """Looks at the server's own counters before and after."""

    def __init__(self, bench: Bench, server: Any, url: str) -> None:
        self.server, self.url = server, url
        self._bench, self._compression = bench, "off"

    def compress(self, compression: str) -> None:
        """Whole pages in the log: compressed or not."""
        self.server.execute(f"ALTER SYSTEM SET wal_compression = {compression}")
        self.server.execute("SELECT pg_reload_conf()")
        self._compression = compression

    def put_settings(self, business_ids: Iterable[str]) -> None:
        settings = open_sql(self.url).settings
        campaign = RecoveryCampaign(enabled=True, timing=AfterDelay(timedelta(hours=2)))
        for business_id in {*business_ids}:
            settings.put(BusinessSettings(business_id=business_id, name="Paws", campaign=campaign))

    @contextmanager
    def measured(self, what: str, times: int) -> Iterator[AbandonedBookings]:
        """Tell what one of ``times`` took of what the block does."""
        store = open_sql(self.url, pool_size=THREADS)
        bookings = AbandonedBookings(
            store, sms=RecordingSmsGateway(), clock=FakeClock(NOW), send_threads=THREADS
        )
        bookings.sweep.run_once(now=NOW - timedelta(days=9_999))  # connected
        statements = _counted(store._database.engine)
        self.server.execute("CHECKPOINT")
        since = self._end_of_log()
        before, ours, theirs = self._counters(), time.process_time(), self._server_seconds()
        yield bookings
        ours, theirs = time.process_time() - ours, self._server_seconds() - theirs
        connections = self._connections()
        # What a connection has counted is told to the others when it ends, at the latest.
        store._database.engine.dispose()
        time.sleep(1.0)
        after = self._counters() | self._log_since(since)
        before |= dict.fromkeys(after.keys() - before.keys(), 0.0)
        spent = {name: (after[name] - before[name]) / times for name in after}
        spent |= {
            "statements": statements() / times,
            "ms of the worker's processor": 1000 * ours / times,
            "ms of the database's processor": 1000 * theirs / times,
            "connections (in all)": connections,
        }
        with_it = ", wal_compression on" if self._compression == "on" else ""
        _tell(self._bench, f"{what}{with_it}", spent, "")

    def _end_of_log(self) -> str:
        end: str = self.server.execute("SELECT pg_current_wal_flush_lsn()").fetchone()[0]
        return end

    def _log_since(self, since: str) -> dict[str, float]:
        records, pages = self.server.execute(
            "SELECT sum(record_size), sum(fpi_size) FROM pg_get_wal_stats(%s, %s)",
            (since, self._end_of_log()),
        ).fetchone()
        return {
            "bytes of log: records": float(records),
            "bytes of log: whole pages": float(pages),
        }

    def _counters(self) -> dict[str, float]:
        commits, rows = self.server.execute(
            "SELECT xact_commit, tup_inserted + tup_updated + tup_deleted "
            "FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
        return {"rows written": float(rows), "transactions": float(commits)}

    def _backends(self) -> list[int]:
        pids = self.server.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in pids.fetchall()]

    def _connections(self) -> int:
        return len(self._backends())

    def _server_seconds(self) -> float:
        """The processor time of the connections that are open now (Linux, a server of our own)."""
        ticks = 0
        for pid in self._backends():
            stat = Path(f"/proc/{pid}/stat")
            if stat.exists():
                fields = stat.read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def _counted(engine: Any) -> Callable[[], int]:
    """How many statements have been sent since."""
    sent = 0

    def hear(*_: object) -> None:
        nonlocal sent
        sent += 1

    import_module("sqlalchemy").event.listen(engine, "before_cursor_execute", hear)
    return lambda: sent


if __name__ == "__main__":
    main()
