"""Where the adapters meet the doors: :class:`AbandonedBookings` takes them and checks them once.

Rules held here: T5 (new settings re-plan what is unclaimed), D3, G1 (who has the feature).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from abandoned_booking._door import Parts
from abandoned_booking.capture import Capture
from abandoned_booking.core.campaign import BusinessSettings
from abandoned_booking.core.events import Event
from abandoned_booking.core.intake import is_reachable as standard_is_reachable
from abandoned_booking.core.model import AbandonedRequest, Phone
from abandoned_booking.core.planning import replanned
from abandoned_booking.core.retention import Retention
from abandoned_booking.desk import Desk
from abandoned_booking.errors import InvalidSettings, MissingPart
from abandoned_booking.inbound import Inbound
from abandoned_booking.ports import (
    AppointmentBook,
    ClientDirectory,
    Clock,
    ConsentRegister,
    CreditLedger,
    EmailGateway,
    LeadDirectory,
    PhoneLedger,
    RequestStore,
    ServiceCatalogue,
    SettingsStore,
    SmsGateway,
    SuppressionList,
)
from abandoned_booking.privacy import ForgetReport, Privacy, PurgeReport
from abandoned_booking.sweep import Sweep

__all__ = ["AbandonedBookings", "Settings", "SystemClock"]


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current instant, in UTC."""
        return datetime.now(UTC)


@attrs.frozen
class Settings:
    """Each business's settings; from ``bookings.settings``."""

    _parts: Parts

    def get(self, business_id: str) -> BusinessSettings:
        """The business's settings. Raises :class:`UnknownBusiness` if none were put."""
        return self._parts.settings_of(business_id)

    def put(self, settings: BusinessSettings) -> None:
        """Store a business's settings and re-plan by them what is not claimed or sent (T5).

        From then on nothing begins by the old settings: a claim made before has lost its version,
        and whoever claims later reads the new ones. Off stops everything unclaimed at once.
        """
        parts = self._parts
        parts.settings.put(settings)
        now = parts.now()
        for request in parts.store.stream(settings.business_id):
            self._replan(request, settings, now)

    def _replan(self, request: AbandonedRequest, settings: BusinessSettings, now: datetime) -> None:
        current: AbandonedRequest | None = request
        while current is not None:
            changed = replanned(current, settings, now=now)
            if changed is current or self._parts.save(changed, current) is not None:
                return
            current = self._parts.store.get(request.business_id, request.id)


class AbandonedBookings:
    """The feature, wired: ``capture``, ``desk(business_id)``, ``sweep``, ``inbound``, ``settings``.

    Only the store is required.

    ``store``
        a :class:`~abandoned_booking.ports.RequestStore`. The shipped ones bring ``settings``,
        ``suppressions`` and ``ledger`` as attributes; give your own for any of them by name.
    ``sms``
        the gateway for texts. Without one the staff cannot text, and a sweep that finds a message
        due says so.
    ``email``
        the gateway for e-mails. Without one the staff cannot send any.
    ``clients``
        the host's client list. Without one whoever is not signed in is a new visitor, nobody is
        blocked, and a reply makes no client.
    ``leads``
        the host's leads. Without one a new visitor under leads management is in no list at all.
    ``appointments``
        the host's calendar. Without one the staff book there, and report it.
    ``catalogue``
        the host's services. Without one some service always applies.
    ``consents``
        who agreed to marketing texts. Without one nobody has, where the policy asks.
    ``credits``
        the message credits. Without one they are not limited.
    ``clock``
        where every door takes the time from. Without one: the machine's.
    ``on_event``
        is called with every :mod:`event <abandoned_booking.core.events>` once its change is
        durable; what it raises is logged.
    ``has_feature``
        whether a business's plan includes the feature (G1). Without one: yes.
    ``is_reachable``
        the policy of C9: whether there is a way to reach the person of a request. Without one: a
        valid phone number or e-mail.
    ``secret``
        the key of the hashes under which opt-outs are kept. Choose one (32 random bytes) and never
        change it; without one the hashes can be found by trying every phone number.
    ``send_threads``, ``send_timeout``
        how many texts a sweep sends at a time, and how long it waits for each answer.

    Raises :class:`MissingPart` in one error for everything that is missing or lacks a method.
    """

    capture: Final[Capture]
    sweep: Final[Sweep]
    inbound: Final[Inbound]
    settings: Final[Settings]

    def __init__(
        self,
        store: RequestStore,
        *,
        sms: SmsGateway | None = None,
        email: EmailGateway | None = None,
        clients: ClientDirectory | None = None,
        leads: LeadDirectory | None = None,
        appointments: AppointmentBook | None = None,
        catalogue: ServiceCatalogue | None = None,
        consents: ConsentRegister | None = None,
        credits: CreditLedger | None = None,
        clock: Clock | None = None,
        on_event: Callable[[Event], object] | None = None,
        settings: SettingsStore | None = None,
        suppressions: SuppressionList | None = None,
        ledger: PhoneLedger | None = None,
        has_feature: Callable[[str], bool] | None = None,
        is_reachable: Callable[[AbandonedRequest, Phone | None], bool] | None = None,
        secret: bytes = b"abandoned-booking",
        send_threads: int = 8,
        send_timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        _check_numbers(secret, send_threads, send_timeout)
        given: dict[str, Any] = {
            "store": store,
            "settings": _given(settings, store, "settings"),
            "suppressions": _given(suppressions, store, "suppressions"),
            "ledger": _given(ledger, store, "ledger"),
            "sms": sms,
            "email": email,
            "clients": clients,
            "leads": leads,
            "appointments": appointments,
            "catalogue": catalogue,
            "consents": consents,
            "credits": credits,
            "clock": SystemClock() if clock is None else clock,
        }
        _check_parts(given)
        parts = Parts(
            **given,
            on_event=on_event,
            has_feature=has_feature or (lambda _: True),
            is_reachable=is_reachable or standard_is_reachable,
            secret=secret,
        )
        self._parts = parts
        self._send_timeout = send_timeout
        self.capture = Capture(parts)
        self.inbound = Inbound(parts)
        self.settings = Settings(parts)
        self.sweep = Sweep(parts=parts, threads=send_threads, send_timeout=send_timeout)
        self._privacy = Privacy(parts)

    def forget(
        self,
        business_id: str,
        *,
        phone: str | None = None,
        email: str | None = None,
        client_id: str | None = None,
        erase_traces: bool = True,
    ) -> ForgetReport:
        """Erase a person at a business, and never text them again; see :meth:`Privacy.forget`."""
        return self._privacy.forget(
            business_id, phone=phone, email=email, client_id=client_id, erase_traces=erase_traces
        )

    def purge_older_than(
        self,
        business_id: str,
        age: timedelta | Retention | None = None,
        *,
        batch: int = 500,
        on_progress: Callable[[PurgeReport], object] | None = None,
        erase_traces: bool = True,
    ) -> PurgeReport:
        """Erase what was kept for long enough; see :meth:`Privacy.purge_older_than`."""
        return self._privacy.purge_older_than(
            business_id, age, batch=batch, on_progress=on_progress, erase_traces=erase_traces
        )

    def data_of(
        self,
        business_id: str,
        *,
        phone: str | None = None,
        email: str | None = None,
        client_id: str | None = None,
    ) -> list[dict[str, Any]]:
        """All that is kept of a person at a business; see :meth:`Privacy.data_of`."""
        return self._privacy.data_of(business_id, phone=phone, email=email, client_id=client_id)

    def desk(self, business_id: str) -> Desk:
        """What the staff of that business see and do."""
        return Desk(self._parts, business_id, self._send_timeout)


_REQUIRED: Final[dict[str, type]] = {
    "store": RequestStore,
    "settings": SettingsStore,
    "suppressions": SuppressionList,
    "ledger": PhoneLedger,
}
_OPTIONAL: Final[dict[str, type]] = {
    "sms": SmsGateway,
    "email": EmailGateway,
    "clients": ClientDirectory,
    "leads": LeadDirectory,
    "appointments": AppointmentBook,
    "catalogue": ServiceCatalogue,
    "consents": ConsentRegister,
    "credits": CreditLedger,
    "clock": Clock,
}


def _given(part: Any, store: Any, name: str) -> Any:
    # Not by truth: a register of the host's own that is empty may well be false.
    return getattr(store, name, None) if part is None else part


def _check_parts(given: dict[str, Any]) -> None:
    """Raises one :class:`MissingPart` that names everything that is missing."""
    problems = dict(_problems(given))
    if problems:
        raise MissingPart(
            "AbandonedBookings cannot work with what it was given: " + "; ".join(problems.values()),
            part=next(iter(problems)),
        )


def _problems(given: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, port in {**_REQUIRED, **_OPTIONAL}.items():
        part = given[name]
        if part is None:
            if name in _REQUIRED:
                yield name, f"{name} is missing; give {name}=<a {port.__name__}>"
            continue
        missing = [verb for verb in _verbs(port) if not callable(getattr(part, verb, None))]
        if missing:
            lacks = ", ".join(missing)
            yield name, f"{name} ({type(part).__name__}) lacks {lacks} of {port.__name__}"


def _verbs(port: type) -> list[str]:
    return [name for name in vars(port) if not name.startswith("_")]


def _check_numbers(secret: bytes, send_threads: int, send_timeout: timedelta) -> None:
    if not isinstance(secret, bytes) or not secret:
        raise InvalidSettings("must be bytes, and not empty", field="secret")
    if not 1 <= send_threads <= 256:
        raise InvalidSettings("must be 1 to 256", field="send_threads")
    if send_timeout <= timedelta(0):
        raise InvalidSettings("must be longer than nothing", field="send_timeout")
