"""I1: which replies are an opt-out or a resubscribe word; security: look-alikes are caught."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abandoned_booking.core.text import (
    OPT_IN_WORDS,
    OPT_OUT_KEYWORD,
    OPT_OUT_WORDS,
    Keyword,
    keyword_of,
)


@pytest.mark.parametrize("word", sorted(OPT_OUT_WORDS))
def test_every_word_of_rule_I1_opts_out(word: str) -> None:
    assert keyword_of(word) is Keyword.OPT_OUT
    assert keyword_of(f"  {word.capitalize()}. \n") is Keyword.OPT_OUT


@pytest.mark.parametrize("word", sorted(OPT_IN_WORDS))
def test_every_resubscribe_word_opts_in(word: str) -> None:
    assert keyword_of(word.lower()) is Keyword.OPT_IN


def test_the_words_are_those_of_the_rule_I1() -> None:
    assert {
        *("STOPM", "STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL"),
        *("END", "QUIT", "REVOKE", "OPT OUT", "OPTOUT"),
    } == OPT_OUT_WORDS
    assert OPT_OUT_KEYWORD in OPT_OUT_WORDS
    assert not OPT_OUT_WORDS & OPT_IN_WORDS


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("stop", id="lower case"),
        pytest.param("Stop.", id="full stop"),
        pytest.param('"STOP"', id="quotes"),
        pytest.param("“Stop!”", id="typographic quotes"),
        pytest.param("*STOP*", id="asterisks"),
        pytest.param("STOP 🛑", id="with an emoji"),
        pytest.param("\n\tstop\r\n", id="white space around"),
        pytest.param("ＳＴＯＰ", id="full width"),
        pytest.param("ЅTOP", id="Cyrillic S"),
        pytest.param("ЅТОР", id="Cyrillic throughout"),
        pytest.param("sτορ", id="Greek"),
        pytest.param("ꓢꓔꓳꓑ", id="Lisu"),
        pytest.param("ꜱᴛᴏᴘ", id="small capitals"),
        pytest.param("𝐒𝐓𝐎𝐏", id="mathematical bold"),
        pytest.param("ⓈⓉⓄⓅ", id="circled"),
        pytest.param("ST0P", id="a zero for the O"),
        pytest.param("stóp", id="accent"),
        pytest.param("sto\u0301p", id="combining accent"),
        pytest.param("S\u200bT\u00adO\u202eP\ufeff", id="invisible characters"),
        pytest.param("S T O P", id="spaced"),
        pytest.param("opt  out", id="two spaces"),
        pytest.param("Opt-Out", id="hyphen"),
        pytest.param("opt\u00a0out", id="no-break space"),
        pytest.param("QUİT", id="Turkish dotted capital"),
        pytest.param("quıt", id="Turkish dotless i"),
    ],
)
def test_whatever_reads_as_the_word_opts_out(body: str) -> None:
    assert keyword_of(body) is Keyword.OPT_OUT


@pytest.mark.parametrize(
    "body",
    [
        "",
        " \n",
        "!!!",
        "\u200b",
        "nonstop",
        "stop by tomorrow",
        "please stop",
        "stopp",
        "CANCEL my appointment",
        "the end",
        "yes",
        "Can I still book?",
        "don't stop",
        "🛑",
    ],
)
def test_any_other_text_is_a_reply(body: str) -> None:
    assert keyword_of(body) is None


def test_a_business_has_words_of_its_own() -> None:
    words = frozenset({"Arrêt", "СТОП", "रोकें", "退订", "..."})
    for body in ("arret!", "стоп", "रोकें", "退订。"):
        assert keyword_of(body, opt_out_words=words) is Keyword.OPT_OUT
    # Vowel signs make another word of it; punctuation alone is none, whoever lists it.
    for body in ("रक", "...", "STOP"):
        assert keyword_of(body, opt_out_words=words) is None


def test_a_word_of_both_kinds_is_an_opt_out() -> None:
    both = frozenset({"GO"})
    assert keyword_of("go", opt_out_words=both, opt_in_words=both) is Keyword.OPT_OUT


def test_only_short_texts_can_be_a_word() -> None:
    assert keyword_of("stop" + "!" * 96) is Keyword.OPT_OUT
    assert keyword_of("stop" + "!" * 97) is None
    assert keyword_of(" " * 1_000_000 + "stop") is Keyword.OPT_OUT
    assert keyword_of("stop " * 200_000) is None


@given(
    word=st.sampled_from(sorted(OPT_OUT_WORDS)),
    before=st.text(" \t\n\"'.,!?*-_()“”", max_size=20),
    after=st.text(" \t\n\"'.,!?*-_()“”", max_size=20),
    upper=st.lists(st.booleans(), min_size=11, max_size=11),
)
def test_case_and_what_stands_around_the_word_do_not_matter(
    word: str, before: str, after: str, upper: list[bool]
) -> None:
    typed = "".join(char if keep else char.lower() for char, keep in zip(word, upper, strict=False))
    assert keyword_of(before + typed + after) is Keyword.OPT_OUT


@given(
    word=st.sampled_from(sorted(OPT_OUT_WORDS | OPT_IN_WORDS)),
    more=st.sampled_from(["please", "tomorrow", "my appointment at 5", "bark"]),
)
def test_a_word_among_others_is_a_reply(word: str, more: str) -> None:
    assert keyword_of(f"{word} {more}") is None
    assert keyword_of(f"{more} {word}") is None


@given(st.text(max_size=120))
def test_no_text_breaks_it(body: str) -> None:
    assert keyword_of(body) in {None, Keyword.OPT_OUT, Keyword.OPT_IN}
