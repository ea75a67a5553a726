"""The contract of :class:`~abandoned_booking.ports.SettingsStore`."""

from __future__ import annotations

import attrs
from hypothesis import given

from abandoned_booking.core.campaign import BusinessSettings, RecoveryCampaign
from abandoned_booking.ports import SettingsStore
from abandoned_booking.testing import strategies
from abandoned_booking.testing.contracts import _tasks
from abandoned_booking.testing.contracts._processes import (
    CanBeOpenedAgain,
    Reopen,
    again,
    killed_after,
)
from abandoned_booking.testing.contracts._tools import THREADS, generated, new_business, race

__all__ = ["SettingsStoreContract"]


def _assert_same(read: BusinessSettings | None, written: BusinessSettings, line: str) -> None:
    assert read is not None, f"{line}: the settings are not there"
    differing = [
        field.name
        for field in attrs.fields(BusinessSettings)
        if getattr(read, field.name) != getattr(written, field.name)
    ]
    assert not differing, f"{line}: {', '.join(differing)} came back changed"


class SettingsStoreContract(CanBeOpenedAgain):
    """Everything that :class:`~abandoned_booking.ports.SettingsStore` promises.

    Subclass it and give the fixture ``settings``: a new, empty store for each test; and ``reopen``
    if other processes can open the same one.
    """

    @generated
    @given(written=strategies.settings())
    def test_settings_come_back_as_they_were_put(
        self, settings: SettingsStore, written: BusinessSettings
    ) -> None:
        written = attrs.evolve(written, business_id=new_business())
        settings.put(written)
        line = "get: the settings equal to those last put"
        _assert_same(settings.get(written.business_id), written, line)

    def test_an_unknown_business_has_no_settings(self, settings: SettingsStore) -> None:
        assert settings.get("paws") is None, "get: None if there are none"
        settings.put(BusinessSettings(business_id="paws", name="Paws & Co"))
        for business_id in ("claws", "PAWS", "paws ", "", "%"):
            assert settings.get(business_id) is None, "get: None if that business has none"

    def test_the_last_put_replaces_every_field(self, settings: SettingsStore) -> None:
        first = BusinessSettings(
            business_id="paws",
            name="Paws & Co",
            timezone="America/New_York",
            leads_management=True,
            campaign=RecoveryCampaign(enabled=True),
            booking_url="https://book.example.com",
        )
        second = BusinessSettings(business_id="paws", name="Paws")
        for written in (first, second, first, first):
            settings.put(written)
            line = "put: in place of earlier ones, and never stale"
            _assert_same(settings.get("paws"), written, line)

    def test_businesses_have_settings_of_their_own(self, settings: SettingsStore) -> None:
        both = [BusinessSettings(business_id=name, name=name.title()) for name in ("paws", "claws")]
        for written in both:
            settings.put(written)
        for written in both:
            line = "put: touches the settings of its own business only"
            _assert_same(settings.get(written.business_id), written, line)

    def test_many_putting_at_once_leave_one_of_theirs(self, settings: SettingsStore) -> None:
        given_settings = [
            BusinessSettings(business_id="paws", name=f"Paws {nth}") for nth in range(THREADS)
        ]
        race(*(lambda written=written: settings.put(written) for written in given_settings))
        assert settings.get("paws") in given_settings, "put: one of those that were put"

    # ── other connections, other processes ──────────────────────────────────────────────────────

    def test_a_second_connection_sees_a_put_at_once(
        self, settings: SettingsStore, reopen: Reopen
    ) -> None:
        with again(reopen, "settings store") as other:
            # Twice each: an answer that was kept for later is found out.
            turns = [(settings, other)] * 2 + [(other, settings)] * 2
            for nth, (one, two) in enumerate(turns):
                written = BusinessSettings(business_id="paws", name=f"Paws {nth}")
                one.put(written)
                line = "put: durable before it returns, and never stale elsewhere"
                _assert_same(two.get("paws"), written, line)

    def test_what_was_put_outlives_a_sudden_death(
        self, settings: SettingsStore, reopen: Reopen
    ) -> None:
        for dead in killed_after(_tasks.puts_on_and_on, reopen, "settings store"):
            told = dict(dead.told)
            with again(reopen, "settings store") as other:
                for business_id in dead.names:
                    # The last that returned, or the one that was being put; whole.
                    nth = told.get(business_id, 0)
                    may_be = [_tasks.put_settings(business_id, each) for each in (nth, nth + 1)]
                    line = "put: what has returned outlives the sudden death of its process, whole"
                    for asked in (other, settings):
                        read = asked.get(business_id)
                        assert read in may_be or (read is None and not nth), line
