"""A CSV log of a booking flow becomes checked events, or a list of the lines that cannot be used.

The whole file is read and checked before anything is done with it. Problems name the line and what
is wrong, never what stands there: logs are full of people (G4). A naive instant is refused (G2).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, TextIO, TypeAlias

import attrs

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.flow import Booked, Progress
from abandoned_booking.core.intake import check_booked, check_progress
from abandoned_booking.core.model import STANDARD_STEPS, BookingForm, CareType, Person, Pet, Step
from abandoned_booking.errors import InvalidInput

__all__ = ["BOOKED", "BadLine", "Log", "LogFormat", "parse_instant", "read_log"]

BOOKED: Final = "booked"
"""the step of a log that stands for a finished booking"""

_NEEDED: Final = ("session", "step", "at")
_KNOWN: Final = (
    *_NEEDED,
    "client",
    "first_name",
    "last_name",
    "phone",
    "email",
    "pet",
    "care_type",
)
# Due times lie up to a few days from an instant, and must lie within the calendar.
_YEARS: Final = range(1900, 9000)


def _by_own_name(given: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({**{name: name for name in _NEEDED}, **given})


def _as_steps(given: Mapping[str, str] | None) -> Mapping[str, str]:
    plain = {**{str(step): str(step) for step in STANDARD_STEPS}, BOOKED: BOOKED}
    return MappingProxyType(dict(plain if given is None else given))


@attrs.frozen(kw_only=True)
class LogFormat:
    """How a log is to be read.

    ``columns`` says in which column each thing stands: ``session``, ``step`` and ``at`` are needed
    (and looked for under their own names unless told), ``client``, ``first_name``, ``last_name``,
    ``phone``, ``email``, ``pet`` and ``care_type`` may be there. ``steps`` says what each word of
    the step column means: a step, or ``booked``; without it the standard steps stand there as they
    are.

    Raises :class:`InvalidInput` for what cannot be mapped.
    """

    columns: Mapping[str, str] = attrs.field(factory=dict, converter=_by_own_name)
    steps: Mapping[str, str] = attrs.field(default=None, converter=_as_steps)

    def __attrs_post_init__(self) -> None:
        unknown = [name for name in self.columns if name not in _KNOWN]
        if unknown:
            raise InvalidInput(
                f"knows no {', '.join(unknown)}; choose from {', '.join(_KNOWN)}", field="columns"
            )
        if not all(self.columns.values()):
            raise InvalidInput("has an empty column name", field="columns")
        if not all(raw and step for raw, step in self.steps.items()):
            raise InvalidInput("has an empty word or step", field="steps")
        if not self.mapped_steps:
            raise InvalidInput("names no step but 'booked'", field="steps")

    @property
    def mapped_steps(self) -> tuple[Step, ...]:
        """The steps that the log can name, in the order given, each once."""
        return tuple(dict.fromkeys(Step(s) for s in self.steps.values() if s != BOOKED))

    @property
    def registry(self) -> tuple[Step, ...]:
        """The booking flow's steps: the standard ones, or, if there are others, those mapped."""
        standard = set(self.mapped_steps) <= set(STANDARD_STEPS)
        return STANDARD_STEPS if standard else self.mapped_steps


@attrs.frozen(kw_only=True)
class BadLine:
    """A line that cannot be used, and why; nothing of what stands in it."""

    line: int
    """1 for the first line of the file, the one with the column names"""
    problem: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}"


@attrs.frozen(kw_only=True)
class Log:
    """What a log holds, in the order of its lines."""

    events: tuple[Progress | Booked, ...]
    bad_lines: tuple[BadLine, ...]


_Line: TypeAlias = tuple[int, list[str] | None, str]
"""a line's number, its fields or ``None``, and then the problem"""


def read_log(path: str | os.PathLike[str], form: LogFormat, settings: BusinessSettings) -> Log:
    """Read and check a whole log: CSV in UTF-8, its first line names the columns.

    ``settings`` are those of the business whose log it is; its steps must have those of ``form``.

    Raises :class:`InvalidInput` for a file that is empty or lacks a column, :class:`OSError` for
    one that cannot be read. Everything else that is wrong is a bad line.
    """
    events: list[Progress | Booked] = []
    bad: list[BadLine] = []
    # What is not UTF-8 becomes half surrogates, so that the line can be named.
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = _lines(file)
        reader = _reader_of(next(lines, None), form, settings)
        for number, fields, problem in lines:
            try:
                if fields is None:
                    raise InvalidInput(problem)
                events.append(reader.event(fields))
            except InvalidInput as error:
                bad.append(BadLine(line=number, problem=str(error)))
    return Log(events=tuple(events), bad_lines=tuple(bad))


def _lines(file: TextIO) -> Iterator[_Line]:
    """Every line that is not blank, with the number of its first physical line."""
    rows = csv.reader(file, strict=True)
    while True:
        number = rows.line_num + 1
        try:
            fields = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, None, f"is not CSV: {error}"
            continue
        if fields:
            yield number, fields, ""


def _reader_of(header: _Line | None, form: LogFormat, settings: BusinessSettings) -> _Reader:
    if header is None:
        raise InvalidInput("is empty; its first line must name the columns", field="the log")
    _, fields, problem = header
    if fields is None:
        raise InvalidInput(f"first line {problem}", field="the log")
    names = [name.strip() for name in fields]
    if not all(map(_is_text, names)):
        raise InvalidInput("is not UTF-8 text; save it as CSV in UTF-8", field="the log")
    # Which names are there instead is not told: a log without a first line of names begins with
    # somebody's data.
    missing = [
        f"'{column}' ({what})" for what, column in form.columns.items() if column not in names
    ]
    if missing:
        raise InvalidInput(
            f"has no column {', '.join(missing)} in its first line; say which to read with "
            "--columns session=...,step=...,at=...",
            field="the log",
        )
    places = {what: names.index(column) for what, column in form.columns.items()}
    return _Reader(places=places, width=len(names), steps=form.steps, settings=settings)


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


@attrs.frozen(kw_only=True)
class _Reader:
    """Turns the fields of one line into an event."""

    places: Mapping[str, int]
    width: int
    steps: Mapping[str, str]
    settings: BusinessSettings

    def event(self, fields: list[str]) -> Progress | Booked:
        """The event of a line. Raises :class:`InvalidInput`, which names the field alone."""
        if len(fields) > self.width:
            raise InvalidInput("has more fields than the first line; put quotes around commas")
        if not all(map(_is_text, fields)):
            raise InvalidInput("is not UTF-8 text")
        found = {
            what: fields[place].strip() if place < len(fields) else ""
            for what, place in self.places.items()
        }
        for what in _NEEDED:
            if not found[what]:
                raise InvalidInput("is missing", field=what)
        step = self.steps.get(found["step"])
        if step is None:
            raise InvalidInput("is none of the steps; map it with --steps word=step", field="step")
        at = parse_instant(found["at"], field="at")
        return self._booked(found, at) if step == BOOKED else self._progress(found, at, step)

    def _progress(self, found: Mapping[str, str], at: datetime, step: str) -> Progress:
        pet, care_type = found.get("pet"), found.get("care_type")
        return check_progress(
            Progress(
                business_id=self.settings.business_id,
                session_id=found["session"],
                step=Step(step),
                at=at,
                client_id=found.get("client") or None,
                form=BookingForm(
                    person=_person(found),
                    pets=(Pet(name=pet),) if pet else (),
                    care_type=CareType(care_type) if care_type else None,
                ),
            ),
            self.settings,
        )

    def _booked(self, found: Mapping[str, str], at: datetime) -> Booked:
        # The bounds of a session's name are those of progress.
        self._progress(found, at, self.settings.steps[0])
        return check_booked(
            Booked(
                business_id=self.settings.business_id,
                session_id=found["session"],
                at=at,
                client_id=found.get("client") or None,
                person=_person(found),
            )
        )


def _person(found: Mapping[str, str]) -> Person:
    names = ("first_name", "last_name", "phone", "email")
    return Person(**{name: found.get(name) or None for name in names})


def parse_instant(text: str, *, field: str) -> datetime:
    """An instant with its offset, as ISO 8601 writes it.

    Raises :class:`InvalidInput` for anything else, a naive instant included; never repeats it.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            "is not an instant; write it like 2026-03-01T12:00:00Z", field=field
        ) from None
    if at.tzinfo is None:
        raise InvalidInput(
            "is a naive instant; give it an offset, like 2026-03-01T12:00:00Z", field=field
        )
    if at.year not in _YEARS:
        raise InvalidInput(f"must lie between {_YEARS.start} and {_YEARS.stop}", field=field)
    return at
