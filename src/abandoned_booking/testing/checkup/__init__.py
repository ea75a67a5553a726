"""What is wrong with a hand-wired :class:`AbandonedBookings`, found in place, without sending.

:func:`check_up` asks questions only: methods are compared with their ports, and the store is read
under the id of a business that does not exist. With ``write=True`` it also makes a round trip
through the store (:mod:`abandoned_booking.testing.checkup._roundtrip` says what that leaves). No
gateway is called, and no register of the host's.

Findings hold class names, numbers, business ids and the words of errors, never what is stored of a
person (G4).

A part may also answer for itself. If it has a method ``checkup()``, the pairs of level and text
that this gives, such as ``("warning", "synchronous_commit is off: ...")``, are findings about it.
"""

from __future__ import annotations

from collections.abc import Iterable

from abandoned_booking.testing.checkup._findings import Checkup, Finding, Level
from abandoned_booking.testing.checkup._parts import (
    CAPABILITIES,
    PORTS,
    RESERVED_BUSINESS,
    class_of,
    parts_found,
)
from abandoned_booking.testing.checkup._roundtrip import left_behind, round_trip
from abandoned_booking.testing.checkup._wiring import businesses_found, wiring_found
from abandoned_booking.wiring import AbandonedBookings

__all__ = [
    "CAPABILITIES",
    "RESERVED_BUSINESS",
    "Checkup",
    "Finding",
    "Level",
    "check_up",
    "left_behind",
]

_WRITTEN_TO = {"store", "settings", "suppressions", "ledger"}


def check_up(
    bookings: AbandonedBookings, *, businesses: Iterable[str] = (), write: bool = False
) -> Checkup:
    """Look at everything that ``bookings`` was given; what a part raises is a finding.

    ``businesses`` are the ids whose settings are looked at; without any, those that the store
    names, if it has ``businesses()``. ``write`` makes the round trip, unless a part that it would
    write to has a problem already.
    """
    given = {name: getattr(bookings._parts, name) for name in PORTS}
    findings = [
        *wiring_found(bookings),
        *parts_found(given),
        *businesses_found(bookings, businesses),
    ]
    broken = {finding.about for finding in findings if finding.level is Level.PROBLEM}
    wrote = write and broken.isdisjoint(_WRITTEN_TO)
    if wrote:
        findings += round_trip(bookings._parts)
    elif write:
        findings.append(Finding("store", Level.NOTE, "not written to: mend its problems first"))
    return Checkup(
        findings=tuple(findings),
        parts={name: None if part is None else class_of(part) for name, part in given.items()},
        capabilities={
            kind.__name__: isinstance(given[name], kind)
            for name, kinds in CAPABILITIES.items()
            for kind in kinds
            if given[name] is not None
        },
        wrote=wrote,
    )
