"""The contract suites find every fault that they are there for.

Each broken adapter is wrong in one way. The test that is there for that fault must fail on it, and
say which line of the contract was broken.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

_HERE = Path(__file__).parent

# adapter, the test that finds its fault, and words of what it says
_FAULTS = (
    (
        "DropsTheTimeZone",
        "test_instants_come_back_aware_and_to_the_microsecond",
        "abandoned_at came back changed",
    ),
    (
        "DropsMicroseconds",
        "test_instants_come_back_aware_and_to_the_microsecond",
        "abandoned_at came back changed",
    ),
    ("ForgetsTheAnswers", "test_every_script_and_emoji_comes_back", "form came back changed"),
    ("ComparesIdsWithoutCase", "test_ids_are_compared_character_by_character", "differ in case"),
    (
        "ChecksThenAdds",
        "test_of_many_adding_one_key_at_once_exactly_one_wins",
        "exactly one returns True",
    ),
    (
        "ForgetsTheSessionKey",
        "test_adding_the_same_session_and_sequence_again_changes_nothing",
        "that session and sequence already",
    ),
    (
        "LatestByActivity",
        "test_the_latest_of_a_session_has_the_highest_sequence",
        "the request of the highest sequence",
    ),
    (
        "MatchesWhatIsMissing",
        "test_what_is_missing_matches_nothing",
        "a field that the person lacks matches nothing",
    ),
    (
        "FindsEachMatchAgain",
        "test_a_request_that_matches_in_several_ways_comes_once",
        "open_of_person: each once",
    ),
    (
        "IgnoresTheVersion",
        "test_a_save_with_another_version_loses_and_changes_nothing",
        "False if the stored version is not expected_version",
    ),
    (
        "TrustsTheCallersVersion",
        "test_the_stored_version_is_the_expected_one_plus_one",
        "expected_version + 1, whatever request.version says",
    ),
    (
        "AddsWhatIsNotThere",
        "test_saving_what_is_not_there_adds_nothing",
        "False if the request is not there",
    ),
    (
        "ChecksThenSaves",
        "test_of_many_saving_one_version_at_once_exactly_one_wins",
        "with one expected version exactly one returns True",
    ),
    (
        "IgnoresTheLimit",
        "test_the_earliest_are_claimed_first_and_never_more_than_the_limit[claim_due]",
        "at most limit requests",
    ),
    (
        "ClaimsInAnyOrder",
        "test_the_earliest_are_claimed_first_and_never_more_than_the_limit[claim_due]",
        "the earliest first",
    ),
    ("ClaimsTooLate", "test_a_request_is_due_at_its_very_instant[claim_due]", "at or before now"),
    (
        "ClaimsWithoutFencing",
        "test_a_claim_fences_off_a_save_of_the_version_before[claim_due]",
        "a slow worker's later save loses",
    ),
    (
        "SelectsThenClaims",
        "test_many_claiming_at_once_share_the_due_requests[claim_due]",
        "each due request goes to one caller only",
    ),
    (
        "TakesPercentForAWildcard",
        "test_every_character_of_a_search_stands_for_itself[%]",
        "is taken as itself",
    ),
    (
        "PagesByOffset",
        "test_rows_that_change_between_two_pages_are_neither_skipped_nor_shown_twice",
        "make no row behind them skipped",
    ),
    ("TakesAnyCursor", "test_a_wrong_cursor_is_refused", "DID NOT RAISE"),
    (
        "TotalsWithoutSearch",
        "test_total_and_count_honour_filter_and_search",
        "the total honours filter and search",
    ),
    (
        "CountsThePageOnly",
        "test_total_and_count_honour_filter_and_search",
        "whatever the limit and the cursor",
    ),
    (
        "ListsTooLate",
        "test_a_list_has_what_is_listed_and_nothing_else",
        "listed at now, not before",
    ),
    (
        "SearchesAnOldIndex",
        "test_a_list_shows_what_was_last_written",
        "as they were last written",
    ),
    (
        "IgnoresTheBusiness",
        "test_two_businesses_with_identical_ids_keep_their_own_requests",
        "get: two businesses",
    ),
    ("CountsAllBusinesses", "test_lists_and_counts_keep_to_their_business", "count: two business"),
    (
        "StreamsByRecency",
        "test_other_calls_go_on_while_a_stream_is_read",
        "every request once that is there from beginning to end",
    ),
    (
        "StreamsUnderALock",
        "test_a_stream_that_is_left_halfway_holds_nothing_up",
        "is still waiting",
    ),
    (
        "StreamsWhatIsListed",
        "test_a_stream_gives_every_request_once_whatever_its_state",
        "deleted and closed ones included",
    ),
    (
        "ForgetsTheOwner",
        "test_releasing_another_owners_or_nothing_changes_nothing",
        "another owner's, stays as it is",
    ),
    (
        "RefusesTheSameOwner",
        "test_the_same_owner_reserves_again_and_the_time_starts_anew",
        "True for a reservation of the same owner",
    ),
    (
        "ReservesTooLate",
        "test_a_phone_is_free_again_at_exactly_the_time",
        "not_within or more before this one",
    ),
    (
        "ForgetsTheFuture",
        "test_a_reservation_in_the_future_is_in_force",
        "in the future",
    ),
    (
        "MovesTheTimeWhenRefused",
        "test_a_refused_reservation_changes_nothing",
        "a False changes nothing",
    ),
    (
        "ChecksThenReserves",
        "test_of_many_reserving_one_phone_at_once_exactly_one_gets_it",
        "exactly one gets True",
    ),
    (
        "SharesTheLedger",
        "test_each_business_has_a_ledger_of_its_own",
        "another business's reservation does not count",
    ),
    (
        "GivesTheWholeBatchUp",
        "test_one_that_loses_stops_no_other",
        "one that loses stops no other",
    ),
    ("StopsAtTheFirstLoser", "test_one_that_loses_stops_no_other", "one that loses stops no other"),
    (
        "SavesLosersInBatches",
        "test_one_that_loses_stops_no_other",
        "one that loses stops no other",
    ),
    (
        "AnswersABatchById",
        "test_a_batch_is_answered_in_its_own_order",
        "in the order of changes",
    ),
    (
        "AnswersABatchWithOneBool",
        "test_a_batch_is_answered_in_its_own_order",
        "one answer for each change",
    ),
    (
        "AddsWhatABatchBrings",
        "test_a_batch_is_answered_in_its_own_order",
        "nothing is added",
    ),
    (
        "SavesTheLastOfTwo",
        "test_of_two_changes_to_one_request_only_one_is_saved",
        "of two changes to one request only one can be True",
    ),
    (
        "BatchesByIdAlone",
        "test_a_batch_may_be_of_several_businesses",
        "never touch each other",
    ),
    ("ChokesOnAnEmptyBatch", "test_an_empty_batch_saves_nothing", "no minimum"),
    (
        "ForgetsTheQueueInBatches",
        "test_lists_and_queue_follow_a_batch",
        "lists, people and queue go by what was saved",
    ),
    (
        "ForgetsAFieldInBatches",
        "test_a_batch_replaces_every_field",
        "history came back changed",
    ),
    (
        "ChecksThenSavesABatch",
        "test_of_many_saving_the_same_batch_at_once_each_request_has_one_winner",
        "with one expected version one gets True",
    ),
    (
        "TakesNoTurns",
        "test_every_business_has_a_turn_before_any_has_its_second",
        "before a second one of any",
    ),
    (
        "LetsOneWaitForTheOthers",
        "test_every_business_has_a_turn_before_any_has_its_second",
        "keeps nobody waiting",
    ),
    ("TakesTurnsByName", "test_within_one_turn_the_earliest_come_first", "then the second of"),
    (
        "HandsOutOneTurnOnly",
        "test_turns_are_those_of_the_memory_store",
        "by turns of the businesses",
    ),
    (
        "ClaimsFairlyWithoutFencing",
        "test_a_claim_fences_off_a_save_of_the_version_before[claim_due_fairly]",
        "claim_due_fairly: bumps the version",
    ),
    (
        "SelectsThenClaimsFairly",
        "test_many_claiming_at_once_share_the_due_requests[claim_due_fairly]",
        "claim_due_fairly: each due request goes to one caller only",
    ),
    ("IgnoresTheCap", "test_totals_stop_at_the_querys_cap", "count_up_to if that is less"),
    (
        "CapsWithoutCursorOnly",
        "test_totals_stop_at_the_querys_cap",
        "page: the total is the exact number",
    ),
    (
        "CapsTheRows",
        "test_a_cap_on_totals_takes_no_row_away[2-]",
        "rows and cursor are those of any other query",
    ),
    (
        "TalliesTheEndToo",
        "test_a_report_is_about_what_was_abandoned_in_its_period",
        "start <= abandoned_at < end",
    ),
    (
        "TalliesTheListOnly",
        "test_a_report_is_about_what_was_abandoned_in_its_period",
        "listed or in the leads",
    ),
    ("CountsEveryReply", "test_every_figure_is_added_up", "replied is what"),
    ("RoundsToSeconds", "test_every_figure_is_added_up", "to the microsecond"),
    (
        "CreditsTheFirstContact",
        "test_a_tally_is_the_pure_one_to_the_last_figure",
        "what performance.tally gives",
    ),
    ("TalliesWhatWasAdded", "test_a_tally_is_of_what_was_last_written", "as they were last"),
    (
        "FindsOnlyTheOpen",
        "test_all_requests_of_a_person_are_found_in_every_status",
        "in every status",
    ),
    ("RemembersTheErased", "test_an_erased_request_is_nobodys", "an erased request is nobody's"),
    (
        "FindsByEmailOnlyAsTyped",
        "test_all_of_person_agrees_with_the_pure_predicate",
        "those that is_of_person finds",
    ),
    (
        "KeepsFindingTheErased",
        "test_what_was_abandoned_before_is_found_unless_it_was_erased",
        "without the erased",
    ),
    (
        "SkipsWhatMovesUp",
        "test_many_are_found_while_they_are_being_erased",
        "every request is found",
    ),
    (
        "ErasesTooMuch",
        "test_erasing_traces_changes_nothing_that_can_be_read",
        "changes nothing that can be read",
    ),
    ("AnswersFromACache", "test_a_key_is_on_the_list_from_add_to_remove", "never stale"),
    ("CountsRepeats", "test_adding_a_key_again_changes_nothing", "one remove takes the key off"),
    ("SharesTheList", "test_each_business_has_a_list_of_its_own", "has its own list"),
    (
        "ComparesKeysWithoutCase",
        "test_keys_are_compared_character_by_character",
        "compared as they are",
    ),
    ("KeepsTheFirst", "test_the_last_put_replaces_every_field", "in place of earlier ones"),
    (
        "ForgetsCompliance",
        "test_settings_come_back_as_they_were_put",
        "compliance came back changed",
    ),
    ("KeepsOneForAll", "test_businesses_have_settings_of_their_own", "its own business only"),
    (
        "AnswersWithABool",
        "test_send_answers_with_one_of_the_four_results",
        "returns Accepted, NotSent, Rejected or Unknown",
    ),
    (
        "RepeatsTheNumber",
        "test_results_and_reprs_show_neither_number_nor_text",
        "no personal data",
    ),
    ("RepeatsTheText", "test_results_and_reprs_show_neither_number_nor_text", "no personal data"),
    (
        "GivesAllOneId",
        "test_several_threads_send_at_the_same_time",
        "has a provider's id of its own",
    ),
    (
        "AnswersAnEmailWithABool",
        "test_send_answers_with_one_of_the_four_results",
        "returns Accepted, NotSent, Rejected or Unknown",
    ),
    (
        "RepeatsTheAddress",
        "test_results_and_reprs_show_neither_address_nor_text",
        "no personal data",
    ),
    (
        "RepeatsTheSubject",
        "test_results_and_reprs_show_neither_address_nor_text",
        "no personal data",
    ),
    (
        "GivesAllEmailsOneId",
        "test_an_email_is_told_from_others_by_its_attempt",
        "has a provider's id of its own",
    ),
    (
        "ChokesOnSpecialCharacters",
        "test_awkward_emails_are_answered_like_any_other",
        "a name with every special character",
    ),
    (
        "SendsOneAtATimeOrFails",
        "test_several_threads_send_at_the_same_time",
        "returns Accepted, NotSent, Rejected or Unknown",
    ),
)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str | None]:
    """What each named test said when it failed; ``None`` where it passed."""
    report = tmp_path_factory.mktemp("broken") / "report.xml"
    suites = _HERE / "suites.py"
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={_HERE.parent}"),
            *(
                "-p",
                "broken_adapters.short_profile",
                "-p",
                "no:randomly",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:xdist",
                "-q",
                "--tb=no",
            ),
            *("-W", "ignore", f"--junitxml={report}", "-o", "python_files=suites.py"),
            *(f"{suites}::Test{adapter}::{test}" for adapter, test, _ in _FAULTS),
        ],
        env={**os.environ, "PYTHONPATH": str(_HERE.parent), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert report.is_file(), ran.stdout + ran.stderr
    answers = {}
    for case in ET.parse(report).iter("testcase"):
        failure = case.find("failure")
        suite = (case.get("classname") or "").rsplit("Test", 1)[-1]
        message = None if failure is None else failure.get("message")
        answers[suite, case.get("name") or ""] = message
    return answers


@pytest.mark.parametrize(
    ("adapter", "test", "words"), _FAULTS, ids=[adapter for adapter, _, _ in _FAULTS]
)
def test_the_contract_finds_the_fault(
    said: dict[tuple[str, str], str | None], adapter: str, test: str, words: str
) -> None:
    message = said[adapter, test]
    assert message is not None, f"{adapter} passed {test}"
    assert words in message


def test_every_broken_adapter_is_in_the_table() -> None:
    written = {
        node.name
        for name in ("stores.py", "others.py", "emails.py")
        for node in ast.parse((_HERE / name).read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    assert written - {"Gap", "BrokenStore"} == {adapter for adapter, _, _ in _FAULTS}
