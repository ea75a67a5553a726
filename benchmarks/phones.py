"""What the verdict on a phone costs, beside the four calls to phonenumbers that it takes at least.

Raw is parse, E.164, region and type; ours looks at what was typed first, and finds the zones and
the number as dialled at home too. A number seen lately is a look into a dict. And that a list, a
search, an export and a sweep never parse: after them phonenumbers has not even been imported.

Run: ``python -m benchmarks.phones``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Final, TypeAlias

import phonenumbers
from phonenumbers import timezone

from abandoned_booking.core import phone as phones
from benchmarks._harness import MANY, Bench, Take, pick, seconds

Ask: TypeAlias = Callable[[str], object]

COUNT: Final = pick(full=2_000, quick=2_000, tiny=50)
# Below the size of the memory for recent answers, so that the second look finds all of them.
AREAS: Final = ("212", "415", "617", "305", "713", "206", "312", "503")
TYPED: Final = tuple(f"({AREAS[n % len(AREAS)]}) 555-{n // len(AREAS):04}" for n in range(COUNT))
USED: Final = """
import sys
from datetime import datetime, timedelta, UTC
import abandoned_booking as ab
from abandoned_booking.stores.memory import MemoryStore
from abandoned_booking.gateways.console import ConsoleSmsGateway
from abandoned_booking.core.model import Phone
from abandoned_booking.core.model import AbandonedRequest, BookingForm, Person, Step
at = datetime(2026, 1, 5, 18, tzinfo=UTC)
store = MemoryStore()
bookings = ab.AbandonedBookings(store, sms=ConsoleSmsGateway(to=sys.stderr))
timing = ab.AfterDelay(hours=2)
campaign = ab.RecoveryCampaign(enabled=True, timing=timing)
bookings.settings.put(ab.BusinessSettings(business_id="paws", name="Paws", campaign=campaign))
store.add(AbandonedRequest(
    business_id="paws", id="r", session_id="s", started_at=at, abandoned_at=at, step=Step.TIME,
    listed_at=at, next_action_at=at, form=BookingForm(person=Person(phone="+12125550199")),
    phone=Phone(e164="+12125550199", region="US", can_text=True, national="2125550199"),
))
assert bookings.sweep.run_once(now=at + timedelta(hours=2)).sent == 1
desk = bookings.desk("paws")
query = ab.ListQuery(text="212 555", statuses=frozenset())
assert desk.list(query).total == 1
desk.export(sys.argv[1])
print("phonenumbers" in sys.modules)
"""


def raw(typed: str) -> object:
    return _verdict(phonenumbers.parse(typed, "US"))


def _verdict(number: phonenumbers.PhoneNumber) -> tuple[str, str | None, int]:
    return (
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        phonenumbers.region_code_for_number(number),
        phonenumbers.number_type(number),
    )


def raw_with_zones(typed: str) -> object:
    number = phonenumbers.parse(typed, "US")
    return _verdict(number), timezone.time_zones_for_geographical_number(number)


def ours(typed: str) -> object:
    return phones.parse(typed, region="US")


def microseconds_of_new(ask: Ask) -> Take:
    """The mean time of one call for a number that was never seen."""

    def take() -> float:
        phones._parsed.cache_clear()
        return _each(ask)

    return take


def _each(ask: Ask) -> float:
    def all_of_them() -> None:
        for typed in TYPED:
            ask(typed)

    return seconds(all_of_them) / len(TYPED) * 1e6


def main() -> None:
    bench = Bench("phones")
    ours("(212) 555-0000")  # imports phonenumbers
    names = "parse, E.164, region, type", "and its zones", "phones.parse"
    medians = bench.in_turns(
        "a number never seen",
        {
            names[0]: microseconds_of_new(raw),
            names[1]: microseconds_of_new(raw_with_zones),
            names[2]: microseconds_of_new(ours),
        },
        unit="µs",
        raw=names[:2],
        rounds=MANY,
    )
    answers = {typed: phones.parse(typed, region="US") for typed in TYPED}
    again = bench.in_turns(
        "a number seen lately",
        {"a dict": lambda: _each(answers.get), "phones.parse, again": lambda: _each(ours)},
        unit="µs",
        raw=["a dict"],
        rounds=MANY,
    )
    bench.judge(
        "phone, parsed",
        ours=f"{medians[names[2]]:.1f} µs; seen lately {again['phones.parse, again']:.2f} µs",
        raw=f"{names[0]} {medians[names[0]]:.1f} µs",
        ratio=medians[names[2]] / medians[names[0]],
        aim="at most 1.2 × raw",
    )
    _judge_never_parsed(bench)


def _judge_never_parsed(bench: Bench) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [sys.executable, "-c", USED, f"{folder}/out.xlsx"],
            check=True,
            capture_output=True,
            text=True,
        )
    loaded = ran.stdout.split()[-1] == "True"
    bench.judge(
        "parsed by a list, search, export and sweep",
        ours="phonenumbers was imported" if loaded else "phonenumbers not even imported",
        ratio=float(loaded),
        of="times",
        aim="at most 0 times",
    )


if __name__ == "__main__":
    main()
