"""``abandoned-booking optouts``: put a phone on the suppression list, take it off, ask (I1, R6)."""

from __future__ import annotations

from typing import Annotated

import attrs
import typer

from abandoned_booking.cli._options import Business, ExistingStore, Json, Now, Secret, parse_now
from abandoned_booking.cli._output import emit_json, show
from abandoned_booking.cli._stores import existing_store, settings_in, wired

__all__ = ["optouts"]

optouts = typer.Typer(
    help="Phones that get no marketing texts. The list holds keyed hashes: it cannot be listed, "
    "only asked about one phone, with your platform's --secret.",
)

PhoneNumber = Annotated[str, typer.Argument(metavar="PHONE", help="As it is dialled, or with +1….")]


@optouts.command()
def add(
    phone: PhoneNumber,
    store: ExistingStore,
    business: Business = None,
    now: Now = None,
    secret: Secret = None,
    as_json: Json = False,
) -> None:
    """Send this phone no marketing texts any more, as if it had texted STOP."""
    at = parse_now(now)
    with existing_store(store) as found:
        business_id = settings_in(found, business).business_id
        inbound = wired(found, now=at, secret=secret).inbound
        changed = inbound.opt_out(business_id, phone)
    if as_json:
        emit_json({"opted_out": True, "changed": changed})
    else:
        show("opted out" if changed else "had opted out before")


@optouts.command()
def remove(
    phone: PhoneNumber,
    store: ExistingStore,
    business: Business = None,
    now: Now = None,
    secret: Secret = None,
    as_json: Json = False,
) -> None:
    """Take an opt-out back, because the person asked for it. A block by the staff stays."""
    at = parse_now(now)
    with existing_store(store) as found:
        business_id = settings_in(found, business).business_id
        inbound = wired(found, now=at, secret=secret).inbound
        changed = inbound.opt_in(business_id, phone)
        is_out = inbound.suppressed(business_id, phone).opted_out
    if as_json:
        emit_json({"opted_out": is_out, "changed": changed})
    elif is_out:
        show("still opted out: the person did so later than that")
    else:
        show("no longer opted out" if changed else "had not opted out")


@optouts.command()
def check(
    phone: PhoneNumber,
    store: ExistingStore,
    business: Business = None,
    secret: Secret = None,
    as_json: Json = False,
) -> None:
    """Say whether this phone has opted out, or was blocked by the staff."""
    with existing_store(store) as found:
        business_id = settings_in(found, business).business_id
        told = wired(found, secret=secret).inbound.suppressed(business_id, phone)
    if as_json:
        emit_json(attrs.asdict(told))
        return
    show("opted out" if told.opted_out else "not opted out")
    if told.blocked:
        show("blocked by the staff")
