"""The contract of :class:`~abandoned_booking.ports.SuppressionList`."""

from __future__ import annotations

from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.ports import SuppressionList
from abandoned_booking.stores.memory import MemorySuppressions
from abandoned_booking.testing.contracts import _tasks
from abandoned_booking.testing.contracts._processes import (
    CanBeOpenedAgain,
    Reopen,
    again,
    killed_after,
)
from abandoned_booking.testing.contracts._tools import THREADS, generated, new_business, race

__all__ = ["SuppressionListContract"]

_SEEN: Final = "durable, and seen by every other process, before it returns"
_calls: Final = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "contains"]), st.sampled_from(["k1", "k2", "K1"])),
    max_size=12,
)


class SuppressionListContract(CanBeOpenedAgain):
    """Everything that :class:`~abandoned_booking.ports.SuppressionList` promises.

    Subclass it and give the fixture ``suppressions``: a new, empty list for each test; and
    ``reopen`` if other processes can open the same one.
    """

    def test_a_key_is_on_the_list_from_add_to_remove(self, suppressions: SuppressionList) -> None:
        # Asked before, between and after: an answer that was kept for later is found out.
        for _ in range(2):
            line = "contains: False for a key that was not added, or was removed; never stale"
            assert suppressions.contains("paws", "k1") is False, line
            suppressions.add("paws", "k1")
            line = "contains: True as soon as add has returned; never stale"
            assert suppressions.contains("paws", "k1") is True, line
            suppressions.remove("paws", "k1")
        assert suppressions.contains("paws", "k1") is False, "remove: takes the key off at once"

    def test_adding_a_key_again_changes_nothing(self, suppressions: SuppressionList) -> None:
        suppressions.add("paws", "k1")
        suppressions.add("paws", "k1")
        assert suppressions.contains("paws", "k1") is True, "add: a repeat changes nothing"
        suppressions.remove("paws", "k1")
        line = "add: a repeat changes nothing; one remove takes the key off"
        assert suppressions.contains("paws", "k1") is False, line

    def test_removing_a_key_that_is_not_there_changes_nothing(
        self, suppressions: SuppressionList
    ) -> None:
        suppressions.add("paws", "k1")
        suppressions.remove("paws", "k2")
        suppressions.remove("paws", "")
        line = "remove: a key that is not there changes nothing"
        assert suppressions.contains("paws", "k1") is True, line
        assert suppressions.contains("paws", "k2") is False, line

    def test_keys_are_compared_character_by_character(self, suppressions: SuppressionList) -> None:
        suppressions.add("paws", "Kéy")
        line = "contains: keys are compared as they are"
        for key in ("kéy", "Key", "Kéy ", "Ke\u0301y", "%", "K_y", ""):
            assert suppressions.contains("paws", key) is False, line

    def test_each_business_has_a_list_of_its_own(self, suppressions: SuppressionList) -> None:
        suppressions.add("paws", "k1")
        line = "every business has its own list"
        assert suppressions.contains("claws", "k1") is False, line
        suppressions.add("claws", "k1")
        suppressions.remove("claws", "k1")
        assert suppressions.contains("paws", "k1") is True, line

    def test_many_adding_at_once_all_get_on_the_list(self, suppressions: SuppressionList) -> None:
        keys = ["same"] * 2 + [f"k{nth}" for nth in range(THREADS - 2)]
        race(*(lambda key=key: suppressions.add("paws", key) for key in keys))
        missing = [key for key in keys if not suppressions.contains("paws", key)]
        assert not missing, "add: on the list before it returns, whoever adds at the same time"

    @generated
    @given(calls=_calls)
    def test_any_sequence_of_calls_is_answered_as_by_the_memory_list(
        self, suppressions: SuppressionList, calls: list[tuple[str, str]]
    ) -> None:
        business_id, beside = new_business(), MemorySuppressions()
        for nth, (what, key) in enumerate(calls):
            answer, expected = (
                getattr(each, what)(business_id, key) for each in (suppressions, beside)
            )
            line = "contains: True from add to remove, whatever came before"
            assert answer == expected, f"{line}: call {nth + 1} of {calls}"

    # ── other connections, other processes ──────────────────────────────────────────────────────

    def test_a_second_connection_sees_every_change_at_once(
        self, suppressions: SuppressionList, reopen: Reopen
    ) -> None:
        with again(reopen, "suppression list") as other:
            # Asked before, between and after: an answer that was kept for later is found out.
            for one, two in [(suppressions, other), (other, suppressions)] * 2:
                assert two.contains("paws", "k1") is False, f"remove: {_SEEN}"
                one.add("paws", "k1")
                assert two.contains("paws", "k1") is True, f"add: {_SEEN}"
                one.remove("paws", "k1")
                assert two.contains("paws", "k1") is False, f"remove: {_SEEN}"

    def test_what_was_added_outlives_a_sudden_death(
        self, suppressions: SuppressionList, reopen: Reopen
    ) -> None:
        for dead in killed_after(_tasks.suppresses_on_and_on, reopen, "suppression list"):
            with again(reopen, "suppression list") as other:
                for key in dead.told:
                    for asked in (other, suppressions):
                        line = "add: what has returned outlives the sudden death of its process"
                        assert asked.contains("paws", key) is True, line

    def test_what_was_removed_outlives_a_sudden_death(
        self, suppressions: SuppressionList, reopen: Reopen
    ) -> None:
        for dead in killed_after(_tasks.lifts_on_and_on, reopen, "suppression list"):
            with again(reopen, "suppression list") as other:
                for key in dead.told:
                    for asked in (other, suppressions):
                        line = "remove: what has returned outlives the sudden death of its process"
                        assert asked.contains("paws", key) is False, line
