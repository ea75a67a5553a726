"""M1 to M4: merge fields, the notice, the size limit and the preview; security: templates."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from abandoned_booking.core import text
from abandoned_booking.core.model import AbandonedRequest, BookingForm, Person, Pet, Step
from abandoned_booking.core.text import (
    MERGE_FIELDS,
    RECOVERY_TEMPLATE,
    check_template,
    compose,
    fields_of,
    opt_out_notice,
    render,
    with_notice,
)
from abandoned_booking.errors import InvalidSettings, InvalidTemplate

NOTICE = "Reply STOPM to opt out."
LINK = "https://book.example.com/r/Zm9vYmFyYmF6cXV4MTIzNA"


# --- M1: merge fields ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "fields", "rendered"),
    [
        ("Hi {{first_name}}", {"first_name": "Ann"}, "Hi Ann"),
        ("Hi {{ first_name }}", {"first_name": "Ann"}, "Hi Ann"),
        ("Hi {{first_name|friend}}", {"first_name": "Ann"}, "Hi Ann"),
        ("Hi {{first_name}}", {}, "Hi there"),
        ("Hi {{first_name}}", {"first_name": "   "}, "Hi there"),
        ("Hi {{first_name|friend}}", {}, "Hi friend"),
        ("Hi {{first_name | dear friend }}!", {}, "Hi dear friend!"),
        ("Hi {{first_name|}}!", {}, "Hi!"),
        ("{{first_name}}{{last_name}}", {"first_name": "Ann", "last_name": "Lee"}, "AnnLee"),
        ("Hello {{first_name}} {{last_name}}, hi", {"first_name": "Ann"}, "Hello Ann, hi"),
        ("Go {{booking_link}} now", {}, "Go now"),
        ("Go {{booking_link}}", {}, "Go"),
        ("Go:\n{{booking_link}}\nBye", {}, "Go:\n\nBye"),
        ("{{last_name}} hi", {}, "hi"),
        ("Two  spaces  stay  ", {}, "Two  spaces  stay  "),
        ("For {{pet_names}}", {}, "For your pet"),
        ("A {{care_type}} at {{business_name}}", {}, "A appointment at us"),
        ("Want {{services}}?", {}, "Want your appointment?"),
        ("{not} a [tag] $at %all%", {}, "{not} a [tag] $at %all%"),
        ("", {}, ""),
        ("See {{coupon}}", {"coupon": "10 % off"}, "See 10 % off"),
        ("See {{coupon}}!", {"coupon": ""}, "See!"),
        ("See {{coupon|us}}!", {"coupon": ""}, "See us!"),
    ],
)
def test_merge_fields_are_replaced(template: str, fields: dict[str, str], rendered: str) -> None:
    """M1: values, fallbacks, neutral words, and a host's own field."""
    assert render(template, fields) == rendered


def test_an_unknown_field_names_itself_and_those_that_are_known() -> None:
    """M1"""
    with pytest.raises(InvalidTemplate) as refused:
        render("Hi {{nick_name}}", {"coupon": "x"})
    message = str(refused.value)
    assert "{{nick_name}}" in message
    assert "coupon" in message
    assert all(name in message for name in MERGE_FIELDS)
    assert refused.value.field == "template"


MALFORMED = [
    "{{first name}}",
    "{{first_name",
    "Hi {{",
    "first_name}}",
    "Hi }}",
    "{{}}",
    "{{ }}",
    "{{|friend}}",
    "{{first_name|{{last_name}}}}",
    "{{first_name|a{b}}",
    "{{{first_name}}}",
    "{ {first_name}}",
    "{first_name}",
    "{ first_name }",
    "{{first_name}} and {last_name}",
    "{{first-name}}",
    "{{1st}}",
    "{{first_name.__class__}}",
    "{{" + "x" * 41 + "}}",
    "{{first\nname}}",
]


@pytest.mark.parametrize("template", MALFORMED)
def test_braces_that_are_no_merge_field_are_refused(template: str) -> None:
    """M1: never a raw tag in a sent message."""
    with pytest.raises(InvalidTemplate, match="position"):
        render(template, {"first_name": "Ann"})
    with pytest.raises(InvalidTemplate, match="position"):
        check_template(template, notice=NOTICE)


def test_an_error_does_not_repeat_the_text() -> None:
    """G4: people write names and numbers into texts."""
    with pytest.raises(InvalidTemplate) as refused:
        render("Call Ann on 2125550199 {{first name}}", {})
    assert "Ann" not in str(refused.value)
    assert "2125550199" not in str(refused.value)
    assert "position 24" in str(refused.value)


HOSTILE = [
    "{{first_name}}",
    "{{last_name|x}}",
    "{{nope}}",
    "{{",
    "}}",
    "$x",
    "${x}",
    "%s",
    "%(x)s",
    "{0.__class__}",
    "{first_name}",
    r"\1\g<0>",
    "<b>",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_values_come_out_as_typed(value: str) -> None:
    """Security, templates: inserted once and never expanded again."""
    assert render("Hi {{first_name}}!", {"first_name": value}) == f"Hi {value}!"
    both = {"first_name": value, "last_name": "Lee"}
    assert render("{{first_name}} {{last_name}}", both) == f"{value} Lee"


@given(
    st.text(alphabet="{}|$ \\firstname_x", max_size=40).map(lambda typed: " ".join(typed.split()))
)
@example("{{first_name}}")
def test_no_value_is_read_as_a_template(value: str) -> None:
    """Security, templates"""
    fields = {"first_name": value, "last_name": "Lee"}
    assert render("<{{first_name|-}}>", fields) == f"<{value or '-'}>"


@given(
    st.lists(
        st.sampled_from([*"{}| ab\n", "{{", "}}", "first_name", "{{a}}", "{{b|a}}"]), max_size=12
    ).map("".join)
)
@example("{{{a}}")
@example("{{a}}}}")
def test_a_template_is_rendered_without_tags_or_refused(template: str) -> None:
    """M1: never a raw tag in a sent message."""
    try:
        rendered = render(template, {"first_name": "Ann", "a": "1", "b": "2", "ab": "3"})
    except InvalidTemplate:
        return
    assert "{{" not in rendered
    assert "}}" not in rendered


@pytest.mark.parametrize(
    ("field", "value", "inserted"),
    [
        ("first_name", "Ann\n\tMarie", "Ann Marie"),
        ("first_name", "A\u202enn\u200b\x07", "Ann"),
        ("first_name", "see evil.com", "there"),
        ("first_name", "https://evil.example/x", "there"),
        ("first_name", "x" * 41, "there"),
        ("first_name", "x" * 1_000_000, "there"),
        ("pet_names", "Rex and www.evil.example", "your pet"),
        ("services", "Bath, Nail trim and Teeth brushing, long as it is", None),
        ("business_name", "Chewy.com", None),
        ("business_name", "x" * 1_000_000, "x" * 200),
        ("booking_link", LINK, None),
        ("booking_link", "https://x.example/a b", ""),
        ("coupon", "x" * 1_000_000, "x" * 200),
        ("coupon", "at shop.example", None),
    ],
)
def test_values_are_cleaned_on_their_way_in(field: str, value: str, inserted: str | None) -> None:
    """Security, text from strangers: whoever calls render."""
    assert render(f"{{{{{field}}}}}", {field: value}) == (value if inserted is None else inserted)


def test_what_is_rendered_is_capped() -> None:
    """Security, templates"""
    assert len(render("{{coupon}}" * 100, {"coupon": "x" * 200})) == 10_000
    with pytest.raises(InvalidTemplate, match="longer than 5,000"):
        render("x" * 5_001, {})
    assert render("x" * 5_000, {}) == "x" * 5_000


def test_every_field_says_what_it_is() -> None:
    for name, field in MERGE_FIELDS.items():
        assert field.name == name
        assert field.description
        assert field.clean(field.sample) == field.sample
        assert field.clean(field.neutral) == field.neutral
    assert isinstance(MERGE_FIELDS, MappingProxyType)


# --- the values of a request -----------------------------------------------------------------

REQUEST = AbandonedRequest(
    business_id="b",
    id="r1",
    session_id="s1",
    started_at=datetime(2026, 3, 2, 9, tzinfo=UTC),
    abandoned_at=datetime(2026, 3, 2, 9, tzinfo=UTC),
    listed_at=datetime(2026, 3, 2, 10, tzinfo=UTC),
    step=Step.TIME,
)


def values_of(form: BookingForm, *, resume_url: str | None = None) -> dict[str, str]:
    request = attrs.evolve(REQUEST, form=form, resume_url=resume_url)
    return fields_of(request, business_name="Main Street Studio", booking_url="https://m.example")


def test_a_request_gives_the_value_of_every_field() -> None:
    """M1"""
    form = BookingForm(
        person=Person(first_name=" Zoe\u0308 ", last_name="Lee"),
        pets=(Pet(name="Rex"), Pet(name=None), Pet(name="Bella")),
        care_type="day_camp",
        services=("Bath", "Nail trim", "Walk"),
    )
    assert values_of(form, resume_url=LINK) == {
        "first_name": "Zoë",
        "last_name": "Lee",
        "pet_names": "Rex and Bella",
        "business_name": "Main Street Studio",
        "care_type": "day camp",
        "services": "Bath, Nail trim and Walk",
        "booking_link": LINK,
        "next_open_slot": "",
    }


def test_an_empty_form_gives_empty_values_and_the_public_booking_page() -> None:
    """M1"""
    values = values_of(BookingForm())
    assert values.keys() == MERGE_FIELDS.keys()
    assert {name for name, value in values.items() if value} == {"business_name", "booking_link"}
    assert values["booking_link"] == "https://m.example"
    assert fields_of(REQUEST, business_name="B", booking_url=None)["booking_link"] == ""


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        ((), ""),
        (("Rex",), "Rex"),
        (("Rex", "Bella"), "Rex and Bella"),
        (("Rex", "Bella", "Tom"), "Rex, Bella and Tom"),
        (("Rex", "win.example/x", "x" * 41, " ", "Tom"), "Rex and Tom"),
    ],
)
def test_pets_are_listed_as_one_would_say_it(names: tuple[str, ...], listed: str) -> None:
    form = BookingForm(pets=tuple(Pet(name=name) for name in names))
    assert values_of(form)["pet_names"] == listed


# --- M2: the notice --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_text", "complete"),
    [
        ("Hi", "Hi\nReply STOPM to opt out."),
        ("Hi \n", "Hi\nReply STOPM to opt out."),
        ("", "Reply STOPM to opt out."),
        ("Reply STOPM to opt out.", None),
        ("Hi. reply  stopm\nto opt OUT", None),
        ("Reply STOPM to opt out. Hi", None),
        ("Reply STOP to opt out.", "Reply STOP to opt out.\nReply STOPM to opt out."),
        ("Reply STOPM to opt outside", "Reply STOPM to opt outside\nReply STOPM to opt out."),
        ("xreply STOPM to opt out", "xreply STOPM to opt out\nReply STOPM to opt out."),
    ],
)
def test_the_notice_is_added_once(given_text: str, complete: str | None) -> None:
    """M2"""
    expected = given_text if complete is None else complete
    assert with_notice(given_text, NOTICE) == expected
    assert with_notice(expected, NOTICE) == expected


@given(st.text(max_size=60))
def test_every_text_has_the_notice_exactly_once(body: str) -> None:
    """M2"""
    assert with_notice(body, NOTICE).count(NOTICE) == 1


def test_the_keyword_of_the_notice_is_a_setting() -> None:
    """M2"""
    assert opt_out_notice("STOPM") == NOTICE
    assert opt_out_notice("OPT OUT") == "Reply OPT OUT to opt out."


@pytest.mark.parametrize(
    "keyword", ["", " ", " STOP", "STOP!", "{{first_name}}", "A\nB", "x" * 21, None]
)
def test_a_keyword_that_cannot_be_typed_is_refused(keyword: str) -> None:
    """M2"""
    with pytest.raises(InvalidSettings, match="opt_out_keyword"):
        opt_out_notice(keyword)


# --- M1, M3: what is refused when it is saved -------------------------------------------------


@pytest.mark.parametrize(
    "template",
    [
        RECOVERY_TEMPLATE,
        "Hi",
        "Grüße, {{first_name|Freund}} 👋\nBis bald\t!",
        "\u200fשלום {{first_name}}",
        "x" * 1_506,
    ],
)
def test_a_good_template_is_taken(template: str) -> None:
    """M1, M3: 1,506 characters, a line break and the notice are just 10 segments."""
    check_template(template, notice=NOTICE)


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        pytest.param(None, "must be text", id="nothing"),
        pytest.param(b"Hi", "must be text", id="bytes"),
        pytest.param("", "is empty", id="empty"),
        pytest.param(" \n ", "is empty", id="blank"),
        pytest.param("Hi {{nick_name}}", "no merge field", id="unknown field"),
        pytest.param("Hi {{first_name", "position 4", id="unclosed"),
        pytest.param("Hi\x1b", "control character at position 3", id="escape"),
        pytest.param("\0", "control character at position 1", id="NUL"),
        pytest.param("Hi\ud83d", "control character", id="half of a pair"),
        pytest.param("x" * 1_507, "takes 11 segments", id="11 segments with the notice"),
        pytest.param("ж" * 700, "takes 11 segments", id="11 segments of UCS-2"),
        pytest.param("{{booking_link}} " * 31, "takes 11 segments", id="with usual values"),
        pytest.param("x" * 5_001, "longer than 5,000", id="very long"),
    ],
)
def test_a_template_that_cannot_be_sent_is_refused_when_saved(
    template: object, complaint: str
) -> None:
    """M1, M3"""
    with pytest.raises(InvalidTemplate, match=complaint) as refused:
        check_template(template, notice=NOTICE)
    assert refused.value.field == "campaign.template"
    with pytest.raises(InvalidTemplate) as elsewhere:
        check_template(template, notice=NOTICE, field="body")
    assert elsewhere.value.field == "body"


def test_values_of_a_host_are_not_known_when_a_campaign_is_saved() -> None:
    """M1: only the library's own fields are there when the recovery message is sent."""
    assert render("{{coupon}}", {"coupon": "x"}) == "x"
    with pytest.raises(InvalidTemplate, match="coupon"):
        check_template("{{coupon}}", notice=NOTICE)


# --- M3, M4: the text as this person would get it ---------------------------------------------


def test_a_preview_shows_text_segments_and_credits() -> None:
    """M3, M4: counted after merging and with the notice."""
    composed = compose("Hi {{first_name}}", fields={"first_name": "Zoë 😀"}, notice=NOTICE)
    assert composed.text == "Hi Zoë 😀\nReply STOPM to opt out."
    assert composed.size == text.measure(composed.text)
    assert composed.size == text.TextSize(text.Encoding.UCS_2, 33, 1)
    assert composed.fits


def test_a_text_without_a_notice_is_left_as_it_is() -> None:
    """M2: only marketing texts need it."""
    assert compose("Hi", fields={}, notice=None).text == "Hi"


def test_a_text_that_became_too_long_is_seen_by_the_caller() -> None:
    """M3: a person's values may be longer than the samples."""
    template = "{{first_name|-}}" * 100
    short = compose(template, fields={"first_name": "x" * 15}, notice=None)
    long = compose(template, fields={"first_name": "x" * 16}, notice=None)
    assert (short.size.segments, short.fits) == (10, True)
    assert (long.size.segments, long.fits) == (11, False)


def test_a_composed_text_is_masked() -> None:
    """G4"""
    composed = compose("Hi {{first_name}}", fields={"first_name": "Canary"}, notice=None)
    assert "Canary" not in repr(composed)


def test_the_shipped_template_is_one_segment_for_usual_values() -> None:
    """M1: for any appointment business."""
    fields = {name: field.sample for name, field in MERGE_FIELDS.items()}
    composed = compose(RECOVERY_TEMPLATE, fields=fields, notice=NOTICE)
    assert composed.size == text.TextSize(text.Encoding.GSM_7, len(composed.text), 1)
    assert "pet" not in composed.text


def test_the_shipped_template_works_with_nothing_known() -> None:
    """M1"""
    assert compose(RECOVERY_TEMPLATE, fields={}, notice=NOTICE).text == (
        "Hi there, your booking with us isn't finished yet. "
        "To complete it: just reply to this text\nReply STOPM to opt out."
    )
