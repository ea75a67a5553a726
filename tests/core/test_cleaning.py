"""Security, text from strangers: what is dropped from a value, and what is no name."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from abandoned_booking.core.cleaning import clean_link, clean_name, clean_value

ZWJ, VS16, KEYCAP = "\u200d", "\ufe0f", "\u20e3"
WALES = "\U0001f3f4" + "".join(chr(0xE0000 + ord(char)) for char in "gbwls") + "\U000e007f"


@pytest.mark.parametrize(
    ("typed", "clean"),
    [
        pytest.param("Ann", "Ann", id="plain"),
        pytest.param("", "", id="nothing"),
        pytest.param("  Ann   Marie ", "Ann Marie", id="spaces"),
        pytest.param("Ann\r\n\tMarie\u2028Lee", "Ann Marie Lee", id="line breaks and tabs"),
        pytest.param("Ann\u00a0\u3000Marie", "Ann Marie", id="other spaces"),
        pytest.param("Zoe\u0308", "Zoë", id="NFC"),
        pytest.param("e\u200b\u0301", "é", id="NFC after dropping"),
        pytest.param("A\x00n\x1bn\x7f\x9f", "Ann", id="control"),
        pytest.param("A\u202en\u2066n\u2069\u200f", "Ann", id="bidirectional"),
        pytest.param("A\u200bn\u200cn\u2060\ufeff\u00ad", "Ann", id="zero width"),
        pytest.param("A\ud83dnn\udc00", "Ann", id="halves of pairs"),
        pytest.param("A\ue000nn\U0010fffd", "Ann", id="private"),
        pytest.param("A\u0378nn\ufffe\U000effff", "Ann", id="unassigned"),
        pytest.param("A\u3164n\u2800n\u115f\u034f", "Ann", id="blanks that pose as letters"),
        pytest.param("A\u200b n", "A n", id="a space left alone"),
        pytest.param("a \u200b b", "a b", id="two spaces left behind"),
        pytest.param(f"A{ZWJ}n{VS16}n", "Ann", id="joiners of nothing"),
        pytest.param(f"1{VS16}2", "12", id="a selector without a keycap"),
        pytest.param(f"😀{ZWJ}", "😀", id="a joiner to nothing"),
        pytest.param(f"😀{ZWJ}{ZWJ}😀", "😀😀", id="two joiners"),
        pytest.param(f"x{VS16}{ZWJ}😀", "x😀", id="a selector that opens nothing"),
        pytest.param(f"x{VS16 * 5}", "x", id="bytes hidden in selectors"),
        pytest.param("x\U000e0068\U000e0069", "x", id="text hidden in tags"),
        pytest.param("\U0001f3f4" + "\U000e0068" * 9 + "\U000e007f", "\U0001f3f4", id="long tags"),
        pytest.param(
            "José Ñandú Ōe Đặng 王小明 ياسمين", "José Ñandú Ōe Đặng 王小明 ياسمين", id="world"
        ),
        pytest.param("O'Neil-Smith Jr.", "O'Neil-Smith Jr.", id="punctuation"),
        pytest.param("=1+1", "=1+1", id="a formula is text here"),
    ],
)
def test_what_cannot_be_seen_is_dropped(typed: str, clean: str) -> None:
    assert clean_value(typed) == clean


@pytest.mark.parametrize(
    "emoji",
    [
        pytest.param("😀", id="plain"),
        pytest.param("👍🏽", id="skin tone"),
        pytest.param(f"👩{ZWJ}🚒", id="profession"),
        pytest.param(f"👩🏽{ZWJ}🚒", id="profession with skin tone"),
        pytest.param(f"👨{ZWJ}👩{ZWJ}👧{ZWJ}👦", id="family"),
        pytest.param(f"❤{VS16}", id="presentation selector"),
        pytest.param(f"❤{VS16}{ZWJ}🔥", id="selector and joiner"),
        pytest.param(f"👁{VS16}{ZWJ}🗨{VS16}", id="selectors on both sides"),
        pytest.param(f"🏳{VS16}{ZWJ}🌈", id="rainbow flag"),
        pytest.param("🇺🇸🇩🇪", id="country flags"),
        pytest.param(f"1{VS16}{KEYCAP}#{VS16}{KEYCAP}", id="keycaps"),
        pytest.param(WALES, id="tag sequence"),
    ],
)
def test_emoji_sequences_survive(emoji: str) -> None:
    assert clean_value(emoji) == emoji
    assert clean_name(f"Rex {emoji} {emoji}") == f"Rex {emoji} {emoji}"


def test_a_long_value_is_cut_before_it_is_looked_at() -> None:
    assert clean_value("x" * 1_000_000) == "x" * 200
    assert clean_value("x" * 1_000_000, longest=5) == "xxxxx"
    assert clean_value("é" * 1_000_000, longest=5) == "ééééé"
    assert clean_value("\u200b" * 1_000_000 + "x") == ""


def test_a_cut_leaves_no_half_of_an_emoji_sequence() -> None:
    assert clean_value(f"ab👩{ZWJ}🚒", longest=4) == "ab👩"
    assert clean_value(f"ab {WALES}", longest=6) == "ab \U0001f3f4"
    assert clean_value("ab cd", longest=3) == "ab"


@given(st.text(max_size=60), st.integers(1, 60))
@example(f"😀\u200b{ZWJ}😀", 60)
@example(f"x{VS16}{ZWJ}😀", 60)
def test_a_clean_value_is_short_visible_and_stays_as_it_is(typed: str, longest: int) -> None:
    clean = clean_value(typed, longest=longest)
    assert len(clean) <= longest
    assert clean_value(clean, longest=longest) == clean
    assert unicodedata.is_normalized("NFC", clean)
    assert clean == " ".join(clean.split())
    seen = clean.replace(ZWJ, "").replace(VS16, "")
    assert not {unicodedata.category(char) for char in seen} & {"Cc", "Cs", "Co", "Cn"}


@given(
    st.text(
        alphabet=st.sampled_from(f"😀❤👍🏽{ZWJ}{VS16}1{KEYCAP}a\u200b \U0001f3f4\U000e0067"),
        max_size=12,
    )
)
def test_cleaning_mixed_up_emoji_once_is_enough(typed: str) -> None:
    clean = clean_value(typed)
    assert clean_value(clean) == clean


@pytest.mark.parametrize(
    "typed",
    [
        "http://evil.example",
        "HTTPS://evil.example/x",
        "https:evil",
        "www.evil",
        "evil.com",
        "win at evil.xyz/free now",
        "bit.ly/2x",
        "evil．com",
        "evil。com",
        "ｗｗｗ．evil",
        "ｈｔｔｐ：evil",
        "ev\u200bil.c\u200bom",
        "evil\u00ad.com",
        "пример.рф",
        "1.2.3.4/x",
        "ann@evil.com",
        "mailto:ann",
        "ftp://x",
        "x" * 41,
        "x" * 1_000_000,
        "\u200b" * 1_000_000,
    ],
)
def test_what_has_a_link_or_is_too_long_is_no_name(typed: str) -> None:
    assert clean_name(typed) == ""


@pytest.mark.parametrize(
    "typed",
    [
        "Ann",
        "J.R. Smith",
        "J. R. Smith",
        "Dr. Lee",
        "Ann-Marie O'Neil",
        "Ph.D",
        "Wash 2.0",
        "v1.2.3",
        "{0.__class__}",
        "x" * 40,
        "Tel",
        "httpx",
    ],
)
def test_names_with_dots_are_names(typed: str) -> None:
    assert clean_name(typed) == typed


def test_a_longer_list_of_names_may_be_allowed() -> None:
    assert clean_name("x" * 60, longest=60) == "x" * 60
    assert clean_name("x" * 61, longest=60) == ""


@pytest.mark.parametrize(
    ("given_link", "clean"),
    [
        ("https://m.example/r/x?y=1#z", "https://m.example/r/x?y=1#z"),
        (" https://m.example\n", "https://m.example"),
        ("m.example/r/ü", "m.example/r/ü"),
        ("", ""),
        ("https://m.example/a b", ""),
        ("https://m.example/\nReply", ""),
        ("https://m.example/\u200b", ""),
        ("https://m.example/\x00", ""),
        ("x" * 500, "x" * 500),
        ("x" * 501, ""),
        ("x" * 1_000_000, ""),
    ],
)
def test_a_link_is_whole_or_none(given_link: str, clean: str) -> None:
    assert clean_link(given_link) == clean
