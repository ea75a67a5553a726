"""X2 and X3: what comes back from two readers is what went in; text is text, never a formula."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import attrs
import openpyxl
import pytest
from export._reading import (
    MAIN,
    NEW_YORK,
    READERS,
    cells_of,
    column,
    sheets_of,
    workbook_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from abandoned_booking.core.model import AbandonedRequest, BookingForm, Person, Phone
from abandoned_booking.export._cells import LONGEST_TEXT, clean, serial_of
from abandoned_booking.export._columns import COLUMNS, values_of
from abandoned_booking.testing import a_request
from abandoned_booking.testing.strategies import forms, requests

ZONES = ("America/New_York", "Europe/London", "Asia/Kathmandu", "Pacific/Apia", "America/Nuuk")

# ── the round trip ──────────────────────────────────────────────────────────────────────────────


def fitting(text: str) -> str:
    """The documented cleaning, one character after the other."""
    kept = "".join(c for c in text.replace("\r\n", "\n").replace("\r", "\n") if may_stand(ord(c)))
    units = 0
    for index, character in enumerate(kept):
        units += 1 + (ord(character) > 0xFFFF)
        if units > 32_767:
            short = kept[:index]
            while sum(1 + (ord(c) > 0xFFFF) for c in short) > 32_766:
                short = short[:-1]
            return short + "…"
    return kept


def may_stand(code: int) -> bool:
    """XML 1.0, production 2: what is a Char."""
    return (
        code in {0x9, 0xA, 0xD}
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or 0x10000 <= code <= 0x10FFFF
    )


def read_back(value: object, zone: ZoneInfo) -> object:
    """What a reader must find for a value."""
    if isinstance(value, datetime):
        return value.astimezone(zone).replace(tzinfo=None, microsecond=0)
    return fitting(str(value)) or None if value else None


# Anything at all, lone surrogates included, and what breaks spreadsheets.
nasty_texts = st.one_of(
    st.text(st.characters(codec=None), max_size=12),
    st.text("=+-@\t\n\r \0\x0b\x1f\x7f\x85\ufffe\uffff\ud800&<>\"'_x0041_xF]", max_size=12),
    st.from_regex(r"\A[=+@-]?(_x[0-9a-fA-F]{4}_?){1,3}\Z"),
    st.sampled_from(
        ["=1+1", "#REF!", "#N/A", "TRUE", "1e5", "00123", "'=1", "]]>", "&amp;", "<f>1</f>"]
    ),
)


@st.composite
def nasty_requests(draw: st.DrawFn) -> AbandonedRequest:
    form = draw(forms())
    person = attrs.evolve(form.person, first_name=draw(nasty_texts), phone=draw(nasty_texts))
    form = attrs.evolve(form, person=person, note=draw(nasty_texts))
    nothing = st.just(())
    return draw(
        requests(
            form=st.just(form),
            session_id=nasty_texts.filter(bool),
            history=nothing,
            withheld=nothing,
        )
    )


@settings(max_examples=30)
@given(st.lists(nasty_requests(), max_size=3), st.sampled_from(ZONES))
def test_two_readers_find_what_went_in(rows: list[AbandonedRequest], name: str) -> None:
    zone = ZoneInfo(name)
    expected = [
        tuple(column.header for column in COLUMNS),
        *(tuple(read_back(value, zone) for value in values_of(row)) for row in rows),
    ]
    workbook = workbook_of(rows, zone)
    for reader, read in READERS.items():
        assert read(workbook) == [expected], reader


@given(st.lists(nasty_texts, min_size=1, max_size=8))
def test_no_formula_and_no_error_in_the_raw_xml(texts: list[str]) -> None:
    rows = [a_request(id=text, assignee=text, form=BookingForm(note=text)) for text in texts]
    [sheet] = sheets_of(workbook_of(rows))
    for cell in cells_of(sheet):
        assert cell.find(f"{MAIN}f") is None
        # text is an inline string; all else is a number without a type
        assert cell.get("t") in {"inlineStr", None}
        if cell.get("t") is None:
            assert re.fullmatch(r"\d+\.\d+", cell.findtext(f"{MAIN}v") or "")


# ── text (X3) ───────────────────────────────────────────────────────────────────────────────────

TYPED = {
    "formula": ("=HYPERLINK(1)", "=HYPERLINK(1)"),
    "plus": ("+1", "+1"),
    "minus": ("-1", "-1"),
    "at": ("@SUM(A1)", "@SUM(A1)"),
    "tab": ("\t=1+1", "\t=1+1"),
    "error": ("#REF!", "#REF!"),
    "number": ("00123", "00123"),
    "truth": ("TRUE", "TRUE"),
    "markup": ("<b>&amp;]]>", "<b>&amp;]]>"),
    "blanks around": ("  a  ", "  a  "),
    "a blank": (" ", " "),
    "line ends": ("a\r\nb\rc\n", "a\nb\nc\n"),
    "control characters": ("a\0b\x01\x08\x0b\x0c\x0e\x1fc", "abc"),
    "a NUL": ("a\0b", "ab"),
    "nothing but control characters": ("\0\x01", None),
    "no characters": ("a\ufffe\uffffb", "ab"),
    "lone surrogates": ("a\ud800b\udfffc", "abc"),
    "an emoji": ("🐶", "🐶"),
    "what looks like an escape": ("_x0041_", "_x0041_"),
    "two that overlap": ("_x0041_x0042_", "_x0041_x0042_"),
    "an escaped escape": ("_x005F_x0041_", "_x005F_x0041_"),
    "an escape once cleaned": ("_x00\x0041_", "_x0041_"),
    "a capital X": ("_X0041_", "_X0041_"),
    "32,767": ("x" * 32_767, "x" * 32_767),
    "32,768": ("x" * 32_768, "x" * 32_766 + "…"),
    "32,768 units": ("🐶" * 16_384, "🐶" * 16_383 + "…"),
    "32,767 units": ("🐶" * 16_383 + "x", "🐶" * 16_383 + "x"),
    "a pair at the cut": ("x" + "🐶" * 16_400, "x" + "🐶" * 16_382 + "…"),
    "32,768 with dropped ones": ("\0" + "x" * 32_767, "x" * 32_767),
}


@pytest.mark.parametrize(("typed", "found"), TYPED.values(), ids=TYPED)
@pytest.mark.parametrize("reader", READERS)
def test_what_was_typed_comes_back_as_text(typed: str, found: str | None, reader: str) -> None:
    row = a_request(form=BookingForm(person=Person(first_name=typed), note=typed))
    [rows] = READERS[reader](workbook_of([row]))
    assert column(rows, "Client name") == [found]
    assert column(rows, "Client's note") == [found]


@pytest.mark.parametrize(("typed", "found"), TYPED.values(), ids=TYPED)
def test_cleaning_is_what_is_documented_and_once_is_enough(typed: str, found: str | None) -> None:
    assert clean(typed) == (found or "") == fitting(typed) == clean(clean(typed))


def test_nothing_in_a_cell_is_longer_than_it_may_be() -> None:
    assert len(clean("\U0010ffff" * 40_000).encode("utf-16-le")) // 2 <= LONGEST_TEXT == 32_767


@pytest.mark.parametrize("typed", [" a", "a ", " ", "\ta", "a\n", " <a"])
def test_blanks_around_a_text_are_marked_to_be_kept_by_every_reader(typed: str) -> None:
    rows = [a_request(id=typed), a_request(session_id=typed), a_request(id="a b")]
    marked = [
        text.text
        for text in sheets_of(workbook_of(rows))[0].iter(f"{MAIN}t")
        if text.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve"
    ]
    # a_request() makes the session of the first row from its id
    kept = [text for text in (typed, f"session-of-{typed}", typed) if text.strip() != text]
    assert marked == kept


def test_one_bad_row_is_cleaned_and_the_rows_around_it_are_as_they_were() -> None:
    names = ["Ann", "A\0nn & =Co", "Bob"]
    rows = [a_request(id=name, form=BookingForm(person=Person(first_name=name))) for name in names]
    for read in READERS.values():
        assert column(read(workbook_of(rows))[0], "Client name") == ["Ann", "Ann & =Co", "Bob"]


@pytest.mark.parametrize("reader", READERS)
def test_phone_numbers_are_text(reader: str) -> None:
    parsed = Phone(e164="+12125550199", region="US", can_text=True)
    typed = BookingForm(person=Person(phone="0049 30 1234"))
    rows = [a_request(phone=parsed), a_request(form=typed)]
    [found] = READERS[reader](workbook_of(rows))
    assert column(found, "Phone number") == ["+12125550199", "0049 30 1234"]


def test_texts_have_the_text_format_so_that_editing_a_cell_makes_no_formula() -> None:
    row = a_request(form=BookingForm(note="=1+1", person=Person(first_name="Ann")))
    sheet = openpyxl.load_workbook(io.BytesIO(workbook_of([row]))).worksheets[0]
    formats = {cell.number_format for cell in sheet[2] if isinstance(cell.value, str)}
    assert formats == {"@"}
    assert [cell.data_type for cell in sheet[2] if cell.value == "=1+1"] == ["s"]


# ── dates (X2) ──────────────────────────────────────────────────────────────────────────────────

WALLS = {
    "winter": ("America/New_York", "2026-01-05 12:00:00", "2026-01-05 07:00:00"),
    "summer": ("America/New_York", "2026-07-05 12:00:00", "2026-07-05 08:00:00"),
    "before spring forward": ("America/New_York", "2026-03-08 06:59:59", "2026-03-08 01:59:59"),
    "after spring forward": ("America/New_York", "2026-03-08 07:00:00", "2026-03-08 03:00:00"),
    "the hour before it repeats": (
        "America/New_York",
        "2026-11-01 05:30:00",
        "2026-11-01 01:30:00",
    ),
    "the hour repeated": ("America/New_York", "2026-11-01 06:30:00", "2026-11-01 01:30:00"),
    "45 minutes": ("Asia/Kathmandu", "2026-01-01 00:00:00", "2026-01-01 05:45:00"),
    "a date that was left out": ("Pacific/Apia", "2011-12-30 10:00:00", "2011-12-31 00:00:00"),
    "cut to the second": ("UTC", "2026-01-05 23:59:59.999999", "2026-01-05 23:59:59"),
    "the first serial": ("UTC", "1900-03-01 00:00:00", "1900-03-01 00:00:00"),
    "the last second": ("UTC", "9999-12-31 23:59:59", "9999-12-31 23:59:59"),
}


@pytest.mark.parametrize(("zone", "at", "wall"), WALLS.values(), ids=WALLS)
@pytest.mark.parametrize("reader", READERS)
def test_a_date_is_the_wall_time_of_the_business(
    zone: str, at: str, wall: str, reader: str
) -> None:
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
    row = attrs.evolve(a_request(), abandoned_at=instant)
    [rows] = READERS[reader](workbook_of([row], ZoneInfo(zone)))
    assert column(rows, "Abandoned") == [datetime.fromisoformat(wall)]


EARLY = {
    "the day before": ("UTC", "1900-02-28 23:59:59.5", "1900-02-28 23:59:59"),
    "by its wall time": ("America/New_York", "1900-03-01 02:00:00", "1900-02-28 21:00:00"),
    "long ago": ("UTC", "0987-06-05 04:03:02", "0987-06-05 04:03:02"),
    "beyond the calendar": ("America/New_York", "0001-01-01 00:00:00", "0001-01-01 00:00:00"),
}


@pytest.mark.parametrize(("zone", "at", "text"), EARLY.values(), ids=EARLY)
@pytest.mark.parametrize("reader", READERS)
def test_a_date_before_march_1900_is_text(zone: str, at: str, text: str, reader: str) -> None:
    instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
    row = attrs.evolve(a_request(), abandoned_at=instant)
    [rows] = READERS[reader](workbook_of([row], ZoneInfo(zone)))
    assert column(rows, "Abandoned") == [text]


@given(st.datetimes(datetime(1900, 3, 1), datetime(9999, 12, 31, 23, 59, 59)))
def test_a_serial_is_exact_to_nine_decimals_of_a_day(wall: datetime) -> None:
    serial = serial_of(wall)
    assert serial is not None
    exact = (wall.replace(microsecond=0) - datetime(1899, 12, 30)) / timedelta(days=1)
    assert abs(float(repr(serial)) - exact) < 1e-9
    assert "e" not in repr(serial)


def test_serials_before_march_1900_are_refused() -> None:
    assert serial_of(datetime(1900, 2, 28, 23, 59, 59)) is None
    assert serial_of(datetime(1900, 3, 1)) == 61.0


def test_dates_are_date_cells() -> None:
    [sheet] = sheets_of(workbook_of([a_request()], NEW_YORK))
    cell = next(cell for cell in cells_of(sheet) if cell.get("r") == "A2")
    assert cell.get("t") is None
    assert cell.findtext(f"{MAIN}v") == "46027.291666666664"
