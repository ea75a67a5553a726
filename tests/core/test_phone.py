"""R5 and R6: whose number is a US number, and which numbers can get texts."""

from __future__ import annotations

import re
import subprocess
import sys

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from abandoned_booking.core.model import Phone
from abandoned_booking.core.phone import is_us, parse
from abandoned_booking.errors import InvalidPhone

ANN = Phone(
    e164="+12125550199",
    region="US",
    can_text=True,
    zones=("America/New_York",),
    national="2125550199",
)


@pytest.mark.parametrize(
    "typed",
    [
        "+12125550199",
        "2125550199",
        "12125550199",
        "1-212-555-0199",
        "(212) 555-0199",
        "(212)555-0199",
        "212.555.0199",
        "212 555 0199",
        "+1 (212) 555-0199",
        "(+1) 212-555-0199",
        "011 1 212 555 0199",
        "212/555-0199",
        "[212] 555 0199",
        "  2125550199\n",
        "212\u00a0555\u00a00199",
        "212‑555‑0199",
        "212–555–0199",
        "\u202a+1 212 555 0199\u202c",
        "２１２－５５５－０１９９",
        "（２１２）５５５ ０１９９",
        "＋１２１２５５５０１９９",
        "٢١٢٥٥٥٠١٩٩",
        "tel:+1-212-555-0199",
        "TEL:2125550199",
    ],
)
def test_a_number_is_understood_however_it_is_written(typed: str) -> None:
    assert parse(typed, region="US") == ANN


@pytest.mark.parametrize(
    ("typed", "region", "e164", "of_region", "national"),
    [
        ("020 7946 0958", "GB", "+442079460958", "GB", "02079460958"),
        ("+44 (0)20 7946 0958", "US", "+442079460958", "GB", "02079460958"),
        ("011 44 20 7946 0958", "US", "+442079460958", "GB", "02079460958"),
        ("06 12 34 56 78", "FR", "+33612345678", "FR", "0612345678"),
        ("030/901820", "DE", "+4930901820", "DE", "030901820"),
        ("06 1234 5678", "IT", "+390612345678", "IT", "0612345678"),
        ("55 1234 5678", "MX", "+525512345678", "MX", "5512345678"),
        ("0412 345 678", "AU", "+61412345678", "AU", "0412345678"),
        ("+1 212 555 0199", "GB", "+12125550199", "US", "2125550199"),
    ],
)
def test_a_number_without_a_country_code_is_read_in_the_region(
    typed: str, region: str, e164: str, of_region: str, national: str
) -> None:
    phone = parse(typed, region=region)
    assert (phone.e164, phone.region, phone.national) == (e164, of_region, national)


# What the number is, the parsed region, and then: can it get texts, is it of the US, is it of the
# US with the territories.
TYPES = [
    pytest.param("212-555-0199", "US", True, True, True, id="New York"),
    pytest.param("907-555-0199", "US", True, True, True, id="Alaska"),
    pytest.param("808-555-0199", "US", True, True, True, id="Hawaii"),
    pytest.param("787-555-0199", "PR", True, False, True, id="Puerto Rico"),
    pytest.param("671-555-0199", "GU", True, False, True, id="Guam"),
    pytest.param("340-555-0199", "VI", True, False, True, id="US Virgin Islands"),
    pytest.param("684-733-0199", "AS", True, False, True, id="American Samoa, mobile"),
    pytest.param("684-622-1234", "AS", False, False, False, id="American Samoa, landline"),
    pytest.param("670-234-5678", "MP", True, False, True, id="Northern Mariana Islands"),
    pytest.param("416-555-0199", "CA", True, False, False, id="Canada"),
    pytest.param("876-555-0199", "JM", True, False, False, id="Jamaica"),
    pytest.param("809-555-0199", "DO", True, False, False, id="Dominican Republic"),
    pytest.param("242-359-1234", "BS", True, False, False, id="Bahamas, mobile"),
    pytest.param("441-370-1234", "BM", True, False, False, id="Bermuda, mobile"),
    pytest.param("800-555-0199", "US", False, False, False, id="toll-free"),
    pytest.param("888-555-0199", "US", False, False, False, id="toll-free 888"),
    pytest.param("900-555-0199", "US", False, False, False, id="premium"),
    pytest.param("500-555-0199", "US", False, False, False, id="personal number"),
    pytest.param("600-555-0199", "CA", True, False, False, id="Canada, voice over IP"),
    pytest.param("+447400123456", "GB", True, False, False, id="UK mobile"),
    pytest.param("+442079460958", "GB", False, False, False, id="UK landline"),
    pytest.param("+448001111111", "GB", False, False, False, id="UK toll-free"),
    pytest.param("+449012345678", "GB", False, False, False, id="UK premium"),
    pytest.param("+448431234567", "GB", False, False, False, id="UK shared cost"),
    pytest.param("+445512345678", "GB", False, False, False, id="UK company number"),
    pytest.param("+447012345678", "GB", False, False, False, id="UK personal number"),
    pytest.param("+447640123456", "GB", False, False, False, id="UK pager"),
    pytest.param("+80012345678", "001", False, False, False, id="international toll-free"),
    pytest.param("+882161234567", "001", True, False, False, id="satellite"),
]


@pytest.mark.parametrize(("typed", "region", "can_text", "us", "us_territories"), TYPES)
def test_the_rules_R5_and_R6_of_every_kind_of_number(
    typed: str, region: str, can_text: bool, us: bool, us_territories: bool
) -> None:
    phone = parse(typed, region="US")
    assert (phone.region, phone.can_text) == (region, can_text)
    assert is_us(phone, territories=False) is us
    assert is_us(phone, territories=True) is us_territories


TEXTABLE = {
    phonenumbers.PhoneNumberType.MOBILE,
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
    phonenumbers.PhoneNumberType.VOIP,
}


@pytest.mark.parametrize("kind", phonenumbers.PhoneNumberType.values())
def test_the_verdict_is_that_of_the_type_all_over_the_world(kind: int) -> None:
    """R6: on the example number of every region that has numbers of the type."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number_for_type(region, kind)
        if number is None:
            continue
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        phone = parse(e164, region="US")
        assert phone.e164 == e164
        assert phone.region == phonenumbers.region_code_for_number(number)
        assert phone.can_text is (phonenumbers.number_type(number) in TEXTABLE)
        assert "Etc/Unknown" not in phone.zones
        # Read at home in the way it is dialled there, it is the same number.
        assert parse(phone.national, region=region).national == phone.national


@pytest.mark.parametrize(
    ("typed", "zones"),
    [
        ("+12125550199", ("America/New_York",)),
        ("+13125550199", ("America/Chicago",)),
        ("+18765550199", ("America/Jamaica",)),
        ("+16847330199", ("Pacific/Pago_Pago",)),
        ("+18005550199", ()),
        ("+16005550199", ()),
        ("+882161234567", ()),
        ("+33612345678", ("Europe/Paris",)),
    ],
)
def test_zones_are_those_of_the_area_or_the_country(typed: str, zones: tuple[str, ...]) -> None:
    assert parse(typed, region="US").zones == zones


def test_a_mobile_of_a_wide_country_may_be_in_any_of_its_zones() -> None:
    zones = parse("+61412345678", region="US").zones
    assert {"Australia/Perth", "Australia/Sydney"} < set(zones)


EMPTY = r"is empty"
ONE_NUMBER = r"one number in digits"
NOT_VALID = r"not a valid number"


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("", EMPTY),
        (" \u200e\n", EMPTY),
        ("tel:", EMPTY),
        ("1-800-FLOWERS", ONE_NUMBER),
        ("212-555-0199 x12", ONE_NUMBER),
        ("212-555-0199 ext. 12", ONE_NUMBER),
        ("2125550199;ext=5", ONE_NUMBER),
        ("212-555-0199 #5", ONE_NUMBER),
        ("212-555-0199, 5", ONE_NUMBER),
        ("2125550199*5", ONE_NUMBER),
        ("212-555-0199, 212-555-0198", ONE_NUMBER),
        ("212-555-0199 or 212-555-0198", ONE_NUMBER),
        ("+12125550199 +12125550198", ONE_NUMBER),
        ("call 212-555-0199", ONE_NUMBER),
        ("ann@example.com", ONE_NUMBER),
        ("none", ONE_NUMBER),
        ("212_555_0199", ONE_NUMBER),
        ("+", ONE_NUMBER),
        ("²¹²⁵⁵⁵⁰¹⁹⁹", ONE_NUMBER),
        ("2125550199/2125550198", NOT_VALID),
        ("-", NOT_VALID),
        ("911", NOT_VALID),
        ("555-0199", NOT_VALID),
        ("212-155-0199", NOT_VALID),
        ("0000000000", NOT_VALID),
        ("1234567890", NOT_VALID),
        ("+1 212 555 01990", NOT_VALID),
        ("+999 212 555 0199", NOT_VALID),
        ("020 7946 0958", NOT_VALID),
        ("2" * 65, "longer than 64"),
        ("2" * 1_000_000, "longer than 64"),
    ],
)
def test_what_is_not_one_valid_number_is_refused(typed: str, complaint: str) -> None:
    with pytest.raises(InvalidPhone, match=complaint) as refused:
        parse(typed, region="US")
    assert refused.value.field == "phone"
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize("typed", [None, 2125550199, b"2125550199"])
def test_what_is_not_text_is_refused(typed: str) -> None:
    with pytest.raises(InvalidPhone, match="must be text"):
        parse(typed, region="US")


@pytest.mark.parametrize("region", ["", "us", "USA", "XX", "001", "ZZ"])
def test_an_unknown_region_is_refused(region: str) -> None:
    with pytest.raises(InvalidPhone, match="two capital letters") as refused:
        parse("+12125550199", region=region)
    assert refused.value.field == "region"


phone_like = st.text(alphabet="0123456789+-() .x#,;/\u200e２", max_size=24)


@given(
    st.text(max_size=70) | phone_like | st.from_regex(r"\+?[1-9][0-9 ()-]{4,14}", fullmatch=True)
)
@example("+12125550199 x12345")
@example("21255501990000")
def test_any_text_is_a_number_or_is_refused_without_repeating_it(typed: str) -> None:
    """G4: never what was typed in an error."""
    try:
        phone = parse(typed, region="US")
    except InvalidPhone as refused:
        told = f"{refused} {refused!r} {refused.__cause__!r} {refused.__context__!r}"
        if len(re.findall(r"\d", typed)) >= 4:
            assert typed not in told
            assert all(digits not in told for digits in re.findall(r"\d{4,}", typed))
    else:
        assert re.fullmatch(r"\+[1-9][0-9]{5,16}", phone.e164)
        assert parse(phone.e164, region="US") == phone
        assert phone.national.isdigit()


@given(st.integers(200, 999), st.integers(0, 9_999_999))
def test_parsing_agrees_with_phonenumbers_on_numbers_of_plus_one(area: int, rest: int) -> None:
    """R5"""
    typed = f"{area}{rest:07}"
    number = phonenumbers.parse(typed, "US")
    if phonenumbers.is_valid_number(number):
        phone = parse(typed, region="US")
        assert phone.region == phonenumbers.region_code_for_number(number)
        assert phone.national == phonenumbers.national_significant_number(number)
        assert phone.e164 == f"+1{typed}"
    else:
        with pytest.raises(InvalidPhone, match=NOT_VALID):
            parse(typed, region="US")


def test_the_same_number_is_parsed_once() -> None:
    assert parse("(312) 555-0142", region="US") is parse("(312) 555-0142", region="US")
    assert parse("030901820", region="DE") != parse("030901820", region="IT")


def test_a_phone_is_masked() -> None:
    """G4"""
    assert "5550199" not in repr(ANN)


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip()


def test_phonenumbers_is_loaded_when_a_number_is_parsed_and_not_before() -> None:
    loaded = "print(any(name.startswith('phonenumbers') for name in sys.modules))"
    imported = "import sys, abandoned_booking.core.phone as phone;"
    assert run(imported + loaded) == "False"
    assert run(imported + "phone.parse('+12125550199', region='US');" + loaded) == "True"


def test_the_geocoder_is_never_loaded() -> None:
    """It costs 300 ms and 100 MB."""
    code = (
        "import sys, abandoned_booking.core.phone as phone;"
        "phone.parse('+61412345678', region='US');"
        "print([name for name in sys.modules if 'geo' in name and 'phonenumbers' in name])"
    )
    assert run(code) == "[]"
