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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from broken_adapters import suites

from abandoned_booking import testing

fcntl = pytest.importorskip("fcntl")

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
        "test_a_recovery_is_credited_to_the_last_contact_before_it",
        "by channel, the last contact",
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
    # ── finding ─────────────────────────────────────────────────────────────────────────────────
    ("FindsTheNearest", "test_an_unknown_request_is_none", "None if there is none"),
    ("ForgetsWhoCalls", "test_a_request_comes_back_as_it_was_written", "reserved_"),
    ("LatestOfAnySession", "test_an_unknown_session_has_no_latest", "the session has no request"),
    (
        "LatestThatIsOpen",
        "test_the_latest_of_a_session_may_be_closed_or_deleted",
        "deleted and closed ones are included",
    ),
    (
        "FindsByPhoneOnly",
        "test_a_person_is_found_by_client_id_phone_and_email",
        "shares the client_id, or the phone, or the email_key",
    ),
    (
        "FindsTheClosed",
        "test_only_open_requests_are_found_deleted_ones_too",
        "those in Abandoned or Contacted",
    ),
    (
        "FindsThePersonEverywhere",
        "test_a_person_is_known_to_each_business_apart",
        "too many values to unpack",
    ),
    (
        "FindsThePersonAdded",
        "test_a_person_is_found_by_what_was_last_saved",
        "what was last written decides",
    ),
    (
        "ComparesPhonesAsTyped",
        "test_a_phone_is_compared_as_parsed_not_as_typed",
        "compared with request.phone.e164",
    ),
    (
        "ListsAtItsOldPlace",
        "test_a_row_whose_instant_moves_is_found_in_its_new_place",
        "in its new place, and only there",
    ),
    (
        "ContinuesBehindTheInstant",
        "test_a_walk_by_cursor_gives_every_row_once_and_in_order[newest-]",
        "every row once, in the order of paginate",
    ),
    (
        "BreaksTiesAtRandom",
        "test_newest_come_first_and_ties_by_id",
        "ties by id, by code points",
    ),
    ("RangesWithTheirEnd", "test_ranges_are_half_open", "from <= instant < to"),
    (
        "SearchesAsTyped",
        "test_search_ignores_case_accents_width_and_the_punctuation_of_phones",
        "whatever its case, accents, width or punctuation",
    ),
    (
        "TakesWordsForOperators",
        "test_words_of_a_query_language_are_plain_words",
        "every word of query.text is taken as itself",
    ),
    (
        "CountsThePageOnly",
        "test_page_and_count_agree_with_the_pure_predicate",
        "count: what page would find in all",
    ),
    (
        "TalliesNothing",
        "test_a_tally_is_the_pure_one_to_the_last_figure",
        "what performance.tally gives",
    ),
    # ── writing ─────────────────────────────────────────────────────────────────────────────────
    ("AddsOver", "test_adding_the_same_id_again_changes_nothing", "a False changes nothing"),
    (
        "ChecksThenAdds",
        "test_of_many_adding_one_session_at_once_exactly_one_wins",
        "for one session and sequence exactly one is True",
    ),
    ("KeepsWhatIsNotGiven", "test_a_save_replaces_every_field", "came back changed"),
    ("SavesByIdAlone", "test_saves_and_claims_touch_one_business_only", "save: two businesses"),
    (
        "LetsErasuresWin",
        "test_whoever_saves_an_old_version_loses_in_every_order[save and erase]",
        "A reads, B reads, A saves, B erases: the answer to step 4 is False, not True",
    ),
    (
        "LetsTheFinisherWin",
        "test_whoever_saves_an_old_version_loses_in_every_order[save and claim]",
        "save: False if the stored version is not the expected",
    ),
    (
        "LetsBatchesWin",
        "test_whoever_saves_an_old_version_loses_in_every_order[save and save_many]",
        "save: False if the stored version is not the expected",
    ),
    (
        "ClaimsWhatIsNeverDue",
        "test_nothing_is_claimed_when_nothing_is_due[claim_due]",
        "leaves requests alone whose next_action_at is None",
    ),
    (
        "HandsOutTheOldOne",
        "test_a_claimed_request_is_as_it_is_after_the_claim[claim_due]",
        "as after the claim",
    ),
    (
        "HandsOutOnce",
        "test_a_claimed_request_is_handed_out_again_at_until_and_not_before[claim_due]",
        "due again at until, and not before",
    ),
    (
        "ClaimsTheOpenOnly",
        "test_requests_of_all_businesses_and_of_any_status_are_claimed[claim_due]",
        "next_action_at alone decides",
    ),
    (
        "ClaimsOverSaves",
        "test_of_a_claim_and_a_save_of_one_version_exactly_one_wins[claim_due]",
        "exactly one of them happens",
    ),
    (
        "QueuesWhatWasAdded",
        "test_what_was_last_saved_decides_when_it_is_due[claim_due]",
        "by the next_action_at last written",
    ),
    (
        "LosesItsPlaceAfterAClaim",
        "test_any_sequence_of_calls_is_answered_as_by_the_memory_store",
        "page: the rows of paginate",
    ),
    (
        "ForgetsThePersonOfTheThirdSave",
        "test_any_sequence_of_calls_is_answered_as_by_the_memory_store",
        "open_of_person: as the memory store answers",
    ),
    (
        "HandsOutFromMemory",
        "test_a_second_connection_is_not_handed_out_what_was_claimed[claim_due]",
        "nobody else is handed out the same",
    ),
    # ── ledgers, lists, settings, lookups ───────────────────────────────────────────────────────
    (
        "ReservesForEverybody",
        "test_a_phone_is_reserved_once_within_the_time",
        "False while another owner's",
    ),
    (
        "RemembersNotWithin",
        "test_not_within_is_the_callers_each_time",
        "not_within is that of this call",
    ),
    ("NormalizesPhones", "test_phones_are_opaque_keys", "compared as it is"),
    (
        "KeepsWhatWasReleased",
        "test_a_released_phone_is_free_at_once",
        "gives the reservation back",
    ),
    (
        "MovesTheTimeWhenRefused",
        "test_any_sequence_of_calls_is_answered_as_by_the_memory_ledger",
        "whatever came before",
    ),
    (
        "CountsRepeats",
        "test_any_sequence_of_calls_is_answered_as_by_the_memory_list",
        "whatever came before",
    ),
    (
        "RemovesTheOnlyOne",
        "test_removing_a_key_that_is_not_there_changes_nothing",
        "a key that is not there changes nothing",
    ),
    (
        "WritesTheWholeList",
        "test_many_adding_at_once_all_get_on_the_list",
        "whoever adds at the same time",
    ),
    ("InventsSettings", "test_an_unknown_business_has_no_settings", "None if there are none"),
    ("MixesWhatIsPut", "test_many_putting_at_once_leave_one_of_theirs", "one of those"),
    (
        "FindsWhatWasNeverSent",
        "test_a_lookup_finds_what_was_accepted_and_nothing_else",
        "NotFound for an attempt that was never sent",
    ),
    (
        "FindsAnotherId",
        "test_a_lookup_finds_what_was_accepted_and_nothing_else",
        "the id that send gave",
    ),
    (
        "RemembersWhoWasRefused",
        "test_an_owner_that_was_refused_may_ask_again",
        "neither credits nor owner",
    ),
    # ── what only another process can see ────────────────────────────────────────────────────────
    ("AddsLater", "test_what_was_added_outlives_a_sudden_death", "add: what has returned outlives"),
    (
        "SavesLater",
        "test_what_was_saved_outlives_a_sudden_death[save]",
        "save: what has returned outlives",
    ),
    (
        "SavesBatchesLater",
        "test_what_was_saved_outlives_a_sudden_death[save_many]",
        "save_many: what has returned outlives",
    ),
    (
        "HandsOutFromMemory",
        "test_what_was_claimed_outlives_a_sudden_death[claim_due]",
        "claim_due: what was handed out to a dead process is given to nobody else",
    ),
    (
        "HandsTurnsOutFromMemory",
        "test_what_was_claimed_outlives_a_sudden_death[claim_due_fairly]",
        "claim_due_fairly: what was handed out to a dead process is given to nobody else",
    ),
    ("AddsInTwoSteps", "test_what_was_added_outlives_a_sudden_death", "whole, or not at all"),
    (
        "SavesInTwoSteps",
        "test_what_was_saved_outlives_a_sudden_death[save]",
        "whole, or not at all",
    ),
    (
        "SavesBatchesInTwoSteps",
        "test_what_was_saved_outlives_a_sudden_death[save_many]",
        "whole, or not at all",
    ),
    (
        "ClaimsInTwoSteps",
        "test_what_was_claimed_outlives_a_sudden_death[claim_due]",
        "whole, or not at all",
    ),
    (
        "ListsBehind",
        "test_what_was_added_outlives_a_sudden_death",
        "page does not agree with the requests that are there",
    ),
    (
        "RemembersWhatItRead",
        "test_a_second_connection_sees_every_write_that_has_returned",
        "save: another connection sees a write as soon as it has returned",
    ),
    (
        "RemembersItsLists",
        "test_a_second_connection_sees_every_write_that_has_returned",
        "page does not agree",
    ),
    (
        "ComparesWithWhatItWrote",
        "test_a_second_connections_save_loses_where_the_first_has_saved",
        "another connection has saved that version already",
    ),
    (
        "ChecksThenAddsAlone",
        "test_of_processes_that_add_one_key_exactly_one_wins",
        "of N processes exactly one gets True",
    ),
    (
        "ChecksThenSavesAlone",
        "test_processes_that_save_one_request_lose_no_change",
        "save: of N processes with one expected version exactly one gets True",
    ),
    (
        "ChecksThenSavesBatchesAlone",
        "test_processes_that_save_the_same_batch_lose_no_change",
        "save_many: of N processes with one expected version exactly one gets True",
    ),
    (
        "SelectsThenClaimsAlone",
        "test_processes_that_claim_share_what_is_due[claim_due]",
        "claim_due: each due request is handed out to one of N processes only",
    ),
    (
        "SelectsThenTakesTurnsAlone",
        "test_processes_that_claim_share_what_is_due[claim_due_fairly]",
        "claim_due_fairly: each due request is handed out to one of N processes only",
    ),
    (
        "ReservesLater",
        "test_what_was_reserved_outlives_a_sudden_death",
        "reserve: what has returned outlives",
    ),
    (
        "ReleasesLater",
        "test_what_was_released_outlives_a_sudden_death",
        "release: what has returned outlives",
    ),
    (
        "RemembersItsReservations",
        "test_a_second_connection_sees_a_reservation_at_once",
        "seen by another connection",
    ),
    (
        "ChecksThenReservesAlone",
        "test_of_processes_that_reserve_one_phone_exactly_one_gets_it",
        "of N processes exactly one gets True",
    ),
    (
        "SuppressesLater",
        "test_what_was_added_outlives_a_sudden_death",
        "add: what has returned outlives",
    ),
    (
        "LiftsLater",
        "test_what_was_removed_outlives_a_sudden_death",
        "remove: what has returned outlives",
    ),
    (
        "RemembersWhoIsSuppressed",
        "test_a_second_connection_sees_every_change_at_once",
        "seen by every other process",
    ),
    ("PutsLater", "test_what_was_put_outlives_a_sudden_death", "what has returned outlives"),
    ("PutsInTwoSteps", "test_what_was_put_outlives_a_sudden_death", "sudden death"),
    ("RemembersSettings", "test_a_second_connection_sees_a_put_at_once", "never stale elsewhere"),
    # ── client lists ────────────────────────────────────────────────────────────────────────────
    (
        "FindsClientsByPhoneOnly",
        "test_a_client_is_found_by_phone_or_by_email",
        "with that phone, or with that e-mail",
    ),
    (
        "FindsWhoHasBoth",
        "test_a_client_is_found_by_phone_or_by_email",
        "with that phone, or with that e-mail",
    ),
    ("FindsWhatIsMissing", "test_who_is_unknown_is_not_found", "what is missing is none"),
    (
        "FindsTheFirstClient",
        "test_all_clients_with_the_phone_or_the_email_are_found",
        "the ids of all clients",
    ),
    ("FindsPartsOfPhones", "test_phones_are_compared_as_they_are", "compared as it is"),
    ("CreatesAClientEachTime", "test_a_key_makes_one_client", "the id given then"),
    ("CreatesTwiceUnderOneId", "test_a_key_makes_one_client", "one client per key"),
    ("UpdatesAClientByItsKey", "test_a_key_makes_one_client", "one client per key"),
    (
        "ComparesClientKeysWithoutCase",
        "test_another_key_makes_another_client",
        "keys are compared as they are",
    ),
    ("SharesTheClients", "test_each_business_has_clients_of_its_own", "never touch each other"),
    (
        "ChecksThenCreates",
        "test_many_creating_under_one_key_at_once_make_one_client",
        "one client per key",
    ),
    (
        "ReadsWhileOthersWrite",
        "test_a_client_is_found_while_others_are_created",
        "changed size during iteration",
    ),
    ("BlocksWhoIsNew", "test_a_new_client_is_not_blocked", "may not book it online"),
    (
        "BlocksOneCareOnly",
        "test_who_is_blocked_for_all_is_blocked_for_each",
        "True for one who is blocked for all",
    ),
    (
        "BlocksForAllOrNothing",
        "test_who_is_blocked_for_one_care_type_may_book_others",
        "by care type",
    ),
    ("BlocksEverywhere", "test_a_block_is_of_one_business", "another business's block"),
    (
        "ChecksThenCreatesAlone",
        "test_processes_that_create_under_one_key_make_one_client",
        "one client per key",
    ),
    (
        "RemembersItsClients",
        "test_a_second_connection_finds_a_new_client_at_once",
        "one client per key",
    ),
    # ── leads ───────────────────────────────────────────────────────────────────────────────────
    ("AnswersWithoutAnId", "test_a_lead_has_an_id", "returns the lead's id"),
    ("HandsOverEachTime", "test_a_key_seen_before_gives_the_id_given_then", "the id given then"),
    ("HandsOverByPhone", "test_another_key_makes_another_lead", "each makes a lead of its own"),
    (
        "ChecksThenHandsOver",
        "test_many_handing_over_under_one_key_at_once_make_one_lead",
        "one lead per key",
    ),
    ("WritesTheLeadAgain", "test_a_key_makes_one_lead_and_no_more", "one lead per key"),
    ("SharesTheLeads", "test_each_business_has_leads_of_its_own", "never touch each other"),
    (
        "ChecksThenHandsOverAlone",
        "test_processes_that_hand_over_under_one_key_make_one_lead",
        "one lead per key",
    ),
    ("RemembersItsLeads", "test_a_second_connection_knows_a_key_at_once", "one lead per key"),
    # ── calendars ───────────────────────────────────────────────────────────────────────────────
    ("BooksEachTime", "test_a_key_seen_before_gives_the_id_given_then", "the id given then"),
    ("BooksByName", "test_an_appointment_has_an_id", "has an id of its own"),
    (
        "MovesWhatIsBooked",
        "test_a_key_makes_one_appointment_and_no_more",
        "one appointment per key",
    ),
    (
        "ChecksThenBooks",
        "test_many_booking_under_one_key_at_once_make_one_appointment",
        "one appointment per key",
    ),
    (
        "KeepsTheKeyOfWhatItRefused",
        "test_a_time_that_is_taken_changes_nothing",
        "TimeTaken",
    ),
    (
        "BooksThenRefuses",
        "test_a_time_that_is_taken_changes_nothing",
        "nothing has changed then",
    ),
    ("SharesTheCalendar", "test_each_business_has_a_calendar_of_its_own", "never touch each other"),
    (
        "KeepsCancelledTimes",
        "test_a_cancelled_time_can_be_booked_again",
        "its time can be booked again",
    ),
    ("CancelsTheLast", "test_cancelling_what_is_not_there_does_no_harm", "does no harm"),
    (
        "OffersSlotsInAnyOrder",
        "test_open_slots_are_in_order_and_never_more_than_the_limit",
        "the earliest first",
    ),
    (
        "OffersTooManySlots",
        "test_open_slots_are_in_order_and_never_more_than_the_limit",
        "up to limit",
    ),
    (
        "OffersLocalTimes",
        "test_open_slots_are_in_order_and_never_more_than_the_limit",
        "aware UTC",
    ),
    ("OffersThePast", "test_open_slots_are_not_before_the_instant_asked_for", "none before"),
    (
        "OffersWhatIsTaken",
        "test_a_slot_is_offered_as_long_as_it_can_be_booked",
        "one that is taken is not offered",
    ),
    (
        "BooksAlone",
        "test_processes_that_book_under_one_key_make_one_appointment",
        "one appointment per key",
    ),
    (
        "RemembersItsAppointments",
        "test_a_second_connection_knows_a_key_at_once",
        "one appointment per key",
    ),
    # ── services, consents, clocks ──────────────────────────────────────────────────────────────
    ("ChokesOnForms", "test_every_form_gets_a_plain_answer", "species"),
    ("AnswersWithAList", "test_every_form_gets_a_plain_answer", "True or False"),
    ("FitsNobody", "test_a_form_that_fits_a_service_applies", "some service of the business"),
    (
        "FitsEverybody",
        "test_a_form_that_fits_no_service_does_not_apply",
        "some service of the business",
    ),
    ("SharesTheServices", "test_each_business_has_services_of_its_own", "another business's"),
    ("ServesOneThreadOnly", "test_several_threads_ask_at_the_same_time", "for every thread"),
    ("ConsentsForNobody", "test_who_has_agreed_has_consented", "True if the holder"),
    ("ConsentsByLastDigits", "test_nobody_else_has_consented", "False for a phone"),
    ("ConsentsEverywhere", "test_a_consent_is_given_to_one_business", "with another business"),
    ("ConsentsOneAtATime", "test_several_threads_ask_at_the_same_time", "for every thread"),
    ("TellsNaiveTime", "test_now_is_an_aware_instant", "now: aware"),
    ("TellsSeconds", "test_now_is_an_aware_instant", "a datetime"),
    ("TellsOtherThreadsLocalTime", "test_several_threads_ask_at_the_same_time", "in every thread"),
    # ── credits ─────────────────────────────────────────────────────────────────────────────────
    (
        "OverdrawsByOne",
        "test_credits_are_set_aside_as_long_as_there_are_enough",
        "False if there are not enough",
    ),
    (
        "KeepsOneBack",
        "test_credits_are_set_aside_as_long_as_there_are_enough",
        "True for exactly what is left",
    ),
    (
        "RemembersWhoWasRefused",
        "test_any_sequence_of_reservations_keeps_the_books",
        "reserve: call",
    ),
    ("ReservesAgain", "test_an_owner_has_its_credits_set_aside_once", "once for each owner"),
    (
        "FreesWhatIsRefused",
        "test_an_owner_has_its_credits_set_aside_once",
        "True if the owner already had them",
    ),
    ("CommitsAgain", "test_what_was_committed_is_spent", "is spent, once"),
    ("FreesWhatIsSpent", "test_what_was_committed_is_spent", "what was spent is not free again"),
    ("ReleasesAgain", "test_what_was_released_is_free_again", "is free again, once"),
    (
        "BillsWhatWasReserved",
        "test_what_is_billed_may_be_less_or_more_than_was_set_aside",
        "what the provider billed",
    ),
    (
        "GoesBelowZero",
        "test_the_balance_is_not_negative_though_more_is_billed",
        "never negative",
    ),
    ("SharesTheCredits", "test_each_business_has_credits_of_its_own", "never touch each other"),
    (
        "ChecksThenSetsAside",
        "test_of_many_reserving_at_once_no_more_are_served_than_there_are_credits",
        "the balance is never negative",
    ),
    (
        "ChecksTheOwnerThenSetsAside",
        "test_many_reserving_for_one_owner_at_once_set_its_credits_aside_once",
        "once for each owner",
    ),
    (
        "ChecksThenCommits",
        "test_many_ending_one_message_at_once_end_it_once",
        "a repeat changes nothing",
    ),
    (
        "ReservesAlone",
        "test_processes_that_reserve_the_same_credits_never_overdraw",
        "the balance is never negative",
    ),
    (
        "ReservesForOwnersAlone",
        "test_processes_that_reserve_for_one_owner_set_its_credits_aside_once",
        "once for each owner",
    ),
    (
        "RemembersItsBalance",
        "test_a_second_connection_sees_every_change_at_once",
        "another connection sees what has returned",
    ),
)


_WRITTEN_IN = (
    *("stores.py", "capabilities.py", "finding.py", "writing.py", "others.py", "emails.py"),
    *("registers.py", "durable.py"),
)
_PARTS = 2
"""as many runs of pytest as workers may share"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str | None]:
    """What each named test said when it failed; ``None`` where it passed."""
    shared = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    folder = tmp_path_factory.getbasetemp().parent if shared else tmp_path_factory.mktemp("broken")
    reports = [folder / f"broken-{shared}-{part}.xml" for part in range(_PARTS)]
    # Each worker begins with what no other has begun, and then waits for the others.
    for waits in (False, True):
        for part, report in enumerate(reports):
            with _alone(report.with_suffix(".lock"), waits=waits) as alone:
                if alone and not report.exists():
                    _run(_FAULTS[part::_PARTS], report)
    return {case: message for report in reports for case, message in _read(report)}


@contextmanager
def _alone(lock: Path, *, waits: bool) -> Iterator[bool]:
    """Whether no other worker is in here."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def _run(faults: tuple[tuple[str, str, str], ...], report: Path) -> None:
    of_suites = _HERE / "suites.py"
    unfinished = report.with_suffix(".unfinished")
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={_HERE.parent}"),
            *("-p", "broken_adapters.short_profile", "-p", "no:randomly", "-p", "no:xdist"),
            *("-p", "no:cacheprovider", "-q", "--tb=no", "-W", "ignore"),
            *(f"--junitxml={unfinished}", "-o", "python_files=suites.py"),
            *(f"{of_suites}::Test{adapter}::{test}" for adapter, test, _ in faults),
        ],
        env={**os.environ, "PYTHONPATH": str(_HERE.parent), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert unfinished.is_file(), ran.stdout + ran.stderr
    unfinished.rename(report)


def _read(report: Path) -> Iterator[tuple[tuple[str, str], str | None]]:
    for case in ET.parse(report).iter("testcase"):
        failure = case.find("failure")
        suite = (case.get("classname") or "").rsplit("Test", 1)[-1]
        yield (suite, case.get("name") or ""), None if failure is None else failure.get("message")


@pytest.mark.parametrize(
    ("adapter", "test", "words"), _FAULTS, ids=[adapter for adapter, _, _ in _FAULTS]
)
def test_the_contract_finds_the_fault(
    said: dict[tuple[str, str], str | None], adapter: str, test: str, words: str
) -> None:
    message = said[adapter, test]
    assert message is not None, f"{adapter} passed {test}"
    assert words in message


def test_what_a_failing_suite_says_shows_nobody(
    said: dict[tuple[str, str], str | None],
) -> None:
    """G4: neither the people of the suites themselves nor what they typed."""
    personal = ("2125550199", "ann@example.com", "12 Elm St", "Wilhelmina", "long long")
    shown = {case for case, text in said.items() for word in personal if word in (text or "")}
    assert not shown


def test_every_broken_adapter_is_in_the_table() -> None:
    written = {
        node.name
        for name in _WRITTEN_IN
        for node in ast.parse((_HERE / name).read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    sound = {"Gap", "BrokenStore", "ClaimsByItself"}
    sound |= {"FileStore", "FileLedger", "FileSuppressions", "FileSettings"}
    assert written - sound == {adapter for adapter, _, _ in _FAULTS}


def test_every_test_of_every_contract_finds_some_fault() -> None:
    """A contract test that no broken adapter fails is worth nothing."""
    found = {(_contract_of(adapter), test.partition("[")[0]) for adapter, test, _ in _FAULTS}
    written = {
        (name, test)
        for name in testing.__all__
        if name.endswith("Contract")
        for test in dir(getattr(testing, name))
        if test.startswith("test_")
    }
    assert not written - found


def _contract_of(adapter: str) -> str:
    suite: type = getattr(suites, f"Test{adapter}")
    return suite.__mro__[1].__name__
