"""M3: the size of a text by the real alphabet, against an independent library."""

from __future__ import annotations

from typing import Any

import pytest
import smsutil
from hypothesis import example, given
from hypothesis import strategies as st
from smsutil.codecs import GSM_BASIC_CHARSET, GSM_CHARSET, GSM_EXT_CHARSET

from abandoned_booking.core.text import Encoding, TextSize, measure

split_by_smsutil: Any = smsutil.split  # it has no types

GSM, UCS = Encoding.GSM_7, Encoding.UCS_2

# Lengths around the borders of one, two and three segments, and mixtures that straddle them.
lengths = st.integers(0, 480)
gsm_texts = st.text(alphabet=st.sampled_from(GSM_CHARSET), max_size=480)
any_texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300)


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        pytest.param("", GSM, 0, 1, id="empty: one message of no units"),
        pytest.param("Hi Ann", GSM, 6, 1, id="plain"),
        pytest.param("@£$¥èéùìòÇØøÅåΔΩ¡¿äöñüà§", GSM, 24, 1, id="the default alphabet"),
        pytest.param("€", GSM, 2, 1, id="an extension character is two septets"),
        pytest.param("\f^{}\\[~]|€", GSM, 20, 1, id="the whole extension table"),
        pytest.param("ç", UCS, 1, 1, id="only the capital of this letter is in the alphabet"),
        pytest.param("`", UCS, 1, 1, id="ASCII and yet not in the alphabet"),
        pytest.param("\t", UCS, 1, 1, id="a tab is not in the alphabet"),
        pytest.param("\0", UCS, 1, 1, id="nor is NUL"),
        pytest.param("’", UCS, 1, 1, id="a typographic apostrophe turns the whole text to UCS-2"),
        pytest.param("😀", UCS, 2, 1, id="a surrogate pair is two units"),
        pytest.param("a" * 160, GSM, 160, 1, id="160 septets fit"),
        pytest.param("a" * 161, GSM, 161, 2, id="161 do not"),
        pytest.param("a" * 306, GSM, 306, 2, id="2 × 153"),
        pytest.param("a" * 307, GSM, 307, 3, id="one more"),
        pytest.param("a" * 1530, GSM, 1530, 10, id="10 × 153"),
        pytest.param("€" * 80, GSM, 160, 1, id="80 extension characters fit"),
        pytest.param("a" * 159 + "€", GSM, 161, 2, id="an extension character over the end"),
        pytest.param("a" * 152 + "€" + "a" * 152, GSM, 306, 3, id="extension pair not split"),
        pytest.param("a" * 151 + "€" + "a" * 153, GSM, 306, 2, id="extension pair before it"),
        pytest.param("€" * 153, GSM, 306, 3, id="76 pairs in a segment, one septet lost in each"),
        pytest.param("ж" * 70, UCS, 70, 1, id="70 units fit"),
        pytest.param("ж" * 71, UCS, 71, 2, id="71 do not"),
        pytest.param("ж" * 134, UCS, 134, 2, id="2 × 67"),
        pytest.param("ж" * 135, UCS, 135, 3, id="one unit more"),
        pytest.param("😀" * 35, UCS, 70, 1, id="35 emoji fit"),
        pytest.param("😀" * 67, UCS, 134, 3, id="33 pairs in a segment, one unit lost in each"),
        pytest.param("ж" * 66 + "😀" + "ж" * 66, UCS, 134, 3, id="surrogate pair not split"),
        pytest.param("ж" * 65 + "😀" + "ж" * 67, UCS, 134, 2, id="surrogate pair before it"),
        pytest.param("\ud83d", UCS, 1, 1, id="half of a pair"),
        pytest.param("ж" * 66 + "\ud83d\ude00" + "ж" * 66, UCS, 134, 3, id="a pair in two halves"),
    ],
)
def test_a_text_has_the_size_that_the_network_counts(
    text: str, encoding: Encoding, units: int, segments: int
) -> None:
    assert measure(text) == TextSize(encoding, units, segments)


def independent(text: str) -> TextSize:
    """What smsutil says. It differs from us in two points, both left out of the comparison:

    it takes an empty text for UCS-2 (its expression asks for one character at least), and it counts
    two halves of a surrogate pair, where they stand as two characters of a Python string, as two
    characters that may be split.
    """
    split = split_by_smsutil(text)
    if split.encoding == "gsm0338":
        return TextSize(GSM, split.total_bytes, len(split.parts))
    return TextSize(UCS if text else GSM, split.total_bytes // 2, len(split.parts))


@given(gsm_texts | any_texts)
@example("")
@example("\n")
@example("a\n")
@example("\x1b€")
def test_sizes_agree_with_smsutil(text: str) -> None:
    assert measure(text) == independent(text)


@given(
    before=lengths,
    pairs=st.integers(0, 90),
    after=lengths,
    kind=st.sampled_from([("a", "€"), ("a", "{"), ("ж", "😀"), ("a", "😀"), ("ж", "€")]),
)
def test_sizes_agree_with_smsutil_around_the_borders(
    before: int, pairs: int, after: int, kind: tuple[str, str]
) -> None:
    single, double = kind
    text = single * before + double * pairs + single * after
    assert measure(text) == independent(text)


def test_every_character_of_the_alphabet_has_its_size() -> None:
    assert {char: measure(char).units for char in GSM_CHARSET} == {
        **dict.fromkeys(GSM_BASIC_CHARSET, 1),
        **dict.fromkeys(GSM_EXT_CHARSET, 2),
    }


@given(any_texts)
def test_a_text_never_gets_shorter_by_what_is_added(text: str) -> None:
    shorter, longer = measure(text), measure(text + "a")
    assert longer.units == shorter.units + 1
    assert longer.segments >= shorter.segments


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("a" * 1_000_000, 6_536),
        ("€" * 1_000_000, 13_158),
        ("😀" * 1_000_000, 30_304),
    ],
    ids=["basic", "extended", "pairs"],
)
def test_a_million_characters_are_measured_in_one_pass(text: str, segments: int) -> None:
    assert measure(text).segments == segments


def test_encodings_have_the_names_of_the_field() -> None:
    assert (str(GSM), str(UCS)) == ("GSM-7", "UCS-2")
