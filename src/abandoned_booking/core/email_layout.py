"""How the recovery e-mail looks: HTML that mail programs can show, and the text part (B2).

Tables for the layout and every style inline: many mail programs drop ``<style>``, know no flexbox
and ignore ``max-width`` on anything but tables. Outlook for Windows gets a table of fixed width in
a conditional comment. One column, so that nothing has to change on a phone.

Everything that is put in is escaped here, in one place.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

import attrs

from abandoned_booking.core.colours import contrast, ink_on
from abandoned_booking.core.model import masked

__all__ = ["Look", "Words", "html_of", "text_of"]

_WIDTH: Final = 560
_FONT: Final = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
_BREAK: Final = "word-break:break-word;overflow-wrap:anywhere;"
_TABLE: Final = '<table role="presentation" border="0" cellpadding="0" cellspacing="0"'
# WCAG 2.2, 1.4.11: what marks a control stands out 3 to 1.
_SEEN: Final = 3.0


@attrs.frozen(kw_only=True)
class Words:
    """Everything that is said, merged and not yet escaped."""

    heading: str = attrs.field(repr=masked)
    """may be empty"""
    paragraphs: tuple[str, ...] = attrs.field(repr=masked)
    button: str
    link: str = attrs.field(repr=masked)
    """back into the booking; empty: no button"""
    footer: str
    business_name: str
    postal_address: tuple[str, ...]
    """its lines"""
    unsubscribe_label: str
    unsubscribe_link: str = attrs.field(repr=masked)


@attrs.frozen(kw_only=True)
class Look:
    """Colours as ``#rrggbb``, checked; logo and language."""

    accent: str
    text: str
    panel: str
    background: str
    logo_url: str | None
    language: str


def text_of(words: Words) -> str:
    """The text part."""
    parts = [words.heading, *words.paragraphs]
    if words.link:
        parts.append(f"{words.button}:\n{words.link}")
    address = "\n".join(filter(None, (words.business_name, *words.postal_address)))
    # RFC 3676, 4.3: two hyphens and a blank begin the signature.
    parts.append(f"-- \n{words.footer}\n\n{address}")
    parts.append(f"{words.unsubscribe_label}: {words.unsubscribe_link}")
    return "\n\n".join(filter(None, parts)) + "\n"


def html_of(words: Words, look: Look) -> str:
    """The HTML part, a whole document."""
    first = words.heading or words.paragraphs[0]
    rows = "".join((_masthead(words, look), _heading(words, look), _copy(words, look)))
    return f"""\
<!DOCTYPE html>
<html lang="{escape(look.language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<meta name="supported-color-schemes" content="light">
<title>{escape(first)}</title>
</head>
<body style="margin:0;padding:0;background-color:{look.background};">
<div style="display:none;max-height:0;overflow:hidden;">{escape(_preview_line(words))}</div>
{_TABLE} width="100%" bgcolor="{look.background}" style="background-color:{look.background};">
<tr><td align="center" style="padding:24px 12px;">
<!--[if mso]>{_TABLE} width="{_WIDTH}"><tr><td><![endif]-->
{_TABLE} width="100%" style="max-width:{_WIDTH}px;">
<tr><td bgcolor="{look.panel}" style="background-color:{look.panel};\
border-top:4px solid {look.accent};border-radius:8px;padding:32px 24px;">
{_TABLE} width="100%">
{rows}{_button(words, look)}</table>
</td></tr>
{_footer(words, look)}</table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr>
</table>
</body>
</html>
"""


def _preview_line(words: Words) -> str:
    """What mail programs show beside the subject: the first words that are no greeting."""
    told = words.paragraphs[1] if len(words.paragraphs) > 1 else words.paragraphs[0]
    return " ".join(told.split())[:140]


def _style(look: Look, size: int, line: int, *more: str) -> str:
    plain = f"{_FONT}font-size:{size}px;line-height:{line}px;color:{look.text};text-align:left;"
    return plain + "".join(more) + _BREAK


def _masthead(words: Words, look: Look) -> str:
    name = escape(words.business_name)
    style = _style(look, 18, 24, "font-weight:700;")
    shown = name
    if look.logo_url is not None:
        shown = (
            f'<img src="{escape(look.logo_url)}" alt="{name}" height="48" '
            'style="display:block;height:48px;width:auto;max-width:100%;border:0;">'
        )
    return f'<tr><td style="{style}padding-bottom:24px;">{shown}</td></tr>\n'


def _heading(words: Words, look: Look) -> str:
    if not words.heading:
        return ""
    style = _style(look, 22, 28, "margin:0;font-weight:700;")
    return (
        f'<tr><td style="padding-bottom:16px;"><h1 style="{style}">'
        f"{escape(words.heading)}</h1></td></tr>\n"
    )


def _copy(words: Words, look: Look) -> str:
    style = _style(look, 16, 25, "margin:0 0 16px;")
    told = "\n".join(f'<p style="{style}">{_broken(part)}</p>' for part in words.paragraphs)
    return f"<tr><td>{told}</td></tr>\n"


def _button(words: Words, look: Look) -> str:
    """A button that is one in Outlook as well: the cell has the colour, the link the padding."""
    if not words.link:
        return ""
    ink = ink_on(look.accent)
    rim = look.accent if contrast(look.accent, look.panel) >= _SEEN else ink
    style = (
        f"{_FONT}display:inline-block;padding:14px 28px;font-size:16px;line-height:20px;"
        f"font-weight:700;color:{ink};text-decoration:none;border-radius:6px;"
        f"border:1px solid {rim};{_BREAK}"
    )
    return (
        f'<tr><td style="padding:8px 0 8px;">{_TABLE}><tr>'
        f'<td align="center" bgcolor="{look.accent}" '
        f'style="background-color:{look.accent};border-radius:6px;">'
        f'<a href="{escape(words.link)}" target="_blank" style="{style}">'
        f"{escape(words.button)}</a></td></tr></table></td></tr>\n"
    )


def _footer(words: Words, look: Look) -> str:
    style = _style(look, 13, 20, "margin:0 0 12px;")
    link = f"color:{look.text};text-decoration:underline;"
    address = _joined(filter(None, (words.business_name, *words.postal_address)))
    return (
        f'<tr><td style="padding:20px 24px 0;"><p style="{style}">{escape(words.footer)}</p>'
        f'<p style="{style}">{address}</p>'
        f'<p style="{style}"><a href="{escape(words.unsubscribe_link)}" target="_blank" '
        f'style="{link}">{escape(words.unsubscribe_label)}</a></p></td></tr>\n'
    )


def _broken(text: str) -> str:
    """Text with its own line breaks."""
    return _joined(text.split("\n"))


def _joined(lines: Iterable[str]) -> str:
    return "<br>\n".join(escape(line.strip()) for line in lines)
