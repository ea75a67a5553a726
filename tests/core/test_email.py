"""The recovery e-mail and its design: B2, M1, M4, G4."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from abandoned_booking import BookingForm, BusinessSettings, Person, Pet
from abandoned_booking.core.codec import settings_from_dict, settings_to_dict
from abandoned_booking.core.colours import READABLE, contrast, ink_on
from abandoned_booking.core.email import (
    SHIPPED_WORDS,
    ComposedEmail,
    EmailDesign,
    EmailTone,
    Mailbox,
    compose_email,
    mail_address,
    unsubscribe_headers,
)
from abandoned_booking.core.text import MERGE_FIELDS, fields_of
from abandoned_booking.errors import InvalidInput, InvalidSettings, InvalidTemplate
from abandoned_booking.testing import a_request

LINK = "https://book.example.com/u?t=abc.DEF-_"
RESUME = "https://book.example.com/r/xyz?a=1&b=2"
DESIGN = EmailDesign(
    sender_address="hello@paws.example",
    postal_address="12 Main Street\r\nSpringfield, NY 10001",
    unsubscribe_url="https://book.example.com/u?t=",
)


def fields(**person: str | None) -> dict[str, str]:
    form = BookingForm(person=Person(**person), pets=(Pet(name="Rex"),))
    request = attrs.evolve(a_request(), form=form, resume_url=RESUME)
    return fields_of(request, business_name="Paws & Co", booking_url=None)


def composed(design: EmailDesign = DESIGN, **given_: Any) -> ComposedEmail:
    given_ = {"fields": fields(first_name="Ann"), "unsubscribe_link": LINK, **given_}
    return compose_email(design, **given_)


class Document(HTMLParser):
    """What a mail program finds in the HTML: tags, links, text, and whether it is well formed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.styles: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == [], "every tag is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "br", "img"}:
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        self.styles += [value or "" for name, value in attrs if name == "style"]
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "tags are closed in order"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "title":
            self.text += data


# ── what is shipped (B2) ────────────────────────────────────────────────────────────────────────


def test_b2_the_shipped_email_says_who_what_and_how_to_be_left_alone() -> None:
    email = composed()
    assert email.subject == "Your booking with Paws & Co isn't finished yet"
    document = Document(email.html)
    for told in (
        "Hi Ann,",
        "Pick up where you left off",
        "Finish my booking",
        "12 Main Street",
        "Springfield, NY 10001",
        "Unsubscribe",
        "because you began a booking with Paws & Co",
    ):
        assert told in document.text
        assert told in email.text
    assert document.links == [RESUME, LINK]
    assert f"\n{RESUME}\n" in email.text
    assert email.text.endswith(f"Unsubscribe: {LINK}\n")


def test_b2_every_style_is_inline_and_nothing_is_wider_than_a_phone() -> None:
    html = composed().html
    assert not {"style", "link", "script"} & set(Document(html).tags)
    for tag in re.findall(r"<(?:p|h1|a)\b[^>]*>", html):
        assert "color:#" in tag, "a text has its own colour"
    for tag in re.findall(r"<(?:p|h1)\b[^>]*>", html):
        assert "font-family:" in tag, "a paragraph has its own font"
    for_all = re.sub(r"<!--\[if mso\]>.*?<!\[endif\]-->", "", html, flags=re.DOTALL)
    assert not re.search(r"(?<!max-)width[:=]\"?\d{3,}(?!%)", for_all.replace("100%", ""))
    assert "max-width:560px" in for_all


def test_b2_tones_differ_in_words_and_a_formal_one_knows_strangers() -> None:
    formal = attrs.evolve(DESIGN, tone="formal")
    assert "Dear Ann," in composed(formal).text
    assert "Dear customer," in composed(formal, fields=fields(first_name=None)).text
    assert "Hi there," in composed(fields=fields(first_name=None)).text


@pytest.mark.parametrize("tone", EmailTone)
def test_the_shipped_words_hold_for_any_line_of_business(tone: EmailTone) -> None:
    said = " ".join(SHIPPED_WORDS[tone].values()).lower()
    assert not re.search(r"\bpets?\b|groom|rex", said)
    assert set(SHIPPED_WORDS[tone]) == {"subject", "heading", "body", "button"}


def test_b2_own_words_colours_and_logo_stand_in_for_the_shipped_ones() -> None:
    design = attrs.evolve(
        DESIGN,
        subject="{{pet_names}} misses you",
        heading="Hello {{first_name}}",
        body="One\r\ntwo\r\n\r\n  \r\nthree",
        button="Book now",
        footer="{{business_name}} says hello.",
        unsubscribe_label="Leave me alone",
        accent_colour="#7C3AED",
        logo_url="https://cdn.example.com/logo.png",
        language="pt-BR",
    )
    email = composed(design)
    assert email.subject == "Rex misses you"
    assert email.text.startswith("Hello Ann\n\nOne\ntwo\n\nthree\n\nBook now:\n")
    assert 'lang="pt-BR"' in email.html
    assert 'bgcolor="#7C3AED"' in email.html
    assert 'alt="Paws &amp; Co"' in email.html
    assert "One<br>\ntwo</p>" in email.html
    document = Document(email.html)
    assert document.links == ["https://cdn.example.com/logo.png", RESUME, LINK]
    assert "Leave me alone" in document.text


def test_without_a_link_there_is_no_button() -> None:
    for link in ("", "javascript:alert(1)", "data:text/html,x"):
        email = composed(fields={**fields(first_name="Ann"), "booking_link": link})
        assert Document(email.html).links == [LINK]
        assert "Finish my booking" not in email.html + email.text
        assert link == "" or link not in email.html


def test_no_link_gets_out_of_its_quotes() -> None:
    link = 'https://x.example/"><b onclick="x'.replace(" ", "+")
    email = composed(fields={**fields(first_name="Ann"), "booking_link": link})
    assert Document(email.html).links == [link, LINK]
    assert Document(email.html).tags == Document(composed().html).tags


def test_a_preview_does_without_sender_and_address() -> None:
    email = composed(EmailDesign())
    assert "12 Main" not in email.html
    assert EmailDesign().unsubscribe_link("t") == "#t"


def test_the_staffs_own_words_stand_without_heading() -> None:
    email = composed(subject="Friday, {{first_name}}?", body="Hi {{first_name}}, Friday?")
    assert email.subject == "Friday, Ann?"
    assert email.text.startswith("Hi Ann, Friday?\n\nFinish my booking:")
    assert "left off" not in email.html


def test_b2_the_one_click_headers() -> None:
    assert unsubscribe_headers(LINK) == {
        "List-Unsubscribe": f"<{LINK}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def test_g4_the_repr_shows_nothing_of_it() -> None:
    assert repr(composed()) == "ComposedEmail(subject='***', text='***', html='***')"


# ── what people typed (M1) ──────────────────────────────────────────────────────────────────────

NASTY = [
    "<b>Ann</b>",
    '"><img src=x onerror=alert(1)>',
    "{{last_name}}",
    "{{unknown}}",
    "{0.__class__}",
    "${x}",
    "Ann\r\nBcc: x",
    "&amp;",
    "<!--",
    "]]>",
]


@pytest.mark.parametrize("name", NASTY)
def test_m1_what_a_person_typed_is_text_and_is_not_expanded_again(name: str) -> None:
    values = {**fields(first_name=name, last_name="Canary"), "business_name": name}
    design = attrs.evolve(
        DESIGN,
        subject="{{first_name}}",
        heading="{{first_name}}",
        button="{{business_name}}",
        footer="{{business_name}}",
        logo_url="https://cdn.example.com/logo.png",
    )
    email = composed(design, fields=values)
    shown = " ".join(name.split())
    assert email.subject == shown
    assert Document(email.html).tags == Document(composed(design).html).tags
    assert shown in Document(email.html).text
    assert shown in email.text
    assert "Canary" not in email.html
    assert "\n" not in email.subject


@given(first=st.text(max_size=60), last=st.text(max_size=60), business=st.text(max_size=60))
@hypothesis_settings(max_examples=100, deadline=None)
def test_m1_no_name_changes_the_markup_or_ends_a_line(first: str, last: str, business: str) -> None:
    values = {"first_name": first, "last_name": last, "business_name": business}
    design = attrs.evolve(
        DESIGN, subject="x {{first_name}} {{last_name}}", heading="{{first_name}}"
    )
    email = composed(design, fields=values)
    assert Document(email.html).links == [LINK]
    assert not re.search(r"[\0-\x1f\x7f-\x9f\u2028\u2029]", email.subject)


def test_a_subject_of_long_values_is_cut_visibly() -> None:
    values = {**fields(first_name="Ann"), "business_name": "x" * 200}
    email = composed(
        attrs.evolve(DESIGN, subject="{{business_name}} {{business_name}}"), fields=values
    )
    assert len(email.subject) == 200
    assert email.subject.endswith("x…")
    assert f"began a booking with {'x' * 200}." in email.text


@pytest.mark.parametrize("field", ["subject", "heading", "body", "button", "footer"])
@pytest.mark.parametrize(
    ("template", "says"), [("Hi {{shoe_size}}", "shoe_size"), ("Hi {{first_name", "braces")]
)
def test_m1_an_unknown_field_is_refused_when_it_is_saved(
    field: str, template: str, says: str
) -> None:
    with pytest.raises(InvalidTemplate, match=says) as caught:
        attrs.evolve(DESIGN, **{field: template})
    assert caught.value.field == f"email.{field}"


@pytest.mark.parametrize("field", ["subject", "body"])
@pytest.mark.parametrize("given_", ["", "  \n ", "{{shoe_size}}", "x\x07", 5])
def test_m1_the_staffs_own_words_are_checked_before_anything_is_sent(
    field: str, given_: Any
) -> None:
    with pytest.raises(InvalidTemplate) as caught:
        composed(**{field: given_})
    assert caught.value.field == field


@pytest.mark.parametrize("field", ["subject", "body"])
def test_words_that_are_empty_for_this_person_are_refused(field: str) -> None:
    for given_ in ({field: "{{last_name}}"}, {"design": attrs.evolve(DESIGN, **NO_NAME[field])}):
        with pytest.raises(InvalidTemplate, match="for this person") as caught:
            composed(**given_)
        assert caught.value.field == field


NO_NAME: dict[str, dict[str, Any]] = {
    field: {field: "{{last_name}} "} for field in ("subject", "body", "heading", "button")
}


def test_a_heading_or_button_that_is_empty_for_this_person_is_done_without() -> None:
    email = composed(attrs.evolve(DESIGN, **NO_NAME["heading"], **NO_NAME["button"]))
    assert "<h1" not in email.html
    assert email.text.startswith("Hi Ann,")
    assert "Finish my booking" in Document(email.html).text


@pytest.mark.parametrize("subject", ["one\ntwo", "x" * 201])
def test_the_staffs_own_subject_is_one_line(subject: str) -> None:
    with pytest.raises(InvalidTemplate, match="one line"):
        composed(subject=subject)


# ── what a design may say ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("sender_address", "hello"),
        ("sender_address", "hello@paws.example\nBcc: x@y.example"),
        ("sender_address", "Paws <hello@paws.example>"),
        ("sender_address", " hello@paws.example"),
        ("sender_address", 5),
        ("reply_to", "a@b.example, c@d.example"),
        ("sender_name", "Paws\r\nBcc: x@y.example"),
        ("sender_name", "x" * 101),
        ("sender_name", " "),
        ("subject", "one\ntwo"),
        ("subject", ""),
        ("heading", "x" * 201),
        ("button", "x" * 61),
        ("button", 5),
        ("footer", "one\ntwo"),
        ("unsubscribe_label", ""),
        ("postal_address", " "),
        ("postal_address", "x" * 501),
        ("postal_address", "12 Main\x07Street"),
        ("postal_address", 12),
        ("unsubscribe_url", "http://book.example.com/u"),
        ("unsubscribe_url", "https://book.example.com/u> <x"),
        ("unsubscribe_url", 'https://book.example.com/"onclick=x'),
        ("unsubscribe_url", "https://book.example.com/u\n"),
        ("unsubscribe_url", "https://book.example.com/" + "x" * 300),
        ("logo_url", "javascript:alert(1)"),
        ("logo_url", 5),
        ("accent_colour", "teal"),
        ("accent_colour", "#fff"),
        ("accent_colour", "#ffffff;x:y"),
        ("text_colour", 5),
        ("panel_colour", "#gggggg"),
        ("background_colour", "red"),
        ("language", 'en"><b>'),
        ("language", 5),
        ("tone", "rude"),
    ],
)
def test_a_design_that_cannot_be_is_refused_by_the_name_of_its_field(
    field: str, wrong: Any
) -> None:
    with pytest.raises(InvalidInput) as caught:
        attrs.evolve(DESIGN, **{field: wrong})
    assert caught.value.field == f"email.{field}"
    assert "Bcc" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "colour"), [("text_colour", "#9ca3af"), ("panel_colour", "#4b5563")]
)
def test_a_text_that_is_hard_to_read_is_refused(field: str, colour: str) -> None:
    with pytest.raises(InvalidSettings, match=r"contrast of .* to 1 with panel_colour") as caught:
        attrs.evolve(DESIGN, **{field: colour})
    assert caught.value.field == "email.text_colour"
    with pytest.raises(InvalidSettings, match="background_colour"):
        attrs.evolve(DESIGN, background_colour="#555555")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#ffffff", "#000000", 21.0), ("#777777", "#ffffff", 4.48), ("#123456", "#123456", 1.0)],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert round(contrast(one, other), 2) == round(contrast(other, one), 2) == ratio


@given(st.integers(0, 0xFFFFFF).map("#{:06x}".format))
def test_the_buttons_own_text_reads_well_on_any_accent(accent: str) -> None:
    assert contrast(ink_on(accent), accent) >= READABLE
    html = composed(attrs.evolve(DESIGN, accent_colour=accent)).html
    [ink, rim] = re.findall(r"[^-]color:(#\w+);text-decoration:none.*?1px solid (#\w+)", html)[0]
    assert ink == ink_on(accent)
    assert contrast(rim, DESIGN.panel_colour) >= 3 or contrast(rim, accent) >= READABLE


# ── what sending needs ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("field", ["sender_address", "postal_address", "unsubscribe_url"])
def test_b2_what_sending_needs_is_named(field: str) -> None:
    without: dict[str, Any] = {field: None}
    with pytest.raises(InvalidSettings, match=f"set {field} in") as caught:
        attrs.evolve(DESIGN, **without).sender("Paws")
    assert caught.value.field == f"email.{field}"


def test_b2_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(InvalidSettings, match="sender_address, postal_address, unsubscribe_url"):
        EmailDesign().sender("Paws")


def test_the_sender_is_named_as_the_business_unless_told() -> None:
    assert DESIGN.sender("Paws\n& Co") == Mailbox(address="hello@paws.example", name="Paws & Co")
    named = attrs.evolve(DESIGN, sender_name="Joe of Paws")
    assert named.sender("Paws").name == "Joe of Paws"


def test_a_link_that_would_not_fit_a_header_is_refused() -> None:
    assert DESIGN.unsubscribe_link("t.s") == "https://book.example.com/u?t=t.s"
    with pytest.raises(InvalidSettings, match="900") as caught:
        DESIGN.unsubscribe_link("x" * 900)
    assert caught.value.field == "email.unsubscribe_url"


# ── addresses ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        ("Ann@Example.com", "Ann@Example.com"),
        (" o'brien+rex@mail.example.co.uk ", "o'brien+rex@mail.example.co.uk"),
        ("zoë@bücher.example", "zoë@bücher.example"),
        ("a.b-c_d@x1-y.example", "a.b-c_d@x1-y.example"),
        (None, None),
        ("", None),
        ("ann", None),
        ("ann@localhost", None),
        ("ann@@example.com", None),
        (".ann@example.com", None),
        ("ann.@example.com", None),
        ("a..b@example.com", None),
        ("ann@-example.com", None),
        ("ann@example-.com", None),
        ("ann@[127.0.0.1]", None),
        ('"ann"@example.com', None),
        ("<ann@example.com>", None),
        ("ann@example.com,eve@example.com", None),
        ("ann@example.com>", None),
        ("a\0nn@example.com", None),
        ("ann@exam\u2028ple.com", None),
        ("x" * 65 + "@example.com", None),
        ("ann@" + "x." * 125 + "example", None),
    ],
)
def test_an_address_is_one_address_and_nothing_else(raw: str | None, address: str | None) -> None:
    assert mail_address(raw) == address


@given(
    st.text("aZ.@<>,;: \"\\\r\n\0é\u2028()[]-_+'", max_size=12), st.sampled_from(["", "@x.example"])
)
@hypothesis_settings(max_examples=400)
def test_nothing_that_is_an_address_can_end_a_line_or_name_another(local: str, rest: str) -> None:
    address = mail_address(local + rest)
    if address is not None:
        assert not re.search(r"[\s<>(),;:\"\[\]\\\0-\x1f\x7f-\x9f]", address)
        assert address.count("@") == 1
        assert Person(email=address).email_key is not None


# ── stored ──────────────────────────────────────────────────────────────────────────────────────


def test_settings_of_before_there_were_emails_are_read_with_the_shipped_design() -> None:
    plain = settings_to_dict(BusinessSettings(business_id="paws", name="Paws", email=DESIGN))
    assert settings_from_dict(plain).email == DESIGN
    del plain["email"]
    assert settings_from_dict(plain).email == EmailDesign()


def test_every_merge_field_can_be_used() -> None:
    body = " ".join(f"{{{{{name}}}}}" for name in MERGE_FIELDS)
    assert composed(body=body).text
