"""The fault runner: workers on one real store, killed, stopped, cut off and misled.

::

    python -m faults.run --store sqlite --requests 10000 --kills 200      (from tests/)
    python -m faults.run --store postgres --requests 10000 --kills 200

Prints what went wrong and what has become of everybody. Ends with 1 if a request was lost, a text
was sent twice, or a point was never reached. The same seed makes the same people, provider and
faults; how the processes take turns is the machine's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import attrs
import sqlalchemy as sa
from faults.audit import Counts, audit
from faults.broken import BROKEN
from faults.herd import Figures, Herd, Server
from faults.opening import open_store
from faults.people import SETTINGS
from faults.plan import EVERYWHERE, Fault, How, plan
from faults.proxy import Proxy
from faults.record import Record, SharedClock
from faults.worker import Job
from servers import PostgresServer

STORES: Final = ("sqlite", "postgres")


@attrs.frozen(kw_only=True)
class Asked:
    """What is to be run."""

    store: str
    requests: int
    kills: int
    seed: int
    fsync: bool = True
    broken: str | None = None
    within: timedelta = timedelta(minutes=100)
    """in which the visitors come"""
    limit: int = 16
    """how many requests a sweep takes at a time"""
    faults: Sequence[Fault] | None = None
    """what goes wrong; ``None``: what the seed says"""


@attrs.frozen(kw_only=True)
class Ran:
    """What came of it."""

    counts: Counts
    figures: Figures
    seconds: float
    missed: list[str]
    """points at which nothing was done to anybody"""


@attrs.frozen
class _Place:
    """Where the store is."""

    url: str
    url_of_sweeps: str
    """the same store, by a road that can be cut"""
    server: Server | None


@attrs.frozen
class _Postgres:
    """A server, and the network before it."""

    _server: PostgresServer
    _proxy: Proxy

    def kill_and_start(self) -> None:
        self._server.kill()
        self._server.start()

    def cut(self, *, after_commit: bool) -> None:
        self._proxy.cut(after_commit=after_commit)


@contextmanager
def _new_store(asked: Asked, folder: Path) -> Iterator[_Place]:
    if asked.store == "sqlite":
        url = f"file:{folder / 'bookings.db'}"
        yield _Place(url, url, None)
        return
    with PostgresServer(fsync=asked.fsync) as server, Proxy(server.socket) as proxy:
        url = server.new_database("faults")
        with open_store(url) as store:
            store.create_all()
        by_proxy = {"host": "127.0.0.1", "port": str(proxy.port)}
        of_sweeps = sa.make_url(url).update_query_dict(by_proxy).render_as_string()
        yield _Place(url, of_sweeps, _Postgres(server, proxy))


def run(asked: Asked, folder: Path) -> Ran:
    """Run it in an empty folder."""
    began = time.monotonic()
    with _new_store(asked, folder) as place, ExitStack() as stack:
        job = Job(
            url=place.url,
            folder=str(folder),
            seed=asked.seed,
            visitors=asked.requests,
            within_seconds=asked.within.total_seconds(),
            broken=asked.broken,
        )
        store = open_store(place.url)
        stack.callback(store.close)
        for settings in SETTINGS:
            store.settings.put(settings)
        has_server = place.server is not None
        faults, cover = asked.faults, EVERYWHERE[has_server]
        if faults is None:
            faults = plan(asked.seed, kills=asked.kills, has_server=has_server)
        else:
            cover = ()
        herd = Herd(
            job,
            faults,
            cover=cover,
            limit=asked.limit,
            url_of_sweeps=place.url_of_sweeps,
            server=place.server,
        )
        figures = herd.run()
        counts = audit(store, Record(job.record, SharedClock(job.clock)), job.people())
    reached = {point for _, point in figures.done}
    return Ran(
        counts=counts,
        figures=figures,
        seconds=time.monotonic() - began,
        missed=[point for point in EVERYWHERE[has_server] if point not in reached],
    )


# ── what is printed ─────────────────────────────────────────────────────────────────────────────


def told(asked: Asked, ran: Ran) -> str:
    """The figures, to be read."""
    counts, figures = ran.counts, ran.figures
    wrong = {
        "LOST": counts.lost,
        "TWICE": counts.twice,
        "begun after an opt-out had returned": counts.begun_after_opt_out,
        "phones twice within a day": counts.phones_twice,
        "phones twice, for a clock that was moved by a day": counts.phones_by_the_clock,
    }
    went_wrong: dict[str, int] = {
        **{how: figures.of(how) for how in How},
        **{f"calls that raised {name}": times for name, times in figures.failed.items()},
        "requests that a sweep let go for an error of the store": figures.errors,
    }
    became = {
        "accepted once, and known to be": counts.accepted_once,
        **{f"unconfirmed: {why}": times for why, times in counts.unconfirmed.most_common()},
        **dict(counts.not_sent.most_common()),
        **{what: len(those) for what, those in wrong.items()},
    }
    lines = [
        f"{asked.store}, seed {asked.seed}: {counts.requests:,} requests in {ran.seconds:.0f} s",
        "what went wrong:",
        *(f"  {times:6,}  {what}" for what, times in went_wrong.items() if times),
        "what has become of them:",
        *(f"  {times:6,}  {what}" for what, times in became.items()),
        *(f"  {what}: {one}" for what, those in wrong.items() for one in those[:20]),
        *(f"  never reached: {point}" for point in ran.missed),
    ]
    return "\n".join(lines)


def main() -> int:
    """Returns 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=STORES, default="sqlite")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-fsync", dest="fsync", action="store_false")
    parser.add_argument("--broken", choices=sorted(BROKEN), help="do what must never be done")
    asked = Asked(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory() as folder:
        ran = run(asked, Path(folder))
    print(told(asked, ran))
    enough = ran.figures.kills >= asked.kills and not ran.missed
    return 0 if ran.counts.is_clean and enough else 1


if __name__ == "__main__":
    sys.exit(main())
