"""``tally``: a report that the store adds up itself, to the last figure (P1)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final

import attrs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.model import (
    AbandonedRequest,
    Channel,
    Contact,
    ContactState,
    HistoryEntry,
    HistoryKind,
    Reason,
    Recovery,
    Route,
    Status,
    Step,
)
from abandoned_booking.core.performance import GroupBy, Performance, Tally, tally
from abandoned_booking.core.periods import Period
from abandoned_booking.ports import RequestStore, SupportsTally
from abandoned_booking.testing import strategies
from abandoned_booking.testing.contracts._tools import added, claimed, fewer, new_business, stored
from abandoned_booking.testing.factory import LEFT_AT, a_request

_NOW: Final = LEFT_AT + timedelta(days=30)
_HOUR: Final = timedelta(hours=1)
_INSTANT: Final = timedelta(microseconds=1)
_PAWS: Final = BusinessSettings(business_id="paws", name="Paws & Co", timezone="America/New_York")
_THE_DAY: Final = Period(LEFT_AT, LEFT_AT + timedelta(days=1))


def _adding_up(store: RequestStore) -> SupportsTally:
    return claimed(store, SupportsTally, what="store")


def _reported(store: RequestStore, *by: GroupBy) -> Performance:
    return _adding_up(store).tally("paws", _THE_DAY, by=by, settings=_PAWS, now=_NOW)


def _assert_same(read: Performance, expected: Performance, line: str) -> None:
    groups = [row.group for row in read.rows]
    assert groups == [row.group for row in expected.rows], f"{line}: the rows, in their order"
    for row, other in zip(read.rows, expected.rows, strict=True):
        differing = [
            field.name
            for field in attrs.fields(Tally)
            if getattr(row.tally, field.name) != getattr(other.tally, field.name)
        ]
        assert not differing, f"{line}: {', '.join(differing)} of the group {row.group}"
    assert read == expected, f"{line}: period, breakdown and steps are those that were asked for"


# ── what is counted, drawn at random ────────────────────────────────────────────────────────────


def _instants() -> SearchStrategy[datetime]:
    """Close to each other, so that ties and the ends of a period are frequent."""
    steps = (-_HOUR, -_INSTANT, timedelta(0), _INSTANT, _HOUR, timedelta(days=7), 8 * 24 * _HOUR)
    return st.sampled_from([LEFT_AT + step for step in steps])


def _contacts() -> SearchStrategy[tuple[Contact, ...]]:
    one = st.builds(
        Contact,
        id=st.just("c"),
        channel=st.sampled_from(Channel),
        at=_instants(),
        state=st.sampled_from(ContactState),
        segments=st.sampled_from([None, 1, 2, 10]),
    )
    return st.lists(one, max_size=3).map(tuple)


def _crowds(business_id: str) -> SearchStrategy[list[AbandonedRequest]]:
    recoveries = st.builds(
        Recovery,
        at=_instants(),
        appointment_id=st.just("a1"),
        by_staff=st.booleans(),
        reversed_at=st.none() | _instants(),
    )
    said = st.sampled_from([HistoryKind.REPLY, HistoryKind.OPTED_OUT, HistoryKind.STEP])
    history = st.builds(HistoryEntry, at=_instants(), kind=said)
    return strategies.crowds(
        business_id,
        max_size=8,
        abandoned_at=_instants(),
        contacts=_contacts(),
        recovery=st.none() | recoveries,
        history=st.lists(history, max_size=3).map(tuple),
        outcome=st.sampled_from([None, "no_answer", "Call back"]),
    )


def _periods() -> SearchStrategy[Period]:
    days = st.sampled_from([date(2026, 1, day) for day in (4, 5, 6, 13)])
    return _two_of(_instants()) | _two_of(days)


def _two_of(ends: SearchStrategy[Any]) -> SearchStrategy[Period]:
    pairs = st.lists(ends, min_size=2, max_size=2, unique=True)
    return pairs.map(lambda pair: Period(*sorted(pair)))


_questions: Final = st.fixed_dictionaries(
    {
        "period": _periods(),
        "by": st.sampled_from(GroupBy) | st.lists(st.sampled_from(GroupBy), unique=True),
        "settings": st.builds(
            attrs.evolve,
            st.just(_PAWS),
            timezone=st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe"]),
            credited_within=st.sampled_from([timedelta(0), _HOUR, timedelta(days=7)]),
            steps=st.permutations(_PAWS.steps).map(tuple),
        ),
        "now": _instants(),
    }
)


class AddingUp:
    """``SupportsTally``; skipped for a store without it."""

    @fewer(40)
    @given(
        crowd=_crowds("-"),
        changed=_crowds("-"),
        asked=st.lists(_questions, min_size=1, max_size=4),
    )
    def test_a_tally_is_the_pure_one_to_the_last_figure(
        self,
        store: RequestStore,
        crowd: list[AbandonedRequest],
        changed: list[AbandonedRequest],
        asked: list[dict[str, Any]],
    ) -> None:
        adding_up, business_id = _adding_up(store), new_business()
        everything = stored(store, business_id, crowd, changed[:3])
        for question in asked:
            expected = tally(everything, **question)
            read = adding_up.tally(business_id, **question)
            _assert_same(read, expected, "tally: what performance.tally gives for all requests")

    def test_a_report_is_about_what_was_abandoned_in_its_period(self, store: RequestStore) -> None:
        ends = {"first": timedelta(0), "last": timedelta(days=1) - _INSTANT}
        outside = {"before": -_INSTANT, "end": timedelta(days=1)}
        for name, after in (ends | outside).items():
            assert store.add(a_request(id=name, abandoned_at=LEFT_AT + after))
        added(
            store,
            [
                a_request(id="lead", route=Route.LEADS, status=Status.CONTACTED),
                a_request(id="just listed", listed_at=_NOW),
                a_request(id="not yet", listed_at=_NOW + _INSTANT),
                a_request(id="completed", status=Status.COMPLETED),
                a_request(id="deleted", deleted_at=LEFT_AT),
                a_request(id="withheld", withheld=(Reason.BLOCKED,)),
                a_request(id="no step", step=None),
                a_request(id="theirs", business_id="claws"),
            ],
        )
        line = "tally: start <= abandoned_at < end, of one business, and listed or in the leads"
        assert _reported(store).total.abandoned == 4, line
        assert _reported(store, GroupBy.STEP).tally_of("time").abandoned == 4, line

    def test_every_figure_is_added_up(self, store: RequestStore) -> None:
        text = Contact(id="c1", channel=Channel.TEXT, at=LEFT_AT + _HOUR, segments=3)
        first = Contact(id="c2", channel=Channel.EMAIL, at=LEFT_AT + _INSTANT)
        reply = HistoryEntry(at=LEFT_AT, kind=HistoryKind.REPLY)
        won_back = a_request(
            id="won back",
            status=Status.RECOVERED,
            contacts=(
                attrs.evolve(text, state=ContactState.ACCEPTED),
                attrs.evolve(first, state=ContactState.DELIVERED),
                Contact(id="c3", channel=Channel.CALL, at=LEFT_AT, state=ContactState.UNDONE),
            ),
            recovery=Recovery(at=LEFT_AT + 3 * _HOUR, reversed_at=LEFT_AT + 4 * _HOUR),
            history=(reply, reply),
        )
        failed = a_request(
            id="failed",
            step=Step("pet"),
            contacts=(attrs.evolve(text, segments=None, state=ContactState.FAILED),),
            history=(HistoryEntry(at=LEFT_AT, kind=HistoryKind.OPTED_OUT),),
        )
        added(store, [won_back, failed, a_request(id="left alone")])
        total = _reported(store, GroupBy.STEP).total
        figures = {"abandoned": 3, "contacted": 1, "recovered": 1, "reversed": 1, "sent": 3}
        figures |= {"delivered": 1, "replied": 1, "opted_out": 1, "credits": 4}
        for name, expected in figures.items():
            assert getattr(total, name) == expected, f"tally: {name} is what performance.tally says"
        line = "tally: times are those of performance.tally, to the microsecond"
        assert [*total.time_to_contact] == [_INSTANT], line
        assert [*total.time_to_recovery] == [3 * _HOUR], line

    def test_a_recovery_is_credited_to_the_last_contact_before_it(
        self, store: RequestStore
    ) -> None:
        recovered_at = LEFT_AT + 3 * _HOUR
        text = Contact(id="c1", channel=Channel.TEXT, at=recovered_at)
        call = Contact(id="c2", channel=Channel.CALL, at=LEFT_AT)
        after = Contact(id="c3", channel=Channel.EMAIL, at=recovered_at + _INSTANT)
        undone = attrs.evolve(after, at=recovered_at, state=ContactState.UNDONE)
        long_ago = attrs.evolve(call, at=recovered_at - _PAWS.credited_within - _INSTANT)
        won_back = a_request(
            id="by text",
            status=Status.RECOVERED,
            recovery=Recovery(at=recovered_at),
            contacts=(call, text, undone, after),
        )
        contacted = a_request(id="not yet", status=Status.CONTACTED, contacts=(text, call, after))
        of_nobody = attrs.evolve(won_back, id="of nobody", session_id="s", contacts=(long_ago,))
        added(store, [won_back, contacted, of_nobody])
        report = _reported(store, GroupBy.CHANNEL)
        credited = {row.group[0]: row.tally.abandoned for row in report.rows}
        line = "tally: by channel, the last contact that counts, in time before the booking"
        assert credited == {Channel.TEXT: 1, Channel.EMAIL: 1, None: 1}, line

    def test_a_tally_is_of_what_was_last_written(self, store: RequestStore) -> None:
        added(store, [a_request(id="r1"), a_request(id="r2")])
        assert _reported(store).total.abandoned == 2, "tally: the requests that were added"
        won_back = a_request(
            id="r1", status=Status.RECOVERED, recovery=Recovery(at=LEFT_AT + _HOUR)
        )
        assert store.save(won_back, expected_version=1), "save: True if the version fits"
        assert store.save(a_request(id="r2", deleted_at=LEFT_AT), expected_version=1)
        total = _reported(store).total
        assert (total.abandoned, total.recovered) == (1, 1), "tally: as they were last written"
